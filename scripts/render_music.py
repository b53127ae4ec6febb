"""Render the pieces in `music/`: `python -m scripts.render_music [FOLDER]`.

Three short pieces of our own, so that there is something to hear after a fresh install. They differ in
rate and channels, and the same notes give the same files each time.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hocket.core.sound import AudioFormat
from hocket.media.tags import Tags, info_chunk
from hocket.media.wav_header import wav_header
from scripts import pieces, synth

ARTIST = "Hocket"
ALBUM = "First Voices"
LOUDNESS_DB = -18.0


@dataclass(frozen=True)
class Piece:
    """A piece and how it is stored."""

    title: str
    rate_hz: int
    channels: int
    track_number: int
    play: Callable[[int], synth.Sound]


PIECES = (
    Piece("Übers Meer – première lumière", 44_100, 2, 1, pieces.over_the_sea),
    Piece("Kitchen Radio", 32_000, 1, 2, pieces.kitchen_radio),
    Piece("Paper Boats", 22_050, 1, 3, pieces.paper_boats),
)


def render(piece: Piece) -> bytes:
    """A whole WAV file with its tags."""
    mix = pieces.as_stored(piece.play(piece.rate_hz), piece.rate_hz, piece.channels, LOUDNESS_DB)
    audio = synth.as_pcm_16(mix, seed=piece.track_number)
    tags = info_chunk(Tags(piece.title, ARTIST, ALBUM, piece.track_number))
    form = AudioFormat(piece.rate_hz, piece.channels, 16)
    return wav_header(form, len(audio), trailer_bytes=len(tags)) + audio + tags


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "music"
    folder.mkdir(exist_ok=True)
    for piece in PIECES:
        data = render(piece)
        (folder / f"{piece.title}.wav").write_bytes(data)
        print(f"{piece.title}.wav: {len(data) / 1e6:.2f} MB, {piece.rate_hz} Hz, {piece.channels} ch")


if __name__ == "__main__":
    main()
