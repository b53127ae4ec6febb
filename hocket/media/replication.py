"""One library out of many folders: what has to be copied, renamed or removed where.

The prime feeds in manifests as they come; `plan` says what to do next and changes nothing. Whatever the
order, however often machines come and go, repeating "plan, do some of it, report" ends with every track
where it belongs and no bytes lost: nothing is ever overwritten, and only removals that a person asked
for delete.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

import msgspec

from hocket.core.ids import NodeId, TrackId
from hocket.core.track import Track
from hocket.media.holdings import Holdings, label_of
from hocket.media.manifest import Manifest, ManifestChange, StaleManifest, fault
from hocket.media.rendezvous import ranked, weight
from hocket.media.tombstones import Tombstone, Tombstones

ALL_MACHINES = 0

_MAX_LOOKED_AT = 1_000
"""Tracks that one plan considers for one machine: those whose holders are busy get their turn later."""


class Transfer(msgspec.Struct, frozen=True, array_like=True):
    """Copy a track from one machine to another, there under `name`, which must be free."""

    track: TrackId
    name: str
    size_bytes: int
    source: NodeId
    target: NodeId


class Rename(msgspec.Struct, frozen=True, array_like=True):
    """Call a file otherwise; only if it still holds the track and the new name is free."""

    machine: NodeId
    track: TrackId
    old_name: str
    new_name: str


class Removal(msgspec.Struct, frozen=True, array_like=True):
    """Take a track out of the folder under all its names, stop receiving it, report, then acknowledge."""

    machine: NodeId
    track: TrackId


class Plan(msgspec.Struct, frozen=True):
    """What to do next. Each part may fail on its own; the next plan takes that into account."""

    transfers: tuple[Transfer, ...] = ()
    renames: tuple[Rename, ...] = ()
    removals: tuple[Removal, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.transfers or self.renames or self.removals)


class Limits(msgspec.Struct, frozen=True):
    """How much goes on at once."""

    per_source: int = 2
    per_target: int = 2


class Replication:
    """The prime's view of all machines' folders. `replicas`: copies of each track, ALL_MACHINES for one everywhere."""

    def __init__(self, replicas: int = ALL_MACHINES, removed: Iterable[Tombstone] = ()) -> None:
        if replicas < 0:
            raise ValueError(f"replicas is {replicas}")
        self._replicas = replicas
        self._tombstones = Tombstones(removed)
        self._holdings = Holdings(ignored=self._tombstones)
        self._tracks: dict[TrackId, Track] = {}
        self._labels: dict[NodeId, str] = {}
        self._away: set[NodeId] = set()
        self._revisions: dict[NodeId, int] = {}
        # What there is to do, kept up to date track by track: planning must not walk the whole library.
        self._lacking: dict[NodeId, dict[TrackId, None]] = {}
        self._misnamed: set[TrackId] = set()
        self._names: dict[TrackId, str] = {}

    # -- machines

    @property
    def machines(self) -> frozenset[NodeId]:
        return frozenset(self._labels)

    def join(self, machine: NodeId, label: str = "") -> None:
        """A machine belongs to the cluster; `label` is what names are made of in a conflict."""
        renames = self._labels.get(machine) not in (None, label_of(label or machine))
        self._labels[machine] = label_of(label or machine)
        self._away.discard(machine)
        self._revise(self._tracks, names_too=renames)

    def away(self, machine: NodeId) -> None:
        """A machine cannot be reached: what it holds counts, but nothing comes from or goes to it."""
        if machine in self._labels:
            self._away.add(machine)
            self._revise(self._tracks, names_too=False)

    def leave(self, machine: NodeId) -> None:
        """A machine left for good, with its copies."""
        held = [track for track in self._tracks if machine in self._holdings.holders(track)]
        touched: set[TrackId] = set()
        for track in held:
            touched |= self._drop(machine, track)
        for known in (self._labels, self._revisions, self._lacking):
            known.pop(machine, None)
        self._away.discard(machine)
        self._tombstones.forget_machine(machine)
        self._revise(touched)
        self._revise(self._tracks, names_too=False)

    # -- manifests

    def take(self, manifest: Manifest) -> list[str]:
        """A machine's whole list. Returns what was refused of it, as text: other tracks are taken all the same."""
        machine = manifest.machine
        listed = {track.id for track in manifest.tracks}
        gone = [track for track in self._tracks if track not in listed and machine in self._holdings.holders(track)]
        return self._change(machine, manifest.revision, manifest.tracks, gone)

    def change(self, change: ManifestChange) -> list[str]:
        """A machine's change; as `take`. Raises StaleManifest when it does not follow what is known."""
        known = self._revisions.get(change.machine)
        if known != change.base_revision:
            raise StaleManifest(
                f"a change of {change.machine} follows revision {change.base_revision}, known is {known}",
                hint="send the whole manifest",
            )
        return self._change(change.machine, change.revision, change.added, change.removed)

    def _change(self, machine: NodeId, revision: int, added: Iterable[Track], removed: Iterable[TrackId]) -> list[str]:
        if machine not in self._labels:
            raise StaleManifest(f"{machine} is not a member", hint="it has to join first")
        refused: list[str] = []
        touched: set[TrackId] = set()
        for gone in removed:
            touched |= self._drop(machine, gone)
        for track in added:
            if problem := fault(track):
                refused.append(f"{machine}: {problem}")
                continue
            names = (track.name, *track.aliases)
            touched |= self._holdings.claimants((*names, *self._holdings.take(machine, track.id)))
            self._holdings.put(machine, track.id, names)
            self._tracks.setdefault(track.id, track)
            self._tombstones.seen(machine, track.id)
            touched.add(track.id)
        self._revisions[machine] = revision
        self._revise(touched)
        return refused

    def _drop(self, machine: NodeId, track: TrackId) -> set[TrackId]:
        names = self._holdings.take(machine, track)
        touched = {track, *self._holdings.claimants(names)}
        if track not in self._holdings:
            self._tracks.pop(track, None)
        return touched

    # -- removals

    def remove(self, track: TrackId) -> None:
        """Remove a track everywhere, on a person's word."""
        self._tombstones.remove(track, self._labels)
        self._revise_with_rivals(track)

    def restore(self, track: TrackId) -> bool:
        """End a removal; machines that still hold the track share it again. Whether there was one."""
        ended = self._tombstones.restore(track)
        self._revise_with_rivals(track)
        return ended

    def acknowledge(self, machine: NodeId, track: TrackId) -> None:
        """A machine did a Removal; its manifest without the track came before this."""
        self._tombstones.acknowledge(machine, track)

    @property
    def removed(self) -> tuple[Tombstone, ...]:
        """To be kept over a restart."""
        return self._tombstones.stored()

    def _revise_with_rivals(self, track: TrackId) -> None:
        names = {name for names in self._holdings.holders(track).values() for name in names}
        self._revise({track, *self._holdings.claimants(names)})

    # -- what there is

    def holders(self, track: TrackId) -> frozenset[NodeId]:
        """Machines that hold a track and can be reached."""
        return frozenset(self._holdings.holders(track).keys() - self._away)

    def tracks(self) -> Iterator[Track]:
        """All tracks that are not removed, under their agreed names; other names are aliases."""
        return map(self.track, self._names)

    def track(self, track: TrackId) -> Track:
        """One of them. Raises KeyError for one that nobody holds or that is removed."""
        name = self._names[track]
        others = {other for names in self._holdings.holders(track).values() for other in names} - {name}
        return msgspec.structs.replace(self._tracks[track], name=name, aliases=tuple(sorted(others)))

    @property
    def missing_copies(self) -> int:
        """Copies that are still to be made, between machines that can be reached."""
        return sum(len(lacking) for lacking in self._lacking.values())

    # -- planning

    def plan(self, busy: Collection[Transfer] = (), limits: Limits | None = None) -> Plan:
        """What to do next, beside the transfers that are under way (`busy`). Changes nothing."""
        reachable = sorted(self._labels.keys() - self._away)
        return Plan(
            tuple(self._transfers(reachable, busy, limits or Limits())),
            tuple(rename for track in sorted(self._misnamed) for rename in self._renames(track)),
            tuple(Removal(machine, track) for machine in reachable for track in self._tombstones.owed_by(machine)),
        )

    def _transfers(self, reachable: list[NodeId], busy: Collection[Transfer], limits: Limits) -> Iterator[Transfer]:
        sending = dict.fromkeys(reachable, 0)
        receiving = dict.fromkeys(reachable, 0)
        under_way = {(transfer.track, transfer.target) for transfer in busy}
        names = {(transfer.name, transfer.target) for transfer in busy}
        for transfer in busy:
            sending[transfer.source] = sending.get(transfer.source, 0) + 1
            receiving[transfer.target] = receiving.get(transfer.target, 0) + 1
        for target in reachable:
            # The newest first: a song that was just dropped in does not wait behind a first synchronisation.
            for track in islice(reversed(self._lacking.get(target, {})), _MAX_LOOKED_AT):
                if receiving[target] >= limits.per_target or min(sending.values()) >= limits.per_source:
                    break
                name = self._names[track]
                if (track, target) in under_way or (name, target) in names:
                    continue
                source = self._source(track, target, sending, limits)
                if source is None or self._holdings.at(target, name) is not None:
                    continue
                names.add((name, target))
                sending[source] += 1
                receiving[target] += 1
                yield Transfer(track, name, self._tracks[track].size_bytes, source, target)

    def _source(self, track: TrackId, target: NodeId, sending: dict[NodeId, int], limits: Limits) -> NodeId | None:
        """The holder with the least to do; among equals another one for each track and target."""
        free = [machine for machine in self.holders(track) if sending[machine] < limits.per_source]
        return min(free, key=lambda who: (sending[who], weight(who, track + target), who), default=None)

    def _renames(self, track: TrackId) -> Iterator[Rename]:
        agreed = self._names[track]
        for machine, names in self._holdings.holders(track).items():
            lost = next((name for name in names if self._holdings.owner(name) != track and name != agreed), None)
            if lost is None or machine in self._away:
                continue
            new = agreed
            if self._holdings.at(machine, agreed) is not None:
                new = self._holdings.free_name(track, lost, self._labels[machine])
            # One name of a machine at a time: the next plan sees where it went.
            if self._holdings.at(machine, new) is None:
                yield Rename(machine, track, lost, new)

    # -- keeping up to date

    def _revise(self, tracks: Iterable[TrackId], names_too: bool = True) -> None:
        """Work out anew what there is to do for some tracks."""
        for track in tracks:
            wanted = self._wanting(track)
            for machine, lacking in self._lacking.items():
                if machine not in wanted:
                    lacking.pop(track, None)
            for machine in wanted:
                self._lacking.setdefault(machine, {}).setdefault(track)
            if names_too:
                self._revise_name(track)

    def _revise_name(self, track: TrackId) -> None:
        self._misnamed.discard(track)
        self._names.pop(track, None)
        if track not in self._tracks or track in self._tombstones:
            return
        agreed = self._names[track] = self._holdings.agreed_name(track, self._labels)
        known = {name for names in self._holdings.holders(track).values() for name in names}
        if any(self._holdings.owner(name) != track for name in known - {agreed}):
            self._misnamed.add(track)

    def _wanting(self, track: TrackId) -> list[NodeId]:
        """Machines that should fetch a track, as long as one that holds it can be reached."""
        if track not in self._tracks or track in self._tombstones:
            return []
        holders = self._holdings.holders(track).keys()
        if holders <= self._away:
            return []
        candidates = self._labels.keys() - self._away - holders
        if self._replicas == ALL_MACHINES:
            return list(candidates)
        return ranked(candidates, track)[: max(self._replicas - len(holders), 0)]
