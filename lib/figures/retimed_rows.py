"""Rows of the sheet of pseudo-anomalies with re-timed vehicles: earlier frames as they were, and as edited below."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from lib.figures.style import INK, MUTED
from lib.synthesis.retimed_examples import Moment, RetimedExample

MARK: Final = "#00e5ff"
NEAREST_M, FARTHEST_M = 3.0, 60.0
_MOST_CELL_IN, _GAP_IN, _HEAD_IN, _TITLE_IN = 2.1, 0.1, 0.45, 0.2
_IMAGE_SHARE, _STRIP_SHARE = 0.62, 0.36
"""Heights of a picture and of a range view relative to their width."""
_MEANING: Final = {
    "brakes fully": "the vehicle ahead was faster:\nis to be found",
    "brakes as drivers do (normal)": "edited alike:\nis not to be found",
    "other speed (normal)": "edited alike:\nis not to be found",
}


def retimed_height_in(examples: Sequence[RetimedExample], across_in: float) -> float:
    """Height [inches] of the rows, of which `across_in` is the width without the names at their left."""
    return _HEAD_IN + sum(_row_in(_cell_in(example, across_in)) for example in examples) if examples else 0.0


def draw_retimed(figure: Figure, examples: Sequence[RetimedExample], left_in: float, top_in: float) -> None:
    """Draw a row per example from a place [inches] on down: now, then each lag as it was, and below it as edited."""
    if not examples:
        return
    width_in = figure.get_size_inches()[0]
    _write(figure, 0.1, top_in, "The vehicle ahead, re-timed", fontsize=12, weight="bold")
    row_top_in = top_in - _HEAD_IN
    for example in examples:
        cell_in = _cell_in(example, width_in - left_in)
        _draw_row(figure, example, left_in, row_top_in, cell_in)
        row_top_in -= _row_in(cell_in)


def _draw_row(figure: Figure, example: RetimedExample, left_in: float, top_in: float, cell_in: float) -> None:
    kind = example.kind.replace(" (", "\n(")
    _write(figure, 0.1, top_in, kind, fontsize=10.5, weight="bold")
    meaning_in = top_in - (0.42 if "\n" in kind else 0.22)
    _write(figure, 0.1, meaning_in, f"{_MEANING[example.kind]}\n\n{example.text}", fontsize=8, color=MUTED)
    columns: list[tuple[str, tuple[Moment, ...]]] = [(f"now: {example.now.vehicle_m:.1f} m", (example.now,))]
    for ago_s, before, after in zip(example.ago_s, example.original, example.edited, strict=True):
        title = f"{ago_s:g} s ago: {before.vehicle_m:.1f} m; edited: {after.vehicle_m:.1f} m"
        columns.append((title, (before, after)))
    for number, (title, moments) in enumerate(columns):
        x_in, y_in = left_in + number * (cell_in + _GAP_IN), top_in
        _write(figure, x_in, y_in, title, fontsize=8, color=MUTED)
        y_in -= _TITLE_IN
        for moment in moments:
            axes = []
            for height_in in (_IMAGE_SHARE * cell_in, _STRIP_SHARE * cell_in):
                y_in -= height_in
                axes.append(_axes(figure, x_in, y_in, cell_in, height_in))
                y_in -= 0.3 * _GAP_IN
            _draw(axes[0], axes[1], moment)
            y_in -= 0.4 * _GAP_IN


def _draw(image: Axes, strip: Axes, moment: Moment) -> None:
    image.imshow(moment.image, interpolation="nearest", aspect="auto", vmin=0, vmax=1)
    strip.set_facecolor("black")
    ranges = np.ma.masked_equal(moment.range_m, 0.0)
    colors = LogNorm(NEAREST_M, FARTHEST_M)
    strip.imshow(ranges, cmap="viridis", norm=colors, aspect="auto", interpolation="nearest")
    if moment.cells.any():
        strip.contour(moment.cells, levels=[0.5], colors=MARK, linewidths=0.8)


def _axes(figure: Figure, x_in: float, y_in: float, width_in: float, height_in: float) -> Axes:
    whole_in = figure.get_size_inches()
    axes = figure.add_axes((x_in / whole_in[0], y_in / whole_in[1], width_in / whole_in[0], height_in / whole_in[1]))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _write(
    figure: Figure, x_in: float, y_in: float, text: str, fontsize: float, weight: str = "normal", color: str = INK
) -> None:
    width_in, height_in = figure.get_size_inches()
    figure.text(x_in / width_in, y_in / height_in, text, fontsize=fontsize, weight=weight, color=color, va="top")


def _cell_in(example: RetimedExample, across_in: float) -> float:
    """Width [inches] of a picture."""
    return min(across_in / (1 + len(example.ago_s)) - _GAP_IN, _MOST_CELL_IN)


def _row_in(cell_in: float) -> float:
    return _TITLE_IN + 2 * ((_IMAGE_SHARE + _STRIP_SHARE) * cell_in + _GAP_IN) + 1.5 * _GAP_IN
