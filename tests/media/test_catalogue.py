from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hocket.core.errors import TrackMissing
from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import NO_TRACK_ID, Sort, Track
from hocket.media.catalogue import Catalogue, Snapshot
from hocket.media.finding import AmbiguousTrack
from hocket.media.text import fold


def track(
    name: str, title: str = "", artist: str = "", album: str = "", number: int = 0, frames: int = 44_100
) -> Track:
    track_id = TrackId(name.encode().hex().ljust(64, "0")[-64:])
    form = AudioFormat(44_100, 2, 16)
    return Track(
        track_id, name, title or name.rsplit("/", 1)[-1].removesuffix(".wav"), artist, album, number, form, frames
    )


def broken(name: str) -> Track:
    return Track(NO_TRACK_ID, name, name, problem="FLAC: import it")


SOME = [
    track("b.wav", "Übers Meer", "Hocket", "Étude", 2),
    track("a.wav", "Night River", "Zoë", "Étude", 1, frames=10),
    track("No. 10.wav", "Ten", "Łukasz"),
    track("No. 9.wav", "Nine", "", "Zoo", frames=99),
    broken("c.flac"),
]


def names(tracks: list[Track]) -> list[str]:
    return [found.name for found in tracks]


def test_orders() -> None:
    catalogue = Catalogue(SOME)
    assert names(catalogue.page(sort=Sort.NAME)[1]) == ["a.wav", "b.wav", "c.flac", "No. 9.wav", "No. 10.wav"]
    assert names(catalogue.page(sort=Sort.TITLE)[1]) == ["c.flac", "a.wav", "No. 9.wav", "No. 10.wav", "b.wav"]
    assert names(catalogue.page(sort=Sort.ARTIST)[1]) == ["b.wav", "No. 10.wav", "a.wav", "No. 9.wav", "c.flac"]
    assert names(catalogue.page(sort=Sort.ALBUM)[1]) == ["a.wav", "b.wav", "No. 9.wav", "c.flac", "No. 10.wav"]
    assert names(catalogue.page(sort=Sort.DURATION, limit=3)[1]) == ["c.flac", "a.wav", "No. 9.wav"]
    assert names(catalogue.page(sort=Sort.NAME, descending=True, limit=2)[1]) == ["No. 10.wav", "No. 9.wav"]


def test_search_needs_every_word_in_any_case_and_without_accents() -> None:
    catalogue = Catalogue(SOME)
    assert names(catalogue.page("UBERS etude")[1]) == ["b.wav"]
    assert names(catalogue.page("etude")[1]) == ["a.wav", "b.wav"]
    assert names(catalogue.page("lukasz")[1]) == ["No. 10.wav"]
    assert catalogue.page("etude nine") == (0, [])
    assert catalogue.page("  ")[0] == len(SOME)
    with pytest.raises(ValueError, match="offset -1"):
        catalogue.page(offset=-1)


def test_aliases_are_found() -> None:
    catalogue = Catalogue([msgspec.structs.replace(SOME[0], aliases=("Other/Name.wav",))])
    assert catalogue.page("other name")[0] == 1
    assert catalogue.resolve("Name").name == "b.wav"


def test_resolve() -> None:
    catalogue = Catalogue([*SOME, track("x/b side.wav"), track("deep/Night.wav", "Night"), broken("nine.mp3")])
    assert catalogue.resolve(SOME[0].id).name == "b.wav"
    assert catalogue.resolve(SOME[0].id[:40].upper()).name == "b.wav"
    assert catalogue.resolve("a.wav").name == "a.wav"
    assert catalogue.resolve("night").name == "deep/Night.wav"  # a whole title goes before a part
    assert catalogue.resolve("meer ubers").name == "b.wav"
    assert catalogue.resolve("B SIDE").name == "x/b side.wav"
    assert catalogue.resolve("nine").name == "No. 9.wav"  # what plays goes before what does not
    assert catalogue.resolve("c.flac").problem
    with pytest.raises(AmbiguousTrack, match=r"2 tracks: say more: 'No. 9.wav', 'No. 10.wav'") as caught:
        catalogue.resolve("No.")
    assert names(list(caught.value.candidates)) == ["No. 9.wav", "No. 10.wav"]
    with pytest.raises(TrackMissing, match=r"did you mean 'a.wav'"):
        catalogue.resolve("Nigth Rivr")
    with pytest.raises(TrackMissing, match="search the list"):
        catalogue.resolve("qqqq")
    with pytest.raises(TrackMissing):
        catalogue.resolve("  ")


