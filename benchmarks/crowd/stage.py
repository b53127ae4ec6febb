"""A cluster, a host that is the real client, and crowds of friends; on one machine or on a network of many."""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec

from benchmarks.crowd.story import Crowd, Seat, Story
from tests.kit.wan import Wan

ROOT = Path(__file__).resolve().parents[2]
USER, PASSWORD = "Someone", "password123"
PRIME_PORT, PORT = 50001, 25566
START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 300.0
RATE_HZ = 22_050
STREAM_BPS = 8 * RATE_HZ
"""176 kbit/s: one channel of 8 bits."""

_MEMORY = Path("/dev/shm")


class Program:
    """A program whose lines are read in the background."""

    def __init__(self, process: subprocess.Popen[Any]) -> None:
        self.process = process
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def line(self, wanted: str = "", timeout_s: float = START_TIMEOUT_S) -> bytes:
        """The next line that holds a text. Raises TimeoutError."""
        end_s = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end_s - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"no {wanted!r} from {self.process.args!r}") from None
            if not line:
                raise TimeoutError(f"{self.process.args!r} ended before {wanted!r}")
            if wanted.encode() in line:
                return line

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(b"")


@dataclass(frozen=True, slots=True)
class Use:
    """What a process has used up to now. `pss_kb`: memory, shared pages by halves."""

    at_s: float
    cpu_s: float
    rss_kb: int
    pss_kb: int

    def core_since(self, before: Self) -> float:
        """Share of one core."""
        return (self.cpu_s - before.cpu_s) / (self.at_s - before.at_s)


def use(pid: int) -> Use:
    """Of a process, by the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    memory = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    rss_kb, pss_kb = (int(memory[name].split()[0]) for name in ("Rss", "Pss"))
    return Use(time.monotonic(), cpu_s, rss_kb, pss_kb)


@dataclass(slots=True)
class Stage:
    """`wan` None: everybody on the loopback device, each from an address of its own."""

    folder: Path
    wan: Wan | None
    realtime: bool
    programs: list[Program] = field(default_factory=list)
    crowds: list[Program] = field(default_factory=list)
    host: Program | None = None
    host_at: str = ""
    prime_at: str = ""

    def run(self, argv: Sequence[str | Path], *, on: int | None = None, ahead: bool = False, lag: int = 0) -> Program:
        """Start a program on a host of the network. `ahead`: before all others; `lag`: its niceness."""
        first = ["chrt", "-r", "10"] if ahead and self.realtime and shutil.which("chrt") else []
        first = ["nice", "-n", str(lag)] if lag else first
        home = {"HOME": str(self.folder), "HOCKET_HOME": str(self.folder / "home"), "PYTHONUNBUFFERED": "1"}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": _errors(self.folder)}
        environment = {**os.environ, **home, "PYTHONPATH": str(ROOT)}
        command = [*first, sys.executable, *map(str, argv)]
        if self.wan is not None and on is not None:
            process = self.wan.run(on, command, env=environment, cwd=self.folder, **pipes)
        else:
            process = subprocess.Popen(command, env=environment, cwd=self.folder, start_new_session=True, **pipes)
        program = Program(process)
        self.programs.append(program)
        return program

    def start_prime(self, *, on: int | None = None) -> None:
        """A cluster with one song that never ends."""
        music = self.folder / "music"
        music.mkdir()
        write_song(music / "Long.wav", 3600)
        at = self.wan.address(on) if self.wan is not None and on is not None else "127.0.0.1"
        argv: list[str | Path] = [
            "--listen",
            f"{at}:{PRIME_PORT if self.wan else 0}",
            "--data",
            self.folder / "data",
            "--music",
            music,
        ]
        prime = self.run([ROOT / "primeNODE.py", *argv, "--demo", "--max-users", "400"], on=on)
        self.prime_at = prime.line("prime ready").split()[-1].decode()

    def start_host(self, *, on: int | None = None, upload_mbit: float = 0.0, output: str = "null") -> None:
        """The one who plays."""
        at = self.wan.address(on) if self.wan is not None and on is not None else "127.0.0.1"
        flags = ["--host", f"{at}:{PORT}", "--output", output, "--events", "--upload-mbit", str(upload_mbit)]
        login = ["--prime", self.prime_at, "--user", USER, "--password-stdin"]
        argv: list[str | Path] = [ROOT / "user.py", "--headless", *login, "play", "Long", *flags]
        self.host = self.run(argv, on=on, ahead=True)
        self.host.say(PASSWORD)
        self.host_at = json.loads(self.host.line('"hosting"'))["address"]
        self.host.line('"playing"')

    def start_crowd(self, seats: list[Seat]) -> Program:
        """A process with these seats; nobody sits there yet."""
        crowd = self.run(["-m", "benchmarks.crowd.friends"], ahead=True)
        crowd.say(msgspec.json.encode(self.task(seats)).decode())
        self.crowds.append(crowd)
        return crowd

    def task(self, seats: list[Seat]) -> Crowd:
        """For a process that is to join."""
        return Crowd(self.prime_at, USER, PASSWORD, self.host_at, seats)

    def start_villain(self, what: str, source: str) -> Program:
        """One who misbehaves, see `benchmarks.crowd.villains`; told `go SECONDS` it does."""
        villain = self.run(["-m", "benchmarks.crowd.villains", what], lag=19)
        villain.say(msgspec.json.encode(self.task([Seat(source=source)])).decode())
        villain.line("ready")
        return villain

    def ask_all(self, command: str) -> list[Any]:
        """All crowds at once."""
        for crowd in self.crowds:
            crowd.say(command)
        return [msgspec.json.decode(crowd.line(timeout_s=ANSWER_TIMEOUT_S)) for crowd in self.crowds]

    def stories(self) -> list[Story]:
        """Of all friends."""
        answers = self.ask_all("report")
        return [story for answer in answers for story in msgspec.convert(answer, list[Story])]

    def host_use(self) -> Use:
        assert self.host is not None
        return use(self.host.pid)

    def sent_bytes(self, host: int) -> int:
        """What a host of the network has sent, IP headers counted."""
        assert self.wan is not None
        with self.wan.inside(host):
            devices = Path("/proc/thread-self/net/dev").read_text()
        line = next(line for line in devices.splitlines() if line.strip().startswith("wan0:"))
        return int(line.split(":")[1].split()[8])

    def close(self) -> None:
        errors = (self.folder / "errors.txt").read_text()
        if errors:
            print(errors[-4000:], file=sys.stderr)
        for program in [*self.crowds, *(one for one in reversed(self.programs) if one not in self.crowds)]:
            process = program.process
            if process.stdin is not None:
                process.stdin.close()
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def stage(*, hosts: int = 0, realtime: bool = False) -> Iterator[Stage]:
    """`hosts` of a network, or none: then everything is on this machine's loopback."""
    # In memory where that can be: a busy disk must not hold up anybody.
    memory = _MEMORY if _MEMORY.is_dir() else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crowd-", dir=memory)))
        wan = stack.enter_context(Wan(hosts=hosts, seed=1, subnet="10.91.0.0/22", realtime=True)) if hosts else None
        own = Stage(folder, wan, realtime)
        stack.callback(own.close)
        yield own


def write_song(path: Path, seconds: int) -> None:
    """Noise of STREAM_BPS."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE_HZ)
        for _ in range(seconds):
            file.writeframes(os.urandom(RATE_HZ))


def _errors(folder: Path) -> Any:
    return (folder / "errors.txt").open("ab")
