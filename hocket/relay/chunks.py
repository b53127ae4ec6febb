"""What the bytes of a track must be: hashes of its leaves, signed for by the cluster.

A track is cut into leaves of 16 KiB, each with its BLAKE3. The hashes come in pages of 512 (8 MiB of
music); the manifest holds the hash of every page and the cluster's signature. So a listener needs the
manifest and one page to check a leaf anywhere in a track, however long, and passes on nothing that
it has not checked.
"""

import msgspec
from blake3 import blake3

from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import TrackId, is_track_id
from hocket.relay.keys import Sign, canonical, is_signed_by

LEAF_BYTES = 16 * 1024
HASH_BYTES = 32
LEAVES_PER_PAGE = 512
"""A page is as large as a leaf."""

PAGE_BYTES = LEAVES_PER_PAGE * HASH_BYTES

MAX_PAGES = 1_536
"""12 GiB of music; the manifest takes 48 KiB then."""

MAX_TRACK_BYTES = MAX_PAGES * LEAVES_PER_PAGE * LEAF_BYTES


class ChunkMismatch(HocketError):
    """Bytes that are not those of the track: who sent them lies or is broken."""

    code = ErrorCode.CHUNK_MISMATCH


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """The size of a track and the hash of each page of leaf hashes, one after the other."""

    track: TrackId
    size_bytes: int
    page_hashes: bytes

    @property
    def leaves(self) -> int:
        """How many leaves the track has; the last may be shorter."""
        return -(-self.size_bytes // LEAF_BYTES)

    @property
    def pages(self) -> int:
        return -(-self.leaves // LEAVES_PER_PAGE)

    def leaf_at(self, offset_bytes: int) -> int:
        """The leaf that holds a byte of the file. Raises ValueError outside of it."""
        if not 0 <= offset_bytes < self.size_bytes:
            raise ValueError(f"byte {offset_bytes} of a track of {self.size_bytes}")
        return offset_bytes // LEAF_BYTES

    def leaf_bytes(self, leaf: int) -> int:
        """Size of a leaf. Raises ValueError for one that the track does not have."""
        if not 0 <= leaf < self.leaves:
            raise ValueError(f"leaf {leaf} of {self.leaves}")
        return min(LEAF_BYTES, self.size_bytes - leaf * LEAF_BYTES)

    @property
    def is_sound(self) -> bool:
        """Whether its parts fit together."""
        return (
            is_track_id(self.track)
            and 0 < self.size_bytes <= MAX_TRACK_BYTES
            and len(self.page_hashes) == self.pages * HASH_BYTES
        )


class SignedManifest(msgspec.Struct, frozen=True, array_like=True):
    """A manifest under the cluster's signature."""

    manifest: Manifest
    signature: bytes


class ManifestBuilder:
    """Makes a track's manifest and pages from its bytes as they are read, in pieces of any size."""

    def __init__(self, track: TrackId) -> None:
        self._track = track
        self._hashes = bytearray()
        self._rest = bytearray()
        self._size_bytes = 0

    def feed(self, data: bytes | memoryview) -> None:
        """The next bytes of the file."""
        self._size_bytes += len(data)
        self._rest += data
        whole = len(self._rest) - len(self._rest) % LEAF_BYTES
        view = memoryview(self._rest)
        for at in range(0, whole, LEAF_BYTES):
            self._hashes += blake3(view[at : at + LEAF_BYTES]).digest()
        view.release()
        del self._rest[:whole]

    def finish(self) -> tuple[Manifest, tuple[bytes, ...]]:
        """The manifest, and the pages that it names. Raises ValueError for an empty or too long track."""
        if self._rest:
            self._hashes += blake3(bytes(self._rest)).digest()
            self._rest.clear()
        return manifest_of(self._track, self._size_bytes, bytes(self._hashes))


def manifest_of(track: TrackId, size_bytes: int, hashes: bytes) -> tuple[Manifest, tuple[bytes, ...]]:
    """The manifest of a track whose leaves have these hashes, one after the other, and the pages that it names.

    Raises ValueError where they do not fit the size, or the track is empty or too long.
    """
    pages = tuple(hashes[at : at + PAGE_BYTES] for at in range(0, len(hashes), PAGE_BYTES))
    manifest = Manifest(track, size_bytes, b"".join(blake3(page).digest() for page in pages))
    if not manifest.is_sound or len(hashes) != manifest.leaves * HASH_BYTES:
        raise ValueError(f"no manifest for {size_bytes} bytes of {track!r} out of {len(hashes)} bytes of hashes")
    return manifest, pages


def sign_manifest(manifest: Manifest, sign: Sign) -> SignedManifest:
    """The cluster's signature under a manifest."""
    return SignedManifest(manifest, sign(canonical(manifest)))


class TrackCheck:
    """Checks pages and leaves of one track against its signed manifest."""

    def __init__(self, signed: SignedManifest, track: TrackId, cluster_key: bytes) -> None:
        """Raises ChunkMismatch unless the manifest is of that track and signed by the cluster's key."""
        manifest = signed.manifest
        if manifest.track != track or not manifest.is_sound:
            raise ChunkMismatch(f"the manifest is not that of {track}", hint="ask another peer")
        if not is_signed_by(cluster_key, signed.signature, manifest):
            raise ChunkMismatch(f"the manifest of {track} is not signed by the cluster", hint="ask another peer")
        self.manifest = manifest
        self._pages: dict[int, bytes] = {}

    def has_page_for(self, leaf: int) -> bool:
        """Whether a leaf can be checked already; else its page, `leaf // LEAVES_PER_PAGE`, must come first."""
        return leaf // LEAVES_PER_PAGE in self._pages

    def page(self, number: int) -> bytes | None:
        """A checked page, to pass on."""
        return self._pages.get(number)

    def add_page(self, number: int, page: bytes) -> None:
        """Keep a page of leaf hashes. Raises ChunkMismatch if it is not what the manifest names."""
        wanted = self.manifest.page_hashes[number * HASH_BYTES : (number + 1) * HASH_BYTES]
        if not 0 <= number < self.manifest.pages or blake3(page).digest() != wanted:
            raise ChunkMismatch(f"page {number} is not that of {self.manifest.track}", hint="ask another peer")
        self._pages[number] = page

    def check(self, leaf: int, data: bytes | memoryview) -> None:
        """Raises ChunkMismatch if these are not the bytes of a leaf, KeyError while its page is missing."""
        if not 0 <= leaf < self.manifest.leaves:
            raise ChunkMismatch(f"{self.manifest.track} has no leaf {leaf}", hint="ask another peer")
        page = self._pages[leaf // LEAVES_PER_PAGE]
        at = leaf % LEAVES_PER_PAGE * HASH_BYTES
        if len(data) != self.manifest.leaf_bytes(leaf) or blake3(data).digest() != page[at : at + HASH_BYTES]:
            raise ChunkMismatch(f"leaf {leaf} is not that of {self.manifest.track}", hint="ask another peer")
