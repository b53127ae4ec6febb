"""A network of several hosts on one machine, with delay, jitter, loss, cuts, partitions and upload limits.

    with Wan(hosts=3) as wan:
        wan.link(1, 2, delay_ms=20, jitter_ms=10)
        server = wan.run(2, [sys.executable, "planeNODE.py", "--listen", f"{wan.address(2)}:0"])
        wan.cut(2)

Hosts are numbered from 1. Each is a network namespace of its own with a loopback and one device, wan0;
no route leads from it to the machine or beyond. A process apart (`tests.kit.wan_carrier`) moves the
packets, so that a busy test does not delay them. What was started is ended with the context; if the test
is killed, the carrier ends it; if both are, the next network does. Needs root, iproute2 and util-linux.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.kit import netns
from tests.kit.wan_nat import Kind

_ROOT = Path(__file__).resolve().parents[2]
_START_TIMEOUT_S = 60.0
_ANSWER_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 3.0
_TUN = Path("/dev/net/tun")


class WanError(AssertionError):
    """The network could not do as told; the text says why."""


def unavailable() -> str | None:
    """Why this machine cannot have a test network; None if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not _TUN.exists():
        return f"{_TUN} is missing: load the tun module"
    for program, package in (("ip", "iproute2"), ("nsenter", "util-linux")):
        if shutil.which(program) is None:
            return f"{program} is missing: install {package}"
    try:
        os.close(netns.create())
        os.close(os.open(_TUN, os.O_RDWR))
    except OSError as error:
        return f"this machine allows no network namespaces or TUN devices: {error}"
    return None


