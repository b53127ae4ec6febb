import heapq
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.clock import NS_PER_S
from hocket.relay.chunks import LEAF_BYTES
from hocket.relay.fetchplan import (
    CALM_ANSWERS,
    CALM_NS,
    LEAD_NS,
    LEAST_LEAD_NS,
    MAX_WINDOW,
    FetchPlan,
    Request,
    least_lead_ns,
)

RATE = 176_400  # bytes a second: 44.1 kHz, 16 bit, stereo
LEAF_NS = LEAF_BYTES * NS_PER_S // RATE
TICK_NS = 50_000_000
LEAVES = 2_000


def asked(requests: list[Request], source: str) -> list[int]:
    return [request.leaf for request in requests if request.source == source]


def fill(plan: FetchPlan, source: str, leaves: range, now_ns: int = 0) -> None:
    for leaf in leaves:
        plan.arrived(source, leaf, now_ns)


def test_the_first_leaf_is_asked_for_first() -> None:
    plan = FetchPlan(LEAVES, RATE, start=70)
    plan.add("anna")
    assert plan.plan(0) == [Request("anna", 70), Request("anna", 71)]
    assert plan.plan(1) == []


def test_the_window_grows_with_answers() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("anna")
    under_way = plan.plan(0)
    for step in range(1, 30):
        plan.arrived("anna", under_way.pop(0).leaf, step)
        under_way += plan.plan(step)
    assert len(under_way) == MAX_WINDOW


def test_who_has_too_much_to_do_is_left_alone_ever_longer() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("busy")
    now_ns, waits = 0, []
    for _ in range(4):
        for request in plan.plan(now_ns):
            plan.refused("busy", request.leaf, now_ns)
        begun_ns = now_ns
        while not plan.plan(now_ns):
            now_ns += TICK_NS
        waits.append(round((now_ns - begun_ns) / NS_PER_S))
        plan.refused("busy", 0, now_ns)
    assert waits == [1, 2, 4, 8]
    plan.arrived("busy", 0, now_ns)
    assert asked(plan.plan(now_ns), "busy"), "it gives again"


