"""Host and followers as real programs on a network with delay: killed, cut off, passed on; nobody hears it."""

import contextlib
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit.cluster import Listener
from tests.kit.wan import Wan
from tests.system.friends import HOST, MARKS, MAX_OFFSET_MS, Friends
from tests.system.kit import SMALL

pytestmark = MARKS


@pytest.fixture
def friends(tmp_path: Path) -> Iterator[Friends]:
    with Wan(hosts=4, seed=1) as wan, ExitStack() as stack:
        wan.link_all(delay_ms=20, jitter_ms=10)
        yield Friends(wan, tmp_path, stack)


def assert_in_step(listeners: list[Listener]) -> None:
    """Nobody ran dry, nobody was far off."""
    for listener in listeners:
        assert not listener.events_named("stalled"), listener.events
        assert not listener.events_named("error"), listener.events
        assert all(abs(event["ms"]) < MAX_OFFSET_MS for event in listener.events_named("offset"))


@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_followers_play_on_when_the_host_is_gone(friends: Friends, how: str) -> None:
    host, followers = friends.play_and_join()
    before = [max(event["frame"] for event in one.events_named("position")) for one in followers]
    if how == "killed":
        host.send_signal(signal.SIGKILL)
    else:
        friends.wan.cut(HOST)
    for one in followers:
        one.wait_event("moved")
    for one, frame in zip(followers, before, strict=True):
        while one.wait_event("position")["frame"] < frame + 7 * SMALL.rate_hz:
            pass
    assert sum(bool(one.events_named("hosting")) for one in followers) == 1
    assert_in_step(followers)


def test_a_pause_is_the_same_sample_for_all(friends: Friends) -> None:
    host, followers = friends.play_and_join()
    host.command("pause")
    frames = {one.wait_event("paused")["frame"] for one in [host, *followers]}
    assert len(frames) == 1
    host.command("seek 60")
    host.command("resume")
    for one in [host, *followers]:
        one.wait_event("resumed")
    for one in followers:
        assert one.wait_event("position")["frame"] >= 60 * SMALL.rate_hz
    assert_in_step(followers)


def test_a_host_with_a_thin_line_is_relayed(friends: Friends) -> None:
    """0.2 Mbit/s carry one such stream, not two: the second friend hears it through the first."""
    _, followers = friends.play_and_join("--upload-mbit", "0.2")
    relaying = [one for one in followers if one.events_named("peer_joined")]
    assert len(relaying) == 1
    for one in followers:
        with contextlib.suppress(AssertionError):
            one.wait_event("offset")
    assert_in_step(followers)