def test_get() -> None:
    catalogue = Catalogue(SOME)
    assert catalogue.get(SOME[1].id) == SOME[1]
    assert catalogue.get(TrackId("0" * 64)) is None
    assert catalogue.get(NO_TRACK_ID) is None


def test_a_change_leaves_the_old_catalogue_alone() -> None:
    many = [track(f"{number}.wav", f"song {number}") for number in range(300)]
    old = Catalogue(many)
    changed = msgspec.structs.replace(many[5], title="renamed")
    new = old.with_changes([changed, track("new.wav")], [many[5], many[7]])
    assert (old.revision, new.revision, len(old), len(new)) == (0, 1, 300, 300)
    assert old.page("renamed")[0] == 0
    assert names(new.page("renamed")[1]) == ["5.wav"]
    assert new.get(many[7].id) is None
    with pytest.raises(TrackMissing, match=r"'7.wav' is not in the catalogue"):
        new.with_changes(removed=[many[7]])


def test_a_snapshot_of_other_tracks_is_refused() -> None:
    with pytest.raises(ValueError, match="other tracks"):
        Catalogue.restored(SOME[:2], Catalogue(SOME).snapshot())


words = st.sampled_from(["Été", "night", "9", "10", "", "Ω", "a b", "straße"])
tracks = st.builds(
    track, st.integers(0, 60).map("f{}/Song.wav".format), words, words, words, st.integers(0, 3), st.integers(0, 3)
)
steps = st.lists(st.tuples(st.lists(tracks, max_size=3), st.lists(st.integers(0, 60), max_size=2)), max_size=6)

_EXPECTED: dict[Sort, Callable[[Track], object]] = {
    Sort.NAME: lambda track: len(track.name),
    Sort.DURATION: lambda track: track.duration_s,
}


@settings(max_examples=25)
@given(st.lists(tracks, min_size=1, max_size=20, unique_by=lambda track: track.name), steps)
def test_any_changes_give_what_a_new_catalogue_gives(
    start: list[Track], changes: list[tuple[list[Track], list[int]]]
) -> None:
    # Many others make changes small enough to be moved rather than rebuilt.
    others = [track(f"other/{number}.wav", f"o{number % 7}", "someone", "x") for number in range(300)]
    catalogue = Catalogue([*start, *others])
    held = {one.name: one for one in [*start, *others]}
    for added, gone in changes:
        removed = [held[name] for number in set(gone) if (name := f"f{number}/Song.wav") in held]
        catalogue = catalogue.with_changes(added, removed)
        for one in removed:
            del held[one.name]
        held |= {one.name: one for one in added}
    fresh = Catalogue(held.values())
    written = msgspec.msgpack.encode((catalogue.tracks, catalogue.snapshot()))
    restored = Catalogue.restored(*msgspec.msgpack.decode(written, type=tuple[list[Track], Snapshot]))
    for sort in Sort:
        for search in ("", "night", "ete 9", "someone o3", "strasse"):
            for descending in (False, True):
                expected = fresh.page(search, 0, 1000, sort, descending)
                for other in (catalogue, restored):
                    assert other.page(search, 0, 1000, sort, descending) == expected
                    paged = [one for at in range(0, 400, 50) for one in other.page(search, at, 50, sort, descending)[1]]
                    assert paged == expected[1]
                if sort in _EXPECTED:
                    keys = [_EXPECTED[sort](one) for one in expected[1]]
                    assert sort is Sort.NAME or keys == sorted(keys, reverse=descending)  # type: ignore[type-var]
                matching = [one for one in held.values() if all(w in _text(one) for w in fold(search).split())]
                assert expected[0] == len(matching)


def _text(one: Track) -> str:
    return fold("\t".join((one.name.removesuffix(".wav"), one.title, one.artist, one.album)))


@given(st.text(max_size=30))
@example("\u01fc")  # an accent over a letter that Unicode does not take apart
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_accents_do_not_hide_what_a_letter_is_made_of() -> None:
    assert [fold(text) for text in ("\u01fc", "\u01fe", "\u00c6", "\u00d8")] == ["ae", "o", "ae", "o"]
    assert {fold(fold(chr(code))) == fold(chr(code)) for code in range(0x30000)} == {True}
