"""Tracks and what plays, as text for people and as JSON for scripts."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hocket.client.engine import Snapshot
from hocket.client.playing import State
from hocket.core.track import Track

if TYPE_CHECKING:
    from rich.text import Text

_BAR_CELLS = 24
_MARKS = {State.PLAYING: "▶", State.PAUSED: "⏸", State.STALLED: "…", State.LOADING: "…", State.STOPPED: "■"}


def clock(seconds: float) -> str:
    """4:05, or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def json_of(tracks: Sequence[Track]) -> str:
    """One array on one line."""
    return msgspec.json.encode([_fields(track) for track in tracks]).decode()


def _fields(track: Track) -> dict[str, Any]:
    form = track.format
    return {
        "id": track.id,
        "name": track.name,
        "title": track.title,
        "artist": track.artist,
        "album": track.album,
        "track_number": track.track_number,
        "duration_s": round(track.duration_s, 3),
        "rate": form.rate_hz if form else 0,
        "channels": form.channels if form else 0,
        "bits": form.bits if form else 0,
        "frames": track.frames,
        "size_bytes": track.size_bytes,
        "problem": track.problem,
    }


def print_tracks(tracks: Sequence[Track]) -> None:
    """A numbered table on a terminal; tab-separated name, artist, album and length elsewhere."""
    if not sys.stdout.isatty():
        for track in tracks:
            print(track.name, track.artist, track.album, track.problem or clock(track.duration_s), sep="\t")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", justify="right", style="dim")
    for heading in ("title", "artist", "album"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    table.add_column("length", justify="right")
    for number, track in enumerate(tracks, 1):
        length = Text(clock(track.duration_s)) if track.is_playable else Text(track.problem, style="yellow")
        table.add_row(str(number), Text(track.title or track.name), Text(track.artist), Text(track.album), length)
    console = Console()
    console.print(table)
    if not tracks:
        console.print("nothing there", style="dim")


def now_line(snapshot: Snapshot) -> "Text":
    """What plays, in one line: state, title, bar, times, buffer, source."""
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    track = snapshot.track
    if track is None or track.format is None:
        return text.append(f"{_MARKS[State.STOPPED]} nothing plays", style="dim")
    position_s = track.format.seconds(snapshot.position_frames)
    share = min(1.0, snapshot.position_frames / max(1, snapshot.end_frames))
    filled = round(share * _BAR_CELLS)
    text.append(f"{_MARKS[snapshot.state]} ", style="bold green" if snapshot.state is State.PLAYING else "bold yellow")
    text.append(track.title or track.name, style="bold")
    if track.artist:
        text.append(f" · {track.artist}")
    text.append(f"  {clock(position_s)} ")
    text.append("━" * filled, style="green").append("━" * (_BAR_CELLS - filled), style="grey37")
    text.append(f" {clock(track.duration_s)}")
    text.append(f"  {snapshot.buffer_s:4.1f} s ahead from {snapshot.source or '…'}", style="dim")
    return text
