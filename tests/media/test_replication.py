import pytest

from hocket.core.ids import NodeId, TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.media.holdings import Holdings, label_of
from hocket.media.manifest import (
    Manifest,
    ManifestChange,
    StaleManifest,
    applied,
    change_between,
    fault,
    manifest_of,
)
from hocket.media.paths import is_library_name
from hocket.media.rendezvous import ranked
from hocket.media.replication import Census, Limits, Removal, Rename, Replication, Transfer
from hocket.media.tombstones import Tombstones

A, B, C, D = (NodeId(f"plane-{letter * 12}") for letter in "abcd")
X, Y, Z = (TrackId(digit * 64) for digit in "123")


def track(key: TrackId, *names: str) -> Track:
    name, *aliases = names
    form = AudioFormat(44_100, 2, 16)
    return Track(key, name, name[:-4], format=form, frames=1, size_bytes=48, data_bytes=4, aliases=tuple(aliases))


def replication(folders: dict[NodeId, list[Track]], replicas: int = 0) -> Replication:
    shared = Replication(replicas)
    for machine, tracks in folders.items():
        shared.join(machine, machine[-1])
        assert shared.take(Manifest(machine, 1, tuple(tracks))) == []
    return shared


class TestManifest:
    def test_changes_lead_from_one_to_the_next(self) -> None:
        old = manifest_of(
            A, 1, [track(X, "x.wav"), track(Y, "y.wav"), Track(TrackId(""), "bad.mp3", "", problem="MP3")]
        )
        new = manifest_of(A, 2, [track(Y, "y.wav", "other.wav"), track(Z, "z.wav")])
        change = change_between(old, new)
        assert [one.id for one in change.added] == [Y, Z]
        assert change.removed == (X,)
        assert set(applied(old, change).tracks) == set(new.tracks)

    def test_a_change_of_another_revision_is_stale(self) -> None:
        with pytest.raises(StaleManifest, match="known at 3"):
            applied(Manifest(A, 3), ManifestChange(A, 2, 4))
        shared = replication({A: []})
        with pytest.raises(StaleManifest):
            shared.change(ManifestChange(A, 5, 6))
        with pytest.raises(StaleManifest, match="not a member"):
            shared.take(Manifest(B, 1))

    @pytest.mark.parametrize(
        "bad",
        [
            track(X, "../x.wav"), track(X, "/etc/x.wav"), track(X, "a" * 300 + ".wav"), track(X, "a\x1b.wav"),
            track(X, "ok.wav", "a/../../b.wav"), track(X, "script.sh"), track(X, ".hocket-x.wav"),
            track(X, "u\u0308.wav"), track(TrackId("xyz"), "x.wav"),
            track(TrackId("../" + "a" * 61), "x.wav"), Track(X, "x.wav", "x"),
        ],
    )  # fmt: skip
    def test_what_a_peer_offers_is_checked(self, bad: Track) -> None:
        assert fault(bad).isprintable()
        shared = replication({A: [], B: []})
        (refused,) = shared.take(Manifest(A, 2, (bad, track(Z, "fine.wav"))))
        assert refused.startswith(A)
        assert [one.track for one in shared.plan().transfers] == [Z]


class TestRendezvous:
    def test_a_machine_that_comes_moves_only_its_share(self) -> None:
        tracks = [TrackId(f"{number:064x}") for number in range(600)]
        before = {key: ranked([A, B, C], key)[0] for key in tracks}
        after = {key: ranked([D, C, B, A], key)[0] for key in tracks}
        moved = [key for key in tracks if before[key] != after[key]]
        assert all(after[key] == D for key in moved)
        assert 90 < len(moved) < 220
        assert {machine: 130 < sum(1 for one in before.values() if one == machine) < 270 for machine in (A, B, C)} == {
            A: True,
            B: True,
            C: True,
        }


