"""Whom a listener believes: first contact, later ones, changed fingerprints, and peers that speak nonsense."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hocket.adapters import tls
from hocket.adapters.trust import FILE_NAME, FingerprintChanged, KnownCluster, KnownClusters, NotTheInvited
from hocket.client import events
from hocket.core.address import ClusterAddress, HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role
from hocket.wire import codec
from hocket.wire.hello import NONCE_BYTES, Hello
from hocket.wire.messages.common import AuthorityGet
from tests.client.kit import Listener, listening
from tests.kit.fakecluster import PASSWORD, USER, FakeCluster
from tests.kit.identities import authority, credentials

AT = HostPort("127.0.0.1", 50001)


def _known(folder: Path) -> KnownClusters:
    return KnownClusters(folder / "home")


async def _log_in(listener: Listener, address: ClusterAddress) -> HocketError | None:
    try:
        await listener.engine.log_in(address, USER, PASSWORD)
    except HocketError as error:
        return error
    return None


def test_the_first_contact_pins_and_the_next_one_goes_straight(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster() as cluster:
            async with listening(cluster, tmp_path) as listener:
                pinned = listener.told.of(events.Pinned)[0]
                assert pinned.fingerprint == cluster.authority.fingerprint
                assert pinned.address == str(cluster.prime.address)
            assert cluster.prime.count(AuthorityGet) == 1
            async with listening(cluster, tmp_path) as listener:
                assert listener.told.of(events.Pinned) == []
            assert cluster.prime.count(AuthorityGet) == 1

    asyncio.run(scene())


def test_another_cluster_at_the_same_address_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster() as cluster, listening(cluster, tmp_path):
            at = cluster.prime.address
        other = FakeCluster(name="theirs")
        other.prime.address = at
        async with other, listening(other, tmp_path, log_in=False) as listener:
            error = await _log_in(listener, other.address)
            assert isinstance(error, FingerprintChanged)
            assert (error.known, error.found) == (authority("ours").fingerprint, authority("theirs").fingerprint)
            assert error.found in error.text
            assert f"forget {at}" in error.hint
            assert _known(tmp_path).forget(at)
            assert await _log_in(listener, other.address) is None

    asyncio.run(scene())


def test_the_fingerprint_of_an_invitation_is_insisted_on(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster() as cluster, listening(cluster, tmp_path, log_in=False) as listener:
            wrong = ClusterAddress(cluster.prime.address, "0" * 64)
            error = await _log_in(listener, wrong)
            assert isinstance(error, NotTheInvited)
            assert error.code is ErrorCode.FINGERPRINT_CHANGED
            assert _known(tmp_path).all() == {}
            right = ClusterAddress(cluster.prime.address, cluster.authority.fingerprint)
            assert await _log_in(listener, right) is None

    asyncio.run(scene())


def test_a_fresh_invitation_takes_the_place_of_an_old_pin(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster() as cluster, listening(cluster, tmp_path, log_in=False) as listener:
            theirs = authority("theirs")
            old = KnownCluster(theirs.fingerprint, theirs.certificate_pem)
            _known(tmp_path).remember(cluster.prime.address, old)
            invited = ClusterAddress(cluster.prime.address, cluster.authority.fingerprint)
            assert await _log_in(listener, invited) is None
            found = _known(tmp_path).find(cluster.prime.address)
            assert found is not None
            assert found.fingerprint == cluster.authority.fingerprint

    asyncio.run(scene())


def test_who_recites_a_fingerprint_without_its_key_is_not_believed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster(name="theirs") as liar, listening(liar, tmp_path, log_in=False) as listener:
            liar.shown_authority = authority("ours").certificate_der
            error = await _log_in(listener, ClusterAddress(liar.prime.address, authority("ours").fingerprint))
            assert error is not None
            assert error.code is ErrorCode.CERTIFICATE_REFUSED
            assert _known(tmp_path).all() == {}

    asyncio.run(scene())


def test_a_broken_authority_is_a_protocol_error(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster() as cluster, listening(cluster, tmp_path, log_in=False) as listener:
            cluster.shown_authority = b"\x30\x03\x02\x01\x00"
            error = await _log_in(listener, cluster.address)
            assert error is not None
            assert error.code is ErrorCode.PROTOCOL

    asyncio.run(scene())


def test_a_prime_replaced_by_another_cluster_is_noticed_on_reconnect(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster() as cluster, listening(cluster, tmp_path) as listener:
            other = FakeCluster(name="theirs", auths=0, files=0)
            await cluster.prime.stop()
            other.prime.address = cluster.prime.address
            async with other:
                error = await listener.told.wait(events.Error)
                assert error.code == "FINGERPRINT_CHANGED"

    asyncio.run(scene())


def test_nobody_there(tmp_path: Path) -> None:
    async def scene() -> None:
        cluster = FakeCluster()
        async with cluster:
            pass
        async with listening(cluster, tmp_path, log_in=False) as listener:
            error = await _log_in(listener, cluster.address)
            assert error is not None
            assert error.code is ErrorCode.NOT_REACHABLE

    asyncio.run(scene())


# -- peers that are no prime

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _meet(handler: Handler, folder: Path, *, with_tls: bool = True) -> HocketError:
    async def scene() -> HocketError | None:
        context = tls.server_context(credentials(Role.PRIME, "prime-00000000000a")) if with_tls else None
        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
        host, port = server.sockets[0].getsockname()
        async with server, listening(FakeCluster(), folder, log_in=False) as listener:
            return await _log_in(listener, ClusterAddress(HostPort(host, port)))

    error = asyncio.run(scene())
    assert error is not None
    return error


async def _read_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass
    writer.close()


@pytest.mark.parametrize(
    ("oldest", "newest", "code", "side"),
    [(1000, 1001, ErrorCode.VERSION_TOO_NEW, "listener"), (-2, -1, ErrorCode.VERSION_TOO_OLD, "prime")],
)
def test_a_wrong_version_says_which_side_to_upgrade(
    oldest: int, newest: int, code: ErrorCode, side: str, tmp_path: Path
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = Hello(oldest, newest, Role.PRIME, NodeId("prime-00000000000a"), bytes(NONCE_BYTES))
        writer.write(codec.encode(hello))
        await _read_on(reader, writer)

    error = _meet(greet, tmp_path)
    assert error.code is code
    assert f"upgrade Hocket on the {side}'s side" in error.hint


@pytest.mark.parametrize("with_tls", [True, False], ids=["tls", "plain"])
def test_garbage_is_answered_by_a_plain_error(with_tls: bool, tmp_path: Path) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 10)
        await _read_on(reader, writer)

    error = _meet(babble, tmp_path, with_tls=with_tls)
    assert error.code in {ErrorCode.TOO_LARGE, ErrorCode.MALFORMED, ErrorCode.NOT_REACHABLE, ErrorCode.UNKNOWN_KIND}


def test_silence_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.wire.limits.HELLO_TIMEOUT_S", 0.3)
    error = _meet(_read_on, tmp_path)
    assert error.code is ErrorCode.TIMED_OUT


# -- the list of known clusters


def test_clusters_are_remembered_and_forgotten(tmp_path: Path) -> None:
    known = _known(tmp_path)
    assert known.all() == {}
    cluster = KnownCluster("ab" * 32, "PEM")
    known.remember(AT, cluster)
    known.remember(HostPort("::1", 1), cluster)
    assert _known(tmp_path).find(AT) == cluster
    assert known.forget(AT)
    assert not known.forget(AT)
    assert list(known.all()) == ["[::1]:1"]


def test_names_of_hosts_do_not_mind_capital_letters(tmp_path: Path) -> None:
    cluster = KnownCluster("ab" * 32, "PEM")
    _known(tmp_path).remember(HostPort("Music.Home", 1), cluster)
    assert _known(tmp_path).find(HostPort("music.home", 1)) == cluster


@pytest.mark.parametrize("content", [b"", b"{", b'{"clusters": 7}', b"\xff\xfe"])
def test_a_damaged_list_trusts_nobody_and_says_so(content: bytes, tmp_path: Path) -> None:
    known = _known(tmp_path)
    known.remember(AT, KnownCluster("ab" * 32, "PEM"))
    (tmp_path / "home" / FILE_NAME).write_bytes(content)
    for action in (known.all, lambda: known.remember(AT, KnownCluster("cd" * 32, "PEM"))):
        with pytest.raises(HocketError, match="damaged") as raised:
            action()
        assert raised.value.code is ErrorCode.DATA_BROKEN
    assert (tmp_path / "home" / FILE_NAME).read_bytes() == content


def test_a_damaged_certificate_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster() as cluster, listening(cluster, tmp_path, log_in=False) as listener:
            broken = KnownCluster(cluster.authority.fingerprint, "no certificate")
            _known(tmp_path).remember(cluster.prime.address, broken)
            error = await _log_in(listener, cluster.address)
            assert error is not None
            assert error.code is ErrorCode.DATA_BROKEN
            assert cluster.prime.asked == []

    asyncio.run(scene())


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file in the way")
    with pytest.raises(HocketError) as raised:
        _known(tmp_path).remember(AT, KnownCluster("ab" * 32, "PEM"))
    assert raised.value.code is ErrorCode.DATA_UNWRITABLE
