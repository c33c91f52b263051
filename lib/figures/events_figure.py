"""Events: detection rate of objects against false alarms, and their distance when first detected."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.evaluation.metrics_files import read_metrics
from lib.figures.read_tables import numbers, read_table
from lib.figures.style import ANOMALOUS, INK, MUTED, NORMAL, new_figure, note_empty, put_legend_below

FEW_ALARMS: Final = 10
_STEP: Final = ("threshold", "false_alarms_per_minute", "detection_rate", "detection_rate_low", "detection_rate_high")
_FIRST: Final = ("threshold", "distance_m", "in_view_fraction", "detection_rate")
_THRESHOLDS: Final = {
    "the test's own": ("threshold set on this test set", INK),
    "from validation": ("threshold set on validation", ANOMALOUS),
}
_BAND: Final = "95 % interval of the detection rate"
_TOO_SHORT: Final = "no threshold: normal driving is too short for one false alarm a minute"
_NOTHING: Final = "no events: the test set lacks times, objects in view or negative frames"


class Outcome(NamedTuple):
    """Result of one threshold: false alarms per minute, detection rate of objects and its 95 % interval."""

    threshold: float
    rate: float
    detection_rate: float
    low: float
    high: float


def draw_events(events: Path, first_detections: Path, metrics: Path) -> Figure:
    """Draw the detection rate over false alarms per minute, and over the distance for each threshold."""
    table, first = read_table(events, _STEP), read_table(first_detections, _FIRST)
    block = read_metrics(metrics).get("events")
    figure = new_figure(11.0, 6.2)
    left, right = figure.subplots(1, 2)
    left.set_title("Objects found against false alarms")
    right.set_title("How far away objects are found")
    if not block or not table:
        for axes in (left, right):
            note_empty(axes, _NOTHING)
        return figure
    points = _operating_points(block)
    columns = [numbers(events, table, column) for column in _STEP]
    _draw_detection_rate(left, [Outcome(*values) for values in zip(*columns, strict=True)], points, block)
    by_threshold = {
        name: [numbers(first_detections, [row for row in first if row["threshold"] == name], c) for c in _FIRST[1:]]
        for name in dict.fromkeys(row["threshold"] for row in first)
    }
    _draw_distances(right, by_threshold, points)
    return figure


def staircase(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Sort outcomes by descending threshold, and make their false alarm rates non-decreasing by a running maximum.

    A lower threshold can merge alarms, so that their number falls.
    """
    steps: list[Outcome] = []
    for outcome in sorted(outcomes, key=lambda outcome: (-outcome.threshold, outcome.detection_rate, outcome.rate)):
        steps.append(outcome._replace(rate=max(outcome.rate, steps[-1].rate if steps else 0.0)))
    return steps


def _operating_points(block: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Metrics at each threshold, by the threshold's name; thresholds without metrics are omitted."""
    points = dict(zip(_THRESHOLDS, (block, block.get("at_validation_threshold", {})), strict=True))
    return {name: point for name, point in points.items() if "threshold" in point}


def _draw_detection_rate(
    axes: Axes, table: Sequence[Outcome], points: dict[str, dict[str, Any]], block: dict[str, Any]
) -> None:
    """The curve goes through the operating points: the table holds only some of the thresholds."""
    # Rounded like the table, so that equal outcomes compare equal.
    chosen = {name: Outcome(*(round(point[column], 6) for column in _STEP)) for name, point in points.items()}
    steps = staircase([*table, *chosen.values()])
    driving, one_alarm = _duration(block["normal_minutes"]), 1 / float(block["normal_minutes"])
    none = _draw_support(axes, one_alarm, max(2 * one_alarm, steps[-1].rate), driving)
    x = [max(step.rate, none) for step in steps]
    lows, highs = [step.low for step in steps], [step.high for step in steps]
    axes.fill_between(x, lows, highs, step="post", color=NORMAL, alpha=0.18, linewidth=0, label=_BAND)
    axes.plot(x, [step.detection_rate for step in steps], color=NORMAL, drawstyle="steps-post", label="found")
    for name, outcome in chosen.items():
        description, color = _THRESHOLDS[name]
        step = next(step for step in steps if step._replace(rate=outcome.rate) == outcome)
        at = f"at {outcome.rate:.2g} a minute" if outcome.rate else "without a false alarm"
        joined = f"\n({step.rate:.2g} a minute at a higher threshold)" if step.rate > outcome.rate else ""
        label = f"{description}: {100 * outcome.detection_rate:.0f} % found {at}{joined}"
        where = max(step.rate, none), step.detection_rate
        axes.plot(*where, "o", color=color, markersize=7, label=label, clip_on=False, zorder=4)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("detection rate of objects")
    put_legend_below(axes, f"drawn from {block['objects']} objects and {driving} of normal driving")


def _draw_support(axes: Axes, one_alarm: float, highest: float, driving: str) -> float:
    """Draw the axis of rates, from one alarm in all of the driving, and shade rates with few alarms.

    Returns the position of "no false alarm", left of all rates.
    """
    none: float = one_alarm * (highest / one_alarm) ** -0.08
    start, end = none**2 / one_alarm, 1.05 * highest
    axes.axvspan(start, one_alarm, color=MUTED, alpha=0.22, linewidth=0, label=f"no false alarm in {driving}")
    few = f"fewer than {FEW_ALARMS} false alarms in {driving}: a rough rate"
    axes.axvspan(one_alarm, min(FEW_ALARMS * one_alarm, end), color=MUTED, alpha=0.09, linewidth=0, label=few)
    if one_alarm <= 1 <= end:
        axes.axvline(1, color=MUTED, linewidth=1, linestyle=":", label="one false alarm a minute")
    axes.set_xscale("log")
    axes.set_xlim(start, end)
    ticks = _ticks(one_alarm, end)
    axes.set_xticks([none, *ticks], ["none", *(f"{tick:g}" for tick in ticks)])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("false alarms a minute")
    return none


def _draw_distances(axes: Axes, by_threshold: dict[str, list[list[float]]], points: dict[str, dict[str, Any]]) -> None:
    if not by_threshold:
        note_empty(axes, _TOO_SHORT)
        return
    distance, seen, _ = next(iter(by_threshold.values()))
    axes.fill_between(distance, seen, color=MUTED, alpha=0.12, linewidth=0, label="in view")
    for name, (distance, _, detected) in by_threshold.items():
        description, color = _THRESHOLDS[name]
        median = points.get(name, {}).get("first_detection_m")
        label = f"found, {description}" + (f" (median {median:.1f} m)" if median is not None else "")
        axes.plot(distance, detected, color=color, label=label)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(left=0)
    axes.set_xlabel("distance [m]")
    axes.set_ylabel("fraction of the objects")
    put_legend_below(axes, "at this distance or farther:")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high on a logarithmic axis."""
    steps = (1, 2, 5) if high / low < 300 else (1,)
    return [value for power in range(-6, 7) for step in steps if low <= (value := step * 10.0**power) <= high]


def _duration(minutes: float) -> str:
    return f"{60 * minutes:.0f} s" if minutes < 2 else f"{minutes:.3g} minutes"
