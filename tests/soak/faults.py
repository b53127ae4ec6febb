"""What befalls a cluster under soak: processes are killed with -9, nodes are drained, songs are dropped in."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from hocket.core.sound import AudioFormat
from hocket.media.wav_header import wav_header
from tests.kit import proc
from tests.kit.cluster import Cluster
from tests.soak.health import pids_of

CD = AudioFormat(44100, 2, 16)
PLANE = "plane"


def make_song(path: Path, seconds: int, form: AudioFormat, seed: int) -> None:
    """A WAV file of noise, hidden until it is whole; second by second, since this process's memory is judged."""
    draw = random.Random(seed)
    hidden = path.with_name(f".{path.name}")
    with hidden.open("wb") as file:
        file.write(wav_header(form, seconds * form.bytes_per_second))
        for _ in range(seconds):
            file.write(draw.randbytes(form.bytes_per_second))
    hidden.rename(path)


class Faults:
    """One at a time, at random; remembers when. Methods block: call them from a thread."""

    def __init__(self, cluster: Cluster, draw: random.Random, prime_every_s: float) -> None:
        self._cluster = cluster
        self._draw = draw
        self._prime_every_s = prime_every_s
        self._prime_due_s = time.monotonic() + prime_every_s
        self._songs = 0
        self.counts: Counter[str] = Counter()
        self.times_s: list[tuple[float, str]] = []

    def one(self) -> str:
        """Do something bad, or drop in a song; what it was."""
        if time.monotonic() >= self._prime_due_s:
            what = self._prime()
            self._prime_due_s = time.monotonic() + self._prime_every_s
        else:
            deeds = [self._kill_file, self._kill_auth, self._drain_file, self._plane, self._song]
            what = self._draw.choices(deeds, weights=[40, 20, 10, 10, 20])[0]()
        self.counts[what] += 1
        return what

    def near(self, moment_s: float, window_s: float) -> str:
        """The last fault in the window before a moment; "" if there was none."""
        return next((what for at_s, what in reversed(self.times_s) if at_s <= moment_s <= at_s + window_s), "")

    def _happened(self, what: str) -> str:
        """At its beginning and at its end, since a restart takes a while."""
        self.times_s.append((time.monotonic(), what))
        return what

    def _kill(self, role: str) -> str:
        pids = pids_of(self._cluster, role)
        if not pids:
            return f"no {role} node to kill"
        self._happened(f"kill -9 {role}")
        victim = self._draw.choice(pids)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return f"no {role} node to kill"
        proc.wait_dead(victim, 5.0)
        return f"kill -9 {role}"

    def _kill_file(self) -> str:
        return self._kill("file")

    def _kill_auth(self) -> str:
        return self._kill("auth")

    def _drain_file(self) -> str:
        nodes = [node["id"] for node in self._cluster.nodes("file") if node["state"] == "ready"]
        if not nodes:
            return "no file node to drain"
        self._happened("drain file")
        self._cluster.control("drain", self._draw.choice(nodes))
        return self._happened("drain file")

    def _plane(self) -> str:
        self._happened("kill -9 plane, restart")
        for pid in pids_of(self._cluster, "plane"):
            os.kill(pid, signal.SIGKILL)
            proc.wait_dead(pid, 5.0)
        self._cluster.plane(PLANE)
        return self._happened("kill -9 plane, restart")

    def _prime(self) -> str:
        self._happened("kill -9 prime, restart")
        self._cluster.kill_prime()
        self._cluster.start_prime()
        return self._happened("kill -9 prime, restart")

    def _song(self) -> str:
        self._songs += 1
        make_song(self._cluster.music / f"Dropped {self._songs}.wav", 20, CD, 1000 + self._songs)
        return "a song dropped in"
