"""The one track that a text means, or who else could have been meant."""

import difflib
from collections.abc import Sequence
from heapq import nlargest
from operator import itemgetter
from typing import Final

from hocket.core.errors import ErrorCode, HocketError, TrackMissing
from hocket.core.track import Track
from hocket.media.shelf import Shelf, stem
from hocket.media.text import fold

MAX_CANDIDATES: Final = 5
"""An error that names more is not read."""

MAX_PHRASE_CHARACTERS: Final = 300

_MIN_ID_DIGITS: Final = 8
_MAX_COMPARED: Final = 40
_MAX_NEAR: Final = 3
_MIN_LIKENESS: Final = 0.5


class AmbiguousTrack(HocketError):
    """A text that means several tracks; `candidates` holds the first of them."""

    code = ErrorCode.AMBIGUOUS

    def __init__(self, text: str, candidates: Sequence[Track]) -> None:
        self.candidates = tuple(candidates[:MAX_CANDIDATES])
        super().__init__(f"'{text}' is {len(candidates)} tracks", hint=f"say more: {_listed(candidates)}")


def resolve(text: str, shelf: Shelf) -> Track:
    """The one track that text means: an id or its first digits, a name, a title, or a unique part of these.

    A whole name or title goes before a part of one, and what can play before what cannot. Raises
    AmbiguousTrack with the candidates, TrackMissing with near misses.
    """
    phrase = stem(fold(text[:MAX_PHRASE_CHARACTERS]).strip())
    if not phrase:
        raise TrackMissing("no track was named", hint="give a name, a part of one, or an id")
    whole = shelf.marked(shelf.marks([phrase]))
    exact = [track for track in whole if phrase in _full_names(track)]
    found = exact or whole or shelf.marked(shelf.marks(phrase.split())) or _by_id(phrase, shelf)
    if len(found) > 1:
        found = [track for track in found if track.is_playable] or found
    if not found:
        near = _near_misses(phrase, shelf)
        hint = f"did you mean {_listed(near)}?" if near else "search the list for it"
        raise TrackMissing(f"no track is called '{text}'", hint=hint)
    if len(found) > 1:
        raise AmbiguousTrack(text, found)
    return found[0]


def _full_names(track: Track) -> set[str]:
    names = [stem(name) for name in (track.name, *track.aliases)]
    return {fold(name) for name in (track.title, *names, *(name.rsplit("/", 1)[-1] for name in names))}


def _by_id(phrase: str, shelf: Shelf) -> list[Track]:
    if len(phrase) < _MIN_ID_DIGITS:
        return []
    return [track for track in shelf.tracks if track is not None and track.id.startswith(phrase)]


def _near_misses(phrase: str, shelf: Shelf) -> list[Track]:
    """Comparing every name letter by letter takes seconds in a large library, so halves of words choose whom."""
    halves = {half for word in phrase.split()[:MAX_CANDIDATES] if len(word) > 2 for half in _halves(word)}
    scores = [0] * len(shelf.tracks)
    for half in halves:
        scores = [score + mark for score, mark in zip(scores, shelf.marks([half]), strict=True)]
    likely = nlargest(_MAX_COMPARED, ((score, slot) for slot, score in enumerate(scores) if score))
    tracks = [track for _score, slot in likely if (track := shelf.tracks[slot]) is not None]
    ratios = [(max(_likeness(phrase, name) for name in _full_names(track)), track) for track in tracks]
    close = nlargest(_MAX_NEAR, ratios, key=itemgetter(0))
    return [track for ratio, track in close if ratio >= _MIN_LIKENESS]


def _halves(word: str) -> tuple[str, str]:
    return word[: (len(word) + 1) // 2], word[len(word) // 2 :]


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other[: 2 * len(one) + 20], autojunk=False).ratio()


def _listed(tracks: Sequence[Track]) -> str:
    names = ", ".join(f"'{track.name}'" for track in tracks[:MAX_CANDIDATES])
    return f"{names} and {len(tracks) - MAX_CANDIDATES} more" if len(tracks) > MAX_CANDIDATES else names
