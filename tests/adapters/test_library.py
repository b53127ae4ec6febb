import asyncio
import contextlib
import os
import random
import stat
import threading
import unicodedata
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from blake3 import blake3
from watchfiles._rust_notify import RustNotify

from hocket.adapters.library import Library, LibraryIndex, load_index, open_track
from hocket.adapters.library import reading as reading_module
from hocket.adapters.library.scan import Progress, rescan, scan
from hocket.adapters.library.watch import FolderWatch, follow
from hocket.core.errors import ErrorCode, HocketError, TrackMissing
from hocket.core.sound import AudioFormat
from hocket.core.track import Sort, Track
from hocket.media.tags import Tags, info_chunk
from hocket.media.wav_header import wav_header

FORM = AudioFormat(8_000, 1, 16)
WAIT_S = 60.0


def wav(seed: int = 1, frames: int = 100, tags: Tags | None = None) -> bytes:
    audio = random.Random(seed).randbytes(frames * 2)
    tail = info_chunk(tags) if tags else b""
    return wav_header(FORM, len(audio), trailer_bytes=len(tail)) + audio + tail


class Home:
    """A music folder and a data folder."""

    def __init__(self, root: Path) -> None:
        self.music, self.index = root / "music", root / "data" / "library.index"
        self.music.mkdir()
        self.index.parent.mkdir()

    def put(self, name: str, data: bytes | None = None) -> bytes:
        path = self.music / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = wav(len(name)) if data is None else data
        path.write_bytes(data)
        return data

    def scan(self) -> Library:
        return scan(self.music, self.index).library


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def names(library: Library) -> list[str]:
    return [track.name for track in library.catalogue.tracks]


def problems(library: Library) -> dict[str, str]:
    return {track.name: track.problem for track in library.catalogue.tracks if track.problem}


def only_track(library: Library) -> Track:
    (track,) = library.catalogue.tracks
    return track


def test_a_folder_becomes_a_library(home: Home) -> None:
    data = home.put("Artist/Album/01 Übers Meer.wav", wav(tags=Tags("", "Someone Else")))
    home.put("Song.WAV")
    for name in (".hidden.wav", ".hocket-abc.wav", "._Song.wav", ".git/x.wav", "cover.jpg", "notes.txt"):
        home.put(name)
    library = home.scan()
    assert names(library) == ["Artist/Album/01 Übers Meer.wav", "Song.WAV"]
    track = library.catalogue.tracks[0]
    assert track.id == blake3(data).hexdigest()
    assert (track.title, track.artist, track.album, track.track_number) == ("Übers Meer", "Someone Else", "Album", 1)
    assert (track.format, track.frames, track.size_bytes) == (FORM, 100, len(data))
    assert data[track.data_offset_bytes :][: track.data_bytes] == data[44:244]


def test_what_cannot_play_is_listed_with_the_reason(home: Home) -> None:
    home.put("a.mp3")
    home.put("b.wav", b"RIFF????")
    home.put("CON.wav")
    home.put("c.wave")
    os.mkfifo(home.music / "pipe.wav")
    (home.music / "gone.wav").symlink_to("nowhere.wav")
    bad_name = os.fsencode(home.music) + b"/\xff\xfe.wav"
    Path(os.fsdecode(bad_name)).write_bytes(wav())
    library = home.scan()
    reasons = problems(library)
    assert reasons["a.mp3"] == "MP3: import it with controlNODE.py import"
    assert reasons["b.wav"] == "not a WAV file"
    assert "device" in reasons["CON.wav"]
    assert "rename it to end in .wav" in reasons["c.wave"]
    assert reasons["pipe.wav"] == "not a regular file"
    assert "not there" in reasons["gone.wav"]
    assert len(reasons) == 7  # and the name that is no text
    assert all(not track.id and not track.is_playable for track in library.catalogue.tracks)