def test_a_relay_asks_for_more_of_what_is_pushed() -> None:
    assert [least_lead_ns(depth, True) // NS_PER_S for depth in (1, 2, 3, 9)] == [5, 4, 4, 4]
    assert {least_lead_ns(depth, False) for depth in range(9)} == {LEAST_LEAD_NS}
    wanted = []
    for is_relay in (False, True):
        plan = FetchPlan(LEAVES, RATE)
        plan.is_pushed = True
        plan.least_lead_ns = least_lead_ns(1, is_relay)
        plan.add("node", is_node=True)
        now_ns = 0
        while requests := plan.plan(now_ns):
            fill(plan, "node", range(requests[0].leaf, requests[-1].leaf + 1), now_ns)
        wanted.append(plan.lead_ns)
    assert [round(lead_ns / NS_PER_S) for lead_ns in wanted] == [3, 5]


def take_all(plan: FetchPlan, source: str, answer_ns: int) -> int:
    """Answer everything that is asked for, each time after so long; how far the music reaches then, in leaves."""
    now_ns = 0
    while requests := plan.plan(now_ns):
        now_ns += answer_ns
        for request in requests:
            assert request.source == source
            plan.arrived(source, request.leaf, now_ns)
    return int(plan.lead_ns // LEAF_NS)


def test_calm_it_fetches_what_is_played_next_and_no_more() -> None:
    plan = FetchPlan(LEAVES, RATE, start=70)
    plan.add("anna")
    plan.is_calm = True
    assert take_all(plan, "anna", NS_PER_S // 100) == CALM_NS // LEAF_NS + 2
    past = 70 + CALM_NS // LEAF_NS + 2
    plan.seek(71)
    assert plan.plan(NS_PER_S) == [], "one leaf alone is not worth it"
    plan.seek(72)
    assert plan.plan(NS_PER_S) == [Request("anna", past), Request("anna", past + 1)]
    plan.is_calm = False
    assert plan.plan(NS_PER_S), "and then all the rest"


def test_calm_it_keeps_more_where_answers_take_long() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("far away")
    plan.is_calm = True
    assert take_all(plan, "far away", NS_PER_S * 6 // 10) * LEAF_NS > CALM_ANSWERS * NS_PER_S * 4 // 10


def test_calm_it_asks_no_streaming_node_before_it_is_urgent() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("anna")
    plan.is_calm = True
    take_all(plan, "anna", NS_PER_S // 4)
    plan.add("node", is_node=True)  # it is expected to answer sooner
    plan.seek(2)
    assert CALM_NS // 2 < plan.lead_ns < LEAST_LEAD_NS
    assert {request.source for request in plan.plan(NS_PER_S)} == {"anna"}


def test_a_track_of_few_bytes_a_second_is_there_to_the_next_leaf_while_calm() -> None:
    plan = FetchPlan(LEAVES, 20_000)
    plan.add("anna")
    plan.is_calm = True
    take_all(plan, "anna", NS_PER_S // 100)
    assert plan.lead_ns >= CALM_NS + LEAF_BYTES * NS_PER_S // 20_000, "wherever in the leaf it begins"


def test_five_seconds_are_kept_and_no_more() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("anna")
    now_ns = 0
    while requests := plan.plan(now_ns):
        now_ns += 1
        for request in requests:
            plan.arrived("anna", request.leaf, now_ns)
    assert LEAD_NS <= plan.lead_ns <= LEAD_NS + 2 * LEAF_NS
    plan.seek(1)
    assert asked(plan.plan(now_ns), "anna") == [LEAD_NS // LEAF_NS + 2]


def test_at_the_end_nothing_more_is_wanted() -> None:
    plan = FetchPlan(3, RATE)
    plan.add("anna")
    fill(plan, "anna", range(3))
    assert plan.lead_ns == LEAD_NS
    assert plan.plan(1) == []


def test_nodes_help_only_while_the_lead_is_short() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("anna")
    plan.add("node", is_node=True)
    assert asked(plan.plan(0), "node")
    fill(plan, "anna", range(LEAST_LEAD_NS // LEAF_NS + 1))
    assert plan.lead_ns >= LEAST_LEAD_NS
    assert not asked(plan.plan(1), "node")


def test_what_no_friend_holds_a_node_is_asked_for() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("anna", past=40)
    plan.add("node", is_node=True)
    fill(plan, "anna", range(40))
    assert {request.source for request in plan.plan(0)} == {"node"}
    plan.add("anna", past=100)
    assert asked(plan.plan(1), "anna")


def test_who_pushes_is_left_to_push_unless_it_fails() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.is_pushed = True
    plan.add("parent")
    fill(plan, "parent", range(60))
    assert plan.plan(0) == []
    plan.seek(40)
    missing = LEAST_LEAD_NS // LEAF_NS + 40 + 2
    assert all(60 <= request.leaf < missing for request in plan.plan(0))


def test_a_liar_is_never_asked_again() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("mallory")
    plan.add("anna")
    assert asked(plan.plan(0), "mallory") == [1, 3]
    plan.mismatched("mallory")
    assert not plan.add("mallory")
    assert plan.banned == {"mallory"}
    for step in range(100):
        for request in plan.plan(step * TICK_NS):
            assert request.source == "anna"
            plan.arrived("anna", request.leaf, step * TICK_NS)


def test_what_a_lost_peer_was_asked_for_is_asked_elsewhere() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("anna")
    assert asked(plan.plan(0), "anna") == [0, 1]
    plan.add("ben")
    plan.remove("anna")
    assert asked(plan.plan(1), "ben") == [0, 1]


def test_who_does_not_answer_rests_and_then_gets_one_request() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("sleepy")
    assert len(plan.plan(0)) == 2
    patience_ns = 4 * NS_PER_S // 5
    assert plan.plan(patience_ns - 1) == []
    assert plan.plan(patience_ns) == []
    assert plan.plan(patience_ns + NS_PER_S) == [Request("sleepy", 0)]
    plan.arrived("sleepy", 0, patience_ns + NS_PER_S + 1)
    assert len(plan.plan(patience_ns + NS_PER_S + 2)) == 2


def test_a_late_answer_ends_the_rest() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("sleepy")
    plan.plan(0)
    plan.plan(NS_PER_S)
    plan.arrived("sleepy", 0, NS_PER_S + 1)
    assert plan.plan(NS_PER_S + 2) == [Request("sleepy", 1)]


def test_a_leaf_that_a_friend_lacks_is_asked_elsewhere_and_later_again() -> None:
    plan = FetchPlan(1, RATE)
    plan.add("anna")
    plan.plan(0)
    plan.missing("anna", 0, 0)
    assert plan.plan(1) == []
    plan.add("node", is_node=True)
    assert plan.plan(2) == [Request("node", 0)]
    plan.missing("node", 0, 3)
    assert plan.plan(NS_PER_S) == [Request("anna", 0)]


def test_what_is_played_next_may_be_asked_of_two() -> None:
    plan = FetchPlan(1, RATE)
    plan.add("slow")
    assert plan.plan(0) == [Request("slow", 0)]
    plan.add("fast")
    assert plan.plan(NS_PER_S // 10) == []
    assert plan.plan(NS_PER_S // 2) == [Request("fast", 0)]
    plan.add("third")
    assert plan.plan(NS_PER_S // 2 + 1) == []


def test_a_seek_wants_other_leaves_and_back_again_the_old_ones() -> None:
    plan = FetchPlan(LEAVES, RATE)
    plan.add("anna")
    fill(plan, "anna", range(10))
    plan.seek(500)
    assert plan.lead_ns == 0
    requests = plan.plan(0)
    assert requests[0].leaf == 500
    for request in requests:
        plan.arrived("anna", request.leaf, 1)
    plan.seek(0)
    assert plan.plan(1)[0].leaf == 0


# a simulated evening


@dataclass
class Friend:
    """How a source behaves: answers after rtt, then at its rate; lies, sleeps or lacks with some probability."""

    rtt_ns: int
    bytes_per_second: int
    lies: float = 0.0
    sleeps: float = 0.0
    lacks: float = 0.0
    leaves_at_ns: int = 10**18
    is_node: bool = False
    busy_until_ns: int = 0


def listen(friends: dict[str, Friend], seconds: int, seed: int) -> tuple[list[int], Counter[str], FetchPlan]:
    """Play for so long; the lead at each tick, requests by source, and the plan itself."""
    chance = random.Random(seed)
    plan = FetchPlan(LEAVES, RATE)
    for name, friend in friends.items():
        plan.add(name, friend.is_node)
    answers: list[tuple[int, int, str, int, str]] = []
    leads, requests = [], Counter[str]()
    liars: set[str] = set()
    position, played_ns = 0, 0
    for now_ns in range(0, seconds * NS_PER_S, TICK_NS):
        while answers and answers[0][0] <= now_ns:
            at_ns, _, name, leaf, what = heapq.heappop(answers)
            if friends[name].leaves_at_ns <= at_ns:
                plan.remove(name)
            elif what == "lie":
                liars.add(name)
                plan.mismatched(name)
            elif what == "lack":
                plan.missing(name, leaf, now_ns)
            elif name not in liars:
                plan.arrived(name, leaf, now_ns)
        for name, leaf in plan.plan(now_ns):
            assert name not in liars
            friend = friends[name]
            requests[name] += 1
            if chance.random() < friend.sleeps:
                continue
            start_ns = max(now_ns + friend.rtt_ns, friend.busy_until_ns)
            friend.busy_until_ns = start_ns + LEAF_BYTES * NS_PER_S // friend.bytes_per_second
            what = "lie" if chance.random() < friend.lies else "lack" if chance.random() < friend.lacks else "leaf"
            heapq.heappush(answers, (friend.busy_until_ns, requests.total(), name, leaf, what))
        if plan.lead_ns > 0:
            played_ns += TICK_NS
        if played_ns // LEAF_NS > position:
            position = played_ns // LEAF_NS
            plan.seek(position)
        leads.append(plan.lead_ns)
    return leads, requests, plan


MS = 1_000_000


def test_one_good_friend_is_enough() -> None:
    leads, requests, _ = listen({"anna": Friend(40 * MS, 4 * RATE)}, 60, 1)
    ticks_per_s = NS_PER_S // TICK_NS
    assert min(leads[5 * ticks_per_s :]) >= LEAST_LEAD_NS
    assert requests["anna"] <= 65 * NS_PER_S // LEAF_NS + 4


def test_a_streaming_node_fills_in_for_bad_friends_and_is_left_alone_by_good_ones() -> None:
    node = Friend(30 * MS, 20 * RATE, is_node=True)
    _, calm, _ = listen({"anna": Friend(20 * MS, 4 * RATE), "node": node}, 60, 2)
    assert calm["node"] < calm["anna"] / 4
    leads, busy, _ = listen({"slow": Friend(20 * MS, RATE // 3), "node": node}, 60, 2)
    assert min(leads[5 * NS_PER_S // TICK_NS :]) > LEAST_LEAD_NS
    assert busy["node"] > busy["slow"]


@pytest.mark.parametrize("seed", range(6))
def test_among_liars_sleepers_and_leavers_one_honest_friend_keeps_the_music_going(seed: int) -> None:
    friends = {
        "liar": Friend(10 * MS, 50 * RATE, lies=0.3),
        "sleeper": Friend(20 * MS, 4 * RATE, sleeps=0.4),
        "leaver": Friend(20 * MS, 6 * RATE, leaves_at_ns=9 * NS_PER_S),
        "poor": Friend(20 * MS, 3 * RATE, lacks=0.5),
        "honest": Friend(60 * MS, 4 * RATE),
    }
    leads, requests, plan = listen(friends, 60, seed)
    assert plan.banned == {"liar"}
    started = next(tick for tick, lead in enumerate(leads) if lead >= LEAST_LEAD_NS)
    assert started < 6 * NS_PER_S // TICK_NS
    assert min(leads[started:]) > 2 * NS_PER_S
    assert requests.total() < 2.2 * 65 * NS_PER_S // LEAF_NS


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["plan", "plan", "arrived", "missing", "mismatched", "add", "remove", "seek"]),
            st.sampled_from(["a", "b", "node"]),
            st.integers(0, 60),
        ),
        max_size=150,
    )
)
def test_whatever_happens_requests_are_sound(steps: list[tuple[str, str, int]]) -> None:
    plan = FetchPlan(50, RATE)
    banned: set[str] = set()
    held: set[int] = set()
    now_ns = 0
    for what, name, number in steps:
        now_ns += number * 10 * MS
        match what:
            case "plan":
                requests = plan.plan(now_ns)
                assert len(set(requests)) == len(requests)
                for source, leaf in requests:
                    assert source not in banned
                    assert plan.position <= leaf < 50
                    assert leaf not in held
            case "arrived":
                plan.arrived(name, number, now_ns)
                held |= {number} if number >= plan.position else set()
            case "missing":
                plan.missing(name, number, now_ns)
            case "mismatched":
                plan.mismatched(name)
                banned.add(name)
            case "add":
                assert plan.add(name, name == "node", past=number) is (name not in banned)
            case "remove":
                plan.remove(name)
            case "seek":
                if number < plan.position:
                    held.clear()
                plan.seek(number)
                held = {leaf for leaf in held if leaf >= number}
        assert plan.banned == banned
        for known in plan._sources.values():
            assert len(known.sent) <= MAX_WINDOW
            assert len(known.lacks) <= 150
