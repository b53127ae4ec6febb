"""Who hosts, and by what right: claims that hang together from the first host on.

Each host signs a roster of those who may succeed it. A claim to the next epoch carries the roster that
its maker stands on, so that whoever trusted one host can follow the chain to a later one without ever
having met those in between.
"""

from collections.abc import Iterable

import msgspec

from hocket.relay.keys import GroupId, PeerId, Sign, canonical, fingerprint, is_signed_by, peer_id

MAX_SUCCESSORS = 16
MAX_LINKS = 32
"""Links that travel: with full rosters 25 KiB. Who missed 32 hand-overs joins anew."""

NEARER_US = 20_000
"""A successor has to be nearer by this much to overtake another: every roster is told to everybody."""


class Roster(msgspec.Struct, frozen=True, array_like=True):
    """Who may succeed the host of an epoch: public keys, the first to be first."""

    group: GroupId
    epoch: int
    version: int
    successors: tuple[bytes, ...]


class SignedRoster(msgspec.Struct, frozen=True, array_like=True):
    """A roster under the signature of its epoch's host."""

    roster: Roster
    signature: bytes


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """A peer hosts the group in this epoch, by right of a roster; the first host needs none."""

    group: GroupId
    epoch: int
    host_key: bytes
    right: SignedRoster | None = None

    @property
    def host(self) -> PeerId:
        """The claimant's id."""
        return peer_id(self.host_key)

    def beats(self, other: "Claim") -> bool:
        """Higher epoch wins; in the same one the lower id."""
        return (self.epoch, other.host) > (other.epoch, self.host)


class SignedClaim(msgspec.Struct, frozen=True, array_like=True):
    """A claim under the claimant's own signature."""

    claim: Claim
    signature: bytes


class Reign(msgspec.Struct, frozen=True, array_like=True):
    """What a host shows: the chain of claims, its own last, and its roster."""

    links: tuple[SignedClaim, ...]
    roster: SignedRoster

    @property
    def claim(self) -> Claim:
        """The claim that holds now."""
        return self.links[-1].claim


def found(group: GroupId, host_key: bytes, sign: Sign) -> Reign:
    """The first host's reign: epoch 0, nobody to succeed it yet."""
    claim = Claim(group, 0, host_key)
    return Reign((SignedClaim(claim, sign(canonical(claim))),), sign_roster(Roster(group, 0, 0, ()), sign))


def sign_roster(roster: Roster, sign: Sign) -> SignedRoster:
    """The host's signature under its roster."""
    return SignedRoster(roster, sign(canonical(roster)))


def succeed(reign: Reign, host_key: bytes, sign: Sign, successors: tuple[bytes, ...]) -> Reign:
    """The reign that follows: its maker must stand on the roster."""
    before = reign.claim
    claim = Claim(before.group, before.epoch + 1, host_key, reign.roster)
    link = SignedClaim(claim, sign(canonical(claim)))
    roster = Roster(before.group, claim.epoch, 0, successors[:MAX_SUCCESSORS])
    return Reign((*reign.links, link)[-MAX_LINKS:], sign_roster(roster, sign))


def line_up(before: Iterable[bytes], round_trips_us: dict[bytes, int], *, anew: bool) -> tuple[bytes, ...]:
    """Who is to succeed a host: those of `before` who still can, in their order, then the nearest others.

    `round_trips_us`: of all who can, by their keys. `anew`: who is nearer by NEARER_US overtakes.
    """
    order = [key for key in before if key in round_trips_us]
    order += sorted(round_trips_us.keys() - set(order), key=lambda key: (round_trips_us[key], key))
    if anew:
        for at in range(1, len(order)):
            here = at
            while here and round_trips_us[order[here - 1]] - round_trips_us[order[here]] >= NEARER_US:
                order[here - 1], order[here] = order[here], order[here - 1]
                here -= 1
    return tuple(order[:MAX_SUCCESSORS])


def is_roster_of(signed: SignedRoster, claim: Claim) -> bool:
    """Whether a roster is that of a claim's epoch, signed by its host."""
    roster = signed.roster
    return (
        (roster.group, roster.epoch) == (claim.group, claim.epoch)
        and len(roster.successors) <= MAX_SUCCESSORS
        and is_signed_by(claim.host_key, signed.signature, roster)
    )


def accept(theirs: Reign, mine: Reign) -> Reign | None:
    """Their reign as far as one who trusts mine can trust it: my links up to one in common, theirs from there on.

    None where nothing is in common, or something after it is not right.
    """
    trusted = {(link.claim.epoch, link.claim.host_key): at for at, link in enumerate(mine.links)}
    common = [at for at, link in enumerate(theirs.links) if (link.claim.epoch, link.claim.host_key) in trusted]
    if not common or theirs.claim.group != mine.claim.group or not _holds_from(theirs, common[-1]):
        return None
    last = theirs.links[common[-1]].claim
    links = mine.links[: trusted[last.epoch, last.host_key] + 1] + theirs.links[common[-1] + 1 :]
    return Reign(links[-MAX_LINKS:], theirs.roster)


def accept_from_invite(theirs: Reign, group: GroupId, host_fingerprint: str) -> Reign | None:
    """Their reign from the host on that an invite names by its key's fingerprint; None where it is no heir."""
    known = [at for at, link in enumerate(theirs.links) if fingerprint(link.claim.host_key) == host_fingerprint]
    if not known or theirs.claim.group != group or not _holds_from(theirs, known[-1]):
        return None
    return Reign(theirs.links[known[-1] :], theirs.roster)


def _holds_from(reign: Reign, at: int) -> bool:
    links = reign.links
    if len(links) > MAX_LINKS or not is_roster_of(reign.roster, links[-1].claim):
        return False
    return _is_own(links[at]) and all(_follows(links[i].claim, links[i + 1]) for i in range(at, len(links) - 1))


def _is_own(link: SignedClaim) -> bool:
    return is_signed_by(link.claim.host_key, link.signature, link.claim)


def _follows(before: Claim, link: SignedClaim) -> bool:
    claim, right = link.claim, link.claim.right
    return (
        right is not None
        and (claim.group, claim.epoch) == (before.group, before.epoch + 1)
        and claim.host_key in right.roster.successors
        and is_roster_of(right, before)
        and _is_own(link)
    )
