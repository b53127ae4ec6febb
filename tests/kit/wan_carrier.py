"""The process that carries the packets of a test network. Tests use it through `tests.kit.wan`; by hand:

    python -m tests.kit.wan_carrier 3 [--subnet 10.91.7.0/24]

prints one line for each host (number, address, the command that starts a program there) and `ready`,
then takes commands, one a line, and answers each with `ok` or `error WHY`:

    link A B [delay_ms=20 jitter_ms=10 loss=0.01 reorder=1 back_delay_ms=40]
    cut A [to=B]    heal A [to=B]    heal    partition 1 2,3    upload A bits_per_s=1000000 [queue_ms=200]
    address A 192.168.7.5    nat A cone|symmetric|firewall [outside=11.22.33.1]    quit

Each host is a namespace with one TUN device. No route leads out of it. At the end of input, or of the
process that --owner names, every program that runs in the network is killed and the network is gone.
"""

import argparse
import contextlib
import ctypes
import fcntl
import gc
import heapq
import ipaddress
import itertools
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.kit import netns, proc
from tests.kit.wan_lines import Lines
from tests.kit.wan_nat import Kind, Nat

MARK = "TEST_WAN_CARRIER"
"""Environment entry of every program in a test network: `pid:start` of its carrier."""

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_PR_SET_TIMERSLACK = 29
_MTU_BYTES = 1500
_BURST_PACKETS = 64  # then the other hosts and the timers get their turn
_MAX_UNDER_WAY_BYTES = 256 << 20
_QUEUE_MS = 200.0
_ERROR_MAX_CHARS = 500


def start_ticks(pid: int) -> str:
    """When a process started: with its pid it names the process for good. Empty if it is dead."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = line[line.rindex(")") + 2 :].split()
    return "" if fields[0] in "ZX" else fields[19]


def mark_of(pid: int) -> str:
    """The MARK entry for programs of this carrier."""
    return f"{MARK}={pid}:{start_ticks(pid)}"


def kill_strays() -> None:
    """Kill programs in test networks whose carrier is dead: nobody will ever end them."""
    prefix = f"{MARK}=".encode()
    for pid in proc.all_pids() - {os.getpid()}:
        with contextlib.suppress(OSError):
            entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            carrier = next((entry[len(prefix) :].decode() for entry in entries if entry.startswith(prefix)), None)
            if carrier is None:
                continue
            carrier_pid, _, started = carrier.partition(":")
            if started != start_ticks(int(carrier_pid)):
                netns.kill_process(pid, None, time.monotonic() + 5.0)


def _configure(commands: str) -> None:
    done = subprocess.run(["ip", "-batch", "-"], input=commands, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip refused {commands!r}: {done.stderr.strip()}")


def _open_tun(network: ipaddress.IPv4Network, address: ipaddress.IPv4Address) -> int:
    """wan0 in the calling thread's namespace, up and with its address."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"wan0", _IFF_TUN | _IFF_NO_PI))
    _configure(
        "link set lo up\n"
        "link set wan0 addrgenmode none\n"
        f"link set wan0 up mtu {_MTU_BYTES} txqueuelen 2000\n"
        f"addr add {address}/{network.prefixlen} broadcast {network.broadcast_address} dev wan0\n"
        "route add 224.0.0.0/4 dev wan0\n"
    )
    return tun


