"""Drives in which the vehicle ahead brakes: how well each method tells, beside shortcuts that should not."""

from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.common.errors import DataError
from lib.evaluation.metrics_files import read_metrics
from lib.figures.read_tables import Row, numbers, read_table
from lib.figures.style import ANOMALOUS, INK, MUTED, NORMAL, new_figure, note_below, note_empty

METHOD_NAMES: Final = {
    "detector": "detector",
    "tracker": "tracker",
    "middle_of_drive": "index in the drive",
    "nearness": "nearness, own lane",
    "ego_deceleration": "the ego's deceleration",
    "lead_always": "always the car ahead",
}
METHOD_COLORS: Final = {"detector": NORMAL, "tracker": ANOMALOUS}
"""Shortcuts are grey."""
_ONSET, _HELD, _FOUND = "onset", "label_held", "detected_within_1_s"
_COLUMNS: Final = ("method", *(f"{name}{end}" for name in (_ONSET, _HELD, _FOUND) for end in ("", "_low", "_high")))


def draw_braking(table: Path, metrics: Path) -> Figure:
    """Draw a row per method, a panel per question; lines are 95 % intervals over drives."""
    rows = read_table(table, _COLUMNS)
    block = read_metrics(metrics).get("braking")
    if not rows or not block:
        raise DataError(f"{table if block else metrics}: holds no drives that brake; run `dvc repro evaluate`")
    titles = {
        _ONSET: "AUROC of the first second",
        _HELD: f"AUROC of the label, held {block['hold_s']:g} s",
        _FOUND: "Share found within 1 s",
    }
    figure = new_figure(12.0, 1.7 + 0.34 * len(rows))
    panels = figure.subplots(1, len(titles), sharey=True)
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        axes.set_title(title)
        _draw_column(axes, table, rows, column)
    panels[0].set_yticks(range(len(rows)), [METHOD_NAMES.get(row["method"], row["method"]) for row in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    drives, minutes = block["drives"], block["normal_minutes"]
    note_below(
        figure,
        f"{drives} drives with braking, {minutes:.1f} minutes without; found at one false alarm a minute; "
        "lines: 95 % intervals over drives; grey: shortcuts; dotted: chance",
    )
    return figure


def _draw_column(axes: Axes, table: Path, rows: list[Row], column: str) -> None:
    places = [place for place, row in enumerate(rows) if row[column]]
    if not places:
        note_empty(axes, "not known: too little normal driving")
        return
    known = [rows[place] for place in places]
    values, lows, highs = (numbers(table, known, f"{column}{end}") for end in ("", "_low", "_high"))
    for place, row, value, low, high in zip(places, known, values, lows, highs, strict=True):
        color = METHOD_COLORS.get(row["method"], MUTED)
        axes.hlines(place, low, high, color=color, linewidth=2.2)
        axes.plot(value, place, "o", color=color, markersize=6)
        axes.text(1.03, place, f"{value:.3f}" if column != _FOUND else f"{100 * value:.0f} %", va="center", color=INK)
    if column != _FOUND:
        axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=":")
    axes.set_xlim(-0.02, 1.18)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
