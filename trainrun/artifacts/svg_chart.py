"""Charts as inline SVG: lines, points and bars over two axes, in the colours of the page. Every text is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 38
# Points of a line, and dots of a cloud; more are thinned.
LINE_POINTS, DOTS = 200, 600
LEAST, MOST = 1e-150, 1e150  # of an axis
LARGE, LARGEST = 9999.5, 1e15  # numbers between them are written as whole ones
EPOCH = "epoch"  # label of an axis of whole numbers
COLOURS = 8  # classes `s0` to `s7` of the page


@dataclass
class Panel:
    """A chart with what stands around it.

    Args:
        title: above it.
        svg: the chart; safe to insert.
        note: one line below it.
        legend: CSS class and name of each series.
    """

    title: str
    svg: str
    note: str = ""
    legend: list[tuple[str, str]] = field(default_factory=list)


class Axis:
    """A linear or logarithmic axis.

    Args:
        low, high: its ends; equal ones are moved apart.
        start, end: their places in the drawing.
        log: logarithmic; only positive values have a place.
    """

    def __init__(self, low: float, high: float, start: float, end: float, log: bool = False):
        self.log = log and low > LEAST
        low, high = max(low, -MOST), min(high, MOST)
        if not high - low > max(1e-9 * abs(low), 1e-9 * abs(high), LEAST):
            half = abs(low) / 2 if abs(low) > LEAST else 0.5
            low, high = (low / 2, high * 2) if self.log else (low - half, high + half)
        self.low, self.high, self._start, self._end = low, high, start, end

    def place(self, values: Sequence[float]) -> np.ndarray:
        """Return the places of values."""
        v, low, high = np.asarray(values, np.float64), self.low, self.high
        if self.log:
            v, low, high = np.log(np.maximum(v, 1e-300)), math.log(low), math.log(high)
        return self._start + (v - low) / (high - low) * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Return three to six round values."""
        if self.log and self.high / self.low >= 10:
            powers = range(
                math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1
            )
            if len(powers) < 3:
                for steps in ((1, 2, 5), (1, 3), (1,)):
                    near = [s * 10.0**p for p in range(powers[0] - 1, powers[-1] + 1) for s in steps]
                    near = [v for v in near if self.low * (1 - 1e-9) <= v <= self.high * (1 + 1e-9)]
                    if len(near) <= 6:
                        return near
            every = max(1, math.ceil(len(powers) / 6))
            return [10.0**p for p in powers[::every]]
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(s * unit for s in (1, 2, 2.5, 5, 10) if s * unit >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [step * i for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


class Chart:
    """A chart in the making.

    Args:
        title: above it.
        x, y: ends of the axes.
        x_label, y_label: names of the axes.
        log_x, log_y: which axes are logarithmic.
        names: the x axis has these names at 0, 1, 2, … and no numbers.
    """

    def __init__(
        self,
        title: str,
        x: tuple[float, float],
        y: tuple[float, float],
        x_label: str = "",
        y_label: str = "",
        log_x: bool = False,
        log_y: bool = False,
        names: Sequence[str] | None = None,
    ):
        self.title, self._names = title, names
        self._x = Axis(*x, LEFT, WIDTH - RIGHT, log_x)
        self._y = Axis(*y, HEIGHT - BOTTOM, TOP, log_y)
        self._labels = x_label, y_label
        self._parts: list[str] = []
        self._legend: list[tuple[str, str]] = []

    def line(
        self,
        x: Sequence[float],
        y: Sequence[float],
        name: str = "",
        style: str = "s0",
        dots: bool = False,
        legend: bool = True,
    ) -> None:
        """Draw a line through the points that are finite; the page shows its values where the pointer is."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        finite = np.isfinite(x) & np.isfinite(y)
        x, y = x[finite], y[finite]
        across, up, shown_x, shown_y = thinned(self._x.place(x), self._y.place(y), x, y)
        if not len(across):
            return
        data = ""
        if name:
            values = " ".join(number(v) for v in shown_y)
            data = f' data-name="{escape(name)}" data-x="{" ".join(number(v) for v in shown_x)}" data-y="{values}"'
            if legend:
                self._legend.append((style, name))
        self._parts.append(f'<polyline class="line {style}" points="{_points(across, up)}"{data}/>')
        if dots or len(across) == 1:
            self.points(shown_x, shown_y, style)

    def points(
        self, x: Sequence[float], y: Sequence[float], style: str = "s0", radius: float = 2.2, name: str = ""
    ) -> None:
        """Draw a dot for each point that is finite; those beyond an axis stand at its end."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if len(finite) > DOTS:
            finite = finite[np.linspace(0, len(finite) - 1, DOTS).astype(int)]
        across = np.clip(self._x.place(x[finite]), LEFT, WIDTH - RIGHT)
        up = np.clip(self._y.place(y[finite]), TOP, HEIGHT - BOTTOM)
        self._parts += [
            f'<circle class="{style}" cx="{a:.1f}" cy="{b:.1f}" r="{radius}"/>'
            for a, b in zip(across, up, strict=True)
        ]
        if name:
            self._legend.append((style, name))

    def bars(self, edges: Sequence[float], heights: Sequence[float], style: str = "s0") -> None:
        """Draw a bar from zero between each two edges."""
        at, base = self._x.place(edges), float(self._y.place([max(self._y.low, 0.0)])[0])
        for left, right, top in zip(at, at[1:], self._y.place(heights), strict=False):
            self._parts.append(
                f'<rect class="{style}" x="{left + 0.5:.1f}" y="{min(top, base):.1f}" width="{max(right - left - 1, 0.5):.1f}" '
                f'height="{abs(base - top):.1f}"/>'
            )

    def guide(self, x: Sequence[float], y: Sequence[float]) -> None:
        """Draw a grey line of reference."""
        self._parts.insert(
            0, f'<polyline class="guide" points="{_points(self._x.place(x), self._y.place(y))}"/>'
        )

    def ring(self, x: float, y: float, style: str = "mark", name: str = "") -> None:
        """Draw a ring around a point."""
        (across,), (up,) = self._x.place([x]), self._y.place([y])
        self._parts.append(f'<circle class="{style}" cx="{across:.1f}" cy="{up:.1f}" r="5"/>')
        if name:
            self._legend.append((style, name))

    def legend(self, style: str, name: str) -> None:
        """Add a line to the legend."""
        self._legend.append((style, name))

    def panel(self, note: str = "") -> Panel:
        """Return the finished chart."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        axes = [f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>']
        for value, place in ((t, p) for t in self._y.ticks() for p in self._y.place([t])):
            axes.append(f'<path class="grid" d="M{LEFT} {place:.1f}H{right}"/>')
            axes.append(f'<text x="{LEFT - 5}" y="{place + 3.5:.1f}" text-anchor="end">{tick(value)}</text>')
        for text, place in self._marks():
            axes.append(f'<text x="{place:.1f}" y="{bottom + 14}" text-anchor="middle">{escape(text)}</text>')
        across, up = map(escape, self._labels)
        middle = (TOP + bottom) / 2
        axes.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{across}</text>')
        axes.append(f'<text transform="translate(10 {middle}) rotate(-90)" text-anchor="middle">{up}</text>')
        return Panel(self.title, drawing([*axes, *self._parts], self.title), note, self._legend)

    def _marks(self) -> list[tuple[str, float]]:
        """Return the labels of the x axis with their places."""
        if self._names is None:
            ticks = self._x.ticks()
            if self._labels[0] == EPOCH:  # there is no epoch 1.5
                ticks = [t for t in ticks if abs(t - round(t)) < 1e-9]
            return [(tick(t), float(self._x.place([t])[0])) for t in ticks]
        room = max(2, int((WIDTH - LEFT - RIGHT) / max(len(self._names), 1) / 6))
        return [(cut(name, room), float(self._x.place([i])[0])) for i, name in enumerate(self._names)]


def drawing(parts: Sequence[str], title: str) -> str:
    """Return the SVG element of parts that are drawn in a room of `WIDTH` by `HEIGHT`."""
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def thinned(across: np.ndarray, up: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the points of a line, at most `LINE_POINTS`, evenly spaced along it, the first and the last among them."""
    if len(across) <= LINE_POINTS:
        return (across, up, *columns)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(across), np.diff(up)))])
    keep = np.unique(np.searchsorted(length, np.linspace(0, length[-1], LINE_POINTS)))
    keep = np.unique(np.concatenate([[0], np.minimum(keep, len(across) - 1), [len(across) - 1]]))
    return tuple(column[keep] for column in (across, up, *columns))


