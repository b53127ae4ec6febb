import msgspec
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import ErrorCode
from hocket.core.ids import TrackId
from hocket.relay.chunks import (
    HASH_BYTES,
    LEAF_BYTES,
    LEAVES_PER_PAGE,
    MAX_PAGES,
    MAX_TRACK_BYTES,
    ChunkMismatch,
    Manifest,
    ManifestBuilder,
    SignedManifest,
    TrackCheck,
    sign_manifest,
)
from tests.relay.people import Person

CLUSTER, MALLORY = Person("cluster"), Person("mallory")


def song(size_bytes: int) -> bytes:
    return blake3(b"song").digest(length=size_bytes)


def track_of(data: bytes) -> TrackId:
    return TrackId(blake3(data).hexdigest())


def build(data: bytes) -> tuple[SignedManifest, tuple[bytes, ...]]:
    builder = ManifestBuilder(track_of(data))
    builder.feed(data)
    manifest, pages = builder.finish()
    return sign_manifest(manifest, CLUSTER.sign), pages


def check_of(data: bytes) -> TrackCheck:
    signed, pages = build(data)
    check = TrackCheck(signed, track_of(data), CLUSTER.key)
    for number, page in enumerate(pages):
        check.add_page(number, page)
    return check


SIZES = [1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 5 * LEAF_BYTES, LEAF_BYTES * LEAVES_PER_PAGE + 7]


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_of_a_track_passes_and_no_other_bytes_do(size: int) -> None:
    data = song(size)
    check = check_of(data)
    assert check.manifest.leaves == -(-size // LEAF_BYTES)
    for leaf in {0, check.manifest.leaves // 2, check.manifest.leaves - 1}:
        start = leaf * LEAF_BYTES
        good = data[start : start + LEAF_BYTES]
        assert len(good) == check.manifest.leaf_bytes(leaf)
        check.check(leaf, good)
        check.check(leaf, memoryview(good))
        for bad in (good[:-1], good + b"\0", bytes([good[0] ^ 1]) + good[1:], b""):
            with pytest.raises(ChunkMismatch, match=f"leaf {leaf} ") as refused:
                check.check(leaf, bad)
            assert refused.value.code is ErrorCode.CHUNK_MISMATCH


@settings(max_examples=60)
@given(st.integers(1, 3 * LEAF_BYTES), st.lists(st.integers(0, 2 * LEAF_BYTES), max_size=6))
def test_however_a_file_is_read_its_manifest_is_the_same(size: int, cuts: list[int]) -> None:
    data = song(size)
    builder = ManifestBuilder(track_of(data))
    for cut in cuts:
        builder.feed(data[:cut])
        data = data[cut:]
    builder.feed(memoryview(data))
    manifest, pages = builder.finish()
    signed, expected = build(song(size))
    assert (manifest, pages) == (signed.manifest, expected)
    assert [len(page) % HASH_BYTES for page in pages] == [0] * len(pages)


def test_a_leaf_in_the_place_of_another_does_not_pass() -> None:
    data = song(3 * LEAF_BYTES)
    with pytest.raises(ChunkMismatch):
        check_of(data).check(0, data[LEAF_BYTES : 2 * LEAF_BYTES])


def test_a_page_is_needed_before_its_leaves() -> None:
    data = song(LEAF_BYTES * (LEAVES_PER_PAGE + 1))
    signed, pages = build(data)
    check = TrackCheck(signed, track_of(data), CLUSTER.key)
    assert len(pages) == 2
    check.add_page(1, pages[1])
    assert check.has_page_for(LEAVES_PER_PAGE)
    assert not check.has_page_for(LEAVES_PER_PAGE - 1)
    check.check(LEAVES_PER_PAGE, data[-LEAF_BYTES:])
    with pytest.raises(KeyError):
        check.check(0, data[:LEAF_BYTES])
    assert check.page(1) == pages[1]
    assert check.page(0) is None


def test_a_page_that_was_changed_or_moved_is_refused() -> None:
    data = song(LEAF_BYTES * (LEAVES_PER_PAGE + 1))
    signed, pages = build(data)
    check = TrackCheck(signed, track_of(data), CLUSTER.key)
    for number, page in ((0, pages[1]), (1, pages[0]), (0, pages[0][:-1]), (2, pages[0]), (-1, pages[1]), (0, b"")):
        with pytest.raises(ChunkMismatch, match=f"page {number} "):
            check.add_page(number, page)


def test_only_the_cluster_makes_manifests() -> None:
    data = song(LEAF_BYTES)
    signed, _ = build(data)
    track = track_of(data)
    with pytest.raises(ChunkMismatch, match="not signed by the cluster"):
        TrackCheck(signed, track, MALLORY.key)
    with pytest.raises(ChunkMismatch, match="not signed by the cluster"):
        TrackCheck(sign_manifest(signed.manifest, MALLORY.sign), track, CLUSTER.key)
    for change in ({"size_bytes": LEAF_BYTES - 1}, {"page_hashes": bytes(HASH_BYTES)}):
        forged = SignedManifest(msgspec.structs.replace(signed.manifest, **change), signed.signature)
        with pytest.raises(ChunkMismatch):
            TrackCheck(forged, track, CLUSTER.key)


def test_a_manifest_of_another_track_is_refused() -> None:
    signed, _ = build(song(LEAF_BYTES))
    with pytest.raises(ChunkMismatch, match="is not that of"):
        TrackCheck(signed, track_of(b"another"), CLUSTER.key)


@pytest.mark.parametrize(
    "unsound",
    [
        Manifest(track_of(b""), 0, b""),
        Manifest(track_of(b""), -5, b""),
        Manifest(track_of(b""), 1, b""),
        Manifest(track_of(b""), 1, bytes(HASH_BYTES + 1)),
        Manifest(track_of(b""), MAX_TRACK_BYTES + 1, bytes(HASH_BYTES * (MAX_PAGES + 1))),
        Manifest(TrackId("x"), 1, bytes(HASH_BYTES)),
    ],
)
def test_an_unsound_manifest_is_refused_though_it_is_signed(unsound: Manifest) -> None:
    with pytest.raises(ChunkMismatch):
        TrackCheck(sign_manifest(unsound, CLUSTER.sign), unsound.track, CLUSTER.key)


def test_leaves_outside_of_the_track_do_not_exist() -> None:
    data = song(LEAF_BYTES + 1)
    check = check_of(data)
    assert check.manifest.leaf_at(LEAF_BYTES) == 1
    for leaf in (-1, 2):
        with pytest.raises(ChunkMismatch, match="no leaf"):
            check.check(leaf, b"")
        with pytest.raises(ValueError, match="of 2"):
            check.manifest.leaf_bytes(leaf)
    for offset in (-1, LEAF_BYTES + 1):
        with pytest.raises(ValueError, match="byte"):
            check.manifest.leaf_at(offset)


def test_there_is_no_manifest_of_nothing() -> None:
    with pytest.raises(ValueError, match="0 bytes"):
        ManifestBuilder(track_of(b"")).finish()


def test_manifests_travel_and_even_the_longest_fits_a_frame() -> None:
    signed, _ = build(song(LEAF_BYTES))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(signed), type=SignedManifest) == signed
    longest = Manifest(track_of(b""), MAX_TRACK_BYTES, bytes(HASH_BYTES * MAX_PAGES))
    assert longest.is_sound
    assert len(msgspec.msgpack.encode(sign_manifest(longest, CLUSTER.sign))) < 60 * 1024
