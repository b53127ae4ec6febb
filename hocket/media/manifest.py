"""What one machine's music folder holds, as it tells the prime: whole once, then change by change."""

from collections.abc import Iterable

import msgspec

from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, TrackId, is_track_id
from hocket.core.track import Track
from hocket.media.paths import BadName, library_name


class StaleManifest(HocketError):
    """A change that does not follow what is known: ask for the whole manifest."""

    code = ErrorCode.PROTOCOL


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """The tracks of one machine that can play, each once (other names of its bytes are its aliases)."""

    machine: NodeId
    revision: int
    tracks: tuple[Track, ...] = ()


class ManifestChange(msgspec.Struct, frozen=True, array_like=True):
    """From one revision to a later one. A track whose names changed is in `added` again."""

    machine: NodeId
    base_revision: int
    revision: int
    added: tuple[Track, ...] = ()
    removed: tuple[TrackId, ...] = ()


def manifest_of(machine: NodeId, revision: int, tracks: Iterable[Track]) -> Manifest:
    """The manifest of a library: what cannot play stays at home."""
    return Manifest(machine, revision, tuple(track for track in tracks if track.is_playable))


def change_between(old: Manifest, new: Manifest) -> ManifestChange:
    """What leads from old to new, both of one machine."""
    before, after = ({track.id: track for track in manifest.tracks} for manifest in (old, new))
    return ManifestChange(
        new.machine,
        old.revision,
        new.revision,
        tuple(track for key, track in after.items() if before.get(key) != track),
        tuple(key for key in before if key not in after),
    )


def applied(manifest: Manifest, change: ManifestChange) -> Manifest:
    """The manifest after a change. Raises StaleManifest when it follows another revision."""
    if (change.machine, change.base_revision) != (manifest.machine, manifest.revision):
        raise StaleManifest(
            f"a change of {change.machine} from revision {change.base_revision} came, "
            f"{manifest.machine} is known at {manifest.revision}",
            hint="send the whole manifest",
        )
    tracks = {track.id: track for track in manifest.tracks}
    for gone in change.removed:
        tracks.pop(gone, None)
    tracks |= {track.id: track for track in change.added}
    return Manifest(manifest.machine, change.revision, tuple(tracks.values()))


def fault(track: Track) -> str:
    """Why a track that a machine offers is not believed; empty when it is fit to be replicated."""
    if not is_track_id(track.id):
        return f"'{track.id[:80]!a}' is no track id"
    if track.size_bytes <= 0 or not track.is_playable:
        return f"{track.id[:12]} has no bytes that could play"
    for name in (track.name, *track.aliases):
        try:
            if library_name(name) != name:
                return f"{track.id[:12]} comes under a name that is not in its composed form"
        except BadName as error:
            return f"{track.id[:12]} comes under {error.text}"
        if not name.lower().endswith(".wav"):
            return f"{track.id[:12]} comes under a name that does not end in .wav"
    return ""
