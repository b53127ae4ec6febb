"""What a follower does once it hosts: commands become lines, and the queue goes on."""

from collections.abc import Callable

from hocket.client.together.party import Party
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import TrackId
from hocket.relay.conductor import REOPEN_NS
from hocket.relay.timeline import State as LineState
from hocket.wire.messages.together import Wish

FOLLOW_ON_NS = 8 * NS_PER_S
"""A track's successor is announced so long before its end."""

LEAST_LEAD_NS = NS_PER_S // 2
"""This machine's own player writes ahead, too."""


class Baton:
    """Conducts a party that hosts; `changed` wakes its own player."""

    def __init__(self, party: Party, changed: Callable[[], None]) -> None:
        self._party = party
        self._changed = changed

    def do(self, wish: Wish) -> None:
        """Pause, resume, stop, seek, skip or suggest, for everybody. Raises HocketError."""
        now_ns = self._party.clock.now_ns()
        if now_ns is None:
            return
        lead = max(self._party.lead_time_ns(), LEAST_LEAD_NS)
        match wish.what:
            case "pause":
                self._party.publish(self._party.conductor.pause(now_ns, lead))
            case "resume":
                self._party.publish(self._party.conductor.resume(now_ns, lead))
            case "stop":
                self._party.publish(self._party.conductor.stop(now_ns, lead))
            case "seek":
                line = self._party.timeline.at(now_ns + lead)
                if line is not None:
                    frames = round(wish.value * line.rate_hz / line.rate_div)
                    self._party.publish(self._party.conductor.seek(now_ns, lead, frames))
            case "skip":
                self._next_track(now_ns, lead)
            case "suggest":
                self._party.publish_queue(self._party.queue.add(TrackId(wish.text), self._party.cluster.session.user))
            case _:
                raise HocketError(f"nobody knows how to {wish.what}", code=ErrorCode.USAGE)
        self._changed()

    def _next_track(self, now_ns: int, lead: int) -> None:
        entry = self._party.queue.next_up
        book = None if entry is None else self._party.store.library.get(entry.track)
        if entry is None or book is None or book.track.format is None:
            self._party.publish(self._party.conductor.stop(now_ns, lead))
            return
        self._party.publish(self._party.conductor.play(now_ns, lead, entry.track, book.track.format.rate_hz))
        self._party.publish_queue(self._party.queue.advance())

    def follow_on(self) -> None:
        """As host: let the next track of the queue begin at the end of this one."""
        now_ns = self._party.clock.now_ns()
        entry = self._party.queue.next_up
        if now_ns is None:
            return
        line = self._party.timeline.at(now_ns)
        if line is None or line.state is not LineState.PLAYING or self._party.timeline.after(now_ns) is not None:
            return
        book = self._party.store.library.get(line.track)
        if book is None or line.when_ns(book.track.frames) > now_ns + FOLLOW_ON_NS:
            return
        lead = self._party.lead_time_ns()
        if entry is None:
            if line.when_ns(book.track.frames) <= now_ns:
                self._party.publish(self._party.conductor.stop(now_ns, 0))
            return
        following = self._party.store.reader(entry.track)
        if following is not None:
            rate_hz, end = following.format.rate_hz, book.track.frames
            if following.format != book.track.format:
                end += REOPEN_NS * line.rate_hz // (line.rate_div * NS_PER_S)
            self._party.publish(self._party.conductor.follow_on(now_ns, lead, end, entry.track, rate_hz))
            self._party.publish_queue(self._party.queue.advance())
