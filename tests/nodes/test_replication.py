"""One library out of several folders, with real files and sockets in one process."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hocket.core.errors import ErrorCode, HocketError, TrackMissing
from hocket.core.ids import NodeId
from hocket.core.track import Track
from hocket.nodes.prime.librarian import AtHome
from hocket.wire.messages import library
from hocket.wire.messages.common import Done
from tests.adapters.transfer_kit import files_below, id_of, wav
from tests.kit.disks import small_disk
from tests.nodes.replica_kit import Sites, sites

ONE, TWO, THREE = wav(300_000, 1), wav(300_000, 2), wav(300_000, 3)
DAY_S = 86400


def run(folder: Path, work: Callable[[Sites], Coroutine[Any, Any, None]], replicas: int = 0) -> None:
    async def body() -> None:
        async with sites(folder, replicas) as made:
            await work(made)

    asyncio.run(body())


def test_what_one_has_all_get(tmp_path: Path) -> None:
    async def work(made: Sites) -> None:
        a = await made.add(1, one=ONE)
        b = await made.add(2, two=TWO)
        c = await made.add(3)
        await made.settled()
        assert a.files == b.files == c.files == {"one.wav": ONE, "two.wav": TWO}
        assert made.librarian.holders(id_of(ONE)) == {a.node, b.node, c.node}
        assert made.librarian.missing_copies == 0
        assert made.librarian.problems() == []

    run(tmp_path, work)


def test_a_song_that_is_dropped_in_and_one_that_vanishes(tmp_path: Path) -> None:
    async def work(made: Sites) -> None:
        a, b = await made.add(1), await made.add(2)
        (b.music / "Neu" / "Album").mkdir(parents=True)
        (b.music / "Neu" / "Album" / "one.wav").write_bytes(ONE)
        await made.until(lambda: a.files == {"Neu/Album/one.wav": ONE})
        await made.settled()
        (b.music / "Neu" / "Album" / "one.wav").unlink()
        await made.until(lambda: made.librarian.holders(id_of(ONE)) == {a.node})
        await made.until(lambda: b.files == {"Neu/Album/one.wav": ONE})

    run(tmp_path, work)


@pytest.mark.parametrize("off_s", [-DAY_S, DAY_S])
def test_a_clock_that_is_a_day_off_changes_nothing(tmp_path: Path, off_s: int) -> None:
    async def work(made: Sites) -> None:
        a, b = await made.add(1, one=ONE), await made.add(2)
        state = (a.music / "one.wav").stat()
        os.utime(a.music / "one.wav", (state.st_atime + off_s, state.st_mtime + off_s))
        await made.until(lambda: b.files == {"one.wav": ONE})

    run(tmp_path, work)


def test_two_machines_with_other_music_under_one_name_keep_both(tmp_path: Path) -> None:
    async def work(made: Sites) -> None:
        a, b = await made.add(1, song=ONE), await made.add(2, song=TWO)
        await made.until(lambda: len(a.files) == len(b.files) == 2)
        await made.settled()
        assert set(a.files.values()) == {ONE, TWO}
        assert "song.wav" in a.files
        assert all(name.startswith("song") for name in a.files)

    run(tmp_path, work)


def test_removed_means_everywhere_also_where_it_is_only_seen_later(tmp_path: Path) -> None:
    async def work(made: Sites) -> None:
        a, b = await made.add(1, one=ONE, two=TWO), await made.add(2)
        away = await made.add(3)
        await made.settled()
        away.cut()
        assert (await made.librarian.remove("one")).track == id_of(ONE)
        await made.until(lambda: a.files == b.files == {"two.wav": TWO})
        away.heal()
        await made.until(lambda: away.files == {"two.wav": TWO})
        rows = made.librarian.copies(library.CopiesList()).rows
        assert [(row.track.name, row.removed) for row in rows] == [("two.wav", False), ("one.wav", True)]
        await made.librarian.restore("one")
        await made.until(lambda: a.files == b.files == away.files == {"one.wav": ONE, "two.wav": TWO})
        with pytest.raises(TrackMissing):
            await made.librarian.restore("one")

    run(tmp_path, work)


def test_a_removal_outlives_the_prime(tmp_path: Path) -> None:
    async def before(made: Sites) -> None:
        a, away = await made.add(1, one=ONE, two=TWO), await made.add(2)
        await made.settled()
        away.cut()
        await made.librarian.remove("one")
        await made.until(lambda: a.files == {"two.wav": TWO})

    async def after(made: Sites) -> None:
        a, away = await made.add(1), await made.add(2)
        await made.until(lambda: away.files == a.files == {"two.wav": TWO})
        assert (await made.librarian.restore("one")).track == id_of(ONE)
        await made.until(lambda: len(away.files) == len(a.files) == 2)

    run(tmp_path, before)
    run(tmp_path, after)


def test_what_a_person_puts_back_after_a_removal_is_shared_again(tmp_path: Path) -> None:
    async def work(made: Sites) -> None:
        a, b = await made.add(1, one=ONE, two=TWO), await made.add(2)
        await made.settled()
        await made.librarian.remove("one")
        await made.until(lambda: a.files == b.files == {"two.wav": TWO})
        stones = made.librarian
        await made.until(lambda: not any(stone.owing for stone in stones._replication.removed))
        (a.music / "one.wav").write_bytes(ONE)
        await made.until(lambda: len(b.files) == 2)

    run(tmp_path, work)


def test_a_song_removed_while_it_is_copied_does_not_arrive(tmp_path: Path) -> None:
    big = wav(2_000_000, 9)

    async def work(made: Sites) -> None:
        a, b = await made.add(1, big=big), await made.add(2, rate=200_000)
        await made.until(lambda: any(state.done_bytes for _, state in made.librarian.transfers()))
        await made.librarian.remove("big")
        await made.until(lambda: a.files == b.files == {} and not made.librarian.transfers())
        await made.until(lambda: not any(name.endswith(".partial") for name in files_below(b.music)))

    run(tmp_path, work)


def test_so_many_copies_and_a_lost_machines_are_made_elsewhere(tmp_path: Path) -> None:
    async def work(made: Sites) -> None:
        all_sites = [await made.add(number) for number in (1, 2, 3, 4)]
        (all_sites[0].music / "one.wav").write_bytes(ONE)
        await made.until(lambda: len(made.librarian.holders(id_of(ONE))) == 2 and made.is_idle)
        assert sum(len(site.files) for site in all_sites) == 2
        all_sites[0].cut()
        made.librarian.away(all_sites[0].node, lost=True)
        await made.until(lambda: len(made.librarian.holders(id_of(ONE))) == 2)

    run(tmp_path, work, replicas=2)


def test_a_full_disk_is_told_and_smaller_songs_still_come(tmp_path: Path) -> None:
    big = wav(3_000_000, 9)
    (tmp_path / "music-2").mkdir()

    async def work(made: Sites) -> None:
        await made.add(1, big=big, one=ONE)
        b = await made.add(2)
        await made.until(lambda: b.files == {"one.wav": ONE} and made.librarian.missing_copies == 1)
        await made.until(lambda: bool(made.librarian.problems()))
        assert "is full" in made.librarian.problems()[0]

    with small_disk(tmp_path / "music-2", 2048):
        run(tmp_path, work)


def test_a_folder_that_cannot_be_written_is_told_and_still_shares(tmp_path: Path) -> None:
    """Not by its mode, which root passes over: a file stands where a folder is needed."""

    async def work(made: Sites) -> None:
        a, b = await made.add(1), await made.add(2, two=TWO)
        (b.music / "Album").write_bytes(b"no folder")
        (a.music / "Album").mkdir()
        (a.music / "Album" / "one.wav").write_bytes(ONE)
        await made.until(lambda: "two.wav" in a.files and bool(made.librarian.problems()))
        assert "cannot be written" in made.librarian.problems()[0]
        assert b.files == {"two.wav": TWO}

    run(tmp_path, work)


def test_how_far_a_long_copy_is_can_be_read_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hocket.nodes.replicareport.PROGRESS_LOG_S", 0.0)
    caplog.set_level(logging.INFO, "hocket")

    async def work(made: Sites) -> None:
        await made.add(1, big=wav(2_000_000, 9))
        await made.add(2, rate=200_000)
        await made.until(lambda: "copies to here: 1 under way, 0." in caplog.text)
        assert " of 2.0 MB came" in caplog.text
        shown = [state for _, state in made.librarian.transfers()]
        assert [(state.name, state.size_bytes) for state in shown] == [("big.wav", 2_000_000)]

    run(tmp_path, work)


def test_listeners_come_first(tmp_path: Path) -> None:
    async def work(made: Sites) -> None:
        a, b = await made.add(1), await made.add(2)
        await made.until(lambda: a.shelf.revision > 0 and b.shelf.revision > 0)
        made.crowded = frozenset({b.node})
        await made.until(lambda: (b.node, library.SyncPause(True)) in made.sent)
        (a.music / "one.wav").write_bytes(ONE)
        await made.until(lambda: bool(made.librarian.transfers()))
        assert b.files == {}
        made.crowded = frozenset()
        await made.until(lambda: b.files == {"one.wav": ONE})

    run(tmp_path, work)


def test_who_promises_a_track_but_sends_another_is_not_asked_again_for_it(tmp_path: Path) -> None:
    """A machine whose disk turns bytes: its index says one thing, its file another."""

    async def work(made: Sites) -> None:
        liar, honest = await made.add(1, one=ONE), await made.add(2)
        await made.settled()
        state = (liar.music / "one.wav").stat()
        with (liar.music / "one.wav").open("r+b") as file:
            file.seek(1000)
            file.write(b"rotten")
        os.utime(liar.music / "one.wav", ns=(state.st_atime_ns, state.st_mtime_ns))
        third = await made.add(3)
        await made.until(lambda: third.files == {"one.wav": ONE})
        assert honest.files == {"one.wav": ONE}

    run(tmp_path, work)


@pytest.mark.parametrize(
    "name", ["../x.wav", "/x.wav", "x" * 300 + ".wav", "x\n.wav", ".hidden.wav", "A/../../x.wav", "x.txt"]
)
def test_a_list_with_a_harmful_name_is_refused_and_the_rest_is_taken(tmp_path: Path, name: str) -> None:
    async def work(made: Sites) -> None:
        a = await made.add(1, one=ONE)
        await made.settled()
        node = NodeId("plane-0000000000ff")
        liar = AtHome(made.librarian, node)
        liar.notify(library.ReplicaState(a.replica._server.address))
        bad = Track(id_of(TWO), name, "x", size_bytes=len(TWO))
        good = Track(id_of(THREE), "three.wav", "three", size_bytes=len(THREE))
        await liar.request(library.HoldsPage(1, True, True, 2, (bad, good)), Done)
        assert made.librarian.holders(id_of(TWO)) == frozenset()
        assert made.librarian.holders(id_of(THREE)) == {node}
        assert made.librarian.problems()[0].startswith("refused: plane-0000000000ff")

    run(tmp_path, work)


def test_a_change_that_does_not_follow_is_refused(tmp_path: Path) -> None:
    async def work(made: Sites) -> None:
        a = await made.add(1, one=ONE)
        await made.settled()
        await made.until(lambda: bool(made.librarian.holders(id_of(ONE))))
        with pytest.raises(HocketError) as caught:
            made.librarian.take(a.node, library.HoldsChanged(99, 100, 0))
        assert caught.value.code is ErrorCode.PROTOCOL

    run(tmp_path, work)
