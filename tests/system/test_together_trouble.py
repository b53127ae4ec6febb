"""A group that is torn apart and heals, a host that comes back, clocks that are set: all end on one timeline."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit.cluster import Listener
from tests.kit.skewclock import SkewClock
from tests.kit.wan import Wan
from tests.system.friends import FRIENDS, HOST, MARKS, MAX_OFFSET_MS, Friends
from tests.system.kit import SMALL

pytestmark = MARKS

HEAL_S = 60.0
HOUR_S = 3600.0


@pytest.fixture
def friends(tmp_path: Path) -> Iterator[Friends]:
    with Wan(hosts=4, seed=1) as wan, ExitStack() as stack:
        wan.link_all(delay_ms=5, jitter_ms=2)
        yield Friends(wan, tmp_path, stack)


def is_host(listener: Listener) -> bool:
    """By its last word on that."""
    said = [event["event"] for event in listener.events if event["event"] in ("hosting", "moved", "joined")]
    return bool(said) and said[-1] == "hosting"


def end_on_one_timeline(listeners: list[Listener]) -> None:
    """Wait until one hosts and the others have gone over to it; then a pause is the same sample for all."""

    def looked(line: str) -> bool | None:
        known = line.startswith("{") and json.loads(line).get("event") == "position"
        return True if known and sum(map(is_host, listeners)) == 1 else None

    listeners[0].wait_parsed(looked, "one host alone", HEAL_S)
    for _ in range(2):
        for one in listeners:
            one.wait_event("position", HEAL_S)
    (host,) = [one for one in listeners if is_host(one)]
    host.command("pause")
    frames = {one.wait_event("paused", HEAL_S)["frame"] for one in listeners}
    assert len(frames) == 1
    host.command("resume")
    for one in listeners:
        one.wait_event("resumed", HEAL_S)
        one.wait_event("position", HEAL_S)


def test_a_group_split_in_three_heals(friends: Friends) -> None:
    host, followers = friends.play_and_join()
    friends.wan.partition([HOST], *([on] for on in FRIENDS))
    for one in followers:
        one.wait_event("hosting", HEAL_S)
        one.wait_event("position")
    friends.wan.heal()
    end_on_one_timeline([host, *followers])


def test_a_host_that_comes_back_follows_its_successor(friends: Friends) -> None:
    host, followers = friends.play_and_join()
    friends.wan.cut(HOST)
    for one in followers:
        one.wait_event("moved", HEAL_S)
    friends.wan.heal(HOST)
    host.wait_event("moved", HEAL_S)
    assert not is_host(host)
    end_on_one_timeline([host, *followers])


def test_calendars_that_jump_are_not_heard(friends: Friends) -> None:
    """The host's goes an hour forward and back; then a follower's."""
    with SkewClock() as hosts, SkewClock() as followers_clock:
        friends.env_of = {HOST: hosts.env, FRIENDS[0]: followers_clock.env}
        host, followers = friends.play_and_join()
        for clock, seconds in ((hosts, HOUR_S), (hosts, -2 * HOUR_S), (followers_clock, HOUR_S)):
            clock.jump(seconds)
            for one in [host, *followers]:
                frame = one.wait_event("position")["frame"]
                while one.wait_event("position")["frame"] < frame + 2 * SMALL.rate_hz:
                    pass
        for one in followers:
            assert not one.events_named("moved")
            assert not one.events_named("error")
            assert all(abs(event["ms"]) < MAX_OFFSET_MS for event in one.events_named("offset"))
        for one in (*followers, host):
            one.stop()
