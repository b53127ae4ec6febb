"""By which way a follower has its host: the person is told, since some ways are worse than others."""

from enum import StrEnum

import msgspec

from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable

NO_ANSWER = "is the friend playing, and the port open?"
OPEN_A_WAY = (
    "let your friend open TCP port 25566 in the firewall, and forward it in the router or play with --map-port; "
    "then join there"
)

_SAID = frozenset(
    {
        ErrorCode.NOT_ALLOWED,
        ErrorCode.INVITE_REFUSED,
        ErrorCode.TICKET_REFUSED,
        ErrorCode.AMBIGUOUS,
        ErrorCode.NODE_FULL,
        ErrorCode.TOO_MANY_REQUESTS,
    }
)
"""By the host or the prime, about this friend: nothing else needs to be told."""


class How(StrEnum):
    """The way, the best first."""

    DIRECT = "direct"
    MAPPED = "mapped"  # at an address that the host's router opened
    PUNCHED = "punched"  # both dialled at once, as the prime told them
    RELAYED = "relayed"  # time and commands through the prime, music from another friend
    THROUGH_NODE = "through-node"  # time and commands through the prime, music from a streaming node


class Reach(msgspec.Struct, frozen=True):
    """`via`: the friend or the streaming node that the music comes from, where it is not the host."""

    how: How
    via: str = ""


class OwnAddress(HocketError):
    """Whoever answers there is this very program."""

    code = ErrorCode.NOT_ALLOWED

    def __init__(self, at: HostPort) -> None:
        super().__init__(f"{at} is your own address", hint="join at the address that your friend's player shows")


def both(directly: HocketError, by_prime: HocketError) -> HocketError:
    """What to tell when neither the address nor the prime leads to the host."""
    if by_prime.code in _SAID:
        return by_prime
    if by_prime.code is ErrorCode.UNKNOWN_KIND:  # the prime is older than this
        return directly
    text = f"{directly.text}; and by way of the prime: {by_prime.text}"
    return NotReachable(text, hint=by_prime.hint or OPEN_A_WAY)
