"""AUROC by distance, kind, size, class, weather and visible fraction."""

from itertools import groupby
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.figures.read_tables import Row, numbers, read_table
from lib.figures.style import INK, LEVEL_COLORS, MUTED, new_figure, note_below, note_empty

_COLUMNS: Final = ("level", "group", "value", "auroc", "auroc_low", "auroc_high", "positives")
_TITLES: Final = {"frame": "AUROC of frames", "point": "AUROC of points in view"}
_HEADINGS: Final = {"kind": "kind: differs by"}
_HEADING, _BAR = 1.0, 0.78


def draw_breakdown(path: Path) -> Figure:
    """Draw one column of bars per level, from the chance line; whiskers are 95 % intervals, n counts positives."""
    rows = read_table(path, _COLUMNS)
    names = list(dict.fromkeys((row["group"], row["value"]) for row in rows))
    figure = new_figure(11.0, max(3.0, 1.5 + 0.27 * (len(names) + len({group for group, _ in names}))))
    places = _places(names)
    columns = figure.subplots(1, len(_TITLES), sharey=True)
    for axes, (level, title) in zip(columns, _TITLES.items(), strict=True):
        part = [row for row in rows if row["level"] == level]
        axes.set_title(title)
        if not part:
            note_empty(axes, f"no anomalous {level} in the test set")
            continue
        _draw_level(axes, path, part, places, LEVEL_COLORS[level])
    if names:
        _label_places(columns[0], places)
    marks = "dotted: chance; black: 95 % interval over scenarios"
    note_below(figure, f"n anomalous ones of a group against all normal ones; {marks}")
    return figure


def _places(names: list[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """Vertical position of each bar, from the top down, with room for a heading above each group."""
    places, height = {}, 0.0
    for _, values in groupby(names, key=lambda name: name[0]):
        height -= _HEADING
        for name in values:
            height -= _BAR
            places[name] = height
    return places


def _draw_level(axes: Axes, path: Path, rows: list[Row], places: dict[tuple[str, str], float], color: str) -> None:
    heights = [places[row["group"], row["value"]] for row in rows]
    values, lows, highs, counts = (numbers(path, rows, name) for name in _COLUMNS[3:])
    left = min(0.4, min(lows) - 0.03)
    axes.barh(heights, [value - 0.5 for value in values], left=0.5, height=0.56, color=color, alpha=0.85)
    axes.hlines(heights, lows, highs, color=INK, linewidth=1.3)
    axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=":")
    for height, value, count in zip(heights, values, counts, strict=True):
        axes.text(1.015, height, f"{value:.3f}", va="center", fontsize=8.5, color=INK)
        axes.text(1.13, height, f"n = {int(count):,}", va="center", fontsize=8.5, color=MUTED)
    axes.set_xlim(left, 1.3)
    axes.set_xticks([tick / 10 for tick in range(11) if left <= tick / 10 <= 1])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _label_places(axes: Axes, places: dict[tuple[str, str], float]) -> None:
    axes.set_yticks(list(places.values()), [value for _, value in places])
    axes.set_ylim(min(places.values()) - 0.6, 0.0)
    for group in dict.fromkeys(group for group, _ in places):
        top = max(height for (name, _), height in places.items() if name == group) + 0.5 * (_HEADING + _BAR)
        heading = _HEADINGS.get(group, group)
        axes.text(-0.02, top, heading, transform=axes.get_yaxis_transform(), ha="right", va="center", weight="bold")
