"""One library out of many folders: what has to be copied, renamed or removed where.

The prime feeds in manifests as they come; `plan` says what to do next. Whatever the order, however often machines
come and go, repeating "plan, do some of it, report" ends with every track where it belongs and no bytes lost:
nothing is ever overwritten, and only removals that a person asked for delete.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import islice

import msgspec

from hocket.core.ids import NodeId, TrackId
from hocket.core.track import Track
from hocket.media.holdings import Holdings, label_of
from hocket.media.manifest import Manifest, ManifestChange, StaleManifest, fault
from hocket.media.rendezvous import ranked, weight
from hocket.media.tombstones import Tombstone, Tombstones

ALL_MACHINES = 0
_INCOMPLETE = -1
"""The revision of a list of which only parts came: no change follows it."""

STEP = 500
"""Tracks that are looked at in one go when a machine comes or goes: milliseconds."""

_MAX_LOOKED_AT = 100
"""Tracks that one plan considers between two machines: those that wait for a name get their turn later."""


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


class Census(msgspec.Struct, frozen=True):
    """What the whole library comes to: tracks that can be played, and copies of them. Spare copies do not count."""

    tracks: int
    copies_wanted: int
    copies_present: int


class Limits(msgspec.Struct, frozen=True):
    """How much goes on at once."""

    per_source: int = 2
    per_target: int = 2
    idle: frozenset[NodeId] = frozenset()  # machines that can take nothing now


class Replication:
    """The prime's view of all machines' folders. `replicas`: copies of each track, ALL_MACHINES for one everywhere."""

    def __init__(self, replicas: int = ALL_MACHINES, removed: Iterable[Tombstone] = (), step: int = STEP) -> None:
        """`step`: how many tracks `settle` looks at in one go."""
        if replicas < 0:
            raise ValueError(f"replicas is {replicas}")
        self._replicas = replicas
        self._step = step
        self._tombstones = Tombstones(removed)
        self._holdings = Holdings(ignored=self._tombstones)
        self._tracks: dict[TrackId, Track] = {}
        self._labels: dict[NodeId, str] = {}
        self._away: set[NodeId] = set()
        self._set_aside: set[tuple[TrackId, NodeId]] = set()
        self._lost: set[NodeId] = set()
        self._revisions: dict[NodeId, int] = {}
        # What there is to do, kept up to date track by track: planning must not walk the whole library.
        self._stale: dict[TrackId, None] = {}  # a machine came or went: not looked at since
        self._misnamed: set[TrackId] = set()
        self._names: dict[TrackId, str] = {}
        self._by_name: list[TrackId] | None = None
        self._census: Census | None = None
        self._news: set[TrackId] = set()
        self._wanted: dict[TrackId, dict[NodeId, NodeId]] = {}  # target -> the source that is meant for it
        self._queues: dict[tuple[NodeId, NodeId], dict[TrackId, int]] = {}  # (source, target) -> track -> its number
        self._numbers = 0

    # -- machines

    @property
    def labels(self) -> dict[NodeId, str]:
        """Machine -> what names are made of in a conflict."""
        return self._labels.copy()

    @property
    def machines(self) -> frozenset[NodeId]:
        return frozenset(self._labels)

    def join(self, machine: NodeId, label: str = "") -> None:
        """A machine belongs to the cluster; `label` is what names are made of in a conflict."""
        renames = self._labels.get(machine) not in (None, label_of(label or machine))
        self._labels[machine] = label_of(label or machine)
        self._away.discard(machine)
        if machine in self._lost:
            self._lost.discard(machine)
            self._note_what_depends_on(machine)
        self._machines_changed()
        if renames:
            # The label is in no other name than theirs.
            self._revise(list(self._misnamed))

    def expect(self, machine: NodeId, label: str = "") -> None:
        """A machine begins to tell what it holds; it counts as away until `join`."""
        if machine not in self._labels:
            self._labels[machine] = label_of(label or machine)
            self._away.add(machine)
            self._census = None

    def away(self, machine: NodeId) -> None:
        """A machine cannot be reached: what it holds counts, but nothing comes from or goes to it."""
        if machine in self._labels:
            self._away.add(machine)
            self._machines_changed()

    def lost(self, machine: NodeId) -> None:
        """A machine is away for so long that its copies do not count any more: others make them."""
        if machine in self._away and machine not in self._lost:
            self._lost.add(machine)
            self._note_what_depends_on(machine)
            self._machines_changed()

    def leave(self, machine: NodeId) -> None:
        """A machine left for good, with its copies."""
        held = [track for track in self._tracks if machine in self._holdings.holders(track)]
        touched: set[TrackId] = set()
        for track in held:
            touched |= self._drop(machine, track)
        self._labels.pop(machine, None)
        self._revisions.pop(machine, None)
        self._away.discard(machine)
        self._lost.discard(machine)
        self._tombstones.forget_machine(machine)
        self._revise(touched)
        self._machines_changed()

    # -- manifests

    def take(self, manifest: Manifest) -> list[str]:
        """A machine's whole list. Returns what was refused of it, as text: other tracks are taken all the same."""
        machine = manifest.machine
        listed = {track.id for track in manifest.tracks}
        gone = [track for track in self._tracks if track not in listed and machine in self._holdings.holders(track)]
        return self._change(machine, manifest.revision, manifest.tracks, gone)

    def take_part(self, machine: NodeId, tracks: Iterable[Track]) -> list[str]:
        """Some of a machine's whole list: a large one is taken bit by bit. `take_rest` makes an end."""
        return self._change(machine, _INCOMPLETE, tracks, ())

    def take_rest(self, machine: NodeId, revision: int, listed: Collection[TrackId]) -> None:
        """All parts came: what was not in them the machine does not hold."""
        gone = [track for track in self._tracks if track not in listed and machine in self._holdings.holders(track)]
        self._change(machine, revision, (), gone)

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
            names = (track.name, *track.aliases)
            known = self._holdings.holders(track.id)
            if known.get(machine) == names and track.id not in self._tombstones:
                continue
            # What another machine holds in the same way was found to be sound then.
            if names not in known.values() and (problem := fault(track)):
                refused.append(f"{machine}: {problem}")
                continue
            touched |= self._holdings.claimants((*names, *self._holdings.take(machine, track.id)))
            self._holdings.put(machine, track.id, names)
            # A title may be taken from a name: the agreed name's is the one to show.
            if track.id not in self._tracks or track.name == self._holdings.agreed_name(track.id, self._labels):
                self._tracks[track.id] = track
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

    # -- what failed

    def set_aside(self, track: TrackId, machine: NodeId) -> None:
        """Neither from nor to this machine for now: it cannot give the track, gave other bytes, or cannot take it."""
        self._set_aside.add((track, machine))
        self._revise_copies(track)

    def take_up(self, track: TrackId, machine: NodeId) -> None:
        """It is worth trying again."""
        self._set_aside.discard((track, machine))
        self._revise_copies(track)

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

    def __contains__(self, track: object) -> bool:
        """Whether there is such a track, and it is not removed."""
        return track in self._names

    def holders(self, track: TrackId) -> frozenset[NodeId]:
        """Machines that hold a track and can be reached."""
        return frozenset(self._holdings.holders(track).keys() - self._away)

    def out_of_reach(self, track: TrackId) -> frozenset[NodeId]:
        """Machines that hold a track and are away just now, but not given up."""
        return frozenset(self._holdings.holders(track).keys() & (self._away - self._lost))

    def is_listed(self, track: TrackId) -> bool:
        """Whether people see a track: a machine that is not given up holds it."""
        return track in self._names and not self._holdings.holders(track).keys() <= self._lost

    def elsewhere(self, machine: NodeId) -> list[TrackId]:
        """What people see and a machine does not hold."""
        return [track for track in self._names if self._is_elsewhere(track, machine)]

    def beside(self, machine: NodeId, track: TrackId) -> Track | None:
        """A track for the list of a machine that does not hold it; None if it does, or if nobody shall see it."""
        return self.track(track) if self._is_elsewhere(track, machine) else None

    def take_news(self) -> frozenset[TrackId]:
        """Tracks that may be listed otherwise since the last call: in another place, under another name, or no more."""
        news, self._news = self._news, set()
        return frozenset(news)

    def by_name(self) -> list[TrackId]:
        """All tracks that are not removed, in the order of their names."""
        if self._by_name is None:
            self._by_name = sorted(self._names, key=self._names.__getitem__)
        return self._by_name

    def census(self) -> Census:
        """How much there is, and how much of it is where it belongs."""
        if self._census is None:
            self._census = self._count()
        return self._census

    def _count(self) -> Census:
        machines = len(self._labels.keys() - self._lost)
        share = machines if self._replicas == ALL_MACHINES else min(self._replicas, machines)
        alive = (len(self._holdings.holders(track).keys() - self._lost) for track in self._names)
        copies = [min(holders, share) for holders in alive if holders]
        return Census(len(copies), share * len(copies), sum(copies))

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
        reachable = self._labels.keys() - self._away
        return sum(len(queue) for pair, queue in self._queues.items() if reachable.issuperset(pair))

    # -- planning

    def settle(self) -> bool:
        """Look at some of the tracks that a coming or going machine concerns; whether more are left for `plan`."""
        for _ in range(min(self._step, len(self._stale))):
            self._revise_copies(self._stale.popitem()[0])
        return bool(self._stale)

    def plan(self, busy: Collection[Transfer] = (), limits: Limits | None = None) -> Plan:
        """What to do next, beside the transfers that are under way (`busy`). The same again until something changes."""
        while self.settle():
            pass
        reachable = sorted(self._labels.keys() - self._away)
        return Plan(
            tuple(self._transfers(reachable, busy, limits or Limits())),
            tuple(rename for track in sorted(self._misnamed) for rename in self._renames(track)),
            tuple(Removal(machine, track) for machine in reachable for track in self._tombstones.owed_by(machine)),
        )

    def _transfers(self, reachable: list[NodeId], busy: Collection[Transfer], limits: Limits) -> Iterator[Transfer]:
        slots = _Slots(busy, limits)
        heads = [(head[1], *pair, head[0]) for pair in self._queues if (head := self._head(pair, slots))]
        heapify(heads)
        # The newest first: a song that was just dropped in does not wait behind a first synchronisation.
        while heads:
            _number, source, target, track = heappop(heads)
            transfer = Transfer(track, self._names[track], self._tracks[track].size_bytes, source, target)
            if slots.take(transfer):
                yield transfer
                if head := self._head((source, target), slots):
                    heappush(heads, (head[1], source, target, head[0]))

    def _head(self, pair: tuple[NodeId, NodeId], slots: "_Slots") -> tuple[TrackId, int] | None:
        """The newest track that could go from one machine to another now, and its (negative) number."""
        source, target = pair
        if not slots.free(source, target):
            return None
        for track, number in islice(reversed(self._queues[pair].items()), _MAX_LOOKED_AT):
            name = self._names[track]
            if not slots.is_taken(track, name, target) and self._holdings.at(target, name) is None:
                return track, -number
        return None

    def _renames(self, track: TrackId) -> Iterator[Rename]:
        agreed = self._names[track]
        for machine, names in self._holdings.holders(track).items():
            lost = next((name for name in names if self._holdings.owner(name) != track and name != agreed), None)
            if lost is None or machine in self._away:
                continue
            # One name of a machine at a time: the next plan sees where it went.
            new = agreed
            if self._holdings.at(machine, agreed) is not None:
                new = self._holdings.free_name(track, lost, self._labels[machine], machine)
            yield Rename(machine, track, lost, new)

    # -- keeping up to date

    def _is_elsewhere(self, track: TrackId, machine: NodeId) -> bool:
        return machine not in self._holdings.holders(track) and self.is_listed(track)

    def _note_what_depends_on(self, machine: NodeId) -> None:
        """News of the tracks that only this machine holds, of those that are not given up."""
        others = self._lost - {machine}
        self._news.update(t for t in self._names if self._holdings.holders(t).keys() - others == {machine})

    def _machines_changed(self) -> None:
        self._census = None
        self._stale = dict.fromkeys(self._tracks)
        self.settle()

    def _revise(self, tracks: Iterable[TrackId]) -> None:
        """Work out anew what there is to do for some tracks."""
        for track in tracks:
            self._revise_copies(track)
            self._revise_name(track)

    def _revise_copies(self, track: TrackId) -> None:
        before, now = self._wanted.pop(track, {}), self._wanting(track)
        if now:
            self._wanted[track] = now
        if before == now:
            return
        for target, source in before.items():
            if now.get(target) != source:
                queue = self._queues[source, target]
                del queue[track]
                if not queue:
                    del self._queues[source, target]
        self._numbers += 1
        for target, source in now.items():
            self._queues.setdefault((source, target), {}).setdefault(track, self._numbers)

    def _revise_name(self, track: TrackId) -> None:
        self._misnamed.discard(track)
        self._news.add(track)
        self._by_name = self._census = None
        self._names.pop(track, None)
        if track not in self._tracks or track in self._tombstones:
            return
        agreed = self._names[track] = self._holdings.agreed_name(track, self._labels)
        known = {name for names in self._holdings.holders(track).values() for name in names}
        if any(self._holdings.owner(name) != track for name in known - {agreed}):
            self._misnamed.add(track)

    def _wanting(self, track: TrackId) -> dict[NodeId, NodeId]:
        """Machines that should fetch a track, and from whom; none while nobody that holds it can be reached."""
        if track not in self._tracks or track in self._tombstones:
            return {}
        holders = self._holdings.holders(track).keys()
        sources = sorted(who for who in holders - self._away if (track, who) not in self._set_aside)
        if not sources:
            return {}
        targets: Iterable[NodeId] = self._labels.keys() - self._away - holders
        if self._set_aside:
            targets = [who for who in targets if (track, who) not in self._set_aside]
        if self._replicas != ALL_MACHINES:
            targets = ranked(targets, track)[: max(self._replicas - len(holders - self._lost), 0)]
        if len(sources) == 1:
            return dict.fromkeys(targets, sources[0])
        # Another source for each target and track: all holders share the work.
        return {target: sources[weight(target, track) % len(sources)] for target in targets}


class _Slots:
    """How much more each machine may send and receive, and what is under way."""

    def __init__(self, busy: Collection[Transfer], limits: Limits) -> None:
        self._limits = limits
        self._sending: Counter[NodeId] = Counter(transfer.source for transfer in busy)
        self._receiving: Counter[NodeId] = Counter(transfer.target for transfer in busy)
        self._tracks = {(transfer.track, transfer.target) for transfer in busy}
        self._names = {(transfer.name, transfer.target) for transfer in busy}

    def free(self, source: NodeId, target: NodeId) -> bool:
        sends, receives = self._sending[source], self._receiving[target]
        if target in self._limits.idle:
            return False
        return sends < self._limits.per_source and receives < self._limits.per_target

    def is_taken(self, track: TrackId, name: str, target: NodeId) -> bool:
        return (track, target) in self._tracks or (name, target) in self._names

    def take(self, transfer: Transfer) -> bool:
        """Whether there is still room; if so it is taken."""
        source, target = transfer.source, transfer.target
        if not self.free(source, target) or self.is_taken(transfer.track, transfer.name, target):
            return False
        self._sending[source] += 1
        self._receiving[target] += 1
        self._tracks.add((transfer.track, target))
        self._names.add((transfer.name, target))
        return True
