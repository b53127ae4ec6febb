"""A real cluster for a test: a prime in a folder of its own, listeners and operators against it.

Everything goes through the root scripts as a person would start them, and only through what
docs promise: flags, ready lines, JSON events, exit codes.
"""

import contextlib
import json
import os
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess
from types import TracebackType
from typing import Any, Self

from tests.kit import proc
from tests.kit.processes import ROOT, STOP_TIMEOUT_S, Program, ProgramError, run_to_end

DEMO_USER = "Someone"
DEMO_PASSWORD = "password123"
EVENT_TIMEOUT_S = 60.0
MARK = "TEST_CLUSTER_MARK"
"""Environment entry by which a cluster's processes are known, whoever their parent is by now."""

Event = dict[str, Any]
Status = dict[str, Any]


class Listener(Program):
    """`user.py --headless --events ...`, with its events as dictionaries."""

    def wait_event(self, name: str, timeout_s: float = EVENT_TIMEOUT_S, **fields: object) -> Event:
        """The next event of this name whose fields have these values; others before it are passed over.

        Raises ProgramError, with everything that was printed, if the listener ends or the time is up.
        """
        return self.wait_parsed(
            lambda line: _matching(line, name, fields), f"an event {name} {fields or ''}", timeout_s
        )

    @property
    def events(self) -> list[Event]:
        """Every event so far."""
        return [event for line in self.stdout_lines if (event := _event(line)) is not None]

    def events_named(self, name: str) -> list[Event]:
        return [event for event in self.events if event["event"] == name]

    def command(self, text: str) -> None:
        """`pause`, `resume`, `seek SECONDS`, `play TRACK` or `stop`."""
        self.write_line(text)


