"""The three pieces: notes, and who plays them. Each function gives a mix of shape (frames, 2)."""

import numpy as np
from numpy.random import RandomState

from scripts import synth
from scripts.synth import Mix, Sound

Note = tuple[float, float, int]
"""(beat at which it starts, beats that it lasts, MIDI number)"""

Chord = tuple[int, ...]
"""The bass note, then the others from low to high."""

_SEA_CHORDS: list[Chord] = [
    (38, 62, 66, 69, 73, 76),  # D maj9
    (35, 59, 66, 69, 74, 78),  # B m7
    (43, 62, 66, 71, 74, 78),  # G maj7
    (40, 59, 64, 67, 74, 78),  # E m9
    (42, 61, 64, 69, 73, 76),  # F# m7
    (43, 62, 67, 71, 74, 81),  # G add9
    (33, 62, 64, 69, 71, 76),  # A sus4 add9
    (38, 62, 66, 69, 76, 81),  # D add9
]
_SEA_TUNE: list[Note] = [
    (1, 2, 78), (3, 1.5, 81), (4.5, 0.5, 78), (5, 1, 76), (6, 1, 74), (7, 2, 71), (9, 1, 76), (10, 1, 79),
    (11, 1, 78), (12, 2, 76), (14, 1, 73), (15, 1.5, 74), (16.5, 0.5, 76), (17, 1, 79), (18, 1.5, 76),
    (19.5, 0.5, 74), (20, 1, 76), (21, 5, 78),
]  # fmt: skip
_SEA_BEAT_S = 60 / 88

_RADIO_CHANGES: list[list[Chord]] = [
    [(53, 64, 67, 69, 72)],  # F maj9
    [(52, 62, 67, 71), (57, 61, 67, 70)],  # E m7, A 7b9
    [(50, 60, 65, 69, 76)],  # D m9
    [(55, 59, 65, 69, 76), (55, 59, 65, 68, 75)],  # G 13, G 7b13b9
    [(48, 59, 64, 67, 74), (57, 60, 67, 71)],  # C maj9, A m9
    [(53, 64, 67, 69, 72), (53, 60, 62, 65, 68)],  # F maj9, F m6
    [(50, 60, 65, 69, 76), (55, 59, 65, 69, 76)],  # D m9, G 13
    [(48, 59, 64, 67, 74)],  # C maj9
]
_RADIO_TUNE: list[Note] = [
    (1, 0.5, 76), (1.5, 0.5, 77), (2, 1.5, 79), (4.5, 0.5, 79), (5, 0.5, 77), (5.5, 1.2, 76), (7, 0.8, 73),
    (8.5, 0.5, 74), (9, 0.5, 77), (9.5, 1, 81), (11, 0.5, 79), (11.5, 1.5, 76), (13.5, 0.5, 74), (14, 1.4, 75),
    (16, 1.5, 74), (17.5, 0.5, 72), (18, 1.6, 71), (20.5, 0.5, 76), (21, 0.9, 81), (22, 0.9, 80), (23, 0.5, 77),
    (23.5, 0.5, 74), (24.5, 0.5, 69), (25, 0.5, 72), (25.5, 0.5, 74), (26, 1, 76), (27, 0.5, 74), (27.5, 0.5, 71),
    (28, 4, 74),
]  # fmt: skip
_RADIO_BEAT_S = 60 / 92

_BOATS_CHORDS: list[Chord] = [
    (41, 60, 65), (40, 60, 67), (38, 62, 65), (46, 62, 65), (45, 60, 65), (43, 58, 62),
    (48, 58, 64), (41, 57, 60), (38, 57, 65), (46, 58, 62), (48, 58, 64), (41, 57, 65),
]  # fmt: skip
_BOATS_TUNE: list[Note] = [
    (0, 2, 81), (2, 1, 84), (3, 1, 79), (4, 1, 81), (5, 1, 82), (6, 2, 81), (8, 1, 77), (9, 2.5, 74),
    (11.5, 0.5, 76), (12, 1, 77), (13, 1, 81), (14, 1, 84), (15, 2, 82), (17, 1, 79), (18, 1, 76), (19, 1, 79),
    (20, 1, 82), (21, 2.5, 81), (23.5, 0.5, 84), (24, 2, 86), (26, 1, 84), (27, 2, 82), (29, 0.5, 81),
    (29.5, 0.5, 82), (30, 1, 84), (31, 1, 82), (32, 1, 79), (33, 3, 77),
]  # fmt: skip
_BOATS_BEAT_S = 60 / 122


