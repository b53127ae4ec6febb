"""Keeps the door's books: what the host decided is told to those who may succeed it, and is the new host's then."""

import weakref

import msgspec

from hocket.adapters.clocks import random_bytes
from hocket.adapters.peers import PeerLink
from hocket.client import events
from hocket.client.together.circle import Circle
from hocket.client.together.hall import Friend
from hocket.client.together.values import decode, encode
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.relay.invites import INVITE_ID_BYTES, Counted, Invite, Scope
from hocket.relay.ledger import Account, House, Ledger, SignedAccount, SignedHouse, sign_account, sign_house
from hocket.wire.messages.together import LedgerNews


class Steward:
    """The books of one circle. Only a host's are open; a follower's are kept for the case that it becomes one."""

    def __init__(self, circle: Circle) -> None:
        self._circle = circle
        self._ledger = Ledger()
        self._house: House | None = None
        self._accounts: dict[bytes, Counted] = {}
        self._told: weakref.WeakSet[PeerLink] = weakref.WeakSet()

    # -- the host's commands

    def invite(self, places: tuple[HostPort, ...], life_s: int, uses: int, scope: Scope) -> Invite:
        """Make one. Raises HocketError (USAGE, TOO_MANY_REQUESTS)."""
        circle = self._circle
        made = circle.guests.book.mint(
            places[0], circle.sign, random_bytes(INVITE_ID_BYTES), circle.now_s, life_s, uses, scope, places[1:]
        )
        self.look()
        return made

    def revoke(self, text: str) -> events.InviteState:
        """Nobody comes in by this invite any more; who is in stays. Raises HocketError where there is none."""
        known = [one for one in self._counted() if one.id.hex() == text.strip().lower()]
        revoked = self._circle.guests.book.revoke(known[0].id) if known else None
        if revoked is None:
            raise HocketError(
                f"there is no invite {text!r}", code=ErrorCode.USAGE, hint="`invites` lists them with their ids"
            )
        self.look()
        return self._state_of(revoked)

    def invites(self) -> tuple[events.InviteState, ...]:
        """All that have not expired."""
        return tuple(map(self._state_of, self._counted()))

    # -- telling successors

    def look(self) -> None:
        """As host: whatever has changed since the last look goes to the successors, and to the view."""
        if not self._circle.is_hosting:
            return
        heirs = self._heirs()
        news = self._changed_accounts()
        house = self._changed_house()
        for friend in heirs:
            if friend.link in self._told:
                self._tell(friend, house, news)
            else:
                self._told.add(friend.link)
                self._tell(friend, self._house, tuple(self._accounts.values()))
        if news:
            self._circle.tell(events.Invites(self.invites()))

    def _heirs(self) -> list[Friend]:
        successors = set(self._circle.succession.reign.roster.roster.successors)
        return [friend for friend in self._circle.hall.friends if friend.key in successors]

    def _changed_accounts(self) -> tuple[Counted, ...]:
        now = {one.id: one for one in self._counted()}
        changed = tuple(one for one in now.values() if self._accounts.get(one.id) != one)
        self._accounts = now
        return changed

    def _changed_house(self) -> House | None:
        guests, claim = self._circle.guests, self._circle.succession.reign.claim
        version = 0 if self._house is None else self._house.version
        house = House(claim.group, claim.epoch, version, guests.invite_only, guests.bans(self._circle.now_s))
        if house == self._house:
            return None
        self._house = msgspec.structs.replace(house, version=version + 1)
        return self._house

    def _tell(self, friend: Friend, house: House | None, accounts: tuple[Counted, ...]) -> None:
        circle = self._circle
        if house is not None:
            friend.link.send(LedgerNews(house=encode(sign_house(house, circle.sign))))
        for one in accounts:
            account = Account(circle.group, circle.succession.reign.claim.epoch, one)
            friend.link.send(LedgerNews(account=encode(sign_account(account, circle.sign))))

    # -- succeeding

    def take(self, news: LedgerNews) -> None:
        """The host told something. Raises ProtocolError for what is not the host's."""
        claim = self._circle.succession.reign.claim
        if news.house:
            self._ledger.take_house(decode(news.house, SignedHouse), claim)
        if news.account:
            self._ledger.take_account(decode(news.account, SignedAccount), claim, self._circle.now_s)

    def inherit(self) -> None:
        """This circle hosts from now on: keep the door as it was."""
        circle, house = self._circle, self._ledger.house
        circle.guests.expect([peer for peer in circle.members if peer != circle.id], circle.now_s)
        circle.guests.book.inherit(self._ledger.invites, circle.now_s)
        if house is not None:
            circle.guests.invite_only = house.invite_only
            circle.guests.inherit_bans(house.bans)
        self._house, self._accounts = None, {}
        self._told.clear()

    def resign(self) -> None:
        """Another one hosts from now on; what was counted here still holds."""
        self._ledger.keep(self._counted(), self._circle.now_s)

    # -- inside

    def _counted(self) -> tuple[Counted, ...]:
        return self._circle.guests.book.counted(self._circle.now_s)

    def _state_of(self, one: Counted) -> events.InviteState:
        uses = one.uses_left + len(one.friends)
        left_s = one.expires_s - self._circle.now_s
        return events.InviteState(one.id.hex(), one.uses_left, uses, one.scope.value, left_s, one.friends, one.revoked)
