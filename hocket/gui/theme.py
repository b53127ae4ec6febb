"""Colours, type and spacing of the window: two palettes, one style sheet. Sizes stand on a grid of 8 pixels."""

from pathlib import Path

import msgspec

ASSETS = Path(__file__).parent / "assets"
"""Pictures that a style sheet can only take from files."""

FONTS = ("Inter", "Cantarell", "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "DejaVu Sans")
"""The first that the system has; letters that it lacks come from the others."""

BODY_PX = 14
SMALL_PX = 12
TITLE_PX = 24
HERO_PX = 32
ROW_PX = 44


class Palette(msgspec.Struct, frozen=True):
    """Colours as #RRGGBB. Every text colour has a contrast of 4.5 or more on what it stands on."""

    name: str
    back: str  # the window
    surface: str  # panels on it
    raised: str  # fields and cards on panels
    line: str
    hover: str
    selected: str
    text: str
    muted: str
    accent: str
    on_accent: str
    accent_hover: str
    danger: str
    danger_back: str
    warn: str
    good: str
    wave: str  # of the waveform: what is still to come


DARK = Palette(
    name="dark",
    back="#111216",
    surface="#17191E",
    raised="#20232A",
    line="#2A2E37",
    hover="#1F222A",
    selected="#2C2723",
    text="#F3F4F6",
    muted="#9CA3AF",
    accent="#FF9E5E",
    on_accent="#22130A",
    accent_hover="#FFB37F",
    danger="#FF8B84",
    danger_back="#34191B",
    warn="#F2C14E",
    good="#63D2A1",
    wave="#4A505C",
)

LIGHT = Palette(
    name="light",
    back="#F6F4F1",
    surface="#FFFFFF",
    raised="#F3F0EC",
    line="#E3DED7",
    hover="#F5F2EE",
    selected="#FCEADD",
    text="#1D1B19",
    muted="#67615A",
    accent="#B84A0B",
    on_accent="#FFFFFF",
    accent_hover="#9C3E08",
    danger="#B3261E",
    danger_back="#FCEBEA",
    warn="#8A5A00",
    good="#1C7A50",
    wave="#C9C2B8",
)

PALETTES = {"dark": DARK, "light": LIGHT}


def font_css() -> str:
    return ", ".join(f'"{name}"' for name in FONTS)


def style_sheet(p: Palette) -> str:
    """The Qt style sheet of the whole window."""
    sheet = _base(p) + _fields(p) + _controls(p) + _tables(p) + _places(p)
    for name in ("check", "up", "down"):
        sheet = sheet.replace(f"@{name}@", (ASSETS / f"{name}-{p.name}.svg").as_posix())
    return sheet


def _base(p: Palette) -> str:
    return f"""
* {{ color: {p.text}; font-size: {BODY_PX}px; selection-background-color: {p.accent}; selection-color: {p.on_accent}; }}
QWidget {{ background: transparent; }}
QMainWindow, QDialog, #root {{ background: {p.back}; }}
QToolTip {{ background: {p.raised}; color: {p.text}; border: 1px solid {p.line}; padding: 4px 8px; }}
QMenu {{ background: {p.raised}; border: 1px solid {p.line}; border-radius: 8px; padding: 8px 0; }}
QMenu::item {{ padding: 8px 24px 8px 16px; }}
QMenu::item:selected {{ background: {p.selected}; }}
QMenu::item:disabled {{ color: {p.muted}; }}
QMenu::separator {{ height: 1px; background: {p.line}; margin: 8px 0; }}
QMenu::indicator {{ width: 8px; height: 8px; margin-left: 8px; border-radius: 4px; border: 1px solid {p.muted}; }}
QMenu::indicator:checked {{ background: {p.accent}; border-color: {p.accent}; }}
QLabel[role="title"] {{ font-size: {TITLE_PX}px; font-weight: 600; }}
QLabel[role="hero"] {{ font-size: {HERO_PX}px; font-weight: 600; }}
QLabel[role="heading"] {{ font-size: 16px; font-weight: 600; }}
QLabel[role="label"] {{ font-size: {SMALL_PX}px; font-weight: 600; color: {p.muted}; }}
QLabel[role="muted"] {{ color: {p.muted}; }}
QLabel[role="small"] {{ font-size: {SMALL_PX}px; color: {p.muted}; }}
QLabel[role="time"] {{ font-size: {SMALL_PX}px; color: {p.muted}; }}
QLabel[role="number"] {{ font-size: {TITLE_PX}px; font-weight: 600; }}
QLabel[role="mono"] {{ font-family: "DejaVu Sans Mono", "Noto Sans Mono", monospace; font-size: 13px; }}
QLabel[role="pill"] {{ font-size: {SMALL_PX}px; padding: 2px 8px; border-radius: 9px;
    background: {p.raised}; color: {p.muted}; }}
QLabel[role="pill"][tone="good"] {{ color: {p.good}; }}
QLabel[role="pill"][tone="warn"] {{ color: {p.warn}; }}
QLabel[role="pill"][tone="bad"] {{ color: {p.danger}; }}
"""


def _fields(p: Palette) -> str:
    return f"""
QLineEdit {{ background: {p.raised}; border: 1px solid {p.line}; border-radius: 8px; padding: 0 12px;
    min-height: 38px; }}
QLineEdit[kind="search"] {{ padding-left: 4px; }}
QLineEdit[kind="search"]:focus {{ padding-left: 3px; }}
QLineEdit:hover {{ border-color: {p.muted}; }}
QLineEdit:focus {{ border: 2px solid {p.accent}; padding: 0 11px; min-height: 36px; }}
QLineEdit[wrong="true"] {{ border: 2px solid {p.danger}; padding: 0 11px; min-height: 36px; }}
QLineEdit:disabled {{ color: {p.muted}; }}
QComboBox, QSpinBox {{ background: {p.raised}; border: 1px solid {p.line}; border-radius: 8px; padding: 0 12px;
    min-height: 38px; min-width: 72px; }}
QComboBox:hover, QSpinBox:hover {{ border-color: {p.muted}; }}
QComboBox:focus, QSpinBox:focus {{ border: 2px solid {p.accent}; padding: 0 11px; min-height: 36px; }}
QSpinBox, QSpinBox:focus {{ padding: 0; }}
QSpinBox QLineEdit, QSpinBox QLineEdit:focus {{ background: transparent; border: none; padding: 0; min-height: 0; }}
QComboBox::drop-down {{ border: none; width: 24px; }}
QComboBox::down-arrow, QSpinBox::down-arrow {{ image: url("@down@"); width: 10px; height: 10px; }}
QSpinBox::up-arrow {{ image: url("@up@"); width: 10px; height: 10px; }}
QSpinBox::up-button, QSpinBox::down-button {{ border: none; background: transparent; width: 24px; }}
QComboBox QAbstractItemView {{ background: {p.raised}; border: 1px solid {p.line}; outline: 0;
    selection-background-color: {p.selected}; selection-color: {p.text}; }}
QComboBox QAbstractItemView::item {{ min-height: 32px; padding: 0 8px; }}
QCheckBox {{ spacing: 8px; padding: 4px 6px 4px 0; border: 2px solid transparent; border-radius: 6px; }}
QCheckBox:focus {{ border-color: {p.accent}; }}
QCheckBox::indicator {{ width: 16px; height: 16px; border-radius: 4px; border: 1px solid {p.muted};
    background: {p.raised}; }}
QCheckBox::indicator:checked {{ background: {p.accent}; border-color: {p.accent}; image: url("@check@"); }}
"""


def _controls(p: Palette) -> str:
    return f"""
QPushButton {{ background: {p.raised}; border: 1px solid {p.line}; border-radius: 8px; padding: 0 16px;
    min-height: 34px; font-weight: 500; }}
QPushButton:hover {{ border-color: {p.muted}; }}
QPushButton:pressed {{ background: {p.line}; }}
QPushButton:focus {{ border: 2px solid {p.accent}; padding: 0 15px; min-height: 32px; }}
QPushButton:disabled {{ color: {p.muted}; border-color: {p.line}; background: transparent; }}
QPushButton[kind="primary"] {{ background: {p.accent}; color: {p.on_accent}; border: 2px solid {p.accent};
    font-weight: 600; min-height: 36px; }}
QPushButton[kind="primary"]:hover {{ background: {p.accent_hover}; border-color: {p.accent_hover}; }}
QPushButton[kind="primary"]:focus {{ border-color: {p.text}; padding: 0 16px; }}
QPushButton[kind="primary"]:disabled {{ background: {p.line}; border-color: {p.line}; color: {p.muted}; }}
QToolButton {{ border: 2px solid transparent; border-radius: 8px; padding: 4px; background: transparent; }}
QToolButton:hover {{ background: {p.raised}; }}
QToolButton:pressed {{ background: {p.line}; }}
QToolButton:focus {{ border-color: {p.accent}; }}
QToolButton::menu-indicator {{ image: none; }}
QToolButton#play {{ background: {p.accent}; border-radius: 20px; border-color: {p.accent}; }}
QToolButton#play:hover {{ background: {p.accent_hover}; border-color: {p.accent_hover}; }}
QToolButton#play:focus {{ border-color: {p.text}; }}
QToolButton#play:disabled {{ background: {p.line}; border-color: {p.line}; }}
QScrollBar:vertical {{ width: 12px; background: transparent; margin: 0; }}
QScrollBar::handle:vertical {{ background: {p.line}; border-radius: 4px; min-height: 40px; margin: 2px; }}
QScrollBar::handle:vertical:hover {{ background: {p.muted}; }}
QScrollBar:horizontal {{ height: 12px; background: transparent; margin: 0; }}
QScrollBar::handle:horizontal {{ background: {p.line}; border-radius: 4px; min-width: 40px; margin: 2px; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{ background: none;
    border: none; width: 0; height: 0; }}
QProgressBar {{ background: {p.line}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }}
QProgressBar::chunk {{ background: {p.accent}; border-radius: 3px; }}
"""


def _tables(p: Palette) -> str:
    return f"""
QTableView, QListView {{ background: transparent; border: none; outline: 0; }}
QHeaderView {{ background: transparent; border: none; }}
QHeaderView::section {{ background: transparent; color: {p.muted}; font-size: {SMALL_PX}px; font-weight: 600;
    border: none; border-bottom: 1px solid {p.line}; padding: 8px 8px; }}
QHeaderView::section:hover {{ color: {p.text}; }}
QHeaderView::up-arrow {{ image: url("@up@"); width: 10px; height: 10px; }}
QHeaderView::down-arrow {{ image: url("@down@"); width: 10px; height: 10px; }}
QScrollArea {{ border: none; background: transparent; }}
"""


def _places(p: Palette) -> str:
    return f"""
#side {{ background: {p.surface}; border-right: 1px solid {p.line}; }}
#side QToolButton {{ text-align: left; padding: 8px 12px; font-weight: 500; color: {p.muted}; }}
#side QToolButton:hover {{ color: {p.text}; }}
#side QToolButton:checked {{ background: {p.selected}; color: {p.text}; font-weight: 600; }}
#brand {{ font-size: 20px; font-weight: 700; }}
#bar {{ background: {p.surface}; border-top: 1px solid {p.line}; }}
#bar QToolButton:checked {{ background: {p.selected}; }}
#queue {{ background: {p.surface}; border-left: 1px solid {p.line}; }}
#card {{ background: {p.surface}; border: 1px solid {p.line}; border-radius: 12px; }}
#login {{ background: {p.surface}; border: 1px solid {p.line}; border-radius: 16px; }}
#notice {{ background: {p.raised}; border: 1px solid {p.line}; border-radius: 8px; }}
#notice[tone="bad"] {{ background: {p.danger_back}; border-color: {p.danger}; }}
#fingerprint {{ background: {p.raised}; border: 1px solid {p.line}; border-radius: 8px; padding: 12px; }}
#songTitle {{ font-weight: 600; }}
"""