class TestPlan:
    def test_everyone_gets_everything_within_limits(self) -> None:
        shared = replication({A: [track(TrackId(f"{n:064x}"), f"{n}.wav") for n in range(9)], B: [], C: []})
        plan = shared.plan(limits=Limits(per_source=3, per_target=2))
        assert [one.source for one in plan.transfers] == [A, A, A]
        targets = [one.target for one in plan.transfers]
        assert {targets.count(B), targets.count(C)} == {1, 2}
        assert shared.missing_copies == 18
        more = shared.plan(plan.transfers[1:], Limits(3, 2)).transfers
        assert len(more) == 1
        assert more[0] not in plan.transfers[1:]
        assert not shared.plan(plan.transfers, Limits(3, 2))

    def test_the_newest_goes_first(self) -> None:
        shared = replication({A: [track(TrackId(f"{n:064x}"), f"{n}.wav") for n in range(9)], B: []})
        shared.change(ManifestChange(A, 1, 2, (track(X, "new.wav"),)))
        assert shared.plan(limits=Limits(1, 1)).transfers == (Transfer(X, "new.wav", 48, A, B),)

    def test_sources_share_the_work(self) -> None:
        tracks = [track(TrackId(f"{n:064x}"), f"{n}.wav") for n in range(40)]
        shared = replication({A: tracks, B: tracks, C: tracks, D: []})
        sources = [one.source for one in shared.plan(limits=Limits(per_source=4, per_target=12)).transfers]
        assert sorted(sources) == [A] * 4 + [B] * 4 + [C] * 4

    def test_replicas_are_counted_and_ranked(self) -> None:
        shared = replication({A: [track(X, "x.wav")], B: [], C: [], D: []}, replicas=2)
        (transfer,) = shared.plan().transfers
        assert transfer.target == ranked([B, C, D], X)[0]
        assert shared.missing_copies == 1
        shared.take(Manifest(transfer.target, 2, (track(X, "x.wav"),)))
        assert not shared.plan()
        shared.away(A)  # perhaps for a moment only: its copy counts
        assert not shared.plan()
        shared.leave(A)
        assert len(shared.plan().transfers) == 1

    def test_what_only_an_absent_machine_holds_waits(self) -> None:
        shared = replication({A: [track(X, "x.wav")], B: []})
        shared.away(A)
        assert not shared.plan()
        assert shared.holders(X) == frozenset()
        assert shared.out_of_reach(X) == {A}
        shared.join(A)
        assert len(shared.plan().transfers) == 1

    def test_a_vanished_file_is_healed(self) -> None:
        shared = replication({A: [track(X, "x.wav")], B: [track(X, "x.wav")]})
        assert not shared.plan()
        shared.change(ManifestChange(B, 1, 2, removed=(X,)))
        assert shared.plan().transfers == (Transfer(X, "x.wav", 48, A, B),)

    def test_other_names_of_the_same_bytes_are_left_alone(self) -> None:
        shared = replication({A: [track(X, "x.wav")], B: [track(X, "other.wav")], C: []})
        (transfer,) = shared.plan().transfers
        assert (transfer.target, transfer.name) == (C, "x.wav")
        assert not shared.plan().renames
        assert shared.track(X).aliases == ("other.wav",)

    def test_one_name_for_two_tracks_keeps_both(self) -> None:
        shared = replication({A: [track(X, "song.wav")], B: [track(Y, "song.wav")]})
        plan = shared.plan()
        assert plan.renames == (Rename(B, Y, "song.wav", "song (b).wav"),)
        assert plan.transfers == (Transfer(Y, "song (b).wav", 48, B, A),)  # X has to wait for the name
        shared.take(Manifest(B, 2, (track(Y, "song (b).wav"),)))
        assert Transfer(X, "song.wav", 48, A, B) in shared.plan().transfers
        assert sorted(one.name for one in shared.tracks()) == ["song (b).wav", "song.wav"]

    def test_the_name_that_more_machines_know_stays(self) -> None:
        shared = replication({A: [track(X, "song.wav")], B: [track(Y, "song.wav")], C: [track(Y, "song.wav")]})
        assert shared.plan().renames == (Rename(A, X, "song.wav", "song (a).wav"),)

    def test_a_second_name_of_the_same_bytes_gives_way_too(self) -> None:
        shared = replication({A: [track(X, "a.wav", "b.wav")], B: [track(Y, "a.wav", "b.wav")]})
        assert shared.plan().renames == (Rename(B, Y, "a.wav", "a (b).wav"),)
        shared.take(Manifest(B, 2, (track(Y, "a (b).wav", "b.wav"),)))
        assert shared.plan().renames == (Rename(B, Y, "b.wav", "b (b).wav"),)
        shared.take(Manifest(B, 3, (track(Y, "a (b).wav", "a.wav"),)))
        assert shared.plan().renames == (Rename(B, Y, "a.wav", "a (b 2).wav"),)

    def test_long_names_stay_within_what_disks_hold(self) -> None:
        name = "d/" + "é" * 125 + ".wav"
        shared = replication({A: [track(X, name)], B: [track(Y, name)]})
        (rename,) = shared.plan().renames
        assert is_library_name(rename.new_name)
        assert rename.new_name.endswith("é (b).wav")

    def test_labels_cannot_harm(self) -> None:
        shared = Replication()
        for machine, label, key in ((A, "x", X), (B, "../..\\\x1b[1m" + "long" * 99, Y)):
            shared.join(machine, label)
            shared.take(Manifest(machine, 1, (track(key, "s.wav"),)))
        (rename,) = shared.plan().renames
        assert is_library_name(rename.new_name)
        assert "/" not in rename.new_name
        assert label_of("///") == "---"
        assert label_of(" . ") == "-"


