"""Who may send what to whom: role x kind, read off the declarations."""

from hocket.core.errors import ErrorCode, ProtocolError
from hocket.core.ids import Role
from hocket.wire.message import Message


def may_send(cls: type[Message], sender: Role, receiver: Role) -> bool:
    """Whether sender may send this unasked (a request or a notice) to receiver."""
    return sender in cls.senders and receiver in cls.receivers


def check(message: Message, sender: Role, receiver: Role) -> None:
    """Raises ProtocolError (NOT_ALLOWED) unless sender may send message unasked to receiver."""
    if not may_send(type(message), sender, receiver):
        raise ProtocolError(
            f"a {sender.value} may not send {type(message).__name__} to a {receiver.value}",
            code=ErrorCode.NOT_ALLOWED,
        )


def check_reply(request: Message, reply: Message) -> None:
    """Raises ProtocolError unless reply is what the request's declaration promises."""
    if type(request).reply is not type(reply):
        raise ProtocolError(f"{type(reply).__name__} is no answer to {type(request).__name__}")
