"""A machine's own tracks and those of others in one list."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import NO_TRACK_ID, Track
from hocket.media.catalogue import Catalogue
from hocket.media.merging import changed_ids, merged, same_list

IDS = [TrackId(digit * 64) for digit in "123456"]
NAMES = ["a.wav", "b.wav", "c.wav", "a (22222222).wav"]


def track(key: TrackId, name: str, title: str = "") -> Track:
    return Track(key, name, title or name, format=AudioFormat(8000, 1, 16), size_bytes=48)


def elsewhere(*tracks: Track) -> dict[TrackId, Track]:
    return {one.id: one for one in tracks}


def whole(local: Catalogue, others: Mapping[TrackId, Track]) -> Catalogue:
    """At once, from nothing."""
    return merged(Catalogue(), local, others, {*local.by_id, *others, NO_TRACK_ID})


A, B, C = (track(IDS[number], NAMES[number]) for number in range(3))
BROKEN = Track(NO_TRACK_ID, "e.flac", "e", problem="FLAC: import it")


def test_what_is_nowhere_else_is_the_folders_own_list() -> None:
    local = Catalogue([A, B])
    assert merged(Catalogue(), local, {}, {A.id, B.id}) is local
    assert merged(Catalogue([A]), local, elsewhere(A), {B.id}) is local


def test_both_are_listed_found_and_searched() -> None:
    both = whole(Catalogue([A, BROKEN]), elsewhere(B, C))
    assert [one.name for one in both.tracks] == ["a.wav", "b.wav", "c.wav", "e.flac"]
    assert both.resolve("c") == C
    assert both.page("b.wav") == (1, [B])


def test_nothing_new_is_the_same_object() -> None:
    local = Catalogue([A])
    both = whole(local, elsewhere(B))
    assert merged(both, local, elsewhere(B), {B.id}) is both
    copied = Catalogue([A, B])  # the copy of B came: people see what they saw
    assert same_list(merged(both, copied, elsewhere(B), changed_ids(local, copied)), both)


def test_two_that_want_one_name_are_both_listed() -> None:
    other = track(IDS[1], "a.wav", "Other")
    both = whole(Catalogue([A]), elsewhere(other))
    assert {one.name for one in both.tracks} == {"a.wav", "a (22222222).wav"}
    assert both.get(other.id) is not None
    come = whole(Catalogue(), elsewhere(other, C))
    later = merged(come, Catalogue([A]), elsewhere(other, C), {A.id})
    assert {one.id: one.name for one in later.tracks}[A.id] == "a.wav"
    assert len(later) == 3


def own_tracks() -> st.SearchStrategy[list[Track]]:
    names = st.lists(st.sampled_from(NAMES), unique=True)
    ids = st.permutations(IDS)
    files = st.tuples(names, ids, st.sampled_from(["", "New"]))
    return files.map(lambda it: [track(key, name, it[2]) for name, key in zip(it[0], it[1], strict=False)])


def others_tracks() -> st.SearchStrategy[dict[TrackId, Track]]:
    one = st.builds(track, st.sampled_from(IDS), st.sampled_from(NAMES))
    return st.lists(one, unique_by=lambda it: it.id).map(lambda found: elsewhere(*found))


@settings(max_examples=300)
@given(st.lists(st.tuples(own_tracks(), others_tracks(), st.booleans()), min_size=1, max_size=6))
def test_change_by_change_nothing_is_lost_and_nothing_stays(
    states: list[tuple[list[Track], dict[TrackId, Track], bool]],
) -> None:
    shown, local_before, others_before = Catalogue(), Catalogue(), dict[TrackId, Track]()
    for own, others, has_broken in states:
        local = Catalogue([*own, *([BROKEN] if has_broken else [])])
        told = {key for key in IDS if others.get(key) != others_before.get(key)}
        shown = merged(shown, local, others, changed_ids(local_before, local) | told)
        ids = [one.id for one in shown.tracks if one.id]
        assert sorted(ids) == sorted({*local.by_id, *others})
        assert all(shown.get(one.id) == one for one in own)
        assert (BROKEN in shown.tracks) == has_broken
        assert len({one.name for one in shown.tracks}) == len(shown)
        for key, one in others.items():
            if key not in local.by_id:
                assert shown.by_id[key].title == one.title
        local_before, others_before = local, others
