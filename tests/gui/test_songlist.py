"""The song list without Qt: searching, sorting, filling in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.gui import listed
from hocket.gui.listed import Column, changed, pack, prepare, whole
from hocket.gui.songlist import QUEUE_AFTER, QUEUE_BEFORE, SLICE, SongList

CD = AudioFormat(44_100, 2, 16)


def track(number: int, title: str, artist: str = "", album: str = "", seconds: int = 60, problem: str = "") -> Track:
    form = None if problem else CD
    return Track(TrackId(f"{number:064x}"), f"{number}.wav", title, artist, album, format=form,
                 frames=seconds * 44_100, problem=problem)  # fmt: skip


SONGS = [
    track(1, "Song 10", "Ärzte", "B", 30),
    track(2, "Song 9", "beta", "A", 20),
    track(3, "zebra", "", "C", 10),
    track(4, "Überfahrt", "Alpha", "A", 40),
]


def filled(tracks: list[Track], piece: int = 2) -> SongList:
    songs = SongList()
    batches = [prepare(tracks[at : at + piece]) for at in range(0, len(tracks), piece)]
    for batch in batches:
        songs.append(batch)
    songs.finish(whole(batches))
    return songs


def titles(songs: SongList) -> list[str]:
    return [songs.text(row, Column.TITLE) for row in range(len(songs))]


def test_search_takes_all_words_in_any_case_without_accents() -> None:
    songs = filled(SONGS)
    songs.set_search("SONG arzte")
    assert titles(songs) == ["Song 10"]
    songs.set_search("uber")
    assert titles(songs) == ["Überfahrt"]
    songs.set_search("")
    assert len(songs) == 4


def test_sorting_knows_numbers_and_puts_the_unknown_last() -> None:
    songs = filled(SONGS)
    songs.set_sort(Column.TITLE, descending=False)
    assert titles(songs) == ["Song 9", "Song 10", "Überfahrt", "zebra"]
    songs.set_sort(Column.ARTIST, descending=False)
    assert titles(songs) == ["Überfahrt", "Song 10", "Song 9", "zebra"]
    songs.set_sort(Column.LENGTH, descending=True)
    assert titles(songs) == ["Überfahrt", "Song 10", "Song 9", "zebra"]
    songs.set_sort(Column.MARK, descending=False)
    assert titles(songs) == [song.title for song in SONGS]


def test_what_comes_while_searched_and_sorted_lands_in_its_place() -> None:
    songs = SongList()
    songs.set_search("song")
    songs.set_sort(Column.TITLE, descending=False)
    batches = [prepare(SONGS[:1]), prepare(SONGS[2:]), prepare(SONGS[1:2])]
    assert [songs.append(batch) for batch in batches] == [1, 0, 1]
    assert titles(songs) == ["Song 10", "Song 9"]  # sorted once it is whole
    assert songs.finish(whole(batches))
    assert titles(songs) == ["Song 9", "Song 10"]


def test_a_track_is_found_by_its_library_name_and_comes_back_as_it_was() -> None:
    songs = filled(SONGS)
    songs.set_sort(Column.LENGTH, descending=False)
    assert songs.row_of("2.wav") == 1
    assert songs.track(1) == SONGS[1]
    assert songs.tracks([3]) == [SONGS[3]]
    assert songs.row_of("wav") is None


def test_playing_a_row_queues_its_neighbours_that_can_play() -> None:
    many = [track(number, f"t{number:05}", problem="broken" if number % 7 == 0 else "") for number in range(1, 3000)]
    songs = filled(many, 1000)
    row = 1500
    tracks, index = songs.around(row)
    assert tracks[index] == songs.track(row)
    assert len(tracks) <= QUEUE_BEFORE + QUEUE_AFTER
    assert all(found.is_playable for found in tracks)
    bad = next(row for row in range(len(songs)) if not songs.track(row).is_playable)
    tracks, index = songs.around(bad)
    assert tracks[index] == songs.track(bad)


@given(
    names=st.lists(st.text(st.sampled_from("abAB é1"), min_size=1, max_size=6), max_size=30),
    typed=st.text(st.sampled_from("abé1 "), max_size=5),
    column=st.sampled_from(list(Column)),
    descending=st.booleans(),
)
def test_typing_letter_by_letter_finds_what_typing_at_once_finds(
    names: list[str], typed: str, column: Column, descending: bool
) -> None:
    tracks = [track(number, name) for number, name in enumerate(names)]
    slow, quick = filled(tracks), filled(tracks, 7)
    for songs in (slow, quick):
        songs.set_sort(column, descending)
    for end in range(1, len(typed) + 1):
        slow.set_search(typed[:end])
    quick.set_search(typed)
    assert titles(slow) == titles(quick)
    slow.set_search("")
    assert sorted(titles(slow)) == sorted(names)


def test_a_search_comes_in_slices_and_the_rows_change_with_the_last() -> None:
    songs = filled([track(number, f"t{number}") for number in range(2 * SLICE + 1)], SLICE)
    *slices, found = songs.find("t1")
    assert slices == [None, None]
    assert songs.search == ""
    assert len(songs) == songs.total
    assert found is not None
    songs.show(found)
    at_once = filled([track(number, f"t{number}") for number in range(2 * SLICE + 1)], SLICE)
    at_once.set_search("t1")
    assert titles(songs) == titles(at_once)


def test_another_list_keeps_search_and_sort() -> None:
    songs = filled(SONGS)
    songs.set_search("song")
    songs.set_sort(Column.TITLE, descending=True)
    songs.replace(whole([prepare([*SONGS, track(5, "Song 11")])]))
    assert titles(songs) == ["Song 11", "Song 10", "Song 9"]
    songs.clear()
    songs.append(prepare(SONGS))
    assert titles(songs) == ["Song 10", "Song 9"]
    assert listed.NOTHING.packed == []


some_tracks = st.lists(
    st.builds(
        track,
        st.integers(0, 40),
        st.text(st.sampled_from("abAB é1"), max_size=3),
        st.sampled_from(("", "x", "Y")),
        seconds=st.integers(1, 4),
    ),
    max_size=30,
    unique_by=lambda one: one.name,
)


@given(before=some_tracks, after=some_tracks, share=st.sampled_from((0.02, 1.0)), run=st.integers(1, 9))
def test_a_change_makes_the_list_that_would_be_made_anew(
    before: list[Track], after: list[Track], share: float, run: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listed, "_FEW", share)
        patch.setattr(listed, "_RUN", run)
        anew = whole([prepare(after)])
        assert changed(whole([prepare(before)]), pack(after)) == anew
        keys = [listed.sort_key(one.title) for one in after]
        assert list(anew.orders[Column.TITLE]) == sorted(range(len(after)), key=keys.__getitem__)
