"""What an rtmixer callback is told to play, and what it did: starts, pauses and plans of one ring.

Facts of rtmixer 0.1.7 that this leans on: a play action ends by itself when the ring is empty; an
action's `done_frames` is exact; a cancel takes effect at the first frame of a block (or at its
planned instant), and what is enqueued right after it starts at that very frame. So a pause loses
nothing and repeats nothing, and one action can take over from another without a seam.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Run:
    """One play action: frames without a break."""

    action: Any
    at_ns: int | None  # planned for this instant; None: at once
    start_frame: int | None = None  # known once it has begun
    end_frame: int = 0  # known once it is over
    is_cancelled: bool = False  # at once, not by a plan
    is_over: bool = False
    ran_dry: bool = False  # over because the ring was empty, not by a pause


@dataclass(slots=True, eq=False)
class _Step:
    """A planned start or pause."""

    at_ns: int
    playing: bool
    run: Run | None  # the run that it starts, or that it ends; None: nothing to end yet
    cancel: Any = None


class Runs:
    """The play actions of one ring. All methods belong to one thread at a time."""

    def __init__(self, mixer: Any, ring: Any, start_frame: int, stream_time: Callable[[int], float]) -> None:
        self.playing = False
        self._mixer = mixer
        self._ring = ring
        self._stream_time = stream_time
        self._finished_frame = start_frame  # handed over by runs that are over
        self._runs: list[Run] = []
        self._steps: list[_Step] = []
        # The callback looks into the target of a pending cancel even after that target has ended.
        self._cancels: list[tuple[Any, Run]] = []

    @property
    def current(self) -> Run | None:
        """The oldest run that is not over."""
        return self._runs[0] if self._runs else None

    @property
    def handed_frame(self) -> int:
        """All frames before this one were handed to the device."""
        return self._finished_frame + sum(int(run.action.done_frames) for run in self._runs)

    @property
    def plan(self) -> list[tuple[int, bool]]:
        """Starts and pauses to come."""
        return [(step.at_ns, step.playing) for step in self._steps]

    def start(self, at_ns: int | None = None) -> None:
        """Play, at once or from that instant on; replaces what was planned for then and later."""
        self._drop_steps(at_ns)
        if self._ends_playing():
            return
        if at_ns is None:
            self.playing = True
            self.fed()
        else:
            self._steps.append(_Step(at_ns, True, self._enqueue(at_ns)))

    def pause(self, at_ns: int | None = None) -> None:
        """Stop, at the next block or at that instant; replaces what was planned for then and later."""
        self._drop_steps(at_ns)
        if at_ns is None:
            self.playing = False
            for run in self._runs:
                self._cancel_now(run)
        elif self._ends_playing():
            step = _Step(at_ns, False, None)
            self._steps.append(step)
            latest = [run for run in self._runs if not run.is_cancelled]
            if latest:
                self._aim(step, latest[-1])

    def fed(self) -> None:
        """There may be frames again: whoever is to play plays."""
        planned = [step.run for step in self._steps if step.playing]
        if not self.playing or not self._ring.read_available:
            return
        if any(not run.is_cancelled and run not in planned for run in self._runs):
            return
        run = self._enqueue(None, before=len(planned))
        if self._steps and not self._steps[0].playing:
            self._aim(self._steps[0], run)

    def observe(self, now_ns: int) -> list[Run]:
        """Runs that began or ended since the last look, oldest first; takes over what was planned and has happened."""
        under_way = self._mixer.actions
        seen: list[Run] = []
        for run in list(self._runs):
            began = run.start_frame is None and run.action.done_frames > 0
            if began:
                run.start_frame = self._finished_frame
            if began or run.action not in under_way:
                seen.append(run)
            if run.action in under_way:
                break
            self._finished_frame += int(run.action.done_frames)
            run.end_frame = self._finished_frame
            run.is_over = True
            run.ran_dry = run.start_frame is not None and not run.is_cancelled and not self._was_paused(run, under_way)
            self._runs.remove(run)
        self._cancels = [(cancel, run) for cancel, run in self._cancels if cancel in under_way]
        while self._steps and self._has_happened(self._steps[0], now_ns, under_way):
            self.playing = self._steps.pop(0).playing
        self.fed()
        return seen

    @property
    def is_idle(self) -> bool:
        """Nothing of this is under way in the callback any more."""
        return not self._runs and not self._cancels

    def _was_paused(self, run: Run, under_way: Any) -> bool:
        return any(step.run is run and not step.playing and step.cancel not in under_way for step in self._steps)

    def _ends_playing(self) -> bool:
        return self._steps[-1].playing if self._steps else self.playing

    def _has_happened(self, step: _Step, now_ns: int, under_way: Any) -> bool:
        if step.playing:
            return step.run is None or step.run.is_over or step.run.start_frame is not None
        return step.cancel not in under_way if step.cancel is not None else step.at_ns <= now_ns

    def _drop_steps(self, at_ns: int | None) -> None:
        kept = [step for step in self._steps if at_ns is not None and step.at_ns < at_ns]
        dropped, self._steps = self._steps[len(kept) :], kept
        for step in dropped:
            if step.run is None:
                continue
            if step.playing:
                self._cancel_now(step.run)
        for step in dropped:
            if not step.playing and step.run is not None and not step.run.is_cancelled and not step.run.is_over:
                self._replace(step.run)

    def _replace(self, run: Run) -> None:
        """Let a fresh run take over from one whose planned end is off: a cancel cannot be taken back."""
        self._cancel_now(run)
        fresh = self._enqueue(run.at_ns if run.start_frame is None else None)
        for step in self._steps:
            if step.run is run:
                step.run = fresh

    def _enqueue(self, at_ns: int | None, before: int = 0) -> Run:
        start_s = 0.0 if at_ns is None else self._stream_time(at_ns)
        run = Run(self._mixer.play_ringbuffer(self._ring, start=start_s), at_ns)
        self._runs.insert(len(self._runs) - before, run)
        return run

    def _cancel_now(self, run: Run) -> None:
        if not run.is_cancelled:
            run.is_cancelled = True
            self._cancels.append((self._mixer.cancel(run.action), run))

    def _aim(self, step: _Step, run: Run) -> None:
        """Point a planned pause at the run that it will end."""
        step.run = run
        step.cancel = self._mixer.cancel(run.action, time=self._stream_time(step.at_ns))
        self._cancels.append((step.cancel, run))
