"""`make soak`: a real cluster, several listeners, and faults at random.

SOAK_S       how long, in seconds (3600)
SOAK_SEED    the same faults and the same whims again (drawn and printed by default)
SOAK_PEOPLE  listeners who wander about (4); one more listens steadily into a file

Fails when somebody stalls or gets an error without a fault before it, hears nothing for a while, does not
hear exactly the file's samples, when a process grows, or when anything is left behind.
"""

import asyncio
import contextlib
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.client.kit import samples_of
from tests.kit.cluster import Cluster
from tests.kit.leaks import LeakWatch
from tests.soak.ear import Ear
from tests.soak.faults import CD, PLANE, Faults, make_song
from tests.soak.health import Health
from tests.soak.people import listen_steadily, wander
from tests.system.kit import SMALL

SAMPLE_S = 5.0
FIRST_FAULT_S = 15.0
BETWEEN_FAULTS_S = (6.0, 16.0)
EXCUSED_S = 15.0
"""What goes wrong this long after a fault is put down to it."""

SILENT_S = 20.0
"""Nobody who plays may hear nothing for longer than this, fault or not."""

CALM_AT_END_S = 20.0
STEADY = "Steady"
PRIME_EVERY_S = 600.0


class Soak:
    """One run."""

    def __init__(self, cluster: Cluster, seconds: float, seed: int, people: int) -> None:
        self._cluster = cluster
        self._seconds = seconds
        self._draw = random.Random(seed)
        self._people = people
        self._began_s = time.monotonic()
        self.faults = Faults(cluster, random.Random(seed + 1), max(100.0, min(PRIME_EVERY_S, seconds / 3)))
        self.health = Health(cluster)
        self.ears: list[Ear] = []
        self.silences: list[str] = []

    async def run(self, wav: Path) -> None:
        """Until the time is up."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._watch())]
            for number in range(self._people):
                ear, draw = Ear(f"listener {number}"), random.Random(self._draw.random())
                self.ears.append(ear)
                home = self._cluster.folder / f"listener-{number}"
                tasks.append(group.create_task(wander(self._cluster.address, home, ear, draw)))
            steady = Ear("steady listener")
            self.ears.append(steady)
            home = self._cluster.folder / "steady"
            tasks.append(group.create_task(listen_steadily(self._cluster.address, home, steady, STEADY, wav)))
            try:
                await self._trouble()
            finally:
                for task in tasks:
                    task.cancel()

    async def _trouble(self) -> None:
        await asyncio.sleep(min(FIRST_FAULT_S, self._seconds))
        while (left_s := self._seconds - (time.monotonic() - self._began_s)) > CALM_AT_END_S:
            what = await asyncio.to_thread(self.faults.one)
            print(f"{time.monotonic() - self._began_s:7.1f} s  {what}", flush=True)
            await asyncio.sleep(min(self._draw.uniform(*BETWEEN_FAULTS_S), left_s))
        await asyncio.sleep(max(0.0, self._seconds - (time.monotonic() - self._began_s)))

    async def _watch(self) -> None:
        while True:
            await asyncio.to_thread(self.health.sample)
            for ear in self.ears:
                if (silent_s := time.monotonic() - ear.heard_s) > SILENT_S:
                    self.silences.append(f"{ear.name} heard nothing for {silent_s:.0f} s")
                    ear.rested()
            await asyncio.sleep(SAMPLE_S)

    def problems(self) -> Iterator[str]:
        """What must not have happened."""
        yield from self.silences
        for ear in self.ears:
            troubles = [(at_s, "stalled") for at_s in ear.stalls_s] + ear.errors
            for at_s, what in troubles:
                if not self.faults.near(at_s, EXCUSED_S):
                    yield f"{ear.name}, at {at_s - self._began_s:.1f} s, without a fault: {what}"
        yield from self.health.problems()

    def summary(self) -> Iterator[str]:
        heard = sum((ear.counts for ear in self.ears), Counter[str]())
        shown = ("Opened", "Seeked", "Paused", "Moved", "Position", "Stalled", "Error")
        yield "faults: " + ", ".join(f"{count} x {what}" for what, count in self.faults.counts.most_common())
        yield "listeners: " + ", ".join(f"{name.lower()} {heard[name]}" for name in shown)
        stalls = [(at_s, ear) for ear in self.ears for at_s in ear.stalls_s]
        longest = max((ear.longest_stall_ms for ear in self.ears), default=0.0)
        yield f"stalls: {len(stalls)}, the longest {longest:.0f} ms; after: " + (
            ", ".join(
                f"{count} x {what or 'nothing'}"
                for what, count in Counter(self.faults.near(at_s, EXCUSED_S) for at_s, _ in stalls).most_common()
            )
            or "-"
        )
        yield from self.health.summary()


def _check_steady(song: bytes, wav: Path) -> tuple[str, str]:
    """A line for the summary, and a problem or ""."""
    if not wav.exists():
        return "steady listener: nothing", "the steady listener heard nothing"
    heard = samples_of(wav)
    expected = (song * (len(heard) // len(song) + 1))[: len(heard)]
    seconds = len(heard) / SMALL.bytes_per_second
    if heard == expected:
        return f"steady listener: {seconds:.0f} s of music, exactly the file's samples", ""
    first = next(at for at in range(len(heard)) if heard[at] != expected[at])
    return f"steady listener: {seconds:.0f} s of music", f"it heard other samples from byte {first} on"


def main() -> int:
    """Run it; 0 if all was well."""
    seconds = float(os.environ.get("SOAK_S", "3600"))
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(10**6))
    people = int(os.environ.get("SOAK_PEOPLE", "4"))
    print(f"soak for {seconds:g} s with seed {seed}", flush=True)
    leaks = LeakWatch()
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        wav = Path(folder) / "steady.wav"
        music = Path(folder) / "music"
        music.mkdir()
        make_song(music / f"{STEADY}.wav", 45, SMALL, 1)
        for number in range(4):
            make_song(music / f"Song {number}.wav", 60, CD, 10 + number)
        try:
            with Cluster(Path(folder), "--max-load", "5", "--idle", "20", music=music) as cluster:
                cluster.plane(PLANE, token=cluster.token())
                soak = Soak(cluster, seconds, seed, people)
                with contextlib.suppress(KeyboardInterrupt):
                    asyncio.run(soak.run(wav))
                line, wrong = _check_steady(samples_of(music / f"{STEADY}.wav"), wav)
                problems += [*soak.problems(), *([wrong] if wrong else [])]
                print("\n" + "\n".join([*soak.summary(), line]), flush=True)
        except (Exception, BaseExceptionGroup) as error:
            problems.append(f"{type(error).__name__}: {error}")
    problems += leaks.leaks()
    print("\n".join(["", *(f"PROBLEM: {problem}" for problem in problems)] if problems else ["", "all was well"]))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
