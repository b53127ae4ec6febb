"""The cluster's page: where this listener is; for operators machines, nodes, plots, and what they may do."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from hocket.gui import texts
from hocket.gui.clusterview import HISTORY_S, ClusterView, History, Machine, NodeRow
from hocket.gui.theme import Palette
from hocket.gui.widgets import UNIT, Elided, Icon, Look, card, label, margins, restyle, scrolling, text_button

PLOT_PX = 128
SHORTEST_S = 60.0


class Plot(QFrame):
    """One quantity over the last minutes, with its present value. `load` brings the plotting library first."""

    def __init__(self, look: Look, title: str, least: float = 1.0) -> None:
        """`least`: what the axis reaches to even where the values do not."""
        super().__init__()
        self.setObjectName("card")
        self._least = least
        self._look = look
        self._curve: Any = None
        self._widget: Any = None
        self._column = QVBoxLayout(self)
        margins(self._column, 2 * UNIT, 2 * UNIT, 2 * UNIT, UNIT, gap=0)
        self._column.addWidget(label(title, "label"))
        self.value = label("–", "number")
        self._column.addWidget(self.value)
        self._room = QWidget()
        self._room.setFixedHeight(PLOT_PX)
        self._column.addWidget(self._room)
        self._column.addWidget(label(texts.LAST_MINUTES, "small"))
        self.setAccessibleName(title)

    @property
    def is_ready(self) -> bool:
        return self._widget is not None

    def make(self) -> None:
        """Build the plot itself; `pyqtgraph` was imported before, so that this takes no time."""
        import pyqtgraph

        widget = pyqtgraph.PlotWidget(background=None)
        widget.setMouseEnabled(False, False)
        widget.setMenuEnabled(False)
        widget.hideButtons()
        widget.hideAxis("bottom")
        widget.getPlotItem().setContentsMargins(0, UNIT, 0, 0)
        widget.setFrameShape(QFrame.Shape.NoFrame)
        widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QVBoxLayout(self._room)
        margins(layout, gap=0)
        layout.addWidget(widget)
        self._widget = widget
        self._curve = widget.plot([], [])
        self._look.follow(self._colour)

    def _colour(self, palette: Palette) -> None:
        import pyqtgraph

        self._curve.setPen(pyqtgraph.mkPen(palette.accent, width=2))
        fill = pyqtgraph.mkColor(palette.accent)
        fill.setAlpha(40)
        self._curve.setBrush(fill)
        self._curve.setFillLevel(0)
        axis = self._widget.getAxis("left")
        axis.setPen(pyqtgraph.mkPen(palette.line))
        axis.setTextPen(palette.muted)
        axis.setWidth(40)

    def show_points(self, seconds: list[float], values: list[float], now: str) -> None:
        self.value.setText(now)
        if self._widget is not None and values:
            self._curve.setData(seconds, values)
            self._widget.setXRange(max(-HISTORY_S, min(-SHORTEST_S, seconds[0])), 0, padding=0)
            top = max(self._least, max(values) * 1.2)
            self._widget.setYRange(-0.06 * top, top, padding=0)


class NodeLine(QWidget):
    """One node: what it is, how it is, how full, and a button that drains it."""

    def __init__(self, look: Look, drain: Callable[[str], object], *, is_machine: bool) -> None:
        super().__init__()
        self._id = ""
        row = QHBoxLayout(self)
        margins(row, 0 if is_machine else 4 * UNIT, 4, 0, 4, gap=12)
        self.icon = Icon(look, "disc")
        row.addWidget(self.icon)
        words = QVBoxLayout()
        margins(words, gap=0)
        self.name = Elided("heading" if is_machine else "")
        self.detail = Elided("small")
        words.addWidget(self.name)
        words.addWidget(self.detail)
        row.addLayout(words, 1)
        self.rate = label(role="small")
        self.fill = QProgressBar()
        self.fill.setRange(0, 1000)
        self.fill.setTextVisible(False)
        self.fill.setFixedWidth(72)
        self.load = label(role="small")
        self.state = label(role="pill")
        self.drain = text_button(texts.DRAIN, "", lambda: drain(self._id))
        self.drain.setToolTip(texts.DRAIN_HINT)
        policy = self.drain.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.drain.setSizePolicy(policy)
        self.load.setMinimumWidth(72)
        self.rate.setMinimumWidth(64)
        self.rate.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for widget in (self.rate, self.fill, self.load, self.state, self.drain):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_node(self, node: NodeRow) -> None:
        self._id = node.id
        self.icon.show_as(node.icon, "muted")
        self.name.setText(node.role)
        self.detail.setText("  ·  ".join(part for part in (node.id, node.address, node.up) if part))
        self.rate.setText(node.rate)
        self.fill.setValue(round(node.filled * 1000))
        self.fill.setVisible(bool(node.load))
        self.load.setText(node.load)
        self.state.setText(node.state)
        restyle(self.state, "tone", node.tone)
        self.drain.setVisible(node.can_drain)
        self.drain.setAccessibleName(f"{texts.DRAIN} {node.id}")
        self.setToolTip(node.why)
        self.setAccessibleName(f"{node.role} {node.id}, {node.state}, {node.load}")


class ClusterPage(QWidget):
    """Signals: `drain` (node id), `spawn` (role)."""

    drain = Signal(str)
    spawn = Signal(str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self.history = History()
        outer = QVBoxLayout(self)
        margins(outer, 0, 0, 0, 0, gap=0)
        inside = QWidget()
        outer.addWidget(scrolling(inside))
        column = QVBoxLayout(inside)
        margins(column, 3 * UNIT, 3 * UNIT, 3 * UNIT, 3 * UNIT, gap=2 * UNIT)
        column.addWidget(label(texts.CLUSTER, "title"))
        self.problem = label(role="muted", wrap=True)
        column.addWidget(self.problem)
        column.addWidget(self._here_card())
        column.addWidget(self._plots())
        column.addWidget(self._nodes_card())
        column.addStretch(1)
        self.show_view(ClusterView())

    def _here_card(self) -> QFrame:
        frame, column = card()
        column.addWidget(label(texts.YOUR_NODES, "heading"))
        self._here = QGridLayout()
        self._here.setHorizontalSpacing(3 * UNIT)
        self._here.setVerticalSpacing(UNIT)
        self._here.setColumnStretch(1, 1)
        column.addLayout(self._here)
        self._here_values: dict[str, QLabel] = {}
        self._ordinary = label(texts.NOT_OPERATOR, "small", wrap=True)
        column.addWidget(self._ordinary)
        return frame

    def _plots(self) -> QWidget:
        self._figures = QWidget()
        row = QHBoxLayout(self._figures)
        margins(row, gap=2 * UNIT)
        self.throughput = Plot(self._look, texts.THROUGHPUT)
        self.listeners = Plot(self._look, texts.LISTENERS, least=4.0)
        for plot in (self.throughput, self.listeners):
            plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            row.addWidget(plot, 2)
        frame, column = card(gap=0)
        column.addWidget(label(texts.MISSING_COPIES, "label"))
        self.missing = label("0", "number")
        column.addWidget(self.missing)
        column.addStretch(1)
        row.addWidget(frame, 1)
        return self._figures

    def _nodes_card(self) -> QFrame:
        self._nodes, column = card(gap=UNIT)
        head = QHBoxLayout()
        margins(head, gap=UNIT)
        head.addWidget(label(texts.MACHINES, "heading"))
        head.addStretch(1)
        self.spawn_auth = text_button(texts.SPAWN_AUTH, "", lambda: self.spawn.emit("auth"))
        self.spawn_file = text_button(texts.SPAWN_FILE, "", lambda: self.spawn.emit("file"))
        head.addWidget(self.spawn_auth)
        head.addWidget(self.spawn_file)
        column.addLayout(head)
        self._lines = QVBoxLayout()
        margins(self._lines, gap=0)
        column.addLayout(self._lines)
        self.lines: dict[str, NodeLine] = {}
        return self._nodes

    # -- showing

    def make_plots(self) -> None:
        """Once the plotting library is here."""
        for plot in (self.throughput, self.listeners):
            if not plot.is_ready:
                plot.make()

    def show_view(self, view: ClusterView) -> None:
        """What the cluster is like."""
        for name, value in view.here:
            self._here_value(name).setText(value)
        self._ordinary.setVisible(not view.has_status)
        self._figures.setVisible(view.has_status)
        self._nodes.setVisible(view.has_status)
        self.problem.setText("\n".join(view.problems))
        self.problem.setVisible(bool(view.problems))
        self.missing.setText(QLocale().toString(view.missing_copies))
        if view.has_status:
            self._show_nodes(view.machines)

    def show_history(self, view: ClusterView, now_s: float) -> None:
        """One more point on the plots."""
        self.history.add(now_s, view.bytes_per_s, view.listeners)
        seconds, rates, listeners = self.history.series()
        self.throughput.show_points(seconds, rates, texts.megabytes_per_s(view.bytes_per_s))
        self.listeners.show_points(seconds, [float(count) for count in listeners], str(view.listeners))

    def _here_value(self, name: str) -> QLabel:
        if name not in self._here_values:
            row = len(self._here_values)
            value = self._here_values[name] = Elided()
            self._here.addWidget(label(name, "muted"), row, 0)
            self._here.addWidget(value, row, 1)
        return self._here_values[name]

    def _show_nodes(self, machines: tuple[Machine, ...]) -> None:
        wanted: list[tuple[NodeRow, bool]] = []
        for machine in machines:
            wanted.append((machine.node, True))
            wanted += [(node, False) for node in machine.nodes]
        if list(self.lines) != [node.id for node, _ in wanted]:
            self._rebuild(wanted)
        for node, _ in wanted:
            self.lines[node.id].show_node(node)

    def _rebuild(self, wanted: list[tuple[NodeRow, bool]]) -> None:
        while (item := self._lines.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self.lines = {}
        for node, is_machine in wanted:
            line = NodeLine(self._look, self.drain.emit, is_machine=is_machine)
            self.lines[node.id] = line
            self._lines.addWidget(line)