def over_the_sea(rate_hz: int) -> Sound:
    """Harp and flute over slow strings, in D, three beats to the bar: light comes up over the water."""
    random, beat_s = RandomState(11), _SEA_BEAT_S
    mix = Mix(rate_hz, 20.2)
    for bar, chord in enumerate(_SEA_CHORDS):
        _harp_and_strings(mix, random, bar, chord, is_last=bar == len(_SEA_CHORDS) - 1)
    for beat, length, note in _SEA_TUNE:
        sound = synth.flute(rate_hz, note, length * beat_s * 1.06 + 0.12, random)
        mix.add(sound, beat * beat_s, 0.19, pan=0.12, far=0.55)
    for at, note in ((0.0, 93), (8.2, 90), (15.6, 98)):
        mix.add(synth.music_box(rate_hz, note, 3.0), at, 0.035, pan=-0.6, far=0.8)
    return mix.in_room(2.6, 6500, seed=1)


def _harp_and_strings(mix: Mix, random: RandomState, bar: int, chord: Chord, is_last: bool) -> None:
    start, beat_s = bar * 3 * _SEA_BEAT_S, _SEA_BEAT_S
    root, *notes = chord
    for voice, pan in enumerate((-0.75, 0.6, -0.35, 0.8)):
        note = notes[voice] - (12 if voice == 0 else 0)
        sound = synth.pad(mix.rate_hz, note, (5.2 if is_last else 3.6) * beat_s, random)
        mix.add(sound, start - 0.35, 0.13, pan, far=0.6)
    mix.add(synth.bass(mix.rate_hz, root, 2.9 * beat_s), start, 0.17, far=0.1)
    for step, degree in enumerate((0, 1, 2, 3, 4, 4) if is_last else (0, 2, 3, 4, 3, 2)):
        at = start + step * (0.34 if is_last else 0.5) * beat_s + random.uniform(-0.008, 0.008)
        note = notes[degree] + (12 if is_last and step == 5 else 0)
        strength = (0.34, 0.22, 0.25, 0.28, 0.22, 0.2)[step] * random.uniform(0.9, 1.05)
        sound = synth.pluck(mix.rate_hz, note, 3.2, random, bright=0.75 if step == 0 else 0.45, damp=0.35)
        mix.add(sound, at, strength, pan=-0.55 + 1.1 * degree / 4, far=0.42)


def kitchen_radio(rate_hz: int) -> Sound:
    """Electric piano, bass and brushes on a lazy Sunday, through one small loudspeaker."""
    random = RandomState(23)
    mix = Mix(rate_hz, 21.8)
    for bar, changes in enumerate(_RADIO_CHANGES):
        is_last = bar == len(_RADIO_CHANGES) - 1
        beats = 4 / len(changes)
        for index, chord in enumerate(changes):
            _piano_and_bass(mix, random, bar * 4 + index * beats, 6.0 if is_last else beats, chord)
        if not is_last:
            _brushes(mix, random, bar * 4)
    for beat, length, note in _RADIO_TUNE:
        at = _swung_s(beat) + random.uniform(0, 0.012)
        mix.add(synth.music_box(rate_hz, note, length * _RADIO_BEAT_S + 0.9), at, 0.2, far=0.4)
        mix.add(synth.pluck(rate_hz, note, length * _RADIO_BEAT_S + 0.5, random, 0.6, 0.5), at, 0.16, far=0.3)
    return mix.in_room(0.9, 5200, seed=2)


def _swung_s(beat: float) -> float:
    """The second eighth of a beat comes late."""
    return (int(beat) + (0.62 if beat % 1 == 0.5 else beat % 1)) * _RADIO_BEAT_S


