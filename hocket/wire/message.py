"""The base of all messages: what a declaration says, and the register of declarations."""

from collections.abc import Iterable
from typing import Any, ClassVar, dataclass_transform

import msgspec

from hocket.core.ids import Role
from hocket.wire.kinds import Kind

_REGISTER: dict[Kind, "type[Message]"] = {}

NODES = frozenset({Role.PRIME, Role.PLANE, Role.AUTH, Role.FILE})
CONTROL = frozenset({Role.PRIME, Role.PLANE})
CHILDREN = frozenset({Role.AUTH, Role.FILE})
PEOPLE = frozenset({Role.LISTENER, Role.OPERATOR})
EVERYONE = frozenset(Role)


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class _Declared(msgspec.StructMeta):
    """Takes `kind`, `senders`, `receivers` and `reply` out of a message's class line."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        kind: Kind | None = None,
        senders: Iterable[Role] = (),
        receivers: Iterable[Role] = (),
        reply: "type[Message] | None" = None,
        **options: Any,
    ) -> "_Declared":
        cls = super().__new__(mcls, name, bases, namespace, **options)
        if kind is not None:
            declared: Any = cls
            if kind in _REGISTER:
                raise TypeError(f"{name} wants the number of {_REGISTER[kind].__name__}: {kind}")
            declared.kind = kind
            declared.senders = frozenset(senders)
            declared.receivers = frozenset(receivers)
            declared.reply = reply
            _REGISTER[kind] = declared
        return cls


class Message(msgspec.Struct, frozen=True, array_like=True, metaclass=_Declared):
    """One declared message: fields in order, as a msgpack array.

    Fields are appended with a default, never removed or moved: an older peer ignores the ones that it
    does not know, a newer one fills in what an older one left out.

    `senders` may send it unasked to `receivers`; empty for messages that only ever answer.
    `reply` answers it; None for notices, which nobody answers.
    """

    kind: ClassVar[Kind]
    senders: ClassVar[frozenset[Role]]
    receivers: ClassVar[frozenset[Role]]
    reply: ClassVar["type[Message] | None"]


def registered() -> dict[Kind, type[Message]]:
    """The declarations whose modules are loaded, by number; `hocket.wire.messages.declared` loads them all."""
    return dict(sorted(_REGISTER.items()))


def message_type(kind: Kind) -> type[Message] | None:
    """The declaration behind a number, if its module is loaded."""
    return _REGISTER.get(kind)