class TestRemoval:
    def test_a_removed_track_leaves_every_machine_and_stays_away(self) -> None:
        shared = replication({A: [track(X, "x.wav")], B: [track(X, "x.wav")], C: []})
        shared.away(B)
        shared.remove(X)
        plan = shared.plan()
        assert plan.removals == (Removal(A, X), Removal(C, X))
        assert not plan.transfers
        assert list(shared.tracks()) == []
        for machine in (A, C):
            shared.take(Manifest(machine, 2))
            shared.acknowledge(machine, X)
        assert not shared.plan()
        shared.join(B)  # it comes back with the track that it did not know to be removed
        shared.take(Manifest(B, 2, (track(X, "x.wav"),)))
        assert shared.plan().removals == (Removal(B, X),)
        assert not shared.plan().transfers

    def test_a_file_put_back_ends_the_removal(self) -> None:
        shared = replication({A: [track(X, "x.wav")], B: []})
        shared.remove(X)
        shared.take(Manifest(A, 2))
        shared.acknowledge(A, X)
        shared.take(Manifest(A, 3, (track(X, "again.wav"),)))
        assert shared.removed == ()
        assert shared.plan().transfers == (Transfer(X, "again.wav", 48, A, B),)

    def test_a_machine_that_joins_later_brings_its_music(self) -> None:
        shared = replication({A: [track(X, "x.wav")]})
        shared.remove(X)
        shared.join(B)
        shared.take(Manifest(B, 1, (track(X, "x.wav"),)))
        assert shared.removed == ()
        assert not shared.plan().removals

    def test_a_removal_outlives_the_prime(self) -> None:
        shared = replication({A: [track(X, "x.wav")]})
        shared.remove(X)
        again = Replication(removed=shared.removed)
        again.join(A)
        again.take(Manifest(A, 1, (track(X, "x.wav"),)))
        assert again.plan().removals == (Removal(A, X),)

    def test_restore(self) -> None:
        shared = replication({A: [track(X, "x.wav")], B: []})
        shared.remove(X)
        assert shared.restore(X)
        assert not shared.restore(X)
        assert shared.plan().transfers == (Transfer(X, "x.wav", 48, A, B),)

    def test_a_removed_tracks_name_is_free(self) -> None:
        shared = replication({A: [track(X, "s.wav")], B: [track(Y, "s.wav")]})
        assert shared.plan().renames
        shared.remove(X)
        assert not shared.plan().renames
        assert not shared.plan().transfers  # the name is still taken on A's disk
        shared.take(Manifest(A, 2))
        assert shared.plan().transfers == (Transfer(Y, "s.wav", 48, B, A),)

    def test_a_machine_that_left_owes_nothing(self) -> None:
        stones = Tombstones()
        stones.remove(X, [A, B])
        stones.forget_machine(A)
        assert stones.owed_by(A) == []
        assert stones.owed_by(B) == [X]