def _piano_and_bass(mix: Mix, random: RandomState, start: float, beats: float, chord: Chord) -> None:
    root = chord[0] - 12
    hits, walk = {
        2: ([(0.0, 0.9), (1.5, 0.45)], [(0.0, root, 1.4), (1.5, root + 7, 0.5)]),
        4: ([(0.0, 1.3), (1.5, 0.6), (2.5, 1.4)], [(0.0, root, 1.6), (2.0, root + 7, 0.9), (3.5, root - 1, 0.4)]),
        6: ([(0.0, 6.0)], [(0.0, root, 5.0)]),
    }[int(beats)]
    for hit, length in hits:
        for voice, note in enumerate(chord[1:]):
            at = _swung_s(start + hit) + 0.009 * voice + random.uniform(0, 0.006)
            velocity = 0.75 if hit == 0 else 0.45
            sound = synth.electric_piano(mix.rate_hz, note, length * _RADIO_BEAT_S + 0.2, velocity)
            mix.add(sound, at, 0.32 * velocity + 0.02, far=0.25)
    for hit, note, length in walk:
        mix.add(synth.bass(mix.rate_hz, note, length * _RADIO_BEAT_S), _swung_s(start + hit), 0.2, far=0.05)


def _brushes(mix: Mix, random: RandomState, start: int) -> None:
    rate_hz = mix.rate_hz
    for beat in range(4):
        at = start + beat
        is_back_beat = beat % 2 == 1
        hat = synth.brush(rate_hz, 0.07, 6000, 13000, random)
        mix.add(hat, _swung_s(at), 0.07 if is_back_beat else 0.05, far=0.1)
        mix.add(synth.brush(rate_hz, 0.06, 7000, 13500, random), _swung_s(at + 0.5), 0.045, far=0.1)
        if is_back_beat:
            mix.add(synth.brush(rate_hz, 0.24, 900, 7000, random), _swung_s(at), 0.12, far=0.2)
        else:
            mix.add(synth.kick(rate_hz), _swung_s(at), 0.24, far=0.05)


def paper_boats(rate_hz: int) -> Sound:
    """A music box and a nylon guitar, a small waltz in F."""
    random = RandomState(37)
    mix = Mix(rate_hz, 21.2)
    for bar, chord in enumerate(_BOATS_CHORDS):
        _guitar(mix, random, bar * 3, chord, is_last=bar == len(_BOATS_CHORDS) - 1)
        for note in chord[1:] if bar >= 4 else ():
            sound = synth.pad(rate_hz, note + 12, 3.4 * _BOATS_BEAT_S, random, 1100)
            mix.add(sound, _slowing_s(bar * 3) - 0.2, 0.045, far=0.6)
    for beat, length, note in _BOATS_TUNE:
        at = _slowing_s(beat) + random.uniform(0, 0.008)
        mix.add(synth.music_box(rate_hz, note, length * _BOATS_BEAT_S + 1.6), at, 0.3, pan=-0.1, far=0.35)
    return mix.in_room(1.7, 5200, seed=3)


def _slowing_s(beat: float) -> float:
    """The spring of the music box runs down."""
    return beat * _BOATS_BEAT_S * (1 + 0.05 * beat / 36)


def _guitar(mix: Mix, random: RandomState, start: int, chord: Chord, is_last: bool) -> None:
    root, *pair = chord
    strokes: list[tuple[int, Chord]] = [(0, (root,)), (1, tuple(pair)), (2, tuple(pair))]
    if is_last:
        strokes = [(0, (*chord, 72, 77))]
    for beat, notes in strokes:
        for note in notes:
            rolled_s = 0.05 * (note - root) / 12 if is_last else 0.0
            at = _slowing_s(start + beat) + random.uniform(0, 0.012) + rolled_s
            length_s = 3.6 if is_last else (2.2 if beat == 0 else 0.75)
            sound = synth.pluck(mix.rate_hz, note, length_s, random, bright=0.28, damp=0.75)
            mix.add(sound, at, 0.42 if beat == 0 else 0.22, pan=0.15, far=0.22)


def as_stored(mix: Sound, rate_hz: int, channels: int, loudness_db: float) -> Sound:
    """Mastered to a loudness, as mono or stereo, with a fade at the end."""
    mix = synth.mastered(mix, rate_hz, loudness_db, fade_s=3.0)
    if channels == 2:
        return mix
    mono = mix.mean(axis=1, keepdims=True)
    heard = synth.loudness_db(np.repeat(mono, 2, axis=1), rate_hz)
    return np.asarray(np.clip(mono * 10 ** ((loudness_db - heard) / 20), -0.95, 0.95))
