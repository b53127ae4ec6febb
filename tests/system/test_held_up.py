"""A player that the machine held up for longer than its sound device could wait."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from hocket.core.clock import NS_PER_S
from tests.kit.cluster import Cluster, Listener
from tests.kit.fakecluster import make_song
from tests.kit.offset import lag
from tests.kit.ports import free_port
from tests.kit.simdac import SimDac
from tests.system.kit import QUICK

pytestmark = [pytest.mark.in_time, pytest.mark.sound]

HELD_S = 0.4
"""More than a device holds, and less than a silence for which a host is taken for dead."""

RATE_HZ = 44_100
REACH_S = 0.5
MOST_BESIDE_S = 0.005
"""Only the wrong place is a failure here, on whatever machine."""


def beside_s(friend: SimDac, host: SimDac, at_ns: int) -> float:
    """How much later the friend's converter played what the host's played in the 0.2 s from then on."""
    size, reach = RATE_HZ // 5, round(REACH_S * RATE_HZ)
    t_ns = at_ns + np.arange(-reach, size + reach) / RATE_HZ * NS_PER_S
    samples, quality = lag(host.recording().at(t_ns[reach : reach + size]), friend.recording().at(t_ns))
    assert quality > 0.5, "they do not play the same at all"
    return samples / RATE_HZ


def play_on(listener: Listener, seconds: int) -> int:
    """Wait until it has played on for so long; the monotonic nanosecond then."""
    for _ in range(seconds):
        listener.wait_event("position")
    return time.monotonic_ns()


def test_a_host_that_was_held_up_plays_on_and_its_friends_with_it(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "noise.wav").write_bytes(make_song("noise.wav", 60.0).content)
    at = f"127.0.0.1:{free_port()}"
    with Cluster(tmp_path, *QUICK) as cluster, SimDac() as true, SimDac() as dac:
        host = cluster.listener("play", "noise", "--host", at, "--device", SimDac.device, env=true.env)
        host.wait_event("playing")
        friend = cluster.listener("join", at, "--device", SimDac.device, "--no-host", env=dac.env)
        friend.wait_event("playing")
        play_on(friend, 3)
        os.kill(host.pid, signal.SIGSTOP)
        time.sleep(HELD_S)  # that is the fault, no wait for anything
        os.kill(host.pid, signal.SIGCONT)
        host.wait_event("stalled")
        host.wait_event("unstalled")
        play_on(host, 3)
        ns = play_on(friend, 1)
        play_on(friend, 1)
        assert len(host.events_named("stalled")) == len(host.events_named("unstalled"))
        assert abs(beside_s(dac, true, ns)) < MOST_BESIDE_S
