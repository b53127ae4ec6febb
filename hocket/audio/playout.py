"""How much faster or slower to play so that the group's position is heard: a PI loop, and when to leave it.

The error is taken where frames are written, not where they are heard: the time that the queue takes is
counted at the device's learnt rate, so that the loop has no delay and can be critically damped.
"""

from collections import deque
from enum import Enum, auto
from statistics import median

from hocket.core.clock import NS_PER_S

OMEGA = 1.0
"""rad/s: a device 100 ppm off is 37 us wrong at worst while it is being learnt, and noise is well averaged."""

P_LIMIT = 300e-6
I_LIMIT = 400e-6
"""Half a cent of pitch, which nobody hears; two bad oscillators with a bad clock stay below."""

FREE_BAND_S = 100e-6
"""Below this an error is not told from noise before anything was learnt: samples pass untouched."""

REANCHOR_S = 0.003
"""Slewing this away would take longer than the 5 ms fade of a new start disturbs."""

FAR_S = 0.05
"""No measurement is that wrong: one is enough."""

MAX_STEP_S = 0.5
_NOISE_MEMORY = 16
_FREE_MEMORY = 4
_LEARNT = 5e-6  # what noise alone may look like


class Verdict(Enum):
    """What to do after a measurement."""

    GO_ON = auto()
    REANCHOR = auto()  # start anew at the right place, silent until then, and say `anchored`


class Playout:
    """One follower's loop. learnt: a device's speed from an earlier time, as `learnt` gave it.

    `ratio` is how many frames of the track an output frame advances: exactly 1 until there is
    something to correct.
    """

    def __init__(self, rate_hz: int, learnt: float = 0.0) -> None:
        self.ratio = 1.0
        self.rate_hz = rate_hz
        self._integral = min(I_LIMIT, max(-I_LIMIT, learnt))
        self._recent: deque[float] = deque(maxlen=3)
        self._noise_s = 0.0
        self._steps = 0
        self._last: tuple[float, float] | None = None  # (when, error) of the last measurement
        self._smooth_s = 0.0
        self._looks = 0
        self._correcting = False
        self.anchored()

    @property
    def learnt(self) -> float:
        """The group's speed as this device sees it, minus 1."""
        return self._integral

    @property
    def is_correcting(self) -> bool:
        return self._correcting

    @property
    def noise_s(self) -> float:
        """Standard deviation of one measurement."""
        return self._noise_s

    def ahead_ns(self, frames: int, latency_s: float = 0.0, drift: float = 0.0) -> int:
        """The group's time from a measured point until the frame that is `frames` after it leaves the device.

        latency_s: of the output. A point counts what the device holds at its nominal rate; that is made good
        here. drift: how much faster the group's clock runs than this machine's (1e-6 is 1 ppm).
        """
        queued_s = frames * (1.0 + self._integral) / self.rate_hz
        return round((queued_s + latency_s * (self._integral - drift)) * NS_PER_S)

    def anchored(self) -> None:
        """Playing began anew at the right place; what was learnt of the device stays."""
        self._recent.clear()
        self._last = None
        self._smooth_s = 0.0
        self._looks = 0
        if abs(self._integral) < _LEARNT:
            self._integral = 0.0
        self._correcting = self._integral != 0.0
        self.ratio = 1.0 + self._integral

    def update(self, error_frames: float, now_s: float) -> Verdict:
        """A new measurement: how far the next frame to be written is ahead of where the group will be.

        Sets `ratio`. now_s: monotonic seconds.
        """
        error_s = error_frames / self.rate_hz
        self._recent.append(error_s)
        if self._is_lost():
            return Verdict.REANCHOR
        step_s = 0.0 if self._last is None else min(MAX_STEP_S, max(0.0, now_s - self._last[0]))
        self._learn_noise(error_s)
        self._last = (now_s, error_s)
        if not self._correcting and not self._stands_out(error_s):
            return Verdict.GO_ON
        self._correcting = True
        typical_s = median(self._recent)
        wanted = -2.0 * OMEGA * typical_s
        proportional = min(P_LIMIT, max(-P_LIMIT, wanted))
        if proportional == wanted:  # at the limit the integral would wind up
            integral = self._integral - OMEGA**2 * typical_s * step_s
            self._integral = min(I_LIMIT, max(-I_LIMIT, integral))
        self.ratio = 1.0 + proportional + self._integral
        return Verdict.GO_ON

    def _is_lost(self) -> bool:
        if abs(self._recent[-1]) > FAR_S:
            return True
        if len(self._recent) < 2:
            return False
        before, now = self._recent[-2], self._recent[-1]
        return min(before, now) > REANCHOR_S or max(before, now) < -REANCHOR_S

    def _learn_noise(self, error_s: float) -> None:
        if self._last is None:
            return
        # For Gaussian noise a difference of two has a mean of 2 sigma / sqrt(pi).
        sigma_s = abs(error_s - self._last[1]) * 0.886
        self._steps += 1
        self._noise_s += (sigma_s - self._noise_s) / min(self._steps, _NOISE_MEMORY)

    def _stands_out(self, error_s: float) -> bool:
        """Whether the mean error is more than noise."""
        self._looks += 1
        self._smooth_s += (error_s - self._smooth_s) / min(self._looks, _FREE_MEMORY)
        return self._looks >= _FREE_MEMORY and abs(self._smooth_s) > max(FREE_BAND_S, 2.0 * self._noise_s)