class Carrier:
    """The hosts, their packets under way, and the loop that moves them."""

    def __init__(self, hosts: int, network: ipaddress.IPv4Network, lines: Lines) -> None:
        if hosts > network.num_addresses - 2:
            raise ValueError(f"{network} has no room for {hosts} hosts")
        self.lines = lines
        self.addresses: list[str] = []
        self.namespaces: list[int] = []
        self._tuns: dict[int, int] = {}
        self._host_of: dict[bytes, int] = {}
        self._nats: dict[int, Nat] = {}
        self._broadcast = network.broadcast_address.packed
        self._under_way: list[tuple[float, int, int, int, bytes]] = []
        self._under_way_bytes = 0
        self._serial = itertools.count()
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self.running = True
        for host, address in zip(range(1, hosts + 1), network.hosts(), strict=False):
            namespace = netns.create()
            self.namespaces.append(namespace)
            with netns.inside(namespace):
                self._tuns[host] = _open_tun(network, address)
            self.addresses.append(str(address))
            self._host_of[address.packed] = host
            self.watch(self._tuns[host], lambda host=host: self._receive(host))  # type: ignore[misc]

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Call the handler whenever the descriptor is readable."""
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def add_address(self, host: int, text: str) -> None:
        """One more address of a host, reachable from all others. Raises ValueError, OSError."""
        address = ipaddress.IPv4Address(text)
        if host not in self._tuns or address.packed in self._host_of:
            raise ValueError(f"host {host} cannot take the address {address}")
        for other, namespace in enumerate(self.namespaces, start=1):
            with netns.inside(namespace):
                what = f"addr add {address}/32" if other == host else f"route replace {address}/32"
                _configure(f"{what} dev wan0\n")
        self._host_of[address.packed] = host

    def set_nat(self, host: int, kind: Kind, outside: str | None) -> None:
        """Put a host behind a router, known to the others by its outside address. Raises ValueError, OSError."""
        if host not in self._tuns:
            raise ValueError(f"no host {host}")
        inside = ipaddress.IPv4Address(self.addresses[host - 1])
        address = ipaddress.IPv4Address(outside) if outside else inside
        if outside:
            for other, namespace in enumerate(self.namespaces, start=1):
                if other != host:
                    with netns.inside(namespace):
                        _configure(f"route replace {address}/32 dev wan0\n")
        self._host_of[address.packed] = host
        self._nats[host] = Nat(kind, inside.packed, address.packed, random.Random(host))

    def run(self) -> None:
        """Until `running` is false."""
        while self.running:
            if self._under_way:
                # epoll rounds its timeout up to a whole millisecond; select does not.
                select.select([self._epoll], [], [], max(0.0, self._under_way[0][0] - time.monotonic()))
                ready = self._epoll.poll(0)
            else:
                ready = self._epoll.poll()
            for fd, _ in ready:
                self._handlers[fd]()
            self._deliver_due()

    def close(self, spare: set[int]) -> None:
        """Kill what runs in the network, except the spared pids, and take it down."""
        try:
            netns.kill_members(self.namespaces, spare)
        finally:
            self._epoll.close()
            for fd in (*self._tuns.values(), *self.namespaces):
                os.close(fd)

    def _receive(self, source: int) -> None:
        tun, host_of, nat = self._tuns[source], self._host_of, self._nats.get(source)
        for _ in range(_BURST_PACKETS):
            try:
                packet = os.read(tun, 2 * _MTU_BYTES)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:
                continue
            if nat is not None:
                translated = nat.outgoing(packet)
                if translated is None:
                    continue
                packet = translated
            target = host_of.get(packet[16:20])
            if target is not None:
                self._send(source, target, packet)
            elif packet[16] >> 4 == 0xE or packet[16:20] == self._broadcast:
                for other in self._tuns:
                    if other != source:
                        self._send(source, other, packet)

    def _send(self, source: int, target: int, packet: bytes) -> None:
        now_s = time.monotonic()
        due_s = self.lines.due_s(source, target, len(packet), now_s)
        if due_s is None:
            return
        if due_s <= now_s:
            self._deliver(target, packet)
        elif self._under_way_bytes < _MAX_UNDER_WAY_BYTES:
            self._under_way_bytes += len(packet)
            heapq.heappush(self._under_way, (due_s, next(self._serial), source, target, packet))

    def _deliver_due(self) -> None:
        under_way = self._under_way
        for _ in range(_BURST_PACKETS):
            if not under_way or under_way[0][0] > time.monotonic():
                return
            _, _, source, target, packet = heapq.heappop(under_way)
            self._under_way_bytes -= len(packet)
            if self.lines.is_open(source, target):
                self._deliver(target, packet)

    def _deliver(self, target: int, packet: bytes) -> None:
        if target in self._nats:
            translated = self._nats[target].incoming(packet)
            if translated is None:
                return
            packet = translated
        with contextlib.suppress(OSError):  # a full queue: lost, as on any network
            os.write(self._tuns[target], packet)


class Commands:
    """Commands from standard input, one a line, each answered on standard output."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._rest = b""

    def receive(self) -> None:
        """Do whatever commands have come; the end of input is the last."""
        data = os.read(sys.stdin.fileno(), 65536)
        if not data:
            self._carrier.running = False
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            if not self._carrier.running:
                return
            answer = "ok"
            try:
                self._do(line.decode().split())
            except (ValueError, TypeError, KeyError, OSError) as error:
                answer = " ".join(f"error {error}".split())[:_ERROR_MAX_CHARS]
            print(answer, flush=True)

    def _do(self, words: list[str]) -> None:
        lines = self._carrier.lines
        named = dict(word.split("=", 1) for word in words if "=" in word)
        match [word for word in words if "=" not in word]:
            case ["link", a, b]:
                self._link(int(a), int(b), {name: float(value) for name, value in named.items()})
            case ["cut", host]:
                lines.cut(int(host), int(named["to"]) if named else None)
            case ["heal", host]:
                lines.heal(int(host), int(named["to"]) if named else None)
            case ["heal"]:
                lines.heal_all()
            case ["partition", *groups]:
                lines.partition([[int(host) for host in group.split(",")] for group in groups])
            case ["upload", host]:
                lines.set_upload(int(host), float(named["bits_per_s"]), float(named.get("queue_ms", _QUEUE_MS)))
            case ["address", host, address]:
                self._carrier.add_address(int(host), address)
            case ["nat", host, kind]:
                self._carrier.set_nat(int(host), Kind(kind), named.get("outside"))
            case ["quit"]:
                self._carrier.running = False
            case _:
                raise ValueError(f"unknown command: {' '.join(words)}")

    def _link(self, a: int, b: int, named: dict[str, float]) -> None:
        unknown = named.keys() - {"delay_ms", "jitter_ms", "loss", "reorder", "back_delay_ms"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        delay_ms = named.get("delay_ms", 0.0)
        same = (named.get("jitter_ms", 0.0), named.get("loss", 0.0), bool(named.get("reorder", 0.0)))
        self._carrier.lines.set_way(a, b, delay_ms, *same)
        self._carrier.lines.set_way(b, a, named.get("back_delay_ms", delay_ms), *same)


def _run_promptly(realtime: bool) -> None:
    """Late timers would be delay that nobody asked for."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1000, 0, 0, 0)
    gc.disable()  # the packets make no cycles, and there are many
    with contextlib.suppress(PermissionError):
        if realtime:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
        else:
            os.setpriority(os.PRIO_PROCESS, 0, -10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hosts", type=int)
    parser.add_argument("--subnet", type=ipaddress.IPv4Network, default=ipaddress.IPv4Network("10.91.7.0/24"))
    parser.add_argument("--seed", type=int, default=None, help="make loss and jitter the same in every run")
    parser.add_argument("--realtime", action="store_true", help="run before all others (SCHED_RR)")
    parser.add_argument("--owner", type=int, default=os.getppid(), help="end with this process")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    kill_strays()
    _run_promptly(args.realtime)
    owner = os.pidfd_open(args.owner)
    carrier = Carrier(args.hosts, args.subnet, Lines(args.hosts, random.Random(args.seed)))
    try:

        def owner_ended() -> None:
            carrier.running = False

        carrier.watch(owner, owner_ended)
        carrier.watch(sys.stdin.fileno(), Commands(carrier).receive)
        for host, (address, namespace) in enumerate(zip(carrier.addresses, carrier.namespaces, strict=True), start=1):
            net = f"--net=/proc/{os.getpid()}/fd/{namespace}"
            print("host", host, address, "nsenter", net, "env", mark_of(os.getpid()))
        print("ready", flush=True)
        carrier.run()
    except KeyboardInterrupt:
        pass
    finally:
        carrier.close(spare={os.getpid(), args.owner})
        os.close(owner)


if __name__ == "__main__":
    main()
