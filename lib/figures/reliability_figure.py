"""Reliability diagrams: predicted probabilities against observed fractions, on validation and test."""

from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.evaluation.metrics_files import read_metrics
from lib.figures.read_tables import Row, numbers, read_table
from lib.figures.style import ANOMALOUS, MUTED, NORMAL, new_figure, note_below, note_empty, put_legend_below

_COLUMNS: Final = ("level", "split", "predicted", "observed", "items")
_LINES: Final[dict[str, tuple[str, str, Any]]] = {
    "validation": ("validation (fit on its other half)", NORMAL, "-"),
    "test": ("test", ANOMALOUS, "-"),
    "test, its share known": ("test, its share of anomalies known", ANOMALOUS, (0, (2, 2))),
}
_ERRORS: Final = {"validation": "validation_error", "test": "test_error", "test, its share known": "error_at_fraction"}
_ITEMS: Final = {"frame": "frames", "point": "points in view"}
_LARGEST = 160


def draw_reliability(table: Path, metrics: Path) -> Figure:
    """Draw the observed fraction over the predicted probability; logarithmic for points, as anomalous ones are rare."""
    rows = read_table(table, _COLUMNS)
    block = read_metrics(metrics).get("calibration", {})
    figure = new_figure(11.0, 6.4)
    for axes, level in zip(figure.subplots(1, 2), _ITEMS, strict=True):
        part = [row for row in rows if row["level"] == level]
        axes.set_title(f"Predicted and observed: {_ITEMS[level]}")
        if not part or level not in block:
            note_empty(axes, "not calibrated: too few validation frames, or a test of one class")
            continue
        _draw_level(axes, table, part, block[level], logarithmic=level == "point")
    dots = "a dot's area tells how many items its bin holds; ECE: expected calibration error"
    note_below(figure, f"{dots}; on the dotted line, predicted and observed agree")
    return figure


def _draw_level(axes: Axes, path: Path, rows: list[Row], block: dict[str, float], *, logarithmic: bool) -> None:
    lowest = 1e-5 if logarithmic else 0.0
    axes.plot([lowest, 1], [lowest, 1], color=MUTED, linewidth=1, linestyle=":")
    for split, (name, color, dashes) in _LINES.items():
        part = [row for row in rows if row["split"] == split]
        if not part:
            continue
        x, y, items = (numbers(path, part, column) for column in ("predicted", "observed", "items"))
        if logarithmic:
            x, y = ([max(lowest, value) for value in values] for values in (x, y))
        faint = 0.55 if split in ("validation", "test") else 0.25
        label = f"{name}: ECE {block[_ERRORS[split]]:.2g}"
        axes.plot(x, y, color=color, linestyle=dashes, linewidth=1.6, label=label)
        area = [8 + _LARGEST * (count / max(items)) ** 0.5 for count in items]
        axes.scatter(x, y, area, color=color, alpha=faint, linewidths=0, zorder=3)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("fraction that is anomalous")
    if logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
    limits = (lowest / 1.4, 1.4) if logarithmic else (-0.03, 1.03)
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    validation, test = block["validation_positive_fraction"], block["positive_fraction"]
    put_legend_below(axes, f"anomalous: {validation:.2g} of validation, {test:.2g} of the test")
