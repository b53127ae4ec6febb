"""Joining: a fake prime gets no secret; who was off for too long comes back; who slept renews in time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from hocket.adapters.authority import load_credentials, save_credentials
from hocket.adapters.certificates import new_key_pem, public_key_of, read_certificate, read_request
from hocket.adapters.datafolder import DataFolder
from hocket.adapters.link import Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.tls import Credentials, server_context
from hocket.auth.jointokens import JoinToken, TokenRefused, new_token
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.nodes import renewal
from hocket.nodes.joining import CREDENTIALS, MEMBERSHIP_FILE, Membership, join
from hocket.nodes.renewal import keep_fresh, left_s
from hocket.nodes.standing import Standing
from hocket.wire.message import Message
from hocket.wire.messages.common import Authority, AuthorityGet
from hocket.wire.messages.planes import Certified, Certify, ChildPolicy, Join, Joined
from tests.kit.identities import authority, credentials

PRIME = NodeId("prime-000000000001")
HERE = HostPort("127.0.0.1", 0)


class Prime:
    """Lets everybody in, and remembers by which key. `shows` is the CA that it says is its own."""

    def __init__(self, shows: str = "ours") -> None:
        self.shows = shows
        self.keys: list[bytes] = []

    async def on_message(self, link: Link, message: Message) -> Message | None:
        match message:
            case AuthorityGet():
                return Authority(authority(self.shows).certificate_der)
            case Join():
                request = read_request(message.request_der)
                self.keys.append(request.public_key)
                certificate = authority("ours").certify(request.role, request.node, request.public_key)
                return Joined(certificate, PRIME, ChildPolicy())
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...


@contextlib.asynccontextmanager
async def prime(cluster: str = "ours", shows: str = "ours") -> AsyncIterator[tuple[Prime, JoinToken]]:
    """A prime with a certificate of a cluster, and a token of ours that leads to it."""
    owner = Prime(shows)
    server = LinkServer(server_context(credentials(Role.PRIME, PRIME, cluster)), Role.PRIME, PRIME, owner)
    address = await server.start(HERE)
    try:
        yield owner, new_token([address], authority("ours").fingerprint, bytes(24))
    finally:
        await server.stop()


def joined_long_ago(folder: DataFolder, days: float) -> bytes:
    """A plane's folder whose certificate was for so many days; its public key."""
    node, key = folder.node_id(Role.PLANE), new_key_pem()
    certificate = authority("ours").certify(Role.PLANE, node, public_key_of(key), days)
    save_credentials(folder, CREDENTIALS, Credentials(certificate, key, authority("ours").certificate_pem))
    folder.write(MEMBERSHIP_FILE, msgspec.json.encode(Membership(HostPort("127.0.0.1", 1), PRIME, ChildPolicy())))
    return public_key_of(key)


def test_a_machine_that_was_off_for_too_long_comes_back_by_a_token(tmp_path: Path) -> None:
    async def run() -> None:
        with DataFolder.open(tmp_path / "plane") as folder:
            key = joined_long_ago(folder, -1.5)
            with pytest.raises(TokenRefused, match=r"ran out 1\.5 days ago") as caught:
                await join(folder, Role.PLANE, "")
            assert "token" in caught.value.hint
            async with prime() as (owner, token):
                passport = await join(folder, Role.PLANE, token.text())
                assert owner.keys == [key], "the prime knows this machine by its key"
                assert left_s(passport.standing.credentials) > 0
                assert passport.standing.prime == token.primes[0]
                assert load_credentials(folder, CREDENTIALS) == passport.standing.credentials
                assert (await join(folder, Role.PLANE, "")).standing == passport.standing

    asyncio.run(run())


def test_a_machine_whose_certificate_holds_uses_no_token_up(tmp_path: Path) -> None:
    async def run() -> None:
        with DataFolder.open(tmp_path / "plane") as folder:
            joined_long_ago(folder, 1.0)
            async with prime() as (owner, token):
                await join(folder, Role.PLANE, token.text())
                assert owner.keys == []

    asyncio.run(run())


def test_a_certificate_is_renewed_for_the_same_key_though_the_machine_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock jumps while the event loop's stands still."""
    plane = NodeId("plane-000000000001")
    own = credentials(Role.PLANE, plane)
    monkeypatch.setattr(renewal, "LOOK_S", 0.01)
    now_unix_s = 1_700_000_000.0
    monkeypatch.setattr("hocket.nodes.renewal.time.time", lambda: now_unix_s)

    async def run() -> None:
        nonlocal now_unix_s
        asked, fresh = asyncio.Event(), asyncio.Event()
        got: list[Credentials] = []

        async def ask(message: Certify, reply: type[Certified]) -> Certified:
            asked.set()
            request = read_request(message.request_der)
            return Certified(authority("ours").certify(request.role, request.node, request.public_key))

        def keep(renewed: Credentials) -> None:
            got.append(renewed)
            fresh.set()

        standing = Standing(Role.PLANE, plane, HERE, PRIME, own)
        task = asyncio.create_task(keep_fresh(standing, 3600.0, ask, keep))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asked.wait()
        now_unix_s += 3601.0
        async with asyncio.timeout(20):
            await fresh.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert got[0].key == own.key
        assert read_certificate(got[0].certificate).public_key == public_key_of(own.key)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("shows", "reason"), [("theirs", "its fingerprint is another"), ("ours", "without holding its key")]
)
def test_a_fake_prime_gets_no_secret(tmp_path: Path, shows: str, reason: str) -> None:
    """With a CA of its own; and with our CA's certificate, which everybody may read, and no key to it."""

    async def run() -> None:
        with DataFolder.open(tmp_path / "plane") as folder:
            async with prime("theirs", shows) as (owner, token):
                with pytest.raises(TokenRefused, match=reason) as caught:
                    await join(folder, Role.PLANE, token.text())
                assert caught.value.hint
                assert owner.keys == []
                assert load_credentials(folder, CREDENTIALS) is None

    asyncio.run(run())
