"""The pieces that come with the project are what the README promises."""

import array
from pathlib import Path

import pytest

from hocket.media.paths import is_library_name
from hocket.media.riff import reader_of
from hocket.media.tags import read_tags
from hocket.media.wav import read_wav

MUSIC = Path(__file__).resolve().parents[2] / "music"
PIECES = sorted(MUSIC.glob("*.wav"))


def test_three_pieces_take_less_than_6_mb() -> None:
    assert len(PIECES) == 3
    assert sum(path.stat().st_size for path in PIECES) < 6_000_000
    assert any(" " in path.name and not path.name.isascii() for path in PIECES)


@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
def test_a_piece_is_tagged_long_enough_and_clean(path: Path) -> None:
    data = path.read_bytes()
    info = read_wav(reader_of(data), len(data))
    tags = read_tags(reader_of(data), info.tag_chunks)
    assert is_library_name(path.name)
    assert (tags.title, tags.artist) == (path.stem, "Hocket")
    assert tags.album
    assert tags.track_number
    assert 20 <= info.format.seconds(info.frames) <= 35
    samples = array.array("h", data[info.data_offset_bytes : info.data_offset_bytes + info.data_bytes])
    assert max(map(abs, samples)) < 30_000  # nothing clips
    assert abs(sum(samples)) < len(samples)  # no DC
    loudness = (sum(sample * sample for sample in samples) / len(samples)) ** 0.5
    assert 1_500 < loudness < 6_000  # within 6 dB of one another
    assert max(map(abs, samples[-200:])) < 30  # it ends in silence
