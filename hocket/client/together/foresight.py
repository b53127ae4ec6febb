"""Has the music fetched that will be heard soon, before anybody plays it."""

from collections.abc import Callable

from hocket.client.together.spans import Reader
from hocket.core.clock import NS_PER_S
from hocket.core.ids import TrackId
from hocket.relay.timeline import Line, State, Timeline

GUESS_NS = 20_000_000
"""A clock that is being learnt may be wrong by so much, and what is heard first may begin so much sooner."""

ENOUGH_S = 0.25
"""While there is so much, nothing is asked for: answers about the time would wait behind it."""

NEXT_NS = 10 * NS_PER_S
"""The next track is asked for so long before it begins."""

Readers = Callable[[TrackId], Reader | None]


def fetch_present(timeline: Timeline, readers: Readers, group_ns: int) -> Reader | None:
    """What will be heard first, at about that time, while the clock is still being learnt; its reader, where one is
    ready."""
    line = timeline.at(group_ns)
    reader = readers(line.track) if line is not None and line.state is State.PLAYING else None
    if line is not None and reader is not None:
        frame = min(line.position_frames(group_ns - GUESS_NS), reader.track.frames - 1)
        enough = min(round(ENOUGH_S * reader.format.rate_hz), reader.track.frames - frame)
        if reader.ready_frames(frame) < enough:
            reader.want(frame, is_calm=True)
    return reader


def fetch_next(timeline: Timeline, readers: Readers, group_ns: int) -> None:
    """The beginning of the track that takes over soon: its hashes and its first seconds."""
    now, following = timeline.at(group_ns), timeline.after(group_ns)
    if following is None or following.state is not State.PLAYING or following.t0_ns > group_ns + NEXT_NS:
        return
    if now is None or now.track != following.track:
        reader = readers(following.track)
        if reader is not None:
            reader.want(following.m0_frames)


def starting(timeline: Timeline, readers: Readers, group_ns: int, until_ns: int) -> Line | None:
    """The line to start with at a moment: the one in force if it still has music then, else one that begins soon."""
    line = timeline.at(group_ns)
    if line is not None and line.state is State.PLAYING:
        reader = readers(line.track)
        if reader is None or line.position_frames(group_ns) < reader.track.frames:
            return line
    following = timeline.after(group_ns)
    is_soon = following is not None and following.state is State.PLAYING and following.t0_ns <= until_ns
    return following if is_soon else None
