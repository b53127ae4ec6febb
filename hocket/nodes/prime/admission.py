"""Who becomes a part of the cluster, keeps its certificate fresh, or is put out for good."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from hocket.adapters.authority import Authority
from hocket.adapters.certificates import read_request
from hocket.adapters.clocks import random_bytes
from hocket.adapters.link import Link
from hocket.adapters.records import Records
from hocket.auth.jointokens import ID_BYTES, SECRET_BYTES, JoinRequest, new_token, reach_warning, record_of
from hocket.auth.revocations import Revocations
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S, Clock
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.members import Members
from hocket.wire.messages.planes import (
    CERTIFIED_NODES,
    MAX_REMOVED_NODES,
    Certified,
    Certify,
    ChildPolicy,
    Join,
    Joined,
    NodeRemove,
    NodesRemoved,
    Token,
    TokenMake,
)

log = logging.getLogger(__name__)

MAX_TOKEN_S = 366 * 86400.0


class NodeOut(HocketError):
    """The node was removed from this cluster."""

    code = ErrorCode.CERTIFICATE_REFUSED


class Admission:
    """Tokens, certificates, removals."""

    def __init__(
        self,
        authority: Authority,
        records: Records,
        members: Members,
        revoked: Revocations,
        policy: ChildPolicy,
        addresses: Callable[[], list[HostPort]],
        clock: Clock,
    ) -> None:
        self._authority = authority
        self._records = records
        self._members = members
        self._revoked = revoked
        self._policy = policy
        self._addresses = addresses
        self._clock = clock

    async def load(self) -> None:
        """Remember who was removed."""
        self._revoked.remove_nodes(await self._records.removed_nodes())

    def check(self, link: Link) -> None:
        """A link opened: raises NodeOut for a node that was removed."""
        if self._revoked.covers_node(link.peer.node) and link.peer.role in CERTIFIED_NODES:
            raise NodeOut(
                f"{link.peer.node} was removed from this cluster",
                hint="to bring that machine back give it a new, empty data folder and a new token",
            )

    async def token(self, asked: TokenMake) -> Token:
        """A join token for the addresses under which this machine is known. Raises HocketError (USAGE)."""
        if asked.ttl_s > MAX_TOKEN_S:
            raise HocketError(
                f"a join token holds for at most {MAX_TOKEN_S:.0f} s, a year",
                code=ErrorCode.USAGE,
                hint="make a new one when it is needed",
            )
        primes = self._addresses()
        token = new_token(primes, self._authority.fingerprint, random_bytes(ID_BYTES + SECRET_BYTES))
        now_s = self._now_unix_s()
        await self._records.add_join_token(record_of(token, asked.uses, round(now_s + asked.ttl_s)), now_s)
        return Token(token.text(), reach_warning(primes))

    async def join(self, asked: Join) -> Joined:
        """Certify a machine that holds a token. Raises TokenRefused, CertificateRefused."""
        request = read_request(asked.request_der)
        join = JoinRequest(request.node, request.public_key, asked.token_id, asked.secret)
        await self._records.join(join, self._now_unix_s())
        log.info("%s joined", request.node)
        certificate = self._authority.certify(request.role, request.node, request.public_key)
        return Joined(certificate, self._members.own_id, self._policy)

    def certify(self, link: Link, asked: Certify) -> Certified:
        """A fresh certificate for the node itself, or for a child that a plane was told to spawn.

        Raises CertificateRefused, HocketError (NOT_ALLOWED).
        """
        request = read_request(asked.request_der)
        if request.node != link.peer.node:
            record = self._members.record(request.node)
            is_child = record is not None and record.parent == link.peer.node and record.role is request.role
            if link.peer.role is not Role.PLANE or not is_child:
                raise HocketError(
                    f"{link.peer.node} may not ask for a certificate of {request.node}", code=ErrorCode.NOT_ALLOWED
                )
        return Certified(self._authority.certify(request.role, request.node, request.public_key))

    async def remove(self, asked: NodeRemove) -> None:
        """Put a node and what runs under it out at once, for good. Raises HocketError (NODE_MISSING, NOT_ALLOWED).

        Goes on to its end when who asked is gone.
        """
        await asyncio.shield(self._remove(asked))

    async def _remove(self, asked: NodeRemove) -> None:
        record = self._members.record(asked.node)
        joined = {known.node for known in await self._records.joined_nodes()}
        if record is None and asked.node not in joined:
            raise HocketError(
                f"there is no node {asked.node}", code=ErrorCode.NODE_MISSING, hint="`controlNODE.py status` lists them"
            )
        if asked.node == self._members.own_id:
            raise HocketError(
                "the prime cannot be removed", code=ErrorCode.NOT_ALLOWED, hint="stop its process instead"
            )
        out = (asked.node, *sorted(self._members.registry.children(asked.node)))
        await self._records.remove_nodes(out, self._now_unix_s())
        self._revoked.remove_nodes(out)
        for link in self._members.links(*CERTIFIED_NODES):
            for part in _parts(out):
                link.notify(part)
        self._members.leave(asked.node, "it was removed by the operator")

    def removed(self) -> list[NodesRemoved]:
        """For a node that registers: whom to refuse. In parts: the list only grows."""
        return _parts(sorted(self._revoked.nodes))

    def _now_unix_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S


def _parts(nodes: Sequence[NodeId]) -> list[NodesRemoved]:
    return [NodesRemoved(tuple(nodes[at : at + MAX_REMOVED_NODES])) for at in range(0, len(nodes), MAX_REMOVED_NODES)]
