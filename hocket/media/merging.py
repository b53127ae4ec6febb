"""One list out of two: what a machine's own folder holds, and what only other machines hold."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from hocket.core.ids import TrackId
from hocket.core.track import NO_TRACK_ID, Track
from hocket.media.catalogue import Catalogue

_ID_DIGITS_SHOWN: Final = 8


def changed_ids(before: Catalogue, after: Catalogue) -> set[TrackId]:
    """Ids of tracks that are not the same in both catalogues; NO_TRACK_ID for those that cannot play."""
    old, new = before.by_id, after.by_id
    changed = {key for key, track in new.items() if old.get(key) is not track and old.get(key) != track}
    return changed | (old.keys() - new.keys()) | {NO_TRACK_ID}


def merged(
    before: Catalogue, local: Catalogue, elsewhere: Mapping[TrackId, Track], changed: Collection[TrackId]
) -> Catalogue:
    """Both in one catalogue, worked out from the one `before` and the ids that may be `changed` since; `before` itself
    if nothing is, and `local` itself if nothing is elsewhere.

    A track of both is the local one. Where two want one name, until the prime has one renamed, the local one keeps
    it (then the one that was first) and the other is told apart by its id: no track is missing from the list.
    """
    if elsewhere.keys() <= local.by_id.keys():
        return local
    gone = [track for key in changed if (track := before.get(key)) is not None]
    mine = [track for key in changed if (track := local.get(key)) is not None]
    others = [elsewhere[key] for key in sorted(changed) if key in elsewhere and local.get(key) is None]
    if NO_TRACK_ID in changed:
        gone += _unplayable(before)
        mine += _unplayable(local)
    leaving = {track.name: track for track in gone}
    coming = {track.name: track for track in mine}
    displaced = before.named(coming.keys() - leaving.keys())
    leaving |= displaced
    others += displaced.values()
    taken = before.named({name for track in others for name in _names(track)} - leaving.keys())
    for track in others:
        free = next((name for name in _names(track) if name not in taken and name not in coming), None)
        if free is not None:
            coming[free] = track if free == track.name else msgspec.structs.replace(track, name=free)
    kept = {name for name in leaving.keys() & coming.keys() if leaving[name] == coming[name]}
    removed = [track for name, track in leaving.items() if name not in kept]
    added = [track for name, track in coming.items() if name not in kept]
    return before.with_changes(added, removed) if added or removed else before


def same_list(one: Catalogue, other: Catalogue) -> bool:
    """Whether two catalogues show the same."""
    return one is other or (len(one) == len(other) and one.tracks == other.tracks)


def _unplayable(catalogue: Catalogue) -> list[Track]:
    return [track for track in catalogue.tracks if not track.id]


def _names(track: Track) -> tuple[str, ...]:
    """What a track may be shown as, the best first. That a file bears another's whole id is no accident."""
    stem, ending = track.name[:-4], track.name[-4:]
    return (track.name, f"{stem} ({track.id[:_ID_DIGITS_SHOWN]}){ending}", f"{stem} ({track.id}){ending}")
