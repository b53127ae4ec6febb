"""Listening together as the window shows it. No Qt, no I/O."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from hocket.client.events import InviteState
from hocket.client.together.reach import Reach
from hocket.client.together.together import Member, TogetherState
from hocket.gui import texts

GOOD_MS = 1.0
FAIR_MS = 5.0
"""How far from the host somebody may be."""

GOOD_TRIP_MS, FAIR_TRIP_MS = 60.0, 250.0
GOOD_BUFFER_S, FAIR_BUFFER_S = 3.0, 1.0
GOOD_JITTER_MS, FAIR_JITTER_MS = 30.0, 150.0
GOOD_LOST_PERCENT, FAIR_LOST_PERCENT = 1.0, 5.0
"""What makes a line: how long a question and its answer take and by how much that differs, how much has to be sent
again, and how much music lies ready if it breaks."""

TOLD_LOST_PERCENT = 0.05
"""Less than that nobody needs to read about."""

MINUTE_S = 60
LIVES = (15 * MINUTE_S, 60 * MINUTE_S, 24 * 60 * MINUTE_S, 7 * 24 * 60 * MINUTE_S)
"""How long an invite can be good for, as it is offered."""


class Commands(Protocol):
    """What the page asks of the engine. All return at once; what comes of it is told by events."""

    def host(self, on: bool) -> None:
        """Let friends listen along, or no longer."""
        ...

    def join(self, address: str) -> None:
        """Follow a host: HOST:PORT or an invite."""
        ...

    def leave(self) -> None:
        """Follow nobody."""
        ...

    def invite(self, life_s: int, uses: int, may_control: bool) -> None:
        """Make an invite."""
        ...

    def revoke(self, invite_id: str) -> None:
        """Let nobody in by this invite any more."""
        ...

    def send_away(self, name: str, ban: bool) -> None:
        """Somebody has to go; banned: and stays away for a day."""
        ...


class Peer(msgspec.Struct, frozen=True):
    """Somebody of the group. Numbers are None where there is nothing to measure."""

    name: str
    offset_ms: float | None = None  # beside the host
    round_trip_ms: float | None = None
    buffer_s: float | None = None
    jitter_ms: float = 0.0
    lost_percent: float = 0.0
    leads: bool = False
    can_be_sent_away: bool = False
    via: str = ""  # by which way one is connected with them

    @property
    def step(self) -> str:
        """good, fair or poor; empty while nothing was measured."""
        if self.offset_ms is None:
            return ""
        size = abs(self.offset_ms)
        return "good" if size <= GOOD_MS else "fair" if size <= FAIR_MS else "poor"

    @property
    def line(self) -> str:
        """good, fair or poor; empty while nothing was measured."""
        if self.round_trip_ms is None or self.buffer_s is None:
            return ""
        trip_ms, jitter_ms, lost, buffer_s = self.round_trip_ms, self.jitter_ms, self.lost_percent, self.buffer_s
        if not (trip_ms <= FAIR_TRIP_MS and jitter_ms <= FAIR_JITTER_MS):
            return "poor"
        if not (lost <= FAIR_LOST_PERCENT and buffer_s >= FAIR_BUFFER_S):
            return "poor"
        is_good = trip_ms <= GOOD_TRIP_MS and jitter_ms <= GOOD_JITTER_MS
        return "good" if is_good and lost <= GOOD_LOST_PERCENT and buffer_s >= GOOD_BUFFER_S else "fair"

    @property
    def detail(self) -> str:
        """What was measured, in words."""
        parts = [texts.LINE_QUALITY[self.line]] if self.line else []
        if self.offset_ms is not None:
            parts.append(texts.offset_ms(self.offset_ms))
        if self.round_trip_ms is not None:
            parts.append(texts.round_trip_ms(self.round_trip_ms, self.jitter_ms))
        if self.lost_percent >= TOLD_LOST_PERCENT:
            parts.append(texts.lost_percent(self.lost_percent))
        if self.buffer_s is not None:
            parts.append(texts.buffer_s(self.buffer_s))
        return texts.SEPARATOR.join([*parts, *([self.via] if self.via else [])])


class Invite(msgspec.Struct, frozen=True):
    """One invite in words. `text`: to be copied; empty where another session made it."""

    id: str
    allows: str
    detail: str
    text: str = ""
    is_good: bool = True


class Together(msgspec.Struct, frozen=True):
    """Who hosts, who is here, and what to say about it."""

    may_host: bool = False  # friends are let in as soon as something plays
    address: str = ""  # while hosting: what friends type
    host: str = ""  # while following: whom
    peers: tuple[Peer, ...] = ()
    state: str = texts.NOT_HOSTING

    @property
    def is_hosting(self) -> bool:
        return bool(self.address)

    @property
    def is_following(self) -> bool:
        return bool(self.host)


def together_view(state: TogetherState, me: str, *, may_host: bool, is_moving: bool = True) -> Together:
    """What the engine says of the group, in words. `me`: this listener's name; `is_moving`: the music is not paused."""
    others = [one for one in state.members if one.name not in (me, state.following)]
    if state.hosting and state.address:
        peers = tuple(_peer(one, can_be_sent_away=True) for one in others)
        return Together(may_host, state.address, "", peers, texts.YOU_ARE_HOST)
    if state.following:
        mine = next((one for one in state.members if one.name == me), None)
        own = Peer(texts.YOU, state.offset_ms)
        if mine is not None:
            own = msgspec.structs.replace(_peer(mine), name=texts.YOU, offset_ms=state.offset_ms)
        leader = Peer(state.following, leads=True, via=reach_text(state.reach))
        said = texts.following(state.following) if is_moving else texts.host_paused(state.following)
        return Together(may_host, "", state.following, (leader, own, *map(_peer, others)), said)
    return Together(may_host, state=texts.HOSTS_WHEN_PLAYING if may_host else texts.NOT_HOSTING)


def _peer(one: Member, *, can_be_sent_away: bool = False) -> Peer:
    if not one.round_trip_ms:  # has not told how it is
        return Peer(one.name, can_be_sent_away=can_be_sent_away)
    return Peer(
        one.name,
        one.offset_ms,
        one.round_trip_ms,
        one.buffer_s,
        one.jitter_ms,
        one.lost_percent,
        can_be_sent_away=can_be_sent_away,
    )


def reach_text(reach: Reach | None) -> str:
    """By which way the host is reached."""
    return "" if reach is None else texts.reach(reach.how.value, reach.via)


def change_of_lead(before: TogetherState, now: TogetherState, *, left: bool) -> str:
    """What to say when somebody else leads than before; `left`: this listener wanted to go."""
    was, leads = before.following, now.hosting and bool(now.address)
    if not was or left or was == now.following:
        return ""
    if leads:
        return texts.you_lead_now(was)
    return texts.leads_now(now.following) if now.following else texts.nobody_leads(was)


def invite_rows(invites: tuple[InviteState, ...], texts_of: Mapping[str, str]) -> tuple[Invite, ...]:
    """Invites in words, those that are good first. `texts_of`: those that this window made, by their ids."""
    rows = [
        Invite(
            one.id,
            texts.SCOPES.get(one.scope, one.scope),
            texts.invite_detail(one.uses - one.uses_left, one.uses, one.expires_in_s, one.friends, one.revoked),
            "" if one.revoked or not one.uses_left else texts_of.get(one.id, ""),
            not one.revoked and one.uses_left > 0,
        )
        for one in invites
    ]
    return tuple(sorted(rows, key=lambda row: not row.is_good))
