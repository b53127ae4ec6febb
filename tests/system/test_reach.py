"""Friends behind routers, as real programs: both dial at once, or the prime carries what they say; both are told."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from hocket.media.wav import read_wav
from tests.client.together_kit import PROBE_BYTES, common
from tests.kit.cluster import Listener
from tests.kit.wan import Wan
from tests.kit.wan_nat import Kind
from tests.system.friends import FRIENDS, HOST, MARKS, MAX_OFFSET_MS, PRIME, Friends
from tests.system.kit import SMALL

pytestmark = MARKS

BEN, CARLA = FRIENDS
Behind = dict[int, Kind]


class Homes(Friends):
    """Everybody but the prime may be behind a router."""

    def hosted(self) -> Listener:
        host = self.listener(HOST, "play", "Long")
        host.wait_event("playing")
        return host

    def join(self, on: int, how: str) -> Listener:
        """Follow the host, and be told that it is reached so."""
        friend = self.listener(on, "join", self.at(HOST))
        friend.wait_event("reach", how=how)
        for _ in range(4):
            friend.wait_event("offset")
        return friend

    def restart_prime(self) -> None:
        """Kill it, and start it anew."""
        self.prime.send_signal(signal.SIGKILL)
        self.prime.wait_exit()
        self.start_prime()

    def assert_bit_exact(self, on: int) -> None:
        """The song's own samples were played, but where the clock was just corrected (often, on a busy machine)."""
        content = self.wav(on).read_bytes()
        info = read_wav(lambda offset, length: content[offset : offset + length], len(content))
        played = content[info.data_offset_bytes : info.data_offset_bytes + info.data_bytes]
        longest, at = 0, 0
        while at + PROBE_BYTES <= len(played):
            start = self.samples.find(played[at : at + PROBE_BYTES])
            length = common(played, at, self.samples, start) if start >= 0 else 0
            longest, at = max(longest, length), at + max(length, PROBE_BYTES)
        assert longest >= SMALL.rate_hz * SMALL.bytes_per_frame // 4


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


def test_both_dial_at_once(homes: Callable[[Behind], Homes]) -> None:
    scene = homes({HOST: Kind.CONE, BEN: Kind.CONE, CARLA: Kind.FIREWALL})
    host = scene.hosted()
    ben = scene.join(BEN, "punched")
    carla = scene.join(CARLA, "punched")
    pause_is_the_same_sample(host, ben, carla)
    assert_in_step(ben, carla)
    scene.assert_bit_exact(BEN)


def test_the_music_comes_from_a_friend_in_reach(homes: Callable[[Behind], Homes]) -> None:
    scene = homes({HOST: Kind.SYMMETRIC, BEN: Kind.SYMMETRIC})
    host = scene.hosted()
    carla = scene.join(CARLA, "punched")  # the host can dial her, and she takes it although its port is another
    ben = scene.join(BEN, "relayed")
    assert carla.events_named("peer_joined")
    pause_is_the_same_sample(host, ben, carla)
    host.command("resume")
    for one in (ben, carla):
        one.wait_event("resumed")
    assert_in_step(ben, carla)
    host.send_signal(signal.SIGKILL)
    carla.wait_event("hosting")
    while ben.wait_event("reach")["how"] not in ("direct", "punched"):  # whether she or the prime tells him first
        pass
    for _ in range(3):
        ben.wait_event("offset")
    pause_is_the_same_sample(carla, ben)


def test_through_the_prime_where_dialling_cannot_work(homes: Callable[[Behind], Homes]) -> None:
    scene = homes({HOST: Kind.SYMMETRIC, BEN: Kind.SYMMETRIC})
    host = scene.hosted()
    ben = scene.join(BEN, "through-node")
    assert ben.events_named("reach")[-1]["via"].startswith("file-")
    pause_is_the_same_sample(host, ben)
    host.command("resume")
    ben.wait_event("resumed")
    scene.restart_prime()
    ben.wait_event("prime", reachable=True)
    for _ in range(4):
        ben.wait_event("offset")
    pause_is_the_same_sample(host, ben)
    assert_in_step(ben)


def test_when_every_way_is_closed_it_is_said_what_to_do(homes: Callable[[Behind], Homes]) -> None:
    scene = homes({HOST: Kind.CONE, BEN: Kind.CONE})
    scene.hosted()
    scene.wan.cut(PRIME, to=HOST)
    ben = scene.listener(BEN, "join", scene.at(HOST))
    carla = scene.listener(CARLA, "join", f"{scene.wan.address(HOST)}:1")  # where nobody hosts
    for friend in (ben, carla):
        error = friend.wait_event("error")
        assert error["code"] in ("NOT_REACHABLE", "TIMED_OUT")
        assert scene.wan.address(HOST) in error["text"]
        assert error["hint"]
        assert friend.wait_exit() == 4
    assert "25566" in ben.events_named("error")[-1]["hint"]
    assert "knows nobody" in carla.events_named("error")[-1]["text"]
