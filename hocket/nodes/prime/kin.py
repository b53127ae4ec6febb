"""Authentication nodes are told of one another, so that their listeners know where to go while no prime runs."""

from hocket.control.view import ClusterView, NodeState
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.config import PrimeConfig
from hocket.nodes.prime.members import Members
from hocket.wire.limits import MAX_OTHER_AUTHS
from hocket.wire.messages.login import AuthAt
from hocket.wire.messages.nodes import AuthNodes

Places = dict[NodeId, tuple[NodeId, HostPort]]
"""Authentication node -> its control node, and where it is."""


class Kin:
    """Remembers what was told, and tells news."""

    def __init__(self, config: PrimeConfig, members: Members) -> None:
        self._config = config
        self._members = members
        self._told: Places = {}

    def tell(self) -> None:
        """Look whether the authentication nodes are others than last time, and tell them all if so."""
        places = places_of(self._members.view(), self._config)
        if places == self._told:
            return
        self._told = places
        for link in self._members.links(Role.AUTH):
            link.notify(AuthNodes(others_of(link.peer.node, places)))


def places_of(view: ClusterView, config: PrimeConfig) -> Places:
    """Where the cluster's authentication nodes that take anybody are for others."""
    return {
        node.node_id: (node.parent, config.told(node.address))
        for node in view.nodes
        if node.role is Role.AUTH and node.state is NodeState.READY
    }


def others_of(node: NodeId, places: Places) -> tuple[AuthAt, ...]:
    """Where a node's listeners may go: to other machines first, as a machine is lost with all that it runs."""
    own_parent = places[node][0] if node in places else None
    others = sorted((parent == own_parent, other) for other, (parent, _) in places.items() if other != node)
    return tuple(AuthAt(other, places[other][1]) for _, other in others[:MAX_OTHER_AUTHS])
