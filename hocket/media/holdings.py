"""Who holds which bytes under which names, and what each track is to be called everywhere.

Every machine may call a track as it likes, as long as no two tracks want one name. Where they do, the one
that more machines know under it keeps it (then the smaller id); the other is named after its machine. Copies
are made under the agreed name only, so the holders of a contested name can only become more on the
winner's side: the choice never swings back.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Final

from hocket.core.ids import NodeId, TrackId
from hocket.media.paths import MAX_COMPONENT_BYTES, is_library_name

Names = tuple[str, ...]

MAX_LABEL_CHARACTERS: Final = 40


class Holdings:
    """(track, machine) -> names, with an index from names to claims. `ignored` tracks win no name."""

    __slots__ = ("_claims", "_held", "_ignored")

    def __init__(self, ignored: Container[TrackId] = ()) -> None:
        self._ignored = ignored
        self._held: dict[TrackId, dict[NodeId, Names]] = {}
        self._claims: dict[str, dict[TrackId, set[NodeId]]] = {}

    def __contains__(self, track: TrackId) -> bool:
        return track in self._held

    def holders(self, track: TrackId) -> dict[NodeId, Names]:
        """Machine -> the names it has for the track's bytes."""
        return self._held.get(track, {})

    def claimants(self, names: Iterable[str]) -> set[TrackId]:
        """Tracks that some machine has under one of these names."""
        return {track for name in names for track in self._claims.get(name, ())}

    def at(self, machine: NodeId, name: str) -> TrackId | None:
        """The track that a machine has under a name."""
        return next((track for track, who in self._claims.get(name, {}).items() if machine in who), None)

    def put(self, machine: NodeId, track: TrackId, names: Names) -> None:
        """A machine holds a track under these names, and no others."""
        self.take(machine, track)
        self._held.setdefault(track, {})[machine] = names
        for name in names:
            self._claims.setdefault(name, {}).setdefault(track, set()).add(machine)

    def take(self, machine: NodeId, track: TrackId) -> Names:
        """A machine does not hold a track any more; the names it had."""
        machines = self._held.get(track, {})
        names = machines.pop(machine, ())
        if not machines:
            self._held.pop(track, None)
        for name in names:
            claims = self._claims[name]
            claims[track].discard(machine)
            if not claims[track]:
                del claims[track]
            if not claims:
                del self._claims[name]
        return names

    def owner(self, name: str) -> TrackId | None:
        """The track that keeps a name if several want it."""
        claims = self._claims.get(name, {})
        candidates = (track for track in claims if track not in self._ignored)
        return min(candidates, key=lambda track: (-len(claims[track]), track), default=None)

    def agreed_name(self, track: TrackId, labels: Mapping[NodeId, str]) -> str:
        """What a track is called where it is copied to. Raises KeyError for a track that nobody holds.

        `labels`: machine -> the word for it in names; its id where it has none.
        """
        held = self._held[track]
        names = next(iter(held.values()))
        if len(names) == 1 and self._is_only_under(track, names):
            return names[0]
        known: dict[str, int] = {}
        for names in held.values():
            for name in names:
                known[name] = known.get(name, 0) + 1
        best_first = sorted(known, key=lambda name: (-known[name], len(name), name))
        owned = next((name for name in best_first if self.owner(name) == track), None)
        if owned is not None:
            return owned
        wanted = best_first[0]
        machine = min(who for who, names in held.items() if wanted in names)
        return self.free_name(track, wanted, labels.get(machine, machine))

    def _is_only_under(self, track: TrackId, names: Names) -> bool:
        """Whether all machines call a track the same, and no other one so: as it nearly always is."""
        if len(self._claims[names[0]]) > 1 or track in self._ignored:
            return False
        return all(others == names for others in self._held[track].values())

    def free_name(self, track: TrackId, wanted: str, label: str, machine: NodeId | None = None) -> str:
        """A name made of the wanted one and a machine's, that no other track has anywhere, and `machine` not at all."""
        number = 1
        while True:
            name = _named_after(wanted, label if number == 1 else f"{label} {number}")
            is_others = bool(self.claimants([name]) - {track})
            if not is_others and (machine is None or self.at(machine, name) is None):
                return name
            number += 1


def label_of(text: str) -> str:
    """A machine's word for names: what could harm a name or a terminal becomes a dash."""
    return "".join(c if c.isalnum() or c in " ._-" else "-" for c in text[:MAX_LABEL_CHARACTERS]).strip(" .") or "-"


def _named_after(name: str, label: str) -> str:
    folder, slash, last = name.rpartition("/")
    stem, ending = last[:-4], last[-4:]
    suffix = f" ({label}){ending}"
    room = MAX_COMPONENT_BYTES - len(suffix.encode())
    # A cut through a letter of several bytes leaves no half of it behind.
    short = stem.encode()[:room].decode("utf-8", "ignore")
    made = f"{folder}{slash}{short}{suffix}"
    return made if is_library_name(made) else f"{short}{suffix}"
