"""Which clusters a listener knows: a cluster's CA is pinned on first use, as SSH does with hosts."""

import asyncio
import contextlib
import fcntl
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hocket.adapters import tls
from hocket.adapters.link import Link, Owner, connect, hello
from hocket.core.address import ClusterAddress, HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError
from hocket.core.ids import NodeId, Role
from hocket.wire.message import Message
from hocket.wire.messages.common import Authority, AuthorityGet

FILE_NAME = "known_clusters.json"


class FingerprintChanged(HocketError):
    """Another cluster answers at an address than the one that was met there first."""

    code = ErrorCode.FINGERPRINT_CHANGED

    def __init__(self, at: HostPort, known: str, found: str) -> None:
        super().__init__(
            f"{at} shows the fingerprint {found}, but it is known by {known}",
            hint=(
                "somebody may be listening in, or the cluster was set up anew: ask whoever runs it for its "
                f"hocket:// address; if it is right, forget the old one with `user.py forget {at}`"
            ),
        )
        self.known = known
        self.found = found


class NotTheInvited(HocketError):
    """The fingerprint in a hocket:// address is not that of the cluster which answers there."""

    code = ErrorCode.FINGERPRINT_CHANGED

    def __init__(self, at: HostPort, invited: str, found: str) -> None:
        super().__init__(
            f"{at} shows the fingerprint {found}, the address says {invited}",
            hint="somebody may be listening in, or the address is old: ask for a new one",
        )


class KnownCluster(msgspec.Struct, frozen=True):
    """What is remembered of a cluster: its CA (PEM) and the CA's SHA-256 in hex."""

    fingerprint: str
    authority_pem: str


class _Book(msgspec.Struct, frozen=True):
    """The file: HOST:PORT -> cluster."""

    clusters: dict[str, KnownCluster] = {}


class KnownClusters:
    """The clusters that this user has met, in a file of the config folder.

    Several programs may use it at once. Raises HocketError: DATA_BROKEN for a file that cannot
    be understood (nobody is trusted by guess), DATA_UNWRITABLE.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def all(self) -> dict[str, KnownCluster]:
        """HOST:PORT -> cluster."""
        return self._read().clusters

    def find(self, at: HostPort) -> KnownCluster | None:
        return self.all().get(_key(at))

    def remember(self, at: HostPort, cluster: KnownCluster) -> None:
        """Pin a cluster to an address, in place of what was pinned there."""
        with self._changing() as clusters:
            clusters[_key(at)] = cluster

    def forget(self, at: HostPort) -> bool:
        """Whether there was something to forget."""
        with self._changing() as clusters:
            return clusters.pop(_key(at), None) is not None

    def _read(self) -> _Book:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Book)
        except FileNotFoundError:
            return _Book()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HocketError(
                f"the list of known clusters {self._path} is damaged ({error})",
                code=ErrorCode.DATA_BROKEN,
                hint="delete it; clusters are then met as if for the first time: compare their fingerprints",
            ) from None
        except OSError as error:
            raise HocketError(
                f"the list of known clusters {self._path} cannot be read: {error.strerror}",
                code=ErrorCode.DATA_BROKEN,
                hint="mend its permissions",
            ) from None

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, KnownCluster]]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                clusters = dict(self._read().clusters)
                yield clusters
                _write_whole(self._path, msgspec.json.format(msgspec.json.encode(_Book(clusters))))
        except OSError as error:
            raise HocketError(
                f"the list of known clusters {self._path} cannot be written: {error.strerror}",
                code=ErrorCode.DATA_UNWRITABLE,
                hint="mend the folder's permissions, or name another one with --home",
            ) from None


class _Stranger(Owner):
    """Wants nothing from the other side."""

    async def on_message(self, link: Link, message: Message) -> Message | None:
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...


async def meet(at: HostPort, me: NodeId) -> KnownCluster:
    """Ask whoever answers at an address for its CA. Proves nothing yet, sends nothing secret.

    Raises NotReachable, ProtocolError, Refused.
    """
    mine = hello(Role.LISTENER, me)
    link = await connect(at, tls.stranger_context(), mine, _Stranger(), expect=(Role.PRIME, None), believe=True)
    try:
        authority = await link.request(AuthorityGet(), Authority)
    finally:
        link.close()
        await link.wait_closed()
    der = authority.certificate_der
    met = KnownCluster(tls.fingerprint(der), tls.pem_of(der))
    try:
        tls.listener_context(met.authority_pem)
    except (ssl.SSLError, ValueError) as error:
        raise ProtocolError(f"{at} sent a CA certificate that cannot be read ({error})") from None
    return met


async def connect_to_prime(
    address: ClusterAddress, known: KnownClusters, me: NodeId, owner: Owner
) -> tuple[Link, KnownCluster, bool]:
    """A trusted connection to a prime, its cluster, and whether the cluster was pinned by this call.

    A fingerprint in the address decides over one that was pinned before. Raises FingerprintChanged,
    NotTheInvited, NotReachable, ProtocolError, Refused, and what KnownClusters raises.
    """
    cluster = await asyncio.to_thread(known.find, address.at)
    if cluster is not None and address.fingerprint in ("", cluster.fingerprint):
        return await _connect_as_known(address.at, cluster, me, owner), cluster, False
    met = await meet(address.at, me)
    if address.fingerprint and met.fingerprint != address.fingerprint:
        raise NotTheInvited(address.at, address.fingerprint, met.fingerprint)
    # Only this proves that whoever answers holds a certificate of that CA, and did not just recite it.
    link = await _connect(address.at, met, me, owner)
    try:
        await asyncio.to_thread(known.remember, address.at, met)
    except BaseException:
        await link.give_up()
        raise
    return link, met, True


async def _connect_as_known(at: HostPort, cluster: KnownCluster, me: NodeId, owner: Owner) -> Link:
    try:
        return await _connect(at, cluster, me, owner)
    except HocketError as error:
        if error.code is not ErrorCode.CERTIFICATE_REFUSED:
            raise
        try:
            found = await meet(at, me)
        except NotReachable:
            raise error from None
        if found.fingerprint != cluster.fingerprint:
            raise FingerprintChanged(at, cluster.fingerprint, found.fingerprint) from None
        raise


async def _connect(at: HostPort, cluster: KnownCluster, me: NodeId, owner: Owner) -> Link:
    try:
        context = tls.listener_context(cluster.authority_pem)
    except (ssl.SSLError, ValueError) as error:
        raise HocketError(
            f"what is remembered of the cluster at {at} is damaged ({error})",
            code=ErrorCode.DATA_BROKEN,
            hint=f"forget it with `user.py forget {at}`, then compare the fingerprint",
        ) from None
    return await connect(at, context, hello(Role.LISTENER, me), owner, expect=(Role.PRIME, None))


def _key(at: HostPort) -> str:
    return str(at).lower()


def _write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step: after a crash it holds the old or the new content, never half."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
