"""Tracks that were removed on purpose: gone from every machine that knew of them, and kept gone.

A machine owes a removal until it has acknowledged it. Whoever owes nothing and still comes with the
track has brought it on purpose: a file that was put back, or a machine that joined later. That ends the
removal, because music is not lost for a word said earlier.
"""

from collections.abc import Iterable

import msgspec

from hocket.core.ids import NodeId, TrackId


class Tombstone(msgspec.Struct, frozen=True, array_like=True):
    """One removed track and the machines that have not yet acknowledged it."""

    track: TrackId
    owing: frozenset[NodeId] = frozenset()


class Tombstones:
    """All removals. `stored` and `__init__` carry them over a restart."""

    __slots__ = ("_owing",)

    def __init__(self, stored: Iterable[Tombstone] = ()) -> None:
        self._owing = {stone.track: set(stone.owing) for stone in stored}

    def stored(self) -> tuple[Tombstone, ...]:
        """To be kept in a file."""
        return tuple(Tombstone(track, frozenset(owing)) for track, owing in self._owing.items())

    def __contains__(self, track: object) -> bool:
        return track in self._owing

    def owed_by(self, machine: NodeId) -> list[TrackId]:
        """Tracks that a machine has yet to remove."""
        return [track for track, owing in self._owing.items() if machine in owing]

    def remove(self, track: TrackId, machines: Iterable[NodeId]) -> None:
        """Remove a track from all machines that are known now: also those that may be receiving it."""
        self._owing[track] = set(machines)

    def acknowledge(self, machine: NodeId, track: TrackId) -> None:
        """A machine has removed a track and will not finish receiving it.

        It tells so after the manifest change that shows it: otherwise its old list would look like a
        file that was put back.
        """
        self._owing.get(track, set()).discard(machine)

    def seen(self, machine: NodeId, track: TrackId) -> bool:
        """A machine lists a track; True when that ends its removal."""
        owing = self._owing.get(track)
        if owing is None or machine in owing:
            return False
        del self._owing[track]
        return True

    def restore(self, track: TrackId) -> bool:
        """End a removal by word; whether there was one."""
        return self._owing.pop(track, None) is not None

    def forget_machine(self, machine: NodeId) -> None:
        """A machine left for good and owes nothing."""
        for owing in self._owing.values():
            owing.discard(machine)
