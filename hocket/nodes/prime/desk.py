"""What the operator asks: how the cluster is, how listeners reach it, that a node be drained."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from hocket.adapters.processes import memory_bytes
from hocket.control.supervision import ChildStatus
from hocket.control.view import NodeRecord, NodeState
from hocket.core.address import ClusterAddress, HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.librarian import Librarian
from hocket.nodes.prime.members import Members
from hocket.nodes.shelf import Shelf
from hocket.wire.messages.common import Done
from hocket.wire.messages.nodes import Drain
from hocket.wire.messages.operator import DrainNode, Invite, NodeStatus, Status, TransferStatus

log = logging.getLogger(__name__)

DRAIN_ASK_S = 5.0


class Desk:
    """Answers the operator's questions about the cluster."""

    def __init__(
        self,
        members: Members,
        shelf: Shelf,
        librarian: Librarian,
        children: Callable[[], tuple[ChildStatus, ...]],
        addresses: Callable[[], list[HostPort]],
        fingerprint: str,
    ) -> None:
        self._members = members
        self._shelf = shelf
        self._librarian = librarian
        self._children = children
        self._addresses = addresses
        self._fingerprint = fingerprint
        self._since_s = members.now_s()

    def status(self) -> Status:
        """The cluster at this moment."""
        now_s = self._members.now_s()
        view = self._members.view()
        prime = next(node for node in view.nodes if node.role is Role.PRIME)
        nodes = tuple(self._node(node, now_s) for node in view.nodes)
        known = {node.id for node in nodes}
        troubled = tuple(_crashed(child, prime.node_id) for child in self._children() if child.node_id not in known)
        library, census = self._shelf.state, self._librarian.census
        return Status(
            prime.node_id,
            self._addresses()[0],
            census.tracks,
            library.unplayable,
            sum(node.load for node in view.nodes if node.role is Role.AUTH),
            self._librarian.missing_copies,
            nodes + troubled,
            now_s - self._since_s,
            (*library.problems, *self._librarian.problems())
            + (("removals are frozen: many nodes vanished together",) if self._frozen() else ()),
            library.scan_done,
            library.scan_total,
            tuple(
                TransferStatus(copy.track, copy.name, copy.source, target, copy.done_bytes, copy.size_bytes)
                for target, copy in self._librarian.transfers()
            ),
            census.copies_wanted,
            census.copies_present,
        )

    def invite(self) -> Invite:
        """The address to hand to listeners."""
        address = self._addresses()[0]
        warning = ""
        if address.is_loopback:
            warning = (
                "the prime listens on this machine only; start it with --listen ADDRESS:PORT "
                "(0.0.0.0:50001 for all interfaces) to let others in"
            )
        return Invite(str(ClusterAddress(address, self._fingerprint)), warning)

    async def drain(self, asked: DrainNode) -> None:
        """No new listeners there, nor on what runs under it; it hands over and retires.

        Raises HocketError (NODE_MISSING, NOT_ALLOWED), NotReachable: it was not told, and goes when its listeners do.
        """
        registry = self._members.registry
        registry.drain(asked.node, self._members.now_s())
        self._members.wake()
        nodes = (asked.node, *sorted(registry.children(asked.node)))
        told = await asyncio.gather(*(self._tell_to_drain(node) for node in nodes), return_exceptions=True)
        if isinstance(told[0], BaseException):
            raise told[0]

    async def remind(self, node: NodeId) -> None:
        """A node registered: if it is to drain it may not know, having been away or on its way."""
        record = self._members.record(node)
        if record is not None and record.state is NodeState.DRAINING:
            with contextlib.suppress(HocketError):
                await self._tell_to_drain(node)

    async def _tell_to_drain(self, node: NodeId) -> None:
        try:
            await self._members.link(node).request(Drain("the operator drains this node"), Done, DRAIN_ASK_S)
        except HocketError as error:
            log.warning("%s was not told to drain: %s", node, error)
            raise

    def _frozen(self) -> bool:
        return self._members.registry.is_frozen(self._members.now_s())

    def _node(self, node: NodeRecord, now_s: float) -> NodeStatus:
        here = node.role is Role.PRIME or node.parent == self._prime_id
        return NodeStatus(
            node.node_id,
            node.role,
            node.parent,
            self._addresses()[0] if node.role is Role.PRIME else node.address,
            node.state.value,
            node.load,
            node.capacity,
            node.pid,
            memory_bytes(node.pid) if here and node.pid else 0,
            self._members.sent_bytes_per_s(node.node_id),
            now_s - node.since_s,
            tracks=node.tracks,
        )

    @property
    def _prime_id(self) -> NodeId:
        return self._members.own_id


def _crashed(child: ChildStatus, parent: NodeId) -> NodeStatus:
    return NodeStatus(
        child.node_id,
        child.role,
        parent,
        HostPort("", 0),
        child.state,
        0,
        0,
        child.pid,
        up_s=child.up_s,
        last_lines=(child.why, *child.last_lines) if child.why else child.last_lines,
    )
