import msgspec
import pytest

from hocket.core.clock import NS_PER_S
from hocket.core.machine import IllegalTransition
from hocket.relay.clocksync import ClockLine, ClockSync
from hocket.relay.conductor import lead_ns
from hocket.relay.handover import (
    _NEXT,
    ANNOUNCE_NS,
    HOPELESS_NS,
    MAX_ANNOUNCE_NS,
    SILENCE_NS,
    STAGGER_NS,
    THIN_SILENCE_NS,
    Announce,
    Claimed,
    Event,
    Follow,
    GaveUp,
    Refuse,
    SignedHandover,
    State,
    Succession,
    Tell,
)
from hocket.relay.lineage import Reign, found, succeed
from tests.relay.line import START_NS as LOCAL_NS
from tests.relay.line import World, jitter
from tests.relay.party import GROUP, RATE_HZ, START_NS, Member, Party
from tests.relay.people import Person

HOST, FIRST, SECOND, MALLORY = (Person(name) for name in ("host", "first", "second", "mallory"))
MS = 1_000_000


def reign_of(*successors: Person) -> Reign:
    host = Succession(HOST.key, HOST.sign, found(GROUP, HOST.key, HOST.sign), START_NS)
    host.name_successors(tuple(person.key for person in successors))
    return host.reign


def follower(person: Person, *successors: Person) -> Succession:
    return Succession(person.key, person.sign, reign_of(*successors or (FIRST, SECOND)), START_NS)


# one peer


def test_the_first_successor_claims_after_a_second_of_silence() -> None:
    first = follower(FIRST)
    assert first.tick(START_NS + SILENCE_NS - 1) is None
    assert first.next_ns == START_NS + SILENCE_NS
    claimed = first.tick(START_NS + SILENCE_NS)
    assert isinstance(claimed, Claimed)
    assert (claimed.reign.claim.epoch, claimed.reign.claim.host_key) == (1, FIRST.key)
    assert claimed.reign.roster.roster.successors == (SECOND.key, HOST.key)
    assert first.is_hosting


def test_who_was_asleep_itself_listens_before_it_claims() -> None:
    first = follower(FIRST)
    woken_ns = START_NS + 60 * NS_PER_S
    first.slept(60 * NS_PER_S, woken_ns)
    assert first.tick(woken_ns) is None
    assert first.tick(woken_ns + SILENCE_NS - 1) is None
    first.slept(100, woken_ns + SILENCE_NS)
    assert first.tick(woken_ns + SILENCE_NS + 99) is None
    assert isinstance(first.tick(woken_ns + SILENCE_NS + 100), Claimed)


@pytest.mark.parametrize(
    ("told_ns", "silence_ns"), [(0, SILENCE_NS), (2 * NS_PER_S, 2 * NS_PER_S), (3600 * NS_PER_S, THIN_SILENCE_NS)]
)
def test_a_host_on_a_thin_line_may_be_silent_for_longer_but_not_for_ever(told_ns: int, silence_ns: int) -> None:
    first = follower(FIRST)
    first.bear(told_ns)
    assert first.tick(START_NS + silence_ns - 1) is None
    assert first.next_ns == START_NS + silence_ns
    assert isinstance(first.tick(START_NS + silence_ns), Claimed)


def test_the_second_waits_for_the_first() -> None:
    second = follower(SECOND)
    assert second.tick(START_NS + SILENCE_NS) is None
    assert second.next_ns == START_NS + SILENCE_NS + STAGGER_NS
    assert second.tick(START_NS + SILENCE_NS + STAGGER_NS - 1) is None
    assert isinstance(second.tick(START_NS + SILENCE_NS + STAGGER_NS), Claimed)


