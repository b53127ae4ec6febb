"""Tracks in numbered slots beside their folded text: the part of a catalogue that is searched.

Passes over short strings beat an index here: 50,000 tracks take a few milliseconds, any part of a word
can be found, and a change costs next to nothing.
"""

from collections.abc import Iterable
from itertools import compress
from typing import Final

from hocket.core.track import Track
from hocket.media.text import fold

MAX_WORDS: Final = 10
"""Words of a search that count; each costs a pass."""

_KEPT_SEARCHES: Final = 4

_BLOCK: Final = 64
"""Slots whose text is also kept in one piece: a rare word skips most blocks at once."""


class Shelf:
    """Slots, of which some may be free (None). Never changes once it was searched."""

    __slots__ = ("_blocks", "_found", "_free", "haystacks", "tracks")

    def __init__(self, tracks: list[Track | None], haystacks: list[str]) -> None:
        self.tracks = tracks
        self.haystacks = haystacks
        self._blocks = ["\n".join(haystacks[at : at + _BLOCK]) for at in range(0, len(haystacks), _BLOCK)]
        self._free = [slot for slot, track in enumerate(tracks) if track is None]
        # What a person types is asked for page by page.
        self._found: dict[tuple[str, ...], bytes] = {}

    def copy(self) -> "Shelf":
        """One to change."""
        other = Shelf([], [])
        other.tracks, other.haystacks = self.tracks.copy(), self.haystacks.copy()
        other._blocks, other._free = self._blocks.copy(), self._free.copy()
        return other

    def take(self, slot: int) -> Track:
        """Free a slot; what was in it."""
        track = self.tracks[slot]
        if track is None:
            raise KeyError(slot)
        self._set(slot, None, "")
        self._free.append(slot)
        return track

    def put(self, track: Track) -> int:
        """Fill a free slot or a new one; its number."""
        if not self._free:
            self._free.append(len(self.tracks))
            self.tracks.append(None)
            self.haystacks.append("")
            if len(self.tracks) > _BLOCK * len(self._blocks):
                self._blocks.append("")
        slot = self._free.pop()
        self._set(slot, track, haystack(track))
        return slot

    def _set(self, slot: int, track: Track | None, text: str) -> None:
        self.tracks[slot], self.haystacks[slot] = track, text
        start = slot - slot % _BLOCK
        self._blocks[slot // _BLOCK] = "\n".join(self.haystacks[start : start + _BLOCK])

    def marks(self, words: Iterable[str]) -> bytes:
        """One byte a slot: 1 where every one of the folded words occurs; nowhere when there are no words."""
        wanted = _needed(words)
        marks = self._found.get(wanted)
        if marks is None:
            marks = self._marked(wanted)
            if len(self._found) >= _KEPT_SEARCHES:
                self._found.clear()
            self._found[wanted] = marks
        return marks

    def _marked(self, words: tuple[str, ...]) -> bytes:
        if not words:
            return bytes(len(self.tracks))
        blocks = {word: {number for number, block in enumerate(self._blocks) if word in block} for word in words}
        first, *others = sorted(words, key=lambda word: len(blocks[word]))
        near = set.intersection(*blocks.values())
        if not others and 2 * len(near) > len(self._blocks):
            return bytes([first in haystack for haystack in self.haystacks])
        marks = bytearray(len(self.tracks))
        for number in near:
            start = number * _BLOCK
            part = self.haystacks[start : start + _BLOCK]
            held = [line for line, haystack in enumerate(part) if first in haystack]
            for word in others:
                held = [line for line in held if word in part[line]]
            for line in held:
                marks[start + line] = 1
        return bytes(marks)

    def marked(self, marks: bytes) -> list[Track]:
        """The tracks in marked slots."""
        return [track for track in compress(self.tracks, marks) if track is not None]


def _needed(words: Iterable[str]) -> tuple[str, ...]:
    """The words that say something, longest first: it leaves the fewest for the others."""
    needed: list[str] = []
    for word in sorted(set(words), key=lambda word: (-len(word), word)):
        if not any(word in longer for longer in needed):
            needed.append(word)
    return tuple(needed[:MAX_WORDS])


def haystack(track: Track) -> str:
    """The folded text of a track. Its name holds artist and album as a rule, so those are not repeated."""
    text = fold("\t".join((stem(track.name), *track.aliases)))
    for field in (track.title, track.artist, track.album):
        folded = fold(field)
        if folded not in text:
            text += "\t" + folded
    return text


def stem(name: str) -> str:
    """A library name without its ending."""
    return name[:-4] if name[-4:].lower() == ".wav" else name
