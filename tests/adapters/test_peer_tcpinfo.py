"""What the kernel tells of connections: enough to know what a line carries and how long it is."""

import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hocket.adapters.peers.tcpinfo import tcp_info

MUCH_BYTES = 300_000
WAIT_S = 30


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
        with one, other:
            yield one, other


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_all_that_is_sent_is_counted_once(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    before = tcp_info(one)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(one.sendall, bytes(MUCH_BYTES))
        got = 0
        while got < MUCH_BYTES:
            got += len(other.recv(MUCH_BYTES))
        sending.result(WAIT_S)
    after = tcp_info(one)
    assert before is not None
    assert after is not None
    assert after.sent_bytes - before.sent_bytes - after.again_bytes == MUCH_BYTES
    assert after.packets > before.packets
    assert after.round_trip_us is not None
    assert after.round_trip_us < 1_000_000


def test_who_cannot_be_told_of_is_not() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert tcp_info(here) is None