def test_a_host_that_is_heard_keeps_its_place() -> None:
    second = follower(SECOND)
    for step in range(1, 40):
        second.heard(START_NS + step * NS_PER_S // 2)
        assert second.tick(START_NS + step * NS_PER_S // 2 + 1) is None
    second.tick(START_NS + 21 * NS_PER_S)
    assert second.next_ns == START_NS + 21 * NS_PER_S + STAGGER_NS
    second.heard(START_NS + 21 * NS_PER_S + 1)
    assert second.next_ns == START_NS + 22 * NS_PER_S + 1


def test_who_is_on_no_roster_gives_up_in_the_end_but_still_listens() -> None:
    lost = follower(MALLORY)
    assert lost.tick(START_NS + SILENCE_NS) is None
    assert lost.next_ns == START_NS + SILENCE_NS + HOPELESS_NS
    assert lost.tick(START_NS + SILENCE_NS + HOPELESS_NS) == GaveUp()
    assert lost.tick(START_NS + 10**12) is None
    claimed = succeed(reign_of(FIRST, SECOND), SECOND.key, SECOND.sign, ())
    assert isinstance(lost.on_claim(claimed, START_NS + 10**12), Follow)
    assert lost.next_ns == START_NS + 10**12 + SILENCE_NS


def test_a_hand_over_needs_no_silence() -> None:
    host = Succession(HOST.key, HOST.sign, reign_of(FIRST, SECOND), START_NS)
    signed = host.leave()
    assert signed is not None
    first, second = follower(FIRST), follower(SECOND)
    for one in (first, second):
        assert one.on_handover(signed, START_NS + 5)
        assert not one.on_handover(signed, START_NS + 6)
    second.heard(START_NS + 7)
    claimed = first.tick(START_NS + 8)
    assert isinstance(claimed, Claimed)
    assert claimed.reign.roster.roster.successors == (SECOND.key,)
    assert second.tick(START_NS + 8) is None
    assert second.next_ns == START_NS + 5 + STAGGER_NS
    assert second.on_claim(claimed.reign, START_NS + 9) == Follow(claimed.reign, yielded=False)


def test_a_hand_over_to_another_than_the_first_is_kept_to() -> None:
    host = Succession(HOST.key, HOST.sign, reign_of(SECOND, FIRST), START_NS)
    signed = host.leave()
    assert signed is not None
    first, second = follower(FIRST, FIRST, SECOND), follower(SECOND, FIRST, SECOND)
    first.on_handover(signed, START_NS)
    second.on_handover(signed, START_NS)
    assert first.tick(START_NS) is None
    assert isinstance(second.tick(START_NS), Claimed)


def test_a_forged_hand_over_moves_nobody() -> None:
    host = Succession(HOST.key, HOST.sign, reign_of(FIRST), START_NS)
    signed = host.leave()
    assert signed is not None
    first = follower(FIRST)
    for forged in (
        SignedHandover(signed.handover, MALLORY.sign(b"x")),
        SignedHandover(msgspec.structs.replace(signed.handover, to=MALLORY.key), signed.signature),
        SignedHandover(msgspec.structs.replace(signed.handover, epoch=3), signed.signature),
    ):
        assert not first.on_handover(forged, START_NS)
    assert first.state is State.FOLLOWING


def test_a_host_without_successors_just_leaves_and_followers_too() -> None:
    alone = Succession(HOST.key, HOST.sign, found(GROUP, HOST.key, HOST.sign), START_NS)
    assert alone.leave() is None
    one = follower(FIRST)
    assert one.leave() is None
    assert one.state is State.LEFT
    one.heard(START_NS)
    assert one.on_claim(reign_of(FIRST), START_NS) is None
    assert one.tick(START_NS + 10**12) is None
    with pytest.raises(IllegalTransition):
        one.leave()


def test_of_two_claims_the_lower_id_wins_everywhere() -> None:
    reign = reign_of(FIRST, SECOND)
    low, high = sorted((FIRST, SECOND), key=lambda person: person.id)
    one, other = (Succession(person.key, person.sign, reign, START_NS) for person in (low, high))
    late_ns = START_NS + SILENCE_NS
    for each in (one, other):
        each.tick(late_ns)
        if not each.is_hosting:
            each.tick(late_ns + STAGGER_NS)
    won, lost = one.reign, other.reign
    assert one.on_claim(lost, late_ns) == Tell(won)
    assert other.on_claim(won, late_ns) == Follow(won, yielded=True)
    assert one.is_hosting
    assert not other.is_hosting
    watcher = Succession(HOST.key, HOST.sign, reign, START_NS)
    assert isinstance(watcher.on_claim(lost, late_ns), Follow)
    assert watcher.on_claim(won, late_ns) == Follow(won, yielded=False)
    assert watcher.on_claim(lost, late_ns) == Tell(won)
    assert watcher.on_claim(won, late_ns) is None


def test_a_host_that_comes_back_gives_way() -> None:
    claimed = succeed(reign_of(FIRST, SECOND), FIRST.key, FIRST.sign, (SECOND.key,))
    host = Succession(HOST.key, HOST.sign, reign_of(FIRST, SECOND), START_NS)
    assert host.on_claim(claimed, START_NS) == Follow(claimed, yielded=True)
    assert host.state is State.FOLLOWING


def test_a_forged_claim_is_refused() -> None:
    forged = succeed(reign_of(FIRST), MALLORY.key, MALLORY.sign, ())
    assert follower(FIRST).on_claim(forged, START_NS) == Refuse()
    assert follower(FIRST).on_claim(Reign((), forged.roster), START_NS) is None


def test_a_newer_roster_counts_and_an_older_or_forged_one_does_not() -> None:
    host = Succession(HOST.key, HOST.sign, found(GROUP, HOST.key, HOST.sign), START_NS)
    one = Succession(FIRST.key, FIRST.sign, host.reign, START_NS)
    rosters = [host.name_successors(keys) for keys in ((FIRST.key,), (FIRST.key, SECOND.key, HOST.key))]
    assert host.name_successors((FIRST.key, SECOND.key)) is rosters[1]
    assert rosters[1].roster.successors == (FIRST.key, SECOND.key)
    forged = msgspec.structs.replace(rosters[1], signature=MALLORY.sign(b""))
    assert [one.on_roster(roster) for roster in (forged, *reversed(rosters), rosters[1])] == [False, True, False, False]
    assert one.reign.roster == rosters[1]


def test_a_host_announces_itself_ever_more_rarely() -> None:
    host = Succession(HOST.key, HOST.sign, reign_of(FIRST), START_NS)
    announced = []
    for step in range(10_000):
        now_ns = START_NS + step * 10 * MS
        if host.tick(now_ns) == Announce(host.reign):
            announced.append((now_ns - START_NS) // NS_PER_S)
    assert announced[:5] == [1, 3, 7, 15, 23]
    assert ANNOUNCE_NS < MAX_ANNOUNCE_NS


def test_the_table_lets_nobody_out_of_left_and_every_state_can_leave() -> None:
    assert not any(state is State.LEFT for state, _ in _NEXT)
    assert {state for state, event in _NEXT if event is Event.LEAVE} == set(State) - {State.LEFT}


# a group


class Steady(Party):
    """Nobody gives commands: so for everybody, at every moment, the song is where it always would have been."""

    def check(self, member: Member) -> None:
        position = member.timeline.position_frames(self.now_ns)
        if position is None:  # the first line is still on its way
            assert self.now_ns < START_NS + 200 * MS
        else:
            assert position == (self.now_ns - START_NS) * RATE_HZ // NS_PER_S


def test_a_killed_host_is_succeeded_in_a_second_and_a_bit() -> None:
    for seed in range(5):
        party = Steady(seed, 6)
        party.run(3)
        party.kill(party.host)
        died_ns = party.now_ns
        party.run(4)
        host = party.agreed()
        assert host is party.members[1]
        assert host.claims[0] - died_ns <= SILENCE_NS + 200 * MS
        assert sum(len(member.claims) for member in party.members) == 1


def test_a_host_that_hands_over_is_succeeded_at_once() -> None:
    for seed in range(5):
        party = Steady(seed, 6)
        party.run(3)
        party.leave(party.host)
        left_ns = party.now_ns
        party.run(2)
        assert party.agreed().claims[0] - left_ns <= 150 * MS


def test_when_the_first_successor_is_dead_as_well_the_next_one_claims() -> None:
    party = Steady(2, 6)
    party.run(3)
    for member in party.members[:3]:
        party.kill(member)
    died_ns = party.now_ns
    party.run(5)
    host = party.agreed()
    assert host is party.members[3]
    assert host.claims[0] - died_ns <= SILENCE_NS + 2 * STAGGER_NS + 200 * MS


def test_hosts_may_die_one_after_another() -> None:
    party = Steady(3, 7)
    for epoch in range(1, 6):
        party.run(3)
        party.kill(party.agreed())
        party.run(4)
        assert party.agreed().succession.reign.claim.epoch == epoch


def test_a_host_that_froze_for_seconds_comes_back_as_a_follower() -> None:
    party = Party(4, 5)
    party.run(2)
    party.host.frozen_until_ns = party.now_ns + 5 * NS_PER_S
    party.run(4)
    assert len(party.hosts()) == 2
    party.run(4)
    assert party.agreed() is party.members[1]
    assert party.host.timeline.lines == party.members[1].timeline.lines


@pytest.mark.parametrize("seed", range(12))
def test_however_a_group_is_split_one_host_remains_after_it_heals(seed: int) -> None:
    party = Steady(seed, 3 + seed % 6)
    party.run(2)
    for _ in range(1 + seed % 3):
        party.split(3)
        party.run(party.random.uniform(0.5, 9))
        if party.random.random() < 0.4 and len(party.hosts()) > 1:
            party.kill(party.random.choice(party.hosts()))
        party.heal()
        party.run(party.random.uniform(0.2, 3))
    party.run(12)
    party.agreed()


def test_a_split_in_three_has_three_hosts_and_heals_to_one() -> None:
    party = Steady(1, 9)
    party.run(2)
    party.islands = {number: number % 3 for number in range(9)}
    party.run(5)
    assert len(party.hosts()) == 3
    party.heal()
    party.run(10)
    host = party.agreed()
    assert host is min(party.members[1:3], key=lambda member: member.person.id)


def test_commands_in_a_split_end_with_the_winners_song() -> None:
    party = Party(7, 6)
    party.run(2)
    party.islands = {number: number % 2 for number in range(6)}
    party.run(4)
    for number, host in enumerate(party.hosts()):
        assert host.conductor is not None
        for step in range(1, 4):
            line = host.conductor.seek(party.now_ns, lead_ns(160 * MS), 10**6 * (number + 1) + step)
            assert line is not None
            host.publish([line])
            party.run(0.1)
    party.run(2)
    party.heal()
    party.run(10)
    host = party.agreed()
    assert len({member.timeline.position_frames(party.now_ns) for member in party.members}) == 1
    assert host.conductor is not None
    pause = host.conductor.pause(party.now_ns, lead_ns(160 * MS))
    assert pause is not None
    host.publish([pause])
    party.run(2)
    assert {member.timeline.position_frames(party.now_ns) for member in party.members} == {pause.m0_frames}


def test_those_on_no_roster_follow_whoever_claims_or_give_up() -> None:
    party = Party(8, 6, on_roster=2)
    party.run(2)
    party.islands = {0: 1, 1: 2, 2: 2, 3: 2, 4: 3, 5: 3}
    party.run(13)
    assert [member.gave_up for member in party.members] == [False] * 4 + [True] * 2
    party.heal()
    party.run(10)
    party.agreed()


# the clock


@pytest.mark.parametrize("seed", range(4))
def test_the_group_clock_goes_on_in_the_successors_hands(seed: int) -> None:
    """The new host's clock is the line that it had: it goes on within 0.5 ms of the old host's."""
    wan = jitter(0.010, 0.020)
    to_host = World(seed, wan, wan, 8e-5)
    sync = ClockSync()
    for exchange in to_host.exchanges(40):
        sync.add(exchange)
    assert sync.estimate is not None
    inherited: ClockLine = sync.estimate.line
    for seconds in (40, 45, 60):
        local_ns = LOCAL_NS + seconds * NS_PER_S
        assert abs(inherited.group(local_ns) - to_host.group(local_ns)) < 500_000