class Wan:
    """Use it as a context. Every command has taken effect when its method returns.

    subnet: of the hosts; networks of several runs never meet, so all may use the same one.
    seed: makes loss and jitter alike in every run. realtime: carry packets before anything else
    runs (SCHED_RR), for measurements.
    """

    def __init__(
        self, hosts: int = 3, *, subnet: str = "10.91.7.0/24", seed: int | None = None, realtime: bool = False
    ) -> None:
        self.hosts = range(1, hosts + 1)
        self._arguments = [str(hosts), "--subnet", subnet, "--owner", str(os.getpid())]
        self._arguments += ["--seed", str(seed)] if seed is not None else []
        self._arguments += ["--realtime"] if realtime else []
        self._lock = threading.Lock()
        self._carrier: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._addresses: dict[int, str] = {}
        self._enter: dict[int, list[str]] = {}
        self._namespaces: dict[int, int] = {}
        self._processes: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Self:
        if self._carrier is not None:
            raise WanError("this network is up already")
        self._carrier = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.wan_carrier", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=_ROOT,
            start_new_session=True,  # Ctrl-C is for the test, which then ends the network in order
        )
        try:
            while (line := self._line(_START_TIMEOUT_S)) != "ready":
                _, number, address, *enter = line.split()
                self._addresses[int(number)], self._enter[int(number)] = address, enter
                self._namespaces[int(number)] = os.open(self.namespace(int(number)), os.O_RDONLY | os.O_CLOEXEC)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def address(self, host: int) -> str:
        """The host's own address on wan0."""
        return self._addresses[host]

    def namespace(self, host: int) -> str:
        """Path of the host's network namespace, for processes that stand on several hosts."""
        return self._enter[host][1].removeprefix("--net=")

    def add_address(self, host: int, address: str) -> None:
        """One more IPv4 address of a host, of any subnet, reachable from every other host."""
        self._command("address", host, address)

    def nat(self, host: int, kind: Kind) -> str:
        """Put a host behind a router, as it is in most homes; the address by which all others know it then."""
        outside = self.address(host) if kind is Kind.FIREWALL else f"11.22.33.{host}"
        self._command("nat", host, kind.value, **({} if kind is Kind.FIREWALL else {"outside": outside}))
        return outside

    def link(
        self,
        a: int,
        b: int,
        *,
        delay_ms: float = 0.0,
        jitter_ms: float = 0.0,
        loss: float = 0.0,
        reorder: bool = False,
        back_delay_ms: float | None = None,
    ) -> None:
        """The line between two hosts, both ways: delay_ms +- jitter_ms each way, loss from 0 to 1 a packet.

        back_delay_ms: from b to a, if that differs. Packets keep their order unless reorder.
        """
        back = delay_ms if back_delay_ms is None else back_delay_ms
        words = {"delay_ms": delay_ms, "jitter_ms": jitter_ms, "loss": loss, "reorder": int(reorder)}
        self._command("link", a, b, **words, back_delay_ms=back)

    def link_all(
        self, *, delay_ms: float = 0.0, jitter_ms: float = 0.0, loss: float = 0.0, reorder: bool = False
    ) -> None:
        """`link` for every pair."""
        for a in self.hosts:
            for b in range(a + 1, len(self.hosts) + 1):
                self.link(a, b, delay_ms=delay_ms, jitter_ms=jitter_ms, loss=loss, reorder=reorder)

    def cut(self, host: int, *, to: int | None = None) -> None:
        """Lose all that a host sends and gets, or only what it sends `to` another: no FIN, no RST, no ICMP."""
        self._command("cut", host, **({} if to is None else {"to": to}))

    def heal(self, host: int | None = None, *, to: int | None = None) -> None:
        """Undo the same cut; without a host: every cut and the partition."""
        self._command("heal", *([] if host is None else [host]), **({} if to is None else {"to": to}))

    def partition(self, *groups: Collection[int]) -> None:
        """Only hosts of one group reach each other; those not named are one more group. No groups: all do."""
        self._command("partition", *(",".join(map(str, sorted(group))) for group in groups))

    def upload(self, host: int, *, bits_per_s: float | None, queue_ms: float = 200.0) -> None:
        """Limit what a host sends (None: no limit), through a queue that drops what waits longer than queue_ms."""
        self._command("upload", host, bits_per_s=bits_per_s or 0, queue_ms=queue_ms)

    def command(self, host: int, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs argv on a host, its pid and exit code included; for `Program` and asyncio."""
        return [*self._enter[host], *map(str, argv)]

    def run(self, host: int, argv: Sequence[str | Path], **popen: Any) -> subprocess.Popen[Any]:
        """Start a program on a host, in a process group of its own; it is ended with the network."""
        if not popen.get("start_new_session"):
            popen["process_group"] = 0
        process = subprocess.Popen(self.command(host, argv), **popen)
        self._processes.append(process)
        return process

    @contextmanager
    def inside(self, host: int) -> Iterator[None]:
        """The calling thread is on the host; sockets, threads and processes that it makes there stay there."""
        with netns.inside(self._namespaces[host]):
            yield

    def close(self) -> None:
        """End the programs, then the network. Done by leaving the context."""
        for process in self._processes:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        self._processes.clear()
        self._end_carrier()
        while self._namespaces:
            os.close(self._namespaces.popitem()[1])

    def _end_carrier(self) -> None:
        carrier, self._carrier = self._carrier, None
        if carrier is None:
            return
        try:
            _, complaints = carrier.communicate(timeout=_ANSWER_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            carrier.kill()
            _, complaints = carrier.communicate()
        if carrier.returncode:
            raise WanError(f"the network ended with code {carrier.returncode}: {complaints.decode().strip()}")

    def _command(self, verb: str, *words: object, **named: object) -> None:
        line = " ".join([verb, *map(str, words), *(f"{name}={value}" for name, value in named.items())])
        if self._carrier is None or self._carrier.stdin is None:
            raise WanError("the network is not up: use `with Wan() as wan`")
        with self._lock:
            try:
                self._carrier.stdin.write(line.encode() + b"\n")
                self._carrier.stdin.flush()
            except BrokenPipeError:
                raise WanError("the network's carrier died") from None
            answer = self._line(_ANSWER_TIMEOUT_S)
        if answer != "ok":
            raise WanError(f"{line}: {answer}")

    def _line(self, timeout_s: float) -> str:
        assert self._carrier is not None
        assert self._carrier.stdout is not None
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            if not select.select([self._carrier.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise WanError(f"the network said nothing for {timeout_s} s")
            data = os.read(self._carrier.stdout.fileno(), 65536)
            if not data:
                raise WanError("the network's carrier died")
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode()


def _signal_group(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
