"""Who a friend is: its session's ticket, and a proof for this very connection."""

from hocket.adapters import certificates
from hocket.adapters.peers import PeerLink
from hocket.auth.keys import Purpose, is_signed
from hocket.auth.tickets import Ticket, TicketForged, TicketVerifier
from hocket.client.tickets import Wallet
from hocket.core.clock import NS_PER_S

SLACK_NS = 10 * NS_PER_S
"""Our idea of the cluster's time is late by a heartbeat at worst."""


JOINS, SERVES = b"joins", b"serves"
"""What a proof says of its signer's side: nobody can show us our own."""


class Passport:
    """Shows ours, checks theirs. Needs nobody but the cluster's CA certificate."""

    def __init__(self, wallet: Wallet, authority_pem: str) -> None:
        self.wallet = wallet
        self.cluster_key = certificates.raw_key(certificates.parse(authority_pem.encode()))
        self._verifier = TicketVerifier(self.cluster_key)

    @property
    def key(self) -> bytes:
        return self.wallet.public_key

    def show(self, link: PeerLink) -> tuple[bytes, bytes]:
        """Ticket and proof for this link."""
        return self.wallet.ticket, self.wallet.friend_proof(SERVES if link.is_server else JOINS, link.binding)

    def check(self, link: PeerLink, ticket: bytes, proof: bytes) -> Ticket:
        """Who shows this. Raises TicketRefused."""
        verified = self._verifier.verify(ticket, round(self.wallet.cluster_s() * NS_PER_S), SLACK_NS)
        side = JOINS if link.is_server else SERVES
        if not is_signed(verified.session_key, Purpose.FRIEND, side + link.binding, proof):
            raise TicketForged("whoever shows this ticket does not hold its session's key on this connection")
        return verified
