"""Friends behind routers, as real programs: both dial at once, or the prime carries what they say; both are told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from hocket.media.wav import read_wav
from tests.client.together_kit import PROBE_BYTES, common
from tests.kit.cluster import Listener
from tests.kit.wan import Wan, unavailable
from tests.kit.wan_nat import Kind
from tests.system.kit import SMALL
from tests.system.test_together import HOST, MAX_OFFSET_MS, PRIME, Friends

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]

BEN, CARLA = 3, 4
Behind = dict[int, Kind]


class Homes(Friends):
    """Everybody but the prime may be behind a router."""

    def hosted(self) -> Listener:
        host = self.listener(HOST, "play", "Long")
        host.wait_event("playing")
        return host

    def join(self, on: int, **reach: str) -> Listener:
        """Follow the host, and be told that it is reached so."""
        friend = self.listener(on, "join", self.at(HOST))
        friend.wait_event("reach", **reach)
        for _ in range(4):
            friend.wait_event("offset")
        return friend

    def restart_prime(self) -> None:
        """Kill it, and start it anew."""
        self.prime.kill()
        self.start_prime()

    def assert_bit_exact(self, on: int) -> None:
        """For a second and more the song's own samples were played; between such stretches its clock was corrected."""
        content = self.wav(on).read_bytes()
        info = read_wav(lambda offset, length: content[offset : offset + length], len(content))
        played = content[info.data_offset_bytes : info.data_offset_bytes + info.data_bytes]
        longest, at = 0, 0
        while at + PROBE_BYTES <= len(played):
            start = self.samples.find(played[at : at + PROBE_BYTES])
            length = common(played, at, self.samples, start) if start >= 0 else 0
            longest, at = max(longest, length), at + max(length, PROBE_BYTES)
        assert longest >= SMALL.rate_hz * SMALL.bytes_per_frame


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Callable[[Behind], Homes]]:
    with ExitStack() as stack:
        wan = stack.enter_context(Wan(hosts=4, seed=1))

        def make(behind: Behind) -> Homes:
            for home, kind in behind.items():
                wan.nat(home, kind)
            wan.link_all(delay_ms=10)
            return Homes(wan, tmp_path, stack)

        yield make


def assert_in_step(*friends: Listener) -> None:
    """Most of the time: a machine that is busy with other tests lets everybody fall out of step for a moment."""
    for friend in friends:
        assert not friend.events_named("error"), friend.events
        assert median(abs(event["ms"]) for event in friend.events_named("offset")) < MAX_OFFSET_MS


def pause_is_the_same_sample(host: Listener, *friends: Listener) -> None:
    host.command("pause")
    assert len({one.wait_event("paused")["frame"] for one in (host, *friends)}) == 1


@pytest.mark.parametrize(
    "behind",
    [
        pytest.param({HOST: Kind.CONE, BEN: Kind.CONE}, id="both behind routers"),
        pytest.param({HOST: Kind.FIREWALL, BEN: Kind.FIREWALL}, id="both behind firewalls"),
        pytest.param({HOST: Kind.SYMMETRIC}, id="the host behind a router that hides its port"),
    ],
)
def test_both_dial_at_once(homes: Callable[[Behind], Homes], behind: Behind) -> None:
    scene = homes(behind)
    host = scene.hosted()
    ben = scene.join(BEN, how="punched")
    pause_is_the_same_sample(host, ben)
    assert_in_step(ben)
    scene.assert_bit_exact(BEN)


def test_through_the_prime_where_dialling_cannot_work(homes: Callable[[Behind], Homes]) -> None:
    scene = homes({HOST: Kind.SYMMETRIC, BEN: Kind.SYMMETRIC})
    host = scene.hosted()
    ben = scene.join(BEN, how="through-node")
    assert ben.events_named("reach")[-1]["via"].startswith("file-")
    pause_is_the_same_sample(host, ben)
    assert_in_step(ben)


def test_the_music_comes_from_a_friend_in_reach(homes: Callable[[Behind], Homes]) -> None:
    scene = homes({HOST: Kind.SYMMETRIC, BEN: Kind.SYMMETRIC})
    host = scene.hosted()
    carla = scene.join(CARLA, how="punched")
    ben = scene.join(BEN, how="relayed")
    assert carla.events_named("peer_joined")
    pause_is_the_same_sample(host, ben, carla)
    assert_in_step(ben, carla)


def test_the_prime_may_fail_meanwhile(homes: Callable[[Behind], Homes]) -> None:
    scene = homes({HOST: Kind.SYMMETRIC, BEN: Kind.SYMMETRIC})
    host = scene.hosted()
    ben = scene.join(BEN, how="through-node")
    scene.restart_prime()
    ben.wait_event("prime", reachable=True)
    for _ in range(5):
        ben.wait_event("offset")
    pause_is_the_same_sample(host, ben)
    assert_in_step(ben)


def test_when_every_way_is_closed_it_is_said_what_to_do(homes: Callable[[Behind], Homes]) -> None:
    scene = homes({HOST: Kind.CONE, BEN: Kind.CONE})
    scene.hosted()
    scene.wan.cut(PRIME, to=HOST)
    ben = scene.listener(BEN, "join", scene.at(HOST))
    error = ben.wait_event("error")
    assert error["code"] in ("NOT_REACHABLE", "TIMED_OUT")
    assert scene.at(HOST) in error["text"]
    assert "25566" in error["hint"] or "playing" in error["hint"]
    assert ben.wait_exit() == 4


def test_where_nobody_hosts_the_prime_knows_nobody(homes: Callable[[Behind], Homes]) -> None:
    scene = homes({HOST: Kind.CONE, BEN: Kind.CONE})
    scene.hosted()
    ben = scene.listener(BEN, "join", f"{scene.wan.address(HOST)}:1")
    error = ben.wait_event("error")
    assert error["code"] == "NOT_REACHABLE"
    assert "knows nobody" in error["text"]
    assert error["hint"]
    assert ben.wait_exit() == 4
