"""What a successor must know to keep the door as the host before it did: invites, bans, who may come without one.

The host signs each piece and gives it to those on its roster, whenever it changes. They keep it for the
case that they take over; invites only ever get stricter, so that an old piece shown again opens nothing.
"""

from collections.abc import Iterable

import msgspec

from hocket.core.errors import ErrorCode, ProtocolError
from hocket.core.ids import UserName
from hocket.relay.admission import MAX_BANS
from hocket.relay.invites import MAX_INVITES, MAX_USES, Counted
from hocket.relay.keys import GroupId, Sign, canonical, is_signed_by
from hocket.relay.lineage import Claim


class House(msgspec.Struct, frozen=True, array_like=True):
    """The rules of a session in one epoch; a higher version replaces a lower one."""

    group: GroupId
    epoch: int
    version: int
    invite_only: bool
    bans: tuple[tuple[UserName, int], ...] = ()  # until when, cluster time in seconds


class SignedHouse(msgspec.Struct, frozen=True, array_like=True):
    """Rules under the signature of their epoch's host."""

    house: House
    signature: bytes


class Account(msgspec.Struct, frozen=True, array_like=True):
    """One invite as the host of an epoch counts it."""

    group: GroupId
    epoch: int
    counted: Counted


class SignedAccount(msgspec.Struct, frozen=True, array_like=True):
    """An account under the signature of its epoch's host."""

    account: Account
    signature: bytes


def sign_house(house: House, sign: Sign) -> SignedHouse:
    """The host's signature under its rules."""
    return SignedHouse(house, sign(canonical(house)))


def sign_account(account: Account, sign: Sign) -> SignedAccount:
    """The host's signature under its count of an invite."""
    return SignedAccount(account, sign(canonical(account)))


class Ledger:
    """What one peer was told by the hosts of its group."""

    def __init__(self) -> None:
        self.house: House | None = None
        self._invites: dict[bytes, Counted] = {}

    @property
    def invites(self) -> tuple[Counted, ...]:
        return tuple(self._invites.values())

    def keep(self, invites: Iterable[Counted], now_s: int) -> None:
        """What this peer knows by itself, or is sure of. What has expired is forgotten."""
        for one in invites:
            known = self._invites.get(one.id)
            self._invites[one.id] = one if known is None else known.with_news(one)
        self._invites = {key: one for key, one in self._invites.items() if one.expires_s > now_s}

    def take_house(self, signed: SignedHouse, claim: Claim) -> None:
        """Rules came; those of another epoch are passed over. Raises ProtocolError unless its host made them."""
        house = signed.house
        if house.epoch != claim.epoch:
            return
        if house.group != claim.group or len(house.bans) > MAX_BANS:
            raise _forged()
        if not is_signed_by(claim.host_key, signed.signature, house):
            raise _forged()
        if self.house is None or (house.epoch, house.version) > (self.house.epoch, self.house.version):
            self.house = house

    def take_account(self, signed: SignedAccount, claim: Claim, now_s: int) -> None:
        """An invite's count came; one of another epoch is passed over. Raises ProtocolError unless its host made it."""
        account, counted = signed.account, signed.account.counted
        if account.epoch != claim.epoch:
            return
        if account.group != claim.group or len(counted.friends) > MAX_USES:
            raise _forged()
        if not is_signed_by(claim.host_key, signed.signature, account):
            raise _forged()
        self.keep((), now_s)
        if counted.id in self._invites or len(self._invites) < MAX_INVITES:
            self.keep((counted,), now_s)


def _forged() -> ProtocolError:
    return ProtocolError("only the host of this session keeps its door", code=ErrorCode.NOT_ALLOWED)