class TestWhatPeopleSee:
    def test_a_machine_hears_of_what_it_lacks(self) -> None:
        shared = replication({A: [track(X, "x.wav"), track(Y, "y.wav")], B: [track(Y, "y.wav")]}, replicas=1)
        assert shared.elsewhere(A) == []
        assert shared.elsewhere(B) == [X]
        assert shared.elsewhere(NodeId("file-000000000001")) == [X, Y]  # one that serves a folder of its own
        assert shared.beside(B, Y) is None
        assert shared.take_news() == {X, Y}
        assert shared.take_news() == frozenset()

    def test_a_short_absence_changes_no_list_and_a_loss_does(self) -> None:
        shared = replication({A: [track(X, "x.wav"), track(Y, "y.wav")], B: [track(Y, "y.wav")]}, replicas=1)
        shared.take_news()
        shared.away(A)
        assert shared.take_news() == frozenset()
        assert shared.elsewhere(B) == [X]
        assert shared.holders(X) == frozenset()
        assert shared.out_of_reach(X) == {A}
        shared.lost(A)
        assert shared.take_news() == {X}
        assert shared.elsewhere(B) == []
        assert shared.out_of_reach(X) == frozenset()
        shared.join(A, A[-1])
        assert shared.take_news() == {X}
        assert shared.elsewhere(B) == [X]

    def test_a_removed_track_is_seen_by_nobody(self) -> None:
        shared = replication({A: [track(X, "x.wav")], B: []}, replicas=1)
        shared.take_news()
        shared.remove(X)
        assert shared.take_news() == {X}
        assert shared.elsewhere(B) == []

    def test_copies_are_counted_as_far_as_they_are_wanted(self) -> None:
        folders = {A: [track(X, "x.wav"), track(Y, "y.wav")], B: [track(Y, "y.wav")], C: []}
        assert replication(folders, replicas=1).census() == Census(2, 2, 2)
        assert replication(folders, replicas=2).census() == Census(2, 4, 3)
        assert replication(folders, replicas=9).census() == replication(folders).census() == Census(2, 6, 3)
        shared = replication(folders)
        shared.away(A)
        assert shared.census() == Census(2, 6, 3)
        shared.lost(A)
        assert shared.census() == Census(1, 2, 1)

    def test_in_the_order_of_names(self) -> None:
        shared = replication({A: [track(X, "b.wav"), track(Y, "a.wav")]})
        assert shared.by_name() == [Y, X]
        shared.take(Manifest(A, 2, (track(X, "b.wav"), track(Y, "c.wav"))))
        assert shared.by_name() == [X, Y]


def test_holdings_forget_what_is_gone() -> None:
    holdings = Holdings()
    holdings.put(A, X, ("a.wav", "b.wav"))
    holdings.put(A, X, ("c.wav",))
    assert holdings.claimants(["a.wav", "b.wav"]) == set()
    assert holdings.at(A, "c.wav") == X
    assert holdings.take(A, X) == ("c.wav",)
    assert holdings.take(A, X) == ()
    assert X not in holdings
    assert holdings._claims == {}
    assert holdings._held == {}
