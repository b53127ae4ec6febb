import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit import netns, proc
from tests.kit.needs import lacking
from tests.kit.processes import Program
from tests.kit.wan import Wan, WanError, unavailable

pytestmark = pytest.mark.root

WAIT_S = 60.0
NOTHING_S = 0.3  # how long nothing has to come to be nothing


@pytest.fixture(autouse=True)
def allowed() -> None:
    if reason := unavailable():
        lacking(reason)


@contextmanager
def connected(wan: Wan, client: int, server: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection between two hosts."""
    with wan.inside(server):
        listener = socket.create_server((wan.address(server), 0))
    with listener:
        listener.settimeout(WAIT_S)
        with wan.inside(client):
            near = socket.create_connection(listener.getsockname(), timeout=WAIT_S)
        with near:
            far, _ = listener.accept()
            with far:
                far.settimeout(WAIT_S)
                yield near, far


def silent(end: socket.socket) -> bool:
    """Neither data nor a FIN nor an RST comes for a while."""
    return not select.select([end], [], [], NOTHING_S)[0]


def receive(end: socket.socket, size_bytes: int) -> bytes:
    received = b""
    while len(received) < size_bytes and (data := end.recv(65536)):
        received += data
    return received


def echoes_ms(wan: Wan, a: int, b: int, count: int) -> list[float]:
    with connected(wan, a, b) as (near, far):
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(count):
            start = time.perf_counter()
            near.sendall(b"?")
            far.sendall(far.recv(1))
            near.recv(1)
            times.append((time.perf_counter() - start) * 1e3)
        return times


def test_hosts_reach_each_other_and_nothing_else(wan: Wan) -> None:
    devices = wan.run(1, ["ip", "-o", "addr"], stdout=subprocess.PIPE, text=True).communicate()[0]
    routes = wan.run(1, ["ip", "route"], stdout=subprocess.PIPE, text=True).communicate()[0]
    assert {line.split()[1] for line in devices.splitlines()} == {"lo", "wan0"}
    assert f"{wan.address(1)}/24" in devices
    assert "default" not in routes
    assert len({wan.address(host) for host in wan.hosts}) == 3
    with wan.inside(1), pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 9), timeout=1)
    with wan.inside(2), socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=WAIT_S).close()


def test_delay_is_kept_each_way(wan: Wan) -> None:
    wan.link(1, 2, delay_ms=20, back_delay_ms=40)
    times = echoes_ms(wan, 1, 2, 11)
    assert min(times) >= 59.5
    assert statistics.median(times) < 120  # on a busy machine; the quickest shows the line itself
    assert min(times) < 75
    assert statistics.median(echoes_ms(wan, 1, 3, 11)) < 50


def test_a_cut_connection_falls_silent_and_goes_on_when_healed(wan: Wan) -> None:
    with connected(wan, 1, 2) as (near, far):
        wan.cut(2)
        near.sendall(b"into the dark")
        far.sendall(b"and back")
        assert silent(far)
        assert silent(near)
        wan.heal(2)
        assert receive(far, 13) == b"into the dark"
        assert receive(near, 8) == b"and back"


def test_a_cut_takes_packets_that_are_under_way(wan: Wan) -> None:
    with wan.inside(1):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with wan.inside(2):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender, receiver:
        receiver.bind((wan.address(2), 0))
        wan.link(1, 2, delay_ms=150)
        sender.sendto(b"lost", receiver.getsockname())
        wan.cut(1)
        assert silent(receiver)
        wan.heal()
        sender.sendto(b"found", receiver.getsockname())
        receiver.settimeout(WAIT_S)
        assert receiver.recv(100) == b"found"


def test_a_one_way_cut_lets_the_other_way_through(wan: Wan) -> None:
    with wan.inside(1):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with wan.inside(2):
        two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with one, two:
        one.bind((wan.address(1), 0))
        two.bind((wan.address(2), 0))
        one.settimeout(WAIT_S)
        wan.cut(1, to=2)
        one.sendto(b"unheard", two.getsockname())
        two.sendto(b"heard", one.getsockname())
        assert one.recv(100) == b"heard"
        assert silent(two)


def test_a_partition_splits_and_heals(wan: Wan) -> None:
    with connected(wan, 1, 2) as (one, two), connected(wan, 2, 3) as (two_also, three):
        wan.partition({1}, {2, 3})
        one.sendall(b"a")
        two_also.sendall(b"b")
        assert three.recv(1) == b"b"
        assert silent(two)
        wan.heal()
        assert two.recv(1) == b"a"


def test_lost_packets_are_sent_again(wan: Wan) -> None:
    wan.link(1, 2, loss=0.05)
    payload = os.urandom(200_000)
    with connected(wan, 1, 2) as (near, far):
        sender = threading.Thread(target=near.sendall, args=(payload,))
        sender.start()
        assert receive(far, len(payload)) == payload
        sender.join()


def test_an_upload_limit_holds_for_its_host_only(wan: Wan) -> None:
    wan.upload(1, bits_per_s=1_000_000)
    payload = bytes(75_000)
    seconds = []
    for ends in (1, 2), (2, 1):
        with connected(wan, *ends) as (near, far):
            sender = threading.Thread(target=near.sendall, args=(payload,))
            start = time.monotonic()
            sender.start()
            assert len(receive(far, len(payload))) == len(payload)
            seconds.append(time.monotonic() - start)
            sender.join()
    # 0.6 s for the payload, 4 % more for headers; the last packets of a slow start may wait for a timeout.
    assert 0.6 <= seconds[0] < 2.0
    assert seconds[1] < 0.5


def test_more_addresses_and_multicast_reach_every_host(wan: Wan) -> None:
    wan.add_address(2, "192.168.77.5")
    with wan.inside(2):
        listener = socket.create_server(("192.168.77.5", 0))
    with listener, wan.inside(3), socket.create_connection(listener.getsockname(), timeout=WAIT_S):
        pass
    with wan.inside(1):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with wan.inside(3):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender, receiver:
        receiver.bind(("224.0.0.251", 0))
        group = socket.inet_aton("224.0.0.251") + socket.inet_aton(wan.address(3))
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        receiver.settimeout(WAIT_S)
        sender.sendto(b"who is there?", receiver.getsockname())
        assert receiver.recv(100) == b"who is there?"


def test_programs_run_on_their_host_and_end_with_the_network() -> None:
    with Wan(hosts=2, subnet="172.20.0.0/16") as net:
        told = net.run(2, ["ip", "-4", "-o", "addr", "show", "wan0"], stdout=subprocess.PIPE, text=True)
        assert f"{net.address(2)}/16" in told.communicate()[0]
        assert net.address(2) == "172.20.0.2"
        with Program(net.command(1, [sys.executable, "-c", "import os; print(os.getpid()); input()"])) as program:
            assert program.wait_line(r"^\d+$").group() == str(program.pid)
        # A daemon that left the group and ignores SIGTERM.
        script = (
            "import os, signal, sys, time; signal.signal(15, signal.SIG_IGN)\nif os.fork(): sys.exit()\nos.setsid()\n"
            "print(os.getpid(), flush=True); time.sleep(600)"
        )
        starter = net.run(1, [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert starter.stdout is not None
        daemon = int(starter.stdout.readline())
        assert starter.wait() == 0
        assert proc.alive(daemon)
    assert not proc.alive(daemon)


def test_a_refused_command_says_why_and_harms_nothing(wan: Wan) -> None:
    with pytest.raises(WanError, match="no host 9"):
        wan.cut(9)
    with pytest.raises(WanError, match="loss 2"):
        wan.link(1, 2, loss=2)
    with pytest.raises(WanError, match="cannot take"):
        wan.add_address(1, wan.address(2))
    with pytest.raises(WanError, match="up already"), wan:
        pass
    with connected(wan, 1, 2):
        pass


def test_networks_live_side_by_side(make_wan: Callable[..., Wan]) -> None:
    first, second = make_wan(hosts=2), make_wan(hosts=2)
    assert first.address(2) == second.address(2)
    first.cut(1)
    with connected(second, 1, 2) as (near, far):
        near.sendall(b"x")
        assert far.recv(1) == b"x"


OWNER = """
import subprocess, sys
from tests.kit.wan import Wan
with Wan(hosts=2) as wan:
    inner = wan.run(1, ["sh", "-c", "trap '' TERM; echo in; sleep 600"], stdout=subprocess.PIPE)
    assert inner.stdout.readline() == b"in\\n"
    print("up", wan._carrier.pid, inner.pid, flush=True)
    input()
"""


def test_a_killed_test_leaves_nothing() -> None:
    with Program([sys.executable, "-c", OWNER]) as owner:
        carrier, inner = map(int, owner.wait_line(r"^up (\d+) (\d+)$").groups())
        owner.send_signal(signal.SIGKILL)
        assert proc.wait_dead(carrier, WAIT_S)
        assert proc.wait_dead(inner, WAIT_S)


def test_what_a_killed_test_and_its_killed_carrier_left_is_removed_by_the_next_network(
    make_wan: Callable[..., Wan],
) -> None:
    with Program([sys.executable, "-c", OWNER]) as owner:
        carrier, inner = map(int, owner.wait_line(r"^up (\d+) (\d+)$").groups())
        os.kill(carrier, signal.SIGKILL)
        owner.send_signal(signal.SIGKILL)
        owner.wait_exit()
        assert proc.wait_dead(carrier, WAIT_S)
        assert proc.alive(inner)
        make_wan(hosts=1)
        assert proc.wait_dead(inner, WAIT_S)


def test_a_network_does_not_touch_the_machines_own() -> None:
    namespaces = Path("/run/netns")
    named = set(namespaces.iterdir()) if namespaces.exists() else set()
    devices, routes = socket.if_nameindex(), Path("/proc/net/route").read_text()
    with Wan(hosts=2) as net:
        descriptors = list(net._namespaces.values())
        inner = net.run(1, ["sh", "-c", "echo in; exec sleep 600"], stdout=subprocess.PIPE, text=True)
        assert inner.stdout is not None
        assert inner.stdout.readline() == "in\n"
        assert inner.pid in netns.members(descriptors)
        assert socket.if_nameindex() == devices
        assert Path("/proc/net/route").read_text() == routes
    assert not proc.alive(inner.pid)
    assert (set(namespaces.iterdir()) if namespaces.exists() else set()) == named
    with pytest.raises(WanError, match="not up"):
        net.cut(1)
