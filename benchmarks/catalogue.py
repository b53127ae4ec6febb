"""How fast a large catalogue answers: `python -m benchmarks.catalogue [TRACKS]`."""

import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from itertools import accumulate, product
from random import Random
from statistics import median

import msgspec

from hocket.core.errors import HocketError
from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Sort, Track
from hocket.media.catalogue import Catalogue, Snapshot

_COMMON = ["the", "of", "love", "night", "a", "to", "you", "été", "in", "golden", "Übers", "machine", "и"]
_REPEATS = 7


def _some_words(random: Random, count: int) -> list[str]:
    """Words of two to four syllables; a third with letters outside of ASCII."""
    plain = [consonant + vowel for consonant in "bdfghklmnprstvw" for vowel in "aeiou"]
    accented = [consonant + vowel for consonant in "bçdłñrst" for vowel in "éüøа"]
    syllables = [plain, plain, plain + accented]
    return ["".join(random.choices(random.choice(syllables), k=random.randint(2, 4))) for _ in range(count)]


def some_tracks(count: int, seed: int = 1) -> list[Track]:
    """Tracks as real libraries have them: folders, numbers, accents, some words far more often than others."""
    random = Random(seed)
    vocabulary = [*_COMMON, *_some_words(random, 8_000)]
    weights = list(accumulate(1 / rank for rank in range(1, len(vocabulary) + 1)))

    def words(most: int) -> str:
        return " ".join(random.choices(vocabulary, cum_weights=weights, k=random.randint(1, most))).title()

    artists = [words(3) for _ in range(max(count // 40, 1))]
    tracks = []
    for index in range(count):
        artist, title = random.choice(artists), words(5)
        album, number = f"Album {index // 12}", index % 12 + 1
        name = f"{artist}/{album}/{number:02} {title} {index % 10}.wav"
        frames = random.randint(44_100, 44_100 * 600)
        tracks.append(
            Track(
                TrackId(random.randbytes(32).hex()),
                name,
                title,
                artist,
                album,
                number,
                AudioFormat(44_100, 2, 16),
                frames,
                44 + frames * 4,
                44,
                frames * 4,
            )
        )
    return tracks


def _median_ms(action: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        start = time.thread_time()
        action()
        times.append((time.thread_time() - start) * 1000)
    return median(times)


def _pages(tracks: list[Track]) -> None:
    catalogue = Catalogue(tracks)
    # Through bytes, as a node gets it: its strings then lie in memory in this order.
    written = msgspec.msgpack.encode((catalogue.tracks, catalogue.snapshot()))
    ordered, snapshot = msgspec.msgpack.decode(written, type=tuple[list[Track], Snapshot])
    print("  a page of 100 in every order, from the start, the middle and the end:")
    for search in ("", "e", "ubers", "golden machine", "e a i o", "no such thing at all", "Album 41"):
        medians = []
        for sort, descending, offset in product(Sort, (False, True), (0, len(tracks) // 2, len(tracks) - 100)):
            times = []
            for _ in range(_REPEATS):
                fresh = Catalogue.restored(ordered, snapshot)  # keeps no earlier search
                start = time.thread_time()
                fresh.page(search, offset, 100, sort, descending)
                times.append((time.thread_time() - start) * 1000)
            medians.append(median(times))
        print(
            f"  search {search!r:24} {median(medians):5.1f} ms, the slowest of {len(medians)}: {max(medians):5.1f} ms"
        )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    tracks = some_tracks(count)
    tracemalloc.start()
    catalogue = Catalogue(tracks)
    own_bytes = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    print(f"{len(catalogue)} tracks, {own_bytes:.0f} bytes each beside the tracks themselves")
    print(f"  built: {_median_ms(lambda: Catalogue(tracks)):.0f} ms")
    snapshot, ordered = catalogue.snapshot(), catalogue.tracks
    print(f"  snapshot taken: {_median_ms(catalogue.snapshot):.0f} ms", end=", ")
    print(f"restored: {_median_ms(lambda: Catalogue.restored(ordered, snapshot)):.0f} ms")
    _pages(tracks)
    changed = [tracks[7]]
    print(f"  one track removed and added: {_median_ms(lambda: catalogue.with_changes(changed, changed)):.2f} ms")
    for text in (tracks[99].id, tracks[5].name, tracks[77].title.upper(), "goldn machine 41 riverr"):
        print(f"  resolve {text[:30]!r}: {_median_ms(partial(_resolved, catalogue, text)):.2f} ms")


def _resolved(catalogue: Catalogue, text: str) -> str:
    try:
        return catalogue.resolve(text).name
    except HocketError as error:
        return str(error)


if __name__ == "__main__":
    main()
