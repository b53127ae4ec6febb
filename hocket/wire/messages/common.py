"""Messages that every connection knows."""

from typing import Annotated

from msgspec import Meta

from hocket.core.errors import ErrorCode, HocketError, Refused
from hocket.core.ids import Role
from hocket.wire.kinds import Kind
from hocket.wire.limits import Blob, ShortText, Text
from hocket.wire.message import EVERYONE, NODES, PEOPLE, Message

Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]


class ErrorReply(Message, kind=Kind.ERROR, senders=EVERYONE, receivers=EVERYONE):
    """Instead of a reply: a stable code, what happened, what to do.

    With correlation 0 it tells why the connection is being closed.
    """

    code: ShortText  # an ErrorCode; a newer peer may send one that is unknown here
    text: Text
    hint: Text = ""
    retry_s: float = 0.0  # not before this

    @classmethod
    def of(cls, error: HocketError) -> "ErrorReply":
        return cls(error.code.value, error.text[:2000], error.hint[:1000], error.retry_s)

    def error(self) -> Refused:
        """As an exception on the side that asked."""
        try:
            code = ErrorCode(self.code)
        except ValueError:
            code = ErrorCode.PROTOCOL
        return Refused(self.text, code=code, hint=self.hint, retry_s=self.retry_s)


class Done(Message, kind=Kind.DONE):
    """The plain answer: it is done."""


class Pong(Message, kind=Kind.PONG):
    """Alive."""


class Ping(Message, kind=Kind.PING, senders=EVERYONE, receivers=EVERYONE, reply=Pong):
    """Are you there? Answered at once."""


class Authority(Message, kind=Kind.AUTHORITY):
    """The cluster's CA certificate (DER). Its SHA-256 is the cluster's fingerprint."""

    certificate_der: Annotated[bytes, Meta(max_length=8192)]


class AuthorityGet(Message, kind=Kind.AUTHORITY_GET, senders=PEOPLE | NODES, receivers={Role.PRIME}, reply=Authority):
    """Asked before trust exists; nothing secret is sent until the fingerprint was compared."""


class Presented(Message, kind=Kind.PRESENTED):
    """The ticket holds on this connection for so many more seconds."""

    expires_in_s: float


class Present(Message, kind=Kind.PRESENT, senders=PEOPLE, receivers={Role.PRIME, Role.FILE}, reply=Presented):
    """Show a ticket, and prove that it is one's own: `proof` signs the server's nonce and node id.

    Repeated with a fresh ticket before the shown one runs out. Refused with TICKET_REFUSED.
    """

    ticket: Blob
    proof: Signature
