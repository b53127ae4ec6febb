"""Import: every kind of audio file, as exact as it can be, never over another file, never half."""

import contextlib
import os
import struct
import sys
import threading
import zlib
from array import array
from pathlib import Path

import pytest

from hocket.adapters.importing import Imported, Source, find_sources, import_all, placing
from hocket.adapters.importing.decoding import playable_rate
from hocket.adapters.importing.placing import PARTIAL_NAME, MusicUnwritable, NewFile
from hocket.adapters.library.reading import read_file
from hocket.core.errors import ErrorCode
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from tests.kit.processes import run_to_end
from tests.kit.tones import RATE_HZ, encode, noise, tone

TAGS = {"title": "Für Elise", "artist": "L. v. B.", "album": "Bagatellen", "track": "3/9"}
FRAMES = RATE_HZ // 2 + 17


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """Where the files to import are."""
    folder = tmp_path / "box"
    folder.mkdir()
    return folder


def run(music: Path, *paths: Path, into: tuple[str, ...] = ()) -> dict[str, Imported]:
    """Import; how each file fared, by its own name."""
    found = find_sources(paths, music, into)
    assert not found.unreadable
    done = {one.source.path.name: one for one in import_all(found.sources, music, lambda source, count: None)}
    assert len(done) == len(found.sources)
    assert not list(music.rglob(f"{PARTIAL_NAME}*"))
    return done


def track_of(music: Path, one: Imported) -> Track:
    assert not one.problem
    return read_file(music, one.name).track


def samples_of(music: Path, track: Track) -> bytes:
    return (music / track.name).read_bytes()[track.data_offset_bytes :][: track.data_bytes]


def upper_24(words: "array[int]") -> bytes:
    return b"".join(word.to_bytes(4, "little", signed=True)[1:] for word in words)


@pytest.mark.parametrize(
    ("ending", "codec", "sample_format"),
    [
        ("flac", "flac", "s16"),
        ("m4a", "alac", "s16p"),
        ("aiff", "pcm_s16be", "s16"),
        ("wv", "wavpack", "s16p"),
        ("au", "pcm_s16be", "s16"),
    ],
)
def test_lossless_files_keep_every_sample(music: Path, box: Path, ending: str, codec: str, sample_format: str) -> None:
    samples = noise(FRAMES, 16)
    encode(box / f"song.{ending}", codec, samples, sample_format=sample_format)
    track = track_of(music, run(music, box / f"song.{ending}")[f"song.{ending}"])
    assert track.format == AudioFormat(RATE_HZ, 2, 16)
    assert samples_of(music, track) == samples.tobytes()


@pytest.mark.parametrize("rate_hz", [44100, 96000])
def test_24_bit_stay_24_bit(music: Path, box: Path, rate_hz: int) -> None:
    samples = noise(FRAMES, 24)
    encode(box / "song.flac", "flac", samples, sample_format="s32", rate_hz=rate_hz)
    track = track_of(music, run(music, box / "song.flac")["song.flac"])
    assert track.format == AudioFormat(rate_hz, 2, 24)
    assert samples_of(music, track) == upper_24(samples)


def test_32_bit_are_found_out_even_when_they_come_late(music: Path, box: Path) -> None:
    samples = noise(FRAMES, 24)
    samples[-3] |= 1
    encode(box / "song.aiff", "pcm_s32be", samples, sample_format="s32")
    track = track_of(music, run(music, box / "song.aiff")["song.aiff"])
    assert track.format == AudioFormat(RATE_HZ, 2, 32)
    assert samples_of(music, track) == samples.tobytes()


def test_64_bit_float_becomes_32_bit_float(music: Path, box: Path) -> None:
    samples = noise(FRAMES, 16)
    encode(box / "song.wav", "pcm_f64le", samples, sample_format="dbl")
    track = track_of(music, run(music, box / "song.wav")["song.wav"])
    assert track.format == AudioFormat(RATE_HZ, 2, 32, is_float=True)
    assert array("f", samples_of(music, track)) == array("f", (sample / 32768 for sample in samples))