def span(values: Sequence[float], pad: float = 0.05) -> tuple[float, float]:
    """Return the ends of an axis that holds all finite values; 0 and 1 if there is none."""
    v = np.asarray(values, np.float64)
    v = v[np.isfinite(v)]
    if not len(v):
        return 0.0, 1.0
    low, high = float(v.min()), float(v.max())
    return low - pad * (high - low), high + pad * (high - low)


def number(value: float, digits: int = 4) -> str:
    """Return a number with so many significant digits, from 10,000 on as a whole one."""
    return f"{value:,.0f}" if LARGE <= abs(value) < LARGEST else f"{value:.{digits}g}"


def tick(value: float) -> str:
    """Return a number at an axis, of a large one the thousands (k), millions (M) or billions (G)."""
    if not LARGE <= abs(value) < LARGEST:
        return f"{value:,.0f}" if 1000 <= abs(value) < LARGE else f"{value:.3g}"
    unit = next(u for u in (1e12, 1e9, 1e6, 1e3) if abs(value) >= u)
    return f"{value / unit:.4g}{'kMGT'[round(math.log10(unit)) // 3 - 1]}"


def cut(text: str, room: int) -> str:
    """Return a text that is at most so long."""
    return text if len(text) <= room else text[: max(room - 1, 1)] + "…"


def _points(across: np.ndarray, up: np.ndarray) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))
