"""Instruments, rooms and mastering in numpy: what `render_music.py` plays its pieces on.

Sounds are float64 arrays of shape (frames,), rooms and mixes of shape (frames, 2). Everything random
comes from a seeded RandomState, whose stream numpy keeps from version to version.

Sources: Karplus and Strong, "Digital Synthesis of Plucked-String and Drum Timbres" (1983); Chowning,
"The Synthesis of Complex Audio Spectra by Means of Frequency Modulation" (1973); Moorer, "About This
Reverberation Business" (1979), for decaying noise as the response of a room.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.floating[Any]]

A4_HZ = 440.0
A4_NOTE = 69


def frequency_hz(note: float) -> float:
    """Equal temperament; `note` is a MIDI number."""
    return float(A4_HZ * 2 ** ((note - A4_NOTE) / 12))


def seconds(rate_hz: int, length_s: float) -> Sound:
    """Times of the frames of a sound."""
    return np.arange(int(rate_hz * length_s)) / rate_hz


def envelope(rate_hz: int, length_s: float, attack_s: float, release_s: float) -> Sound:
    """Raised-cosine rise and fall: no clicks."""
    time = seconds(rate_hz, length_s)
    rise = np.clip(time / max(attack_s, 1e-4), 0, 1)
    fall = np.clip((length_s - time) / max(release_s, 1e-4), 0, 1)
    return np.asarray((1 - np.cos(np.pi * np.minimum(rise, fall))) / 2)


def shaped(sound: Sound, rate_hz: int, gain_at: Callable[[Sound], Sound]) -> Sound:
    """A filter given by its gain at each frequency, applied to the whole sound without delay."""
    padded = 1 << (len(sound) + 4096).bit_length()
    spectrum = np.fft.rfft(sound, padded)
    return np.asarray(np.fft.irfft(spectrum * gain_at(np.fft.rfftfreq(padded, 1 / rate_hz)), padded)[: len(sound)])


def low_pass(cutoff_hz: float, order: int = 2) -> Callable[[Sound], Sound]:
    return lambda hz: 1 / np.sqrt(1 + (hz / cutoff_hz) ** (2 * order))


def high_pass(cutoff_hz: float, order: int = 2) -> Callable[[Sound], Sound]:
    return lambda hz: 1 / np.sqrt(1 + (cutoff_hz / np.maximum(hz, 1e-3)) ** (2 * order))


def pluck(
    rate_hz: int, note: float, length_s: float, random: np.random.RandomState, bright: float = 0.5, damp: float = 0.5
) -> Sound:
    """A plucked string (Karplus-Strong). bright: 0 flesh to 1 nail; damp: 0 steel to 1 nylon."""
    hz = frequency_hz(note)
    stretch = 0.5 * damp + 0.02
    period = int(rate_hz / hz - stretch)
    loss = 0.5 ** (1 / (hz * (2.2 - 1.2 * damp) * (220 / hz) ** 0.4))
    burst = random.uniform(-1, 1, period)
    burst = np.fft.irfft(
        np.fft.rfft(burst) * low_pass(800 + 7000 * bright, 1)(np.fft.rfftfreq(period, 1 / rate_hz)), period
    )
    burst -= np.roll(burst, period // 5)  # plucked at a fifth of the string
    burst -= burst.mean()
    blocks = int(rate_hz * length_s * 1.05) // period + 2
    rows = np.zeros((blocks, period))
    rows[0] = burst / (np.abs(burst).max() + 1e-9)
    before = 0.0
    for row in range(1, blocks):
        last = rows[row - 1]
        rows[row] = loss * ((1 - stretch) * last + stretch * np.concatenate(([before], last[:-1])))
        before = last[-1]
    string = rows.ravel()
    # A string of whole frames is a little out of tune: read it at the right speed.
    speed = hz / (rate_hz / (period + stretch))
    time = np.arange(int(rate_hz * length_s)) * speed
    tuned = np.interp(time, np.arange(len(string)), string)
    return np.asarray(tuned * envelope(rate_hz, length_s, 0.002, min(0.25, length_s / 3)))


def electric_piano(rate_hz: int, note: float, length_s: float, velocity: float = 0.7) -> Sound:
    """Two FM pairs: the bar, and the tine that strikes it."""
    time, hz = seconds(rate_hz, length_s), frequency_hz(note)
    decay = np.exp(-time * (0.9 + hz / 700))
    bar_index = (0.5 + 1.6 * velocity) * np.exp(-time * 3.5) + 0.12
    bar = np.sin(2 * np.pi * hz * time + bar_index * np.sin(2 * np.pi * hz * 1.0005 * time))
    tine_index = 0.55 * velocity * np.exp(-time * 14)
    tine = np.sin(2 * np.pi * hz * time + tine_index * np.sin(2 * np.pi * min(hz * 14, rate_hz * 0.32) * time))
    tremolo = 1 + 0.07 * np.sin(2 * np.pi * 4.6 * time)
    sound = (0.72 * bar + 0.28 * tine) * decay * tremolo
    return np.asarray(sound * envelope(rate_hz, length_s, 0.003, min(0.18, length_s / 3)))


def pad(rate_hz: int, note: float, length_s: float, random: np.random.RandomState, bright_hz: float = 1500) -> Sound:
    """Three voices a few cents apart, soft harmonics, slow drift: a string section far away."""
    time, hz = seconds(rate_hz, length_s), frequency_hz(note)
    sound = np.zeros(len(time))
    for cents in (-6.0, 0.5, 7.0):
        drift = 1 + 0.0009 * np.sin(2 * np.pi * (0.13 + 0.1 * random.rand()) * time + 6.28 * random.rand())
        phase = 2 * np.pi * np.cumsum(hz * 2 ** (cents / 1200) * drift) / rate_hz + 6.28 * random.rand()
        for harmonic in range(1, 13):
            if hz * harmonic > rate_hz * 0.45:
                break
            swell = 0.8 + 0.2 * np.sin(2 * np.pi * (0.07 + 0.05 * harmonic) * time + 6.28 * random.rand())
            gain = harmonic**-1.15 / np.sqrt(1 + (hz * harmonic / bright_hz) ** 4)
            sound += gain * swell * np.sin(harmonic * phase)
    return np.asarray(sound / 3 * envelope(rate_hz, length_s, min(0.9, length_s / 3), min(1.1, length_s / 3)))


def flute(rate_hz: int, note: float, length_s: float, random: np.random.RandomState) -> Sound:
    """A breathy voice for melodies: few harmonics, late vibrato, a little wind."""
    time, hz = seconds(rate_hz, length_s), frequency_hz(note)
    vibrato = 1 + 0.0045 * np.clip((time - 0.25) / 0.5, 0, 1) * np.sin(2 * np.pi * 5.1 * time)
    phase = 2 * np.pi * np.cumsum(hz * vibrato) / rate_hz
    tone = np.sin(phase) + 0.28 * np.sin(2 * phase) + 0.09 * np.sin(3 * phase) + 0.03 * np.sin(4 * phase)
    wind = shaped(random.randn(len(time)), rate_hz, lambda hertz: np.exp(-(((hertz - 2 * hz) / (0.5 * hz)) ** 2)))
    breath = 0.05 * wind / (np.abs(wind).max() + 1e-9) * (1 + 3 * np.exp(-time * 18))
    return np.asarray((0.7 * tone + breath) * envelope(rate_hz, length_s, 0.09, min(0.3, length_s / 2)))


def music_box(rate_hz: int, note: float, length_s: float) -> Sound:
    """A struck steel comb: partials of a bar that is clamped at one end."""
    time, hz = seconds(rate_hz, length_s), frequency_hz(note)
    sound = np.zeros(len(time))
    for ratio, gain, decay in (
        (1.0, 1.0, 2.6),
        (2.0, 0.22, 4.0),
        (3.011, 0.1, 6.0),
        (6.27, 0.16, 16.0),
        (9.2, 0.05, 30.0),
    ):
        if hz * ratio < rate_hz * 0.45:
            sound += gain * np.sin(2 * np.pi * hz * ratio * time) * np.exp(-time * decay * (hz / 700) ** 0.35)
    return np.asarray(sound * envelope(rate_hz, length_s, 0.0015, 0.12))


def bass(rate_hz: int, note: float, length_s: float) -> Sound:
    """Round and short of breath, with enough harmonics for small speakers."""
    time, hz = seconds(rate_hz, length_s), frequency_hz(note)
    body = np.sin(2 * np.pi * hz * time) + 0.45 * np.sin(4 * np.pi * hz * time) * np.exp(-time * 4)
    body += 0.2 * np.sin(6 * np.pi * hz * time) * np.exp(-time * 7)
    return np.asarray(np.tanh(1.3 * body * np.exp(-time * 1.3)) * envelope(rate_hz, length_s, 0.008, 0.09))


def kick(rate_hz: int) -> Sound:
    time = seconds(rate_hz, 0.3)
    phase = 2 * np.pi * np.cumsum(48 + 90 * np.exp(-time * 38)) / rate_hz
    return np.asarray(np.sin(phase) * np.exp(-time * 13) * envelope(rate_hz, 0.3, 0.003, 0.1))


def brush(rate_hz: int, length_s: float, low_hz: float, high_hz: float, random: np.random.RandomState) -> Sound:
    """Noise between two frequencies, with the swish of a brush or the tick of a hi-hat."""
    time = seconds(rate_hz, length_s)
    noise = shaped(random.randn(len(time)), rate_hz, lambda hz: high_pass(low_hz)(hz) * low_pass(high_hz)(hz))
    noise *= np.exp(-time * 5 / length_s) * envelope(rate_hz, length_s, 0.004, length_s / 3)
    return np.asarray(noise / (np.abs(noise).max() + 1e-9))


@dataclass
class Mix:
    """A stereo bus with a room. `add` places a sound in time, from left (-1) to right (1), near or far."""

    rate_hz: int
    length_s: float
    dry: Sound = field(init=False)
    wet: Sound = field(init=False)

    def __post_init__(self) -> None:
        self.dry = np.zeros((int(self.rate_hz * self.length_s), 2))
        self.wet = np.zeros_like(self.dry)

    def add(self, sound: Sound, at_s: float, gain: float, pan: float = 0.0, far: float = 0.25) -> None:
        start = max(int(at_s * self.rate_hz), 0)
        end = min(start + len(sound), len(self.dry))
        angle = (pan + 1) * np.pi / 4  # equal power
        placed = gain * sound[: end - start, None] * np.array([np.cos(angle), np.sin(angle)])
        self.dry[start:end] += placed * (1 - 0.5 * far)
        self.wet[start:end] += placed * far

    def in_room(self, decay_s: float, bright_hz: float, seed: int, pre_delay_s: float = 0.018) -> Sound:
        """Dry and wet together: the wet goes through decaying noise, other noise for either ear."""
        time = seconds(self.rate_hz, decay_s * 1.4)
        random = np.random.RandomState(seed)
        padded = 1 << (len(self.wet) + len(time) + self.rate_hz // 10).bit_length()
        room = np.zeros_like(self.dry)
        for ear in range(2):
            noise = random.randn(len(time)) * 10 ** (-3 * time / decay_s) * np.clip(time / 0.012, 0, 1)
            late = shaped(noise, self.rate_hz, low_pass(bright_hz * 0.35, 1)) * np.clip(time / decay_s * 3, 0, 1)
            response = shaped(noise, self.rate_hz, low_pass(bright_hz, 1)) * np.exp(-3 * time / decay_s) + 1.4 * late
            response = np.concatenate((np.zeros(int(pre_delay_s * self.rate_hz)), response))
            response /= np.sqrt(np.sum(response**2))
            # A little of the other side, as walls give it back.
            into = 0.75 * self.wet[:, ear] + 0.25 * self.wet[:, 1 - ear]
            spectrum = np.fft.rfft(into, padded) * np.fft.rfft(response, padded)
            room[:, ear] = np.fft.irfft(spectrum, padded)[: len(self.wet)]
        return self.dry + room


def loudness_db(mix: Sound, rate_hz: int) -> float:
    """Loudness of (frames, 2) much as ITU-R BS.1770 weighs it, in blocks of 400 ms, quiet ones left out."""

    def weight(hz: Sound) -> Sound:
        shelf = 1 + (10 ** (4 / 20) - 1) / (1 + (1500 / np.maximum(hz, 1e-3)) ** 4)
        return np.asarray(shelf * high_pass(60, 2)(hz))

    weighted = np.stack([shaped(channel, rate_hz, weight) for channel in mix.T])
    block = int(0.4 * rate_hz)
    blocks = weighted[:, : weighted.shape[1] // block * block].reshape(len(weighted), -1, block)
    power = (blocks**2).mean(axis=2).sum(axis=0)
    loud = power[power > power.max() * 1e-2]
    return float(-0.691 + 10 * np.log10(loud.mean()))


def mastered(mix: Sound, rate_hz: int, target_db: float, fade_s: float, peak: float = 0.89) -> Sound:
    """No rumble, no DC, the wished loudness, peaks bent softly below `peak`, silence at both ends."""
    mix = np.stack([shaped(channel, rate_hz, high_pass(28, 3)) for channel in mix.T], axis=1)
    for _ in range(3):  # bending the peaks costs a little loudness
        mix = mix * 10 ** ((target_db - loudness_db(mix, rate_hz)) / 20)
        over = np.abs(mix) > 0.6 * peak
        bent = 0.6 * peak + 0.4 * peak * np.tanh((np.abs(mix) - 0.6 * peak) / (0.4 * peak))
        mix = np.where(over, np.sign(mix) * bent, mix)
    time = np.arange(len(mix)) / rate_hz
    fade = np.clip((len(mix) / rate_hz - time) / fade_s, 0, 1)
    mix = mix * np.minimum((1 - np.cos(np.pi * fade)) / 2, np.clip(time / 0.01, 0, 1))[:, None]
    return np.asarray(mix - mix.mean(axis=0) * fade[:, None])


def as_pcm_16(mix: Sound, seed: int) -> bytes:
    """16-bit samples with triangular dither, little-endian, interleaved."""
    random = np.random.RandomState(seed)
    dither = random.uniform(-0.5, 0.5, mix.shape) + random.uniform(-0.5, 0.5, mix.shape)
    return bytes(np.clip(np.round(mix * 32767 + dither), -32768, 32767).astype("<i2").tobytes())