def test_links_that_leave_the_folder_are_not_followed(home: Home, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.wav").write_bytes(wav())
    home.put("in/a.wav")
    (home.music / "out.wav").symlink_to(tmp_path / "secret" / "s.wav")
    (home.music / "folder").symlink_to(tmp_path / "secret")
    (home.music / "loop").symlink_to(home.music)
    (home.music / "again.wav").symlink_to(home.music / "in" / "a.wav")
    library = home.scan()
    assert sorted(problems(library)) == ["folder", "out.wav"]
    playable = [track for track in library.catalogue.tracks if track.is_playable]
    assert [(track.name, track.aliases) for track in playable] == [("in/a.wav", ("again.wav",))]


def test_the_same_bytes_are_one_track_with_two_names(home: Home) -> None:
    data = home.put("longer name.wav")
    home.put("b/copy.wav", data)
    track = only_track(home.scan())
    assert (track.name, track.aliases) == ("b/copy.wav", ("longer name.wav",))
    (home.music / "b/copy.wav").unlink()
    assert (only_track(home.scan()).name, only_track(home.scan()).aliases) == ("longer name.wav", ())


def test_a_name_spelt_in_two_ways_is_taken_once(home: Home) -> None:
    decomposed = unicodedata.normalize("NFD", "Über.wav")
    home.put("Über.wav", wav(1))
    home.put(decomposed, wav(2))
    library = home.scan()
    assert names(library) == ["Über.wav", "Über.wav [2]"]
    assert "spelt" in library.catalogue.tracks[1].problem
    (home.music / "Über.wav").unlink()
    track = only_track(home.scan())
    assert (track.name, track.problem) == ("Über.wav", "")
    index = LibraryIndex(home.index)
    index.refresh()
    os.close(open_track(home.music, track, index.entries(track.id)))  # under the name that the disk has


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of tracks in the order in which their bytes were hashed."""
    hashed: list[str] = []
    original = reading_module._read

    def noting(fd: int, state: os.stat_result, path: str, name: str, known_id: str, *rest: object) -> object:
        if not known_id:
            hashed.append(name)
        return original(fd, state, path, name, known_id, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(reading_module, "_read", noting)
    return hashed


def test_what_is_unchanged_or_moved_is_not_hashed_again(home: Home, reads: list[str]) -> None:
    home.put("Old - a.wav")
    home.put("b.wav")
    first = home.scan()
    assert sorted(reads) == ["Old - a.wav", "b.wav"]
    (home.music / "Old - a.wav").rename(home.music / "New - a.wav")
    home.put("b.wav", wav(77))
    reads.clear()
    second = home.scan()
    assert reads == ["b.wav"]
    moved = second.catalogue.resolve("New - a.wav")
    assert (moved.id, moved.artist) == (first.catalogue.resolve("Old - a.wav").id, "New")
    change = second.diff(first)
    assert sorted(track.name for track in change.added) == ["New - a.wav", "b.wav"]
    assert sorted(track.name for track in change.removed) == ["Old - a.wav", "b.wav"]
    before = home.index.stat()
    reads.clear()
    assert not home.scan().diff(second)
    assert reads == []
    assert home.index.stat().st_ino == before.st_ino  # nothing new: not even the index is written


def test_an_index_gives_the_library_back(home: Home) -> None:
    for number in range(30):
        home.put(f"{number % 3}/{number} é.wav", wav(number % 20))
    home.put("x.flac")
    library = home.scan()
    loaded = load_index(home.index)
    assert loaded is not None
    assert loaded.entries == library.entries
    assert loaded.catalogue.tracks == library.catalogue.tracks
    assert loaded.catalogue.page("e 1", sort=Sort.DURATION) == library.catalogue.page("e 1", sort=Sort.DURATION)
    assert stat.S_IMODE(home.index.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["cut", "bit", "version", "garbage", "empty", "folder"])
def test_a_damaged_index_is_made_again(home: Home, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    home.put("a.wav")
    home.scan()
    data = bytearray(home.index.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "bit":
        data[-20] ^= 1
    elif damage == "version":
        data[13] += 1
    elif damage == "garbage":
        data = bytearray(random.Random(5).randbytes(500))
    elif damage == "empty":
        data = bytearray()
    home.index.unlink()
    if damage == "folder":
        home.index.mkdir()
        with caplog.at_level("INFO"):
            assert load_index(home.index) is None
        assert "read again" in caplog.text
        return
    home.index.write_bytes(data)
    with caplog.at_level("INFO"):
        assert names(home.scan()) == ["a.wav"]
    assert "read again" in caplog.text
    assert load_index(home.index) is not None


def test_an_unreadable_folder_is_an_error_and_parts_of_it_are_listed(home: Home, tmp_path: Path) -> None:
    with pytest.raises(HocketError, match="--music") as caught:
        scan(tmp_path / "nothing", home.index)
    assert caught.value.code is ErrorCode.MUSIC_UNREADABLE
    home.put("a file")
    with pytest.raises(HocketError, match="not a directory"):
        scan(home.music / "a file", home.index)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user without rights")
def test_files_and_folders_without_rights_are_listed(home: Home) -> None:
    home.put("ok.wav")
    home.put("locked.wav")
    home.put("closed/a.wav")
    (home.music / "locked.wav").chmod(0)
    (home.music / "closed").chmod(0)
    for folder in (home.music, *home.music.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o755)
    home.index.parent.chmod(0o777)
    os.seteuid(65534)
    try:
        library = home.scan()
    finally:
        os.seteuid(0)
    assert sorted(problems(library)) == ["closed", "locked.wav"]
    assert all("permission denied): make it readable" in reason for reason in problems(library).values())
    assert library.catalogue.resolve("ok").is_playable
    assert not problems(home.scan())  # read again as soon as it is allowed


def test_a_data_folder_that_cannot_be_written_is_an_error(home: Home) -> None:
    home.put("a.wav")
    with pytest.raises(HocketError) as caught:
        scan(home.music, home.index.parent / "missing" / "library.index")
    assert caught.value.code is ErrorCode.DATA_UNWRITABLE


def test_a_file_that_changes_while_it_is_read_waits(home: Home) -> None:
    home.put("a.wav")
    home.put("growing.wav", wav(frames=500_000))

    def grow(progress: Progress) -> None:
        if progress.name == "growing.wav" and progress.size_bytes < 600_000:
            with (home.music / "growing.wav").open("ab") as file:
                file.write(b"more")

    found = scan(home.music, home.index, grow)
    assert names(found.library) == ["a.wav"]
    assert found.unsettled == {"growing.wav"}
    again = rescan(home.music, home.index, found.library, found.unsettled)
    assert names(again.library) == ["a.wav", "growing.wav"]


def test_progress_reaches_the_end_and_may_stop_the_scan(home: Home) -> None:
    for number in range(3):
        home.put(f"{number}.wav", wav(number, 300_000))
    home.put("bad.wav", b"bad")
    heard: list[Progress] = []

    class Enough(Exception):
        pass

    def stop(progress: Progress) -> None:
        raise Enough

    with pytest.raises(Enough):
        scan(home.music, home.index, stop)
    scan(home.music, home.index, heard.append)
    assert heard[-1].files == heard[-1].all_files == 4
    assert heard[-1].size_bytes == heard[-1].all_bytes
    assert [p.size_bytes for p in heard] == sorted(p.size_bytes for p in heard)
    heard.clear()
    scan(home.music, home.index, heard.append)
    assert heard == []


def test_rescan_looks_only_where_it_was_told(home: Home) -> None:
    home.put("a/1.wav")
    home.put("b/2.wav")
    before = home.scan()
    assert rescan(home.music, home.index, before, ["a", "b/2.wav", "nowhere/x.wav"]).library is before
    home.put("a/deep/3.wav", wav(3))
    home.put("b/4.wav", wav(4))
    (home.music / "b/2.wav").unlink()
    after = rescan(home.music, home.index, before, ["a", "a/deep", "b/2.wav"]).library
    assert names(after) == ["a/1.wav", "a/deep/3.wav"]
    assert names(home.scan()) == ["a/1.wav", "a/deep/3.wav", "b/4.wav"]
    loaded = load_index(home.index)
    assert loaded is not None
    assert loaded.catalogue.tracks == home.scan().catalogue.tracks


class TestOpening:
    def index(self, home: Home) -> LibraryIndex:
        home.scan()
        index = LibraryIndex(home.index)
        assert index.refresh()
        assert not index.refresh()
        return index

    def test_the_bytes_are_those_of_the_id(self, home: Home) -> None:
        data = home.put("a.wav")
        index = self.index(home)
        fd = open_track(home.music, index.catalogue.tracks[0], index.entries(index.catalogue.tracks[0].id))
        with os.fdopen(fd, "rb") as file:
            assert file.read() == data

    @pytest.mark.parametrize("harm", ["removed", "rewritten", "replaced", "pipe", "folder"])
    def test_a_changed_file_is_missing(self, home: Home, harm: str) -> None:
        home.put("a.wav", wav(1))
        index = self.index(home)
        path = home.music / "a.wav"
        if harm == "rewritten":
            path.write_bytes(wav(2))
            os.utime(path, ns=(0, 0))
        else:
            path.unlink()
        if harm == "replaced":
            path.write_bytes(wav(1))
        elif harm == "pipe":
            os.mkfifo(path)
        elif harm == "folder":
            path.mkdir()
        with pytest.raises(TrackMissing, match=r"'a.wav' is gone"):
            open_track(home.music, index.catalogue.tracks[0], index.entries(index.catalogue.tracks[0].id))

    def test_another_name_of_the_bytes_will_do(self, home: Home) -> None:
        data = home.put("a.wav")
        home.put("copy.wav", data)
        index = self.index(home)
        (home.music / "a.wav").unlink()
        os.close(open_track(home.music, index.catalogue.tracks[0], index.entries(index.catalogue.tracks[0].id)))

    def test_a_new_index_gives_a_new_revision(self, home: Home) -> None:
        home.put("a.wav")
        index = self.index(home)
        first = index.catalogue
        home.put("b.wav", wav(9))
        home.scan()
        assert index.refresh()
        assert index.catalogue.revision > first.revision
        home.index.write_bytes(b"damaged")
        assert not index.refresh()
        assert len(index.catalogue) == 2


async def _next(library: AsyncIterator[Library], until: Callable[[Library], bool]) -> Library:
    async with asyncio.timeout(WAIT_S):
        async for found in library:
            if until(found):
                return found
    raise AssertionError("the generator ended")


def test_the_library_follows_the_folder(home: Home, tmp_path: Path) -> None:
    home.put("a.wav")

    async def run() -> None:
        async with contextlib.aclosing(follow(home.music, home.index, quiet_s=0.1)) as libraries:
            assert names(await _next(libraries, lambda _: True)) == ["a.wav"]
            home.put("new/deep/b.wav", wav(2))
            await _next(libraries, lambda found: names(found) == ["a.wav", "new/deep/b.wav"])
            (home.music / "a.wav").rename(home.music / "c.wav")
            await _next(libraries, lambda found: names(found) == ["c.wav", "new/deep/b.wav"])
            (home.music / "new").rename(tmp_path / "elsewhere")
            await _next(libraries, lambda found: names(found) == ["c.wav"])
            loaded = load_index(home.index)
            assert loaded is not None
            assert names(loaded) == ["c.wav"]

    asyncio.run(run())


def test_a_folder_that_comes_back_is_taken_up_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.adapters.library.watch._RETRY_S", 0.05)
    home.put("a.wav")

    async def run() -> None:
        async with contextlib.aclosing(follow(home.music, home.index, quiet_s=0.05)) as libraries:
            await _next(libraries, lambda _: True)
            away = home.music.rename(home.music.parent / "away")
            waiting = asyncio.create_task(_next(libraries, lambda found: "b.wav" in names(found)))
            (away / "b.wav").write_bytes(wav(50))
            away.rename(home.music)
            assert names(await waiting) == ["a.wav", "b.wav"]

    asyncio.run(run())


def test_a_file_that_grows_is_not_taken_before_it_is_whole(home: Home) -> None:
    data = wav(8, 20_000)
    stop = threading.Event()

    def copy_slowly() -> None:
        with (home.music / "slow.wav").open("wb") as file:
            for at in range(0, len(data), 1000):
                file.write(data[at : at + 1000])
                file.flush()
                stop.wait(0.02)

    async def run() -> None:
        async with contextlib.aclosing(follow(home.music, home.index, quiet_s=1.5)) as libraries:
            await _next(libraries, lambda _: True)
            copying = asyncio.create_task(asyncio.to_thread(copy_slowly))
            found = await _next(libraries, lambda found: len(found.catalogue) > 0)
            await copying
            assert only_track(found).id == blake3(data).hexdigest()

    asyncio.run(run())


def test_hidden_files_wake_nobody(home: Home) -> None:
    async def run() -> None:
        async with FolderWatch(home.music, quiet_s=0.05) as watch:
            home.put(".hocket-partial")
            home.put("seen.wav")
            async with asyncio.timeout(WAIT_S):
                assert await watch.settled() == {"seen.wav"}

    asyncio.run(run())


def test_closing_ends_a_scan_of_a_large_file_at_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.put("big.wav", wav(1, 1_000_000))
    started, cancelled = threading.Event(), threading.Event()
    pieces = 0

    def slow(_progress: Progress) -> None:
        nonlocal pieces
        pieces += 1
        started.set()
        assert cancelled.wait(WAIT_S)

    async def run() -> None:
        libraries = follow(home.music, home.index, slow)
        first = asyncio.ensure_future(anext(libraries))
        await asyncio.to_thread(started.wait, WAIT_S)
        first.cancel()
        asyncio.get_running_loop().call_soon(cancelled.set)  # in the turn after the one in which `follow` hears of it
        with pytest.raises(asyncio.CancelledError):
            await first
        await libraries.aclose()

    asyncio.run(run())
    assert pieces == 1  # of eight pieces of 256 KiB
    assert not home.index.exists()


def test_without_notices_it_looks_now_and_then(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.adapters.library.watch._POLL_MS", 50)

    def out_of_watches(paths: list[str], debug: bool, polling: bool, *rest: int) -> object:
        if not polling:
            raise OSError(28, "inotify watch limit reached")
        return RustNotify(paths, debug, polling, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("hocket.adapters.library.watch.RustNotify", out_of_watches)

    async def run() -> None:
        async with FolderWatch(home.music, quiet_s=0.05) as watch:
            home.put("seen.wav")
            async with asyncio.timeout(WAIT_S):
                paths: frozenset[str] = frozenset()
                while "seen.wav" not in paths:
                    paths = await watch.settled()

    asyncio.run(run())