@pytest.mark.parametrize(
    ("ending", "codec", "sample_format", "options", "rate_hz", "spare_frames"),
    [
        ("mp3", "libmp3lame", "fltp", {}, 44100, 0),
        ("opus", "libopus", "flt", {}, 48000, 0),
        # This encoder fills its last block.
        ("ogg", "vorbis", "fltp", {"strict": "experimental"}, 44100, 1023),
        # Its edit list counts in milliseconds.
        ("m4a", "aac", "fltp", {}, 44100, 45),
        ("wav", "adpcm_ms", "s16", {}, 44100, 1017),
    ],
)
def test_lossy_files_become_16_bit_without_their_padding(
    music: Path,
    box: Path,
    ending: str,
    codec: str,
    sample_format: str,
    options: dict[str, str],
    rate_hz: int,
    spare_frames: int,
) -> None:
    name = f"song.{ending}"
    samples = tone(FRAMES, rate_hz)
    encode(box / name, codec, samples, sample_format=sample_format, options=options, rate_hz=rate_hz, tags=TAGS)
    one = run(music, box / name)[name]
    assert one.note == ""
    track = track_of(music, one)
    assert track.format == AudioFormat(rate_hz, 2, 16)
    assert FRAMES <= track.frames <= FRAMES + spare_frames
    assert (track.title, track.artist, track.album, track.track_number) == ("Für Elise", "L. v. B.", "Bagatellen", 3)
    # The sound stands where it stood: the encoder's delay would move a 440 Hz tone by dozens of periods.
    decoded = array("h", samples_of(music, track))
    middle = range(FRAMES // 2 * 2, FRAMES // 2 * 2 + 2000)
    wrong = sum((decoded[i] - samples[i]) ** 2 for i in middle) / sum(samples[i] ** 2 for i in middle)
    assert wrong < 0.02


def test_tags_and_cover_are_kept(music: Path, box: Path) -> None:
    picture = _png()
    encode(box / "song.flac", "flac", tone(FRAMES), sample_format="s16", tags=TAGS, picture=picture)
    track = track_of(music, run(music, box / "song.flac")["song.flac"])
    assert (track.title, track.artist, track.album, track.track_number) == ("Für Elise", "L. v. B.", "Bagatellen", 3)
    content = (music / track.name).read_bytes()
    assert b"APIC" in content
    assert picture in content
    assert len(content) % 2 == 0


def _png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\1\2\3")) + chunk(b"IEND", b"")


def test_a_wav_file_that_plays_is_copied_as_it_is(music: Path, box: Path) -> None:
    encode(box / "song.wav", "pcm_s16le", tone(FRAMES), sample_format="s16", tags=TAGS)
    one = run(music, box / "song.wav")["song.wav"]
    assert (music / one.name).read_bytes() == (box / "song.wav").read_bytes()


def test_same_bytes_are_skipped_and_others_never_overwritten(music: Path, box: Path) -> None:
    song = box / "song.flac"
    encode(song, "flac", noise(FRAMES, 16, seed=1), sample_format="s16")
    assert run(music, song)["song.flac"].is_new
    again = run(music, song)["song.flac"]
    assert (again.name, again.is_new) == ("song.wav", False)
    before = (music / "song.wav").read_bytes()
    encode(song, "flac", noise(FRAMES, 16, seed=2), sample_format="s16")
    other = run(music, song)["song.flac"]
    assert (other.name, other.is_new) == ("song (2).wav", True)
    assert (music / "song.wav").read_bytes() == before
    assert run(music, song)["song.flac"].name == "song (2).wav"
    assert len(list(music.iterdir())) == 2


def test_folders_keep_their_shape(music: Path, box: Path) -> None:
    for place in (
        "Album/01 One.flac",
        "Album/Extra/Track 02.flac",
        ".hidden/no.flac",
        "Album/cover.jpg",
        "Album/a.txt",
    ):
        (box / place).parent.mkdir(parents=True, exist_ok=True)
        if place.endswith(".flac"):
            encode(box / place, "flac", tone(100), sample_format="s16", tags={"title": "Two: ?", "track": "2"})
        else:
            (box / place).touch()
    found = find_sources([box / "Album"], music)
    assert found.passed_over == 2
    names = {one.name for one in run(music, box / "Album", into=("New",)).values()}
    assert names == {"New/Album/01 One.wav", "New/Album/Extra/02 - Two: ?.wav"}


def test_what_lies_in_the_music_folder_keeps_its_place(music: Path) -> None:
    (music / "Album").mkdir()
    encode(music / "Album/song.flac", "flac", tone(100), sample_format="s16")
    assert run(music, music)["song.flac"].name == "Album/song.wav"
    assert run(music, music / "Album")["song.wav"].is_new is False
    assert run(music, music / "Album/song.flac", into=("Else",))["song.flac"].name == "Else/song.wav"


def test_the_library_below_an_imported_folder_is_left_out(tmp_path: Path, music: Path, box: Path) -> None:
    encode(box / "a.flac", "flac", tone(100), sample_format="s16")
    encode(music / "b.flac", "flac", tone(100), sample_format="s16")
    assert [source.path.name for source in find_sources([tmp_path], music).sources] == ["a.flac"]


def test_names_in_other_bytes_than_utf8(music: Path, box: Path) -> None:
    encode(box / "x.flac", "flac", tone(100), sample_format="s16")
    odd = os.fsencode(box) + b"/F\xfcr Elise.flac"
    (box / "x.flac").rename(os.fsdecode(odd))
    assert [one.name for one in run(music, box).values()] == ["box/Für Elise.wav"]


def test_broken_files_have_a_reason_and_the_others_come_in(music: Path, box: Path) -> None:
    encode(box / "good.flac", "flac", noise(FRAMES, 16), sample_format="s16")
    whole = (box / "good.flac").read_bytes()
    (box / "cut.flac").write_bytes(whole[: len(whole) // 2])
    holed = bytearray(whole)
    holed[len(whole) // 2 : len(whole) // 2 + 400] = b"\x55" * 400
    (box / "holed.flac").write_bytes(holed)
    (box / "empty.mp3").touch()
    (box / "text.mp3").write_text("not music at all\n" * 500)
    done = run(music, box)
    assert {name for name, one in done.items() if one.problem} == {"cut.flac", "holed.flac", "empty.mp3", "text.mp3"}
    assert "damaged: only 0:00 of 0:00" in done["cut.flac"].problem
    assert "damaged" in done["holed.flac"].problem
    assert "no audio file" in done["text.mp3"].problem
    assert [path.name for path in music.rglob("*.wav")] == ["good.wav"]


def test_a_lossy_file_that_is_cut_short_comes_in_with_a_note(music: Path, box: Path) -> None:
    encode(box / "song.mp3", "libmp3lame", tone(RATE_HZ * 3), sample_format="fltp")
    whole = (box / "song.mp3").read_bytes()
    (box / "song.mp3").write_bytes(whole[: len(whole) // 2])
    assert run(music, box / "song.mp3")["song.mp3"].note == "only 0:01 of 0:03 could be read"


def test_a_playlist_by_the_name_of_a_song_opens_nothing(music: Path, box: Path, tmp_path: Path) -> None:
    encode(box / "secret.mp3", "libmp3lame", tone(RATE_HZ), sample_format="fltp")
    (tmp_path / "song.mp3").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{box / 'secret.mp3'}\n")
    assert run(music, tmp_path / "song.mp3")["song.mp3"].problem
    (tmp_path / "list.mp3").write_text(f"ffconcat version 1.0\nfile '{box / 'secret.mp3'}'\n")
    assert run(music, tmp_path / "list.mp3")["list.mp3"].problem


def test_what_cannot_be_read_has_a_reason(music: Path, box: Path) -> None:
    (box / "lost.flac").symlink_to(box / "nowhere")
    unreadable = find_sources([box, box / "missing.mp3"], music).unreadable
    assert {path.name: why for path, why in unreadable.items()} == dict.fromkeys(
        ("lost.flac", "missing.mp3"), "cannot be read (no such file or directory)"
    )
    (box / "gone.flac").touch()
    sources = find_sources([box / "gone.flac"], music).sources
    (box / "gone.flac").unlink()
    problems = [one.problem for one in import_all(sources, music, lambda source, count: None)]
    assert problems == ["cannot be read (no such file or directory)"]


@pytest.mark.parametrize("stop_by", ["close", "interrupt"])
def test_stopping_half_way_leaves_nothing(music: Path, box: Path, stop_by: str) -> None:
    for number in range(3):
        encode(box / f"{number}.flac", "flac", noise(RATE_HZ * 4, 16, seed=number), sample_format="s16")
    sources = find_sources([box], music).sources
    begun, go_on = threading.Barrier(3), threading.Event()

    def on_bytes(source: Source, count_bytes: int) -> None:
        if not go_on.is_set():
            with contextlib.suppress(threading.BrokenBarrierError):
                begun.wait(30)
            go_on.wait(30)

    work = import_all(sources, music, on_bytes)
    partials: list[Path] = []

    def interrupt() -> None:
        begun.wait(30)
        partials.extend(music.rglob(f"{PARTIAL_NAME}*"))
        go_on.set()

    waiter = threading.Thread(target=interrupt)
    waiter.start()
    if stop_by == "close":
        with contextlib.closing(work):
            next(work)
    else:
        next(work)
        with pytest.raises(KeyboardInterrupt):
            work.throw(KeyboardInterrupt)
    waiter.join()
    assert len(partials) == 2
    assert not list(music.rglob(f"{PARTIAL_NAME}*"))
    for path in music.rglob("*.wav"):
        assert read_file(music, str(path.relative_to(music))).track.is_playable


def test_a_full_disk_ends_the_import(music: Path, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(box / "song.flac", "flac", noise(FRAMES, 16), sample_format="s16")
    sources = find_sources([box], music).sources

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MusicUnwritable, match="no space left") as caught:
        list(import_all(sources, music, lambda source, count: None))
    assert caught.value.code is ErrorCode.DISK_FULL
    assert list(music.iterdir()) == [], "the folder that was made for it is gone as well"


def test_left_overs_of_a_killed_import_are_removed_and_living_ones_are_not(music: Path) -> None:
    (music / f"{PARTIAL_NAME}dead").touch()
    with NewFile(music, "") as alive, NewFile(music, "") as other:
        for new in (alive, other):
            new.begin(AudioFormat(8000, 1, 16))
            new.write(b"\1\0")
            new.end(b"")
        assert len(list(music.glob(f"{PARTIAL_NAME}*"))) == 2
        assert alive.place("Song.wav") == ("Song.wav", True)
        assert other.place("Song.wav") == ("Song.wav", False)
    assert [path.name for path in music.iterdir()] == ["Song.wav"]


def test_no_file_system_links_no_harm(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(placing, "rename_new", no_links)
    (music / "Song.wav").write_bytes(b"other")
    with NewFile(music, "") as new:
        new.begin(AudioFormat(8000, 1, 16))
        new.write(b"\1\0")
        new.end(b"")
        assert new.place("Song.wav") == ("Song (2).wav", True)
    assert (music / "Song.wav").read_bytes() == b"other"


def test_a_link_out_of_the_music_folder_is_refused(music: Path, box: Path, tmp_path: Path) -> None:
    (music / "away").symlink_to(tmp_path)
    encode(box / "song.flac", "flac", tone(100), sample_format="s16")
    assert "leads out" in run(music, box / "song.flac", into=("away",))["song.flac"].problem


@pytest.mark.parametrize(
    ("rate_hz", "plays_hz"),
    [(44100, 44100), (8000, 8000), (192000, 192000), (352800, 176400), (384000, 192000), (6000, 12000)],
)
def test_rates_that_cannot_play_are_changed_by_whole_factors(rate_hz: int, plays_hz: int) -> None:
    assert playable_rate(rate_hz) == plays_hz


def test_a_rate_that_cannot_play_is_converted(music: Path, box: Path) -> None:
    encode(box / "song.wav", "pcm_s16le", tone(38400, 384000), sample_format="s16", rate_hz=384000)
    track = track_of(music, run(music, box / "song.wav")["song.wav"])
    assert track.format == AudioFormat(192000, 2, 16)
    assert abs(track.frames - 19200) <= 1


def test_ffmpeg_is_loaded_only_for_what_must_be_decoded() -> None:
    code = "import sys, hocket.app.importing; sys.exit('av' in sys.modules)"
    assert run_to_end([sys.executable, "-c", code]).returncode == 0
