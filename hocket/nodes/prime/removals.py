"""What the librarian has to remember over a restart: removed tracks, and the machines that may still have them."""

import msgspec

from hocket.adapters.datafolder import DataBroken, DataFolder
from hocket.core.ids import NodeId, TrackId
from hocket.core.track import Track
from hocket.media.tombstones import Tombstone

FILE = "library.removals"


class Removals(msgspec.Struct, frozen=True):
    """`machines`: id -> what people call it. `tracks`: what the tombstones' tracks were."""

    machines: dict[NodeId, str] = {}
    tombstones: tuple[Tombstone, ...] = ()
    tracks: dict[TrackId, Track] = {}


def load_removals(folder: DataFolder) -> Removals:
    """Raises DataBroken: a guess would bring removed music back."""
    kept = folder.read(FILE)
    if kept is None:
        return Removals()
    try:
        return msgspec.msgpack.decode(kept, type=Removals)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataBroken(
            f"{folder.path / FILE} cannot be read: {error}",
            hint="restore it from a backup; without it removed tracks come back from machines that were away",
        ) from None


def save_removals(folder: DataFolder, removals: Removals) -> None:
    """Raises DataUnwritable."""
    folder.write(FILE, msgspec.msgpack.encode(removals))
