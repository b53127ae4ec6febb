"""How a machine becomes a node of a cluster, once: by a token. Afterwards its data folder is its passport."""

import logging

import msgspec

from hocket.adapters import link as links
from hocket.adapters.authority import load_credentials, save_credentials
from hocket.adapters.certificates import new_key_pem, request_certificate
from hocket.adapters.datafolder import DataBroken, DataFolder
from hocket.adapters.link import Link
from hocket.adapters.tls import Credentials, fingerprint, listener_context, pem_of, stranger_context
from hocket.auth.jointokens import JoinToken, TokenRefused
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import NodeId, Role
from hocket.nodes.renewal import left_s
from hocket.nodes.standing import Standing
from hocket.wire.message import Message
from hocket.wire.messages.common import Authority, AuthorityGet
from hocket.wire.messages.planes import ChildPolicy, Join, Joined

log = logging.getLogger(__name__)

CREDENTIALS = "node"
"""Kept as node.key and node.pem."""

MEMBERSHIP_FILE = "membership.json"
TRY_S = 3.0
"""For one of the prime's addresses: a token may name several, and not all are in reach."""


class Membership(msgspec.Struct, frozen=True):
    """Which cluster this data folder belongs to, and what its owner decided for nodes."""

    prime: HostPort
    prime_node: NodeId
    policy: ChildPolicy


class Passport(msgspec.Struct, frozen=True):
    """What a joined node starts with. `own_host` is the address by which it reached the prime, "" if it did not."""

    standing: Standing
    policy: ChildPolicy
    own_host: str = ""


async def join(folder: DataFolder, role: Role, token_text: str) -> Passport:
    """Use a token, or, without one, what an earlier use left in the data folder.

    Raises TokenRefused, NotReachable, DataBroken, HocketError (TOKEN_REFUSED when there is neither).
    """
    node = folder.node_id(role)
    kept = _kept(folder, role, node)
    ran_out_s = -left_s(kept.standing.credentials) if kept is not None else 0.0
    if kept is not None and ran_out_s > 0 and not token_text:
        raise TokenRefused(
            f"the certificate of {node} ran out {ran_out_s / 86400:.1f} days ago: this machine was off for too long",
            hint="give it a new token with --join (`controlNODE.py token` prints one), or set its clock if it is wrong",
        )
    if not token_text:
        if kept is None:
            raise TokenRefused(
                f"{folder.path} belongs to no cluster yet",
                hint="`controlNODE.py token` on the prime's machine prints a token; give it with --join TOKEN",
            )
        return kept
    token = JoinToken.parse(token_text)
    is_ours = kept is not None and fingerprint_of(kept.standing.credentials) == token.fingerprint_hex
    if kept is not None and is_ours and ran_out_s > 0:
        return await _join_anew(folder, role, node, token, kept.standing.credentials.key)
    if kept is not None and is_ours:
        log.info("%s belongs to this cluster already: the token is not used up", node)
        return await _where_the_token_says(folder, kept, token)
    if kept is not None:
        raise TokenRefused(
            f"{folder.path} belongs to another cluster", hint="give this machine a new, empty folder with --data"
        )
    return await _join_anew(folder, role, node, token, new_key_pem())


def fingerprint_of(credentials: Credentials) -> str:
    """The fingerprint of the cluster that issued these credentials."""
    from hocket.adapters.tls import der_of

    return fingerprint(der_of(credentials.authority))


def authority_key_of(credentials: Credentials) -> bytes:
    """The cluster's raw public key, which signs grants."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = x509.load_pem_x509_certificate(credentials.authority.encode()).public_key()
    assert isinstance(key, Ed25519PublicKey)
    return key.public_bytes_raw()


def _kept(folder: DataFolder, role: Role, node: NodeId) -> Passport | None:
    content = folder.read(MEMBERSHIP_FILE)
    credentials = load_credentials(folder, CREDENTIALS)
    if content is None or credentials is None:
        return None
    try:
        kept = msgspec.json.decode(content, type=Membership)
    except msgspec.DecodeError:
        raise DataBroken(
            f"{folder.path / MEMBERSHIP_FILE} is damaged", hint="restore it from a backup, or join again with a token"
        ) from None
    return Passport(Standing(role, node, kept.prime, kept.prime_node, credentials), kept.policy)


async def _where_the_token_says(folder: DataFolder, kept: Passport, token: JoinToken) -> Passport:
    """The prime may have moved to an address that this node does not know yet."""
    if kept.standing.prime in token.primes:
        return kept
    for address in token.primes:
        try:
            await _authority(address, token)
        except NotReachable:
            continue
        moved = msgspec.structs.replace(kept.standing, prime=address)
        folder.write(MEMBERSHIP_FILE, msgspec.json.encode(Membership(address, moved.prime_node, kept.policy)))
        log.info("the prime is at %s now", address)
        return msgspec.structs.replace(kept, standing=moved)
    return kept


async def _join_anew(folder: DataFolder, role: Role, node: NodeId, token: JoinToken, key: str) -> Passport:
    request = request_certificate(role, node, key)
    failure: HocketError = NotReachable("the token names no address")
    for address in token.primes:
        try:
            authority_pem = await _authority(address, token)
            joined, own_host = await _ask(address, authority_pem, Join(token.id, token.secret, request))
        except NotReachable as error:
            failure = error
            continue
        credentials = Credentials(joined.certificate, key, authority_pem)
        save_credentials(folder, CREDENTIALS, credentials)
        membership = Membership(address, joined.prime, joined.policy)
        folder.write(MEMBERSHIP_FILE, msgspec.json.encode(membership))
        log.info("%s joined the cluster of %s", node, joined.prime)
        return Passport(Standing(role, node, address, joined.prime, credentials), joined.policy, own_host)
    raise failure


async def _authority(address: HostPort, token: JoinToken) -> str:
    """The CA's certificate, once its fingerprint matched. Nothing secret was sent by then. Raises TokenRefused."""
    mine = links.hello(Role.LISTENER, NodeId(""))
    link = await links.connect(
        address, stranger_context(), mine, _Nobody(), expect=(Role.PRIME, None), believe=True, timeout_s=TRY_S
    )
    try:
        der = (await link.request(AuthorityGet(), Authority, TRY_S)).certificate_der
    finally:
        link.close()
        await link.wait_closed()
    if fingerprint(der) != token.fingerprint_hex:
        raise TokenRefused(
            f"who answers at {address} is not the prime that made this token (its fingerprint is another)",
            hint="make a new token; if that is of no use somebody stands between you and your prime",
        )
    return pem_of(der)


async def _ask(address: HostPort, authority_pem: str, message: Join) -> tuple[Joined, str]:
    mine = links.hello(Role.LISTENER, NodeId(""))
    try:
        context = listener_context(authority_pem)
        link = await links.connect(address, context, mine, _Nobody(), expect=(Role.PRIME, None), timeout_s=TRY_S)
    except HocketError as error:
        if error.code is not ErrorCode.CERTIFICATE_REFUSED:
            raise
        raise TokenRefused(
            f"who answers at {address} shows your prime's fingerprint without holding its key: {error.text}",
            hint="somebody stands between you and your prime",
        ) from None
    try:
        return await link.request(message, Joined), link.own_address.host
    finally:
        link.close()
        await link.wait_closed()


class _Nobody:
    """Owns a link on which nothing comes unasked."""

    async def on_message(self, link: Link, message: Message) -> Message | None:
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...