class Cluster:
    """A context: on entering, a prime serves; on leaving, whatever belongs to the cluster is gone.

    Leaving while the prime runs stops it as an operator would and insists on the contract: exit
    code 0, and no child left. After `kill_prime` whatever is left is ended in silence.
    """

    def __init__(self, folder: Path, *prime_flags: str | Path, music: Path | None = None, scripts: Path = ROOT) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.music = music or folder / "music"
        self.address = ""
        self._flags = prime_flags
        self._scripts = scripts
        self._mark = uuid.uuid4().hex
        self._programs = ExitStack()
        self._planes: list[Program] = []
        self.prime: Program
        for made in (self.data, self.music, folder / "home"):
            made.mkdir(parents=True, exist_ok=True)

    @property
    def env(self) -> dict[str, str]:
        """For every program: a home of their own, so that no pin, cache or key of the tester is touched."""
        home = self.folder / "home"
        return {
            MARK: self._mark,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "share"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_RUNTIME_DIR": str(home),
        }

    def start_prime(self, *more_flags: str | Path) -> Program:
        """Start a prime (again: at the same address) and wait until it serves."""
        command: list[str | Path] = [sys.executable, self._scripts / "primeNODE.py"]
        command += ["--listen", self.address or "127.0.0.1:0", "--data", self.data, "--music", self.music]
        self.prime = self._programs.enter_context(
            Program([*command, *self._flags, *more_flags], env=self.env, cwd=self.folder)
        )
        self.address = self.prime.wait_line(r"^prime ready (\S+:\d+)$").group(1)
        return self.prime

    def kill_prime(self) -> None:
        """SIGKILL to the prime alone: its children must look after themselves."""
        self.prime.send_signal(signal.SIGKILL)
        self.prime.wait_exit()

    def listener(
        self,
        *command: str | Path,
        user: str = DEMO_USER,
        password: str = DEMO_PASSWORD,
        env: dict[str, str] | None = None,
    ) -> Listener:
        """Start `user.py ... COMMAND` with events; it lasts as long as the cluster, or its own context."""
        listener = self._programs.enter_context(
            Listener(
                [sys.executable, self._scripts / "user.py", *self.login_flags(user), "--events", *command],
                env={**self.env, **(env or {})},
                cwd=self.folder,
            )
        )
        listener.write_line(password)
        return listener

    def login_flags(self, user: str = DEMO_USER) -> list[str]:
        """What every listener's command line begins with; the password is the first line of stdin."""
        return ["--headless", "--prime", self.address, "--user", user, "--password-stdin"]

    def user(
        self, *command: str | Path, user: str = DEMO_USER, password: str = DEMO_PASSWORD, timeout_s: float = 60.0
    ) -> CompletedProcess[str]:
        """Run `user.py ... COMMAND` to its end."""
        return self._run("user.py", [*self.login_flags(user), *command], f"{password}\n", timeout_s)

    def control(self, *command: str | Path, stdin: str = "", timeout_s: float = 60.0) -> CompletedProcess[str]:
        """Run `controlNODE.py --data DIR COMMAND` to its end."""
        return self._run("controlNODE.py", ["--data", self.data, *command], stdin, timeout_s)

    def token(self, *flags: str) -> str:
        """A join token."""
        done = self.control("token", *flags)
        if done.returncode != 0:
            raise ProgramError(f"token ended with {done.returncode}: {done.stderr}")
        return done.stdout.strip()

    def plane(
        self,
        name: str,
        *flags: str | Path,
        token: str = "",
        music: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> Program:
        """Start `planeNODE.py` with a data folder of its own (again: the same one) and wait until it serves."""
        folder = music or self.folder / name / "music"
        folder.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [sys.executable, self._scripts / "planeNODE.py", "--music", folder]
        command += ["--data", self.folder / name / "data", *(["--join", token] if token else []), *flags]
        plane = self._programs.enter_context(Program(command, env={**self.env, **(env or {})}, cwd=self.folder))
        self._planes.append(plane)
        plane.wait_line(r"^plane ready (plane-[0-9a-f]+)$")
        return plane

    def status(self) -> Status:
        """The object of `controlNODE.py status --json`."""
        done = self.control("status", "--json")
        if done.returncode != 0:
            raise ProgramError(f"status ended with {done.returncode}: {done.stderr}")
        status: Status = json.loads(done.stdout)
        return status

    def until(self, holds: Callable[[Status], object], timeout_s: float = EVENT_TIMEOUT_S) -> Status:
        """The first status for which it holds, from one program that watches. Raises ProgramError."""

        def held(line: str) -> Status | None:
            status: Status = json.loads(line)
            return status if holds(status) else None

        command: list[str | Path] = [sys.executable, self._scripts / "controlNODE.py", "--data", self.data]
        with Program([*command, "status", "--json", "--watch"], env=self.env, cwd=self.folder) as watching:
            return watching.wait_parsed(held, "the status that was waited for", timeout_s)

    def nodes(self, role: str) -> list[dict[str, Any]]:
        """The status entries of nodes of one role."""
        return [node for node in self.status()["nodes"] if node["role"] == role]

    def pids(self) -> list[int]:
        """Every living process of this cluster but this one, the programs of listeners included."""
        mark = f"{MARK}={self._mark}".encode()
        return [
            pid
            for pid in sorted(proc.all_pids() - {os.getpid()})
            if proc.has_in_environment(pid, mark) and proc.alive(pid)
        ]

    def _run(self, script: str, arguments: Sequence[str | Path], stdin: str, timeout_s: float) -> CompletedProcess[str]:
        command = [sys.executable, self._scripts / script, *arguments]
        return run_to_end(command, stdin=stdin, env=self.env, cwd=self.folder, timeout_s=timeout_s)

    def __enter__(self) -> Self:
        try:
            self.start_prime()
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.prime.alive and error is None:
                self._stop_in_order()
        finally:
            self._end_all()

    def _stop_in_order(self) -> None:
        """As the contract has it: the prime takes its children with it and exits 0."""
        for plane in self._planes:
            if plane.alive and (plane_code := plane.stop()) != 0:
                raise ProgramError(plane.told(f"exit code {plane_code} after SIGTERM instead of 0"))
        listeners = {pid for pid in self.pids() if proc.command(pid).find("user.py") >= 0}
        code = self.prime.stop()
        if code != 0:
            raise ProgramError(self.prime.told(f"exit code {code} after SIGTERM instead of 0"))
        left = [pid for pid in self.pids() if pid not in listeners and not proc.wait_dead(pid, STOP_TIMEOUT_S)]
        if left:
            raise ProgramError(self.prime.told(f"outlived by {', '.join(map(proc.command, left))}"))

    def _end_all(self) -> None:
        # First the processes: orphans hold the pipes that the programs' readers wait on.
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            proc.wait_dead(pid, STOP_TIMEOUT_S)
        self._programs.close()


def _event(line: str) -> Event | None:
    """The event on a line; None for a line that is none."""
    try:
        parsed = json.loads(line)
    except json.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) and "event" in parsed else None


def _matching(line: str, name: str, fields: dict[str, object]) -> Event | None:
    event = _event(line)
    if event is None or event["event"] != name or any(event.get(key) != value for key, value in fields.items()):
        return None
    return event
