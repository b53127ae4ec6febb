"""What is held of the tracks that a group plays: checked leaves, to play and to pass on."""

from collections import OrderedDict

from hocket.core.errors import HocketError
from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.relay.chunks import LEAF_BYTES, ChunkMismatch, TrackCheck

MAX_LEAVES = 1024
"""Checked leaves that are kept of one track: 16 MiB, a minute and a half of CD music."""

MAX_BOX_BYTES = 16 * 1024 * 1024


class PieceBox:
    """Bytes of a file as the host's own player got them, the newest MAX_BOX_BYTES."""

    def __init__(self) -> None:
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._size_bytes = 0

    def add(self, offset_bytes: int, data: bytes) -> None:
        """A piece in no particular order."""
        old = self._pieces.pop(offset_bytes, b"")
        self._pieces[offset_bytes] = data
        self._size_bytes += len(data) - len(old)
        while self._size_bytes > MAX_BOX_BYTES and len(self._pieces) > 1:
            self._size_bytes -= len(self._pieces.popitem(last=False)[1])

    def read(self, offset_bytes: int, length_bytes: int) -> bytes | None:
        """None where some of it is not here."""
        found = bytearray()
        while len(found) < length_bytes:
            at = offset_bytes + len(found)
            piece = next(
                ((start, data) for start, data in self._pieces.items() if start <= at < start + len(data)), None
            )
            if piece is None:
                return None
            start, data = piece
            found += memoryview(data)[at - start : at - start + length_bytes - len(found)]
        return bytes(found)


class Book:
    """One track of the group: what it is, its hashes, its leaves."""

    def __init__(self, track: Track, check: TrackCheck | None = None, vouched: bytes = b"") -> None:
        """`vouched`: the cluster's word, to pass on. Without a check nodes alone may be believed."""
        self.track = track
        self.check = check
        self.vouched = vouched
        self.box = PieceBox()
        self._leaves: OrderedDict[int, bytes] = OrderedDict()

    @property
    def leaf_count(self) -> int:
        return -(-self.track.size_bytes // LEAF_BYTES)

    def leaf_bytes(self, leaf: int) -> int:
        return min(LEAF_BYTES, self.track.size_bytes - leaf * LEAF_BYTES)

    def has(self, leaf: int) -> bool:
        return leaf in self._leaves

    def can_check(self, leaf: int) -> bool:
        return self.check is not None and self.check.has_page_for(leaf)

    def leaf(self, leaf: int) -> bytes | None:
        """A checked leaf, if it is here: from what friends sent, or from what the player got."""
        data = self._leaves.get(leaf)
        if data is None and 0 <= leaf < self.leaf_count and self.can_check(leaf):
            raw = self.box.read(leaf * LEAF_BYTES, self.leaf_bytes(leaf))
            if raw is not None:
                try:
                    self.put(leaf, raw)
                except HocketError:
                    return None  # the player's own check says so, too
                data = raw
        return data

    def put(self, leaf: int, data: bytes) -> None:
        """Keep a leaf. Raises ChunkMismatch, KeyError while its page of hashes is missing."""
        if self.check is not None:
            self.check.check(leaf, data)
        elif not 0 <= leaf < self.leaf_count or len(data) != self.leaf_bytes(leaf):
            raise ChunkMismatch(f"{self.track.id} has no such leaf {leaf}")
        self._leaves[leaf] = data
        if len(self._leaves) > MAX_LEAVES:
            self._leaves.popitem(last=False)

    def add_page(self, number: int, page: bytes) -> None:
        """Take a page of hashes. Raises ChunkMismatch."""
        if self.check is not None:
            self.check.add_page(number, page)

    def read(self, offset_bytes: int, max_bytes: int) -> bytes:
        """Checked bytes of the file from there on, as far as they go without a gap."""
        found = bytearray()
        while len(found) < max_bytes and offset_bytes + len(found) < self.track.size_bytes:
            at = offset_bytes + len(found)
            data = self._leaves.get(at // LEAF_BYTES)
            if data is None:
                break
            start = at % LEAF_BYTES
            found += memoryview(data)[start : start + max_bytes - len(found)]
        return bytes(found)

    def ready_bytes(self, offset_bytes: int, most: int) -> int:
        """How many checked bytes follow there, counted up to `most`."""
        leaf = offset_bytes // LEAF_BYTES
        while leaf in self._leaves and leaf * LEAF_BYTES < offset_bytes + most:
            leaf += 1
        return max(0, min(leaf * LEAF_BYTES, self.track.size_bytes) - offset_bytes)


class Library:
    """The books of one group: the one that plays, the next, and a few before."""

    MAX_BOOKS = 4

    def __init__(self) -> None:
        self._books: OrderedDict[TrackId, Book] = OrderedDict()

    def get(self, track: TrackId) -> Book | None:
        return self._books.get(track)

    def add(self, book: Book) -> None:
        """Keep it; the oldest goes."""
        self._books[book.track.id] = book
        self._books.move_to_end(book.track.id)
        while len(self._books) > self.MAX_BOOKS:
            self._books.popitem(last=False)
