"""The window's icons: drawn on a grid of 24 by 24, as strokes and shapes in one colour, sharp at every scale."""

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

SCALES = (1.0, 2.0)

_STROKE = 'fill="none" stroke="{c}" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
_FILL = 'fill="{c}" stroke="{c}" stroke-width="2" stroke-linejoin="round"'


def _line(*paths: str) -> str:
    return f"<g {_STROKE}>" + "".join(f'<path d="{path}"/>' for path in paths) + "</g>"


def _solid(*paths: str) -> str:
    return f"<g {_FILL}>" + "".join(f'<path d="{path}"/>' for path in paths) + "</g>"


_NOTE = "M9 18V6l10-2v12"
_SPEAKER = "M4 10v4h3l5 4V6L7 10z"
_ROUND = "M{x} {y}m-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0"


def _circle(x: float, y: float, r: float) -> str:
    return _ROUND.format(x=x, y=y, r=r, d=2 * r)


ICONS = {
    "play": _solid("M8 5.5v13l10.5-6.5z"),
    "pause": _solid("M7.5 6h2v12h-2z", "M14.5 6h2v12h-2z"),
    "stop": _solid("M7 7h10v10H7z"),
    "next": _solid("M6 6.5v11l8.5-5.5z") + _line("M18 6v12"),
    "previous": _solid("M18 6.5v11L9.5 12z") + _line("M6 6v12"),
    "shuffle": _line("M3 7h3.5c5 0 5 10 10 10H21", "M3 17h3.5c1.8 0 2.9-1.2 3.8-2.8",
                     "M13.2 9.8C14.1 8.2 15 7 16.5 7H21",
                     "M18 4l3 3-3 3", "M18 14l3 3-3 3"),
    "repeat": _line("M17 3l3 3-3 3", "M20 6H8a4 4 0 0 0-4 4v1", "M7 21l-3-3 3-3", "M4 18h12a4 4 0 0 0 4-4v-1"),
    "repeat-one": _line("M17 3l3 3-3 3", "M20 6H8a4 4 0 0 0-4 4v1", "M7 21l-3-3 3-3", "M4 18h12a4 4 0 0 0 4-4v-1",
                        "M11 11l1.5-1v5"),
    "volume": _solid(_SPEAKER) + _line("M15.5 9a4.5 4.5 0 0 1 0 6", "M18 6.5a8 8 0 0 1 0 11"),
    "mute": _solid(_SPEAKER) + _line("M16 9.5l5 5", "M21 9.5l-5 5"),
    "queue": _line("M4 6h16", "M4 12h10", "M4 18h10") + _solid("M17.5 13.5v6l4-3z"),
    "search": _line(_circle(11, 11, 6), "M15.5 15.5L20 20"),
    "refresh": _line("M20 11a8 8 0 0 0-14.5-3.5L4 9", "M4 4v5h5", "M4 13a8 8 0 0 0 14.5 3.5L20 15", "M20 20v-5h-5"),
    "songs": _line(_NOTE) + _solid(_circle(6.5, 18, 2.2), _circle(16.5, 16, 2.2)),
    "disc": _line(_circle(12, 12, 9)) + _solid(_circle(12, 12, 1.8)),
    "together": _line(_circle(9, 8, 3.2), "M3 20v-1a6 6 0 0 1 12 0v1", "M16 5.2a3.2 3.2 0 0 1 0 5.6",
                      "M18 14.4a6 6 0 0 1 3 4.6v1"),
    "cluster": _line("M4 4h16v6H4z", "M4 14h16v6H4z", "M8 7h.01", "M8 17h.01", "M12 7h4", "M12 17h4"),
    "warning": _line("M12 4L2.5 20h19z", "M12 10v4", "M12 17h.01"),
    "close": _line("M6 6l12 12", "M18 6L6 18"),
    "copy": _line("M9 9h11v11H9z", "M15 9V4H4v11h5"),
    "add": _line("M12 5v14", "M5 12h14"),
    "add-queue": _line("M4 6h16", "M4 12h9", "M4 18h7", "M18 13v8", "M14 17h8"),
    "play-next": _line("M4 18h16", "M4 12h7", "M4 6h7") + _solid("M15.5 5.5v7l5-3.5z"),
    "menu": _solid(_circle(5, 12, 0.8), _circle(12, 12, 0.8), _circle(19, 12, 0.8)),
    "person": _line(_circle(12, 8, 4), "M4 21v-1a8 8 0 0 1 16 0v1"),
    "key": _line(_circle(8, 15, 4), "M11 12l8-8", "M16 7l3 3"),
    "waves": _line("M4 10v4", "M8 6v12", "M12 9v6", "M16 4v16", "M20 10v4"),
    "crown": _line("M4 18h16", "M4 15l-1-9 5 4 4-6 4 6 5-4-1 9z"),
    "drain": _line("M12 3v11", "M7 10l5 5 5-5", "M4 20h16"),
    "eye": _line("M2 12s3.5-7 10-7 10 7 10 7-3.5 7-10 7-10-7-10-7z", _circle(12, 12, 3)),
    "check": _line("M4.5 12.5l5 5 10-11"),
    "up": _line("M5 15l7-7 7 7"),
    "down": _line("M5 9l7 7 7-7"),
    "info": _line(_circle(12, 12, 9), "M12 11v5", "M12 8h.01"),
    "hocket": _solid(_circle(6, 17, 2.6), _circle(17, 14, 2.6))
              + _line("M8.6 17V7", "M19.6 14V4", "M8.6 7l4 3", "M19.6 4l-4 3"),
}  # fmt: skip


def svg(name: str, colour: str) -> str:
    """A whole SVG document. Raises KeyError for a name that is not in ICONS."""
    shapes = ICONS[name].replace("{c}", colour)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{shapes}</svg>'


def pixmap(name: str, colour: str, size_px: int, scale: float) -> QPixmap:
    """A picture of size_px logical pixels for a screen of that scale."""
    side = round(size_px * scale)
    drawn = QPixmap(side, side)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    QSvgRenderer(QByteArray(svg(name, colour).encode())).render(painter, QRectF(0, 0, side, side))
    painter.end()
    drawn.setDevicePixelRatio(scale)
    return drawn


@lru_cache(maxsize=512)
def icon(name: str, colour: str, size_px: int = 20, disabled: str = "") -> QIcon:
    """An icon in one colour, and in another one while its button is disabled."""
    made = QIcon()
    for scale in SCALES:
        made.addPixmap(pixmap(name, colour, size_px, scale))
        if disabled:
            made.addPixmap(pixmap(name, disabled, size_px, scale), QIcon.Mode.Disabled)
    return made
