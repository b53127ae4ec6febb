"""What is refused although it is signed and has not run out: ended sessions, banned users, removed nodes."""

from collections.abc import Iterable
from typing import TypeVar

from hocket.core.clock import NS_PER_S
from hocket.core.ids import NodeId, SessionId, UserName
from hocket.core.settings import SESSION_GRACE_S, TICKET_S

K = TypeVar("K")

KEEP_NS = round((TICKET_S + SESSION_GRACE_S) * NS_PER_S)
"""After this no ticket of an ended session is accepted anyway, not even to resume it."""


class Revocations:
    """What a node was told to refuse. Times are cluster time, ns.

    Sessions and users are forgotten after `keep_ns`, so the size is what ended within it. Nodes stay:
    their certificates live for days, and a removed node stays out.
    """

    def __init__(self, nodes: Iterable[NodeId] = (), keep_ns: int = KEEP_NS) -> None:
        self.nodes = frozenset(nodes)
        self._keep_ns = keep_ns
        self._sessions: dict[SessionId, int] = {}  # -> when; in order of time, as dicts keep theirs
        self._users: dict[UserName, int] = {}

    @classmethod
    def lasting(cls, ticket_s: float, grace_s: float) -> "Revocations":
        """Kept for as long as tickets with this life and grace can still be shown."""
        return cls(keep_ns=round((ticket_s + grace_s) * NS_PER_S))

    @property
    def sessions(self) -> dict[SessionId, int]:
        """Sessions that ended lately, and when."""
        return dict(self._sessions)

    @property
    def users(self) -> dict[UserName, int]:
        """Users whose sessions were all ended lately, and when."""
        return dict(self._users)

    def __len__(self) -> int:
        return len(self.nodes) + len(self._sessions) + len(self._users)

    def end_session(self, session: SessionId, now_ns: int) -> None:
        """Logged out: none of its tickets holds any more."""
        _put_last(self._sessions, session, now_ns)
        self.prune(now_ns)

    def end_user(self, user: UserName, now_ns: int) -> None:
        """Banned, removed, or with a new password: no ticket issued until now holds. Later log-ins may."""
        _put_last(self._users, user, now_ns)
        self.prune(now_ns)

    def remove_nodes(self, nodes: Iterable[NodeId]) -> None:
        """Removed from the cluster: neither their certificates nor tickets that they signed hold."""
        self.nodes |= frozenset(nodes)

    def covers_node(self, node: NodeId) -> bool:
        return node in self.nodes

    def covers_ticket(self, session: SessionId, user: UserName, issued_ns: int) -> bool:
        """Whether a ticket of this session and user, issued then, no longer holds."""
        return session in self._sessions or issued_ns <= self._users.get(user, issued_ns - 1)

    def prune(self, now_ns: int) -> None:
        """Forget what no ticket can refer to any more."""
        _drop_before(self._sessions, now_ns - self._keep_ns)
        _drop_before(self._users, now_ns - self._keep_ns)


def _put_last(ended: dict[K, int], key: K, when_ns: int) -> None:
    when_ns = max(when_ns, ended.pop(key, when_ns))
    ended[key] = when_ns


def _drop_before(ended: dict[K, int], limit_ns: int) -> None:
    while ended:
        oldest = next(iter(ended))
        if ended[oldest] >= limit_ns:
            return
        del ended[oldest]
