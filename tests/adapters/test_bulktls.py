"""TLS through memory: the same bytes whatever the socket takes at once, and an end that both sides agree on."""

import random
import select
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from hocket.adapters.bulktls import CLOSE_NOTIFY_BYTES, BulkTls
from hocket.adapters.tls import certified, node_client_context, server_context
from hocket.core.ids import NodeId, Role
from tests.kit.identities import credentials

ONE, TWO = NodeId("plane-00000000000a"), NodeId("plane-00000000000b")
TIMEOUT_S = 60.0
DATA = random.Random(1).randbytes(3_000_000)

Pair = tuple[BulkTls, BulkTls]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A client that blocks, and a server that does not, after the handshake."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(TIMEOUT_S)
        theirs.setblocking(False)
        client = BulkTls(ours, node_client_context(credentials(Role.PLANE, ONE)), memoryview(bytearray(256 * 1024)))
        room = memoryview(bytearray(16 * 1024))
        server = BulkTls(theirs, server_context(credentials(Role.PLANE, TWO)), room, server_side=True)
        beside = threading.Thread(target=client.do_handshake)
        beside.start()
        _retry(server, server.do_handshake)
        beside.join(TIMEOUT_S)
        yield client, server


def _retry(tls: BulkTls, step: "object", *given: "object") -> "object":
    """What an event loop does."""
    while True:
        try:
            return step(*given)  # type: ignore[operator]
        except ssl.SSLWantReadError:
            assert select.select([tls], [], [], TIMEOUT_S)[0]
        except ssl.SSLWantWriteError:
            assert select.select([], [tls], [], TIMEOUT_S)[1]


def _send_all(server: BulkTls, data: bytes) -> None:
    with memoryview(data) as view:
        at = 0
        while at < len(view):
            count = _retry(server, server.send, view[at : at + 100_000])
            assert isinstance(count, int)
            at += count


def test_both_know_each_other(pair: Pair) -> None:
    client, server = pair
    assert certified(client.getpeercert()) == (Role.PLANE, TWO)
    assert certified(server.getpeercert()) == (Role.PLANE, ONE)


@pytest.mark.parametrize("slice_bytes", [1000, 70_000, 256 * 1024, len(DATA)])
def test_every_byte_comes_in_order(pair: Pair, slice_bytes: int) -> None:
    client, server = pair
    beside = threading.Thread(target=_send_all, args=(server, DATA))
    beside.start()
    got = bytearray(len(DATA))
    with memoryview(got) as view:
        at = 0
        while at < len(DATA):
            at += client.recv_into(view[at : at + slice_bytes], coming_bytes=len(DATA) - at)
    beside.join(TIMEOUT_S)
    assert got == DATA


def test_many_small_messages_at_once_are_all_there(pair: Pair) -> None:
    """One receive takes them off the socket: what waits is told by `pending`."""
    client, server = pair
    for number in range(50):
        client.sendall(bytes([number]))
    got = bytearray(1)
    seen = []
    with memoryview(got) as view:
        assert _retry(server, server.recv_into, view) == 1
        seen.append(got[0])
        while server.pending() or select.select([server], [], [], 0)[0]:
            assert _retry(server, server.recv_into, view) == 1
            seen.append(got[0])
    assert seen == list(range(50))


def test_the_end_of_the_other_side_is_seen(pair: Pair) -> None:
    client, server = pair
    server.close()
    with memoryview(bytearray(10)) as view:
        assert client.recv_into(view) == 0


def test_tls_ends_and_what_follows_is_not_touched(pair: Pair) -> None:
    client, server = pair
    with pytest.raises(ssl.SSLWantReadError):
        server.unwrap()
    client.unwrap()
    client.inner.sendall(b"plain bytes")
    server.unwrap()
    assert server.inner.recv(100) == b"plain bytes"


def test_a_last_record_in_two_parts_takes_nothing_of_what_follows(pair: Pair) -> None:
    client, server = pair
    with pytest.raises(ssl.SSLWantReadError):
        client._tls.unwrap()
    record = client._outgoing.read()
    assert len(record) == CLOSE_NOTIFY_BYTES
    client.inner.sendall(record[:10])
    with pytest.raises(ssl.SSLWantReadError):
        server.unwrap()
    client.inner.sendall(record[10:] + b"plain bytes")
    server.unwrap()
    assert server.inner.recv(100) == b"plain bytes"


def test_a_certificate_of_another_cluster_is_refused_on_both_sides() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for sock in (ours, theirs):
            sock.settimeout(TIMEOUT_S)
        foreign = node_client_context(credentials(Role.PLANE, ONE, "another"))
        client = BulkTls(ours, foreign, memoryview(bytearray(1000)))
        context = server_context(credentials(Role.PLANE, TWO))
        server = BulkTls(theirs, context, memoryview(bytearray(1000)), server_side=True)
        refused: list[Exception] = []

        def serve() -> None:
            try:
                server.do_handshake()
            except ssl.SSLError as error:
                refused.append(error)

        beside = threading.Thread(target=serve)
        beside.start()
        with pytest.raises(ssl.SSLCertVerificationError):
            client.do_handshake()
        beside.join(TIMEOUT_S)
        assert "unknown ca" in str(refused[0]).lower().replace("_", " ")
