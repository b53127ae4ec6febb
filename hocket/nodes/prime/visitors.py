"""Listeners at the prime: whose ticket was shown on which connection, who came as an operator, who asks too often."""

from collections.abc import Callable

from hocket.adapters.link import Link
from hocket.auth.accounts import Rights
from hocket.auth.callers import JOIN_BURST, JOIN_REFILL_S, LOGIN_BURST, LOGIN_REFILL_S, Callers
from hocket.auth.revocations import Revocations
from hocket.auth.tickets import Ticket, TicketVerifier, check_possession
from hocket.core.clock import NS_PER_S
from hocket.core.errors import HocketError, TicketRefused
from hocket.core.ids import NodeId, Role
from hocket.wire.messages.common import Present, Presented


class Visitors:
    """Checks tickets on links. An account with the right to operate makes its link an operator's."""

    def __init__(self, node: NodeId, authority_key: bytes, revoked: Revocations, cluster_ns: Callable[[], int]) -> None:
        self._node = node
        self._revoked = revoked
        self._verifier = TicketVerifier(authority_key, revoked)
        self._cluster_ns = cluster_ns
        self._tickets: dict[Link, Ticket] = {}
        self._log_ins = Callers("log-ins", LOGIN_BURST, LOGIN_REFILL_S)
        self._joins = Callers("join tokens", JOIN_BURST, JOIN_REFILL_S)

    def present(self, link: Link, message: Present) -> Presented:
        """Take a ticket. Raises TicketRefused."""
        now_ns = self._cluster_ns()
        ticket = self._verifier.verify(message.ticket, now_ns)
        check_possession(ticket, link.my_nonce, self._node, message.proof)
        self._tickets[link] = ticket
        link.sender_role = Role.OPERATOR if ticket.may(Rights.OPERATE) else link.peer.role
        return Presented((ticket.expires_ns - now_ns) / NS_PER_S)

    def check(self, link: Link) -> None:
        """Raises TicketRefused unless a ticket that still holds was shown here. Certified operators need none."""
        if link.peer.role is Role.OPERATOR:
            return
        ticket = self._tickets.get(link)
        if (
            ticket is None
            or ticket.expires_ns < self._cluster_ns()
            or self._revoked.covers_ticket(ticket.session, ticket.user, ticket.issued_ns)
        ):
            raise TicketRefused("no valid ticket was shown on this connection", hint="log in again")

    def ticket(self, link: Link) -> Ticket:
        """The ticket that was shown here and still holds. Raises TicketRefused, also for certified operators."""
        ticket = self._tickets.get(link)
        if ticket is None:
            raise TicketRefused("no valid ticket was shown on this connection", hint="log in first")
        self.check(link)
        return ticket

    def admit_log_in(self, link: Link, now_s: float) -> None:
        """Somebody wants a seat. Raises TooManyRequests for strangers who ask too often."""
        try:
            self.check(link)
        except HocketError:
            self._log_ins.admit(link.peer_address.host, now_s)

    def admit_join(self, link: Link, now_s: float) -> None:
        """Somebody shows a join token. Raises TooManyRequests."""
        self._joins.admit(link.peer_address.host, now_s)

    def forget(self, link: Link) -> None:
        """A link closed."""
        self._tickets.pop(link, None)
