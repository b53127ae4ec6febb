"""Waveform and cover of what plays, fetched once a track and kept for the last few."""

from collections import OrderedDict

import msgspec
from PySide6.QtGui import QImage

from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.gui.bridge import Bridge
from hocket.gui.nowplaying import picture
from hocket.gui.window import Window

KEPT = 32


class Look(msgspec.Struct):
    """What one track looks like, as far as it has come."""

    peaks: bytes = b""
    cover: QImage | None = None


class Looks:
    """Shows them on the player bar and on the page of what plays."""

    def __init__(self, bridge: Bridge, window: Window) -> None:
        self._bridge = bridge
        self._window = window
        self._kept: OrderedDict[TrackId, Look] = OrderedDict()
        self._shown = TrackId("")

    def show_track(self, track: Track | None) -> None:
        """This track plays now; nothing happens if it did before."""
        wanted = track.id if track is not None else TrackId("")
        if wanted == self._shown:
            return
        self._shown = wanted
        if track is not None and wanted not in self._kept:
            self._fetch(track)
        self._draw(wanted)

    def _fetch(self, track: Track) -> None:
        self._kept[track.id] = Look()
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self._bridge.run(lambda engine: engine.waveform(track), lambda peaks: self._take_peaks(track.id, peaks),
                         lambda error: self._kept.pop(track.id, None))  # fmt: skip
        self._bridge.run(lambda engine: engine.cover(track), lambda data: self._take_cover(track.id, data))

    def _take_peaks(self, track: TrackId, peaks: bytes) -> None:
        if track in self._kept:
            self._kept[track].peaks = peaks
            self._draw(track)

    def _take_cover(self, track: TrackId, data: bytes) -> None:
        if data:
            self._bridge.background(lambda: picture(data), lambda image: self._take_picture(track, image))

    def _take_picture(self, track: TrackId, image: QImage | None) -> None:
        if track in self._kept:
            self._kept[track].cover = image
            self._draw(track)

    def _draw(self, track: TrackId) -> None:
        if track != self._shown:
            return
        look = self._kept.get(track, Look())
        for place in (self._window.bar, self._window.now):
            place.waveform.set_peaks(look.peaks)
            place.cover.show_picture(look.cover)
