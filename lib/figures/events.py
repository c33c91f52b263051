"""What a driver would notice: objects found against false alarms, and how far away they are when found."""

from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.figures.style import ANOMALOUS, INK, MUTED, NORMAL, new_figure, say_empty
from lib.figures.tables import numbers, read_metrics, read_table

_EVENTS: Final = ("false_alarms_per_minute", "found_share", "found_share_low", "found_share_high")
_FIRST: Final = ("threshold", "distance_m", "in_view_share", "found_share")
_COLORS: Final = {"the test's own": INK, "from validation": ANOMALOUS}
_TOO_SHORT: Final = "no threshold: normal driving is too short for one false alarm a minute"
_NOTHING: Final = "no events: the test set lacks times, objects in view or negative frames"


def draw_events(events: Path, first_detections: Path, metrics: Path) -> Figure:
    """Share of objects found over false alarms a minute; share found while still so far away, at two thresholds."""
    block = read_metrics(metrics).get("events")
    figure = new_figure(11.0, 5.0)
    left, right = figure.subplots(1, 2)
    left.set_title("Objects found against false alarms")
    right.set_title("How far away they are found")
    if not block:
        for axes in (left, right):
            say_empty(axes, _NOTHING)
        return figure
    _draw_found(left, events, block)
    _draw_distances(right, first_detections, block)
    return figure


def _draw_found(axes: Axes, path: Path, block: dict[str, Any]) -> None:
    rows = read_table(path, _EVENTS)
    rate, share, low, high = (numbers(path, rows, column) for column in _EVENTS)
    least = 1 / block["normal_minutes"]
    axes.fill_between(rate, low, high, step="post", color=NORMAL, alpha=0.15, linewidth=0, label="95 % interval")
    axes.plot(rate, share, color=NORMAL, drawstyle="steps-post", label=f"{block['objects']} objects")
    axes.axvline(1, color=MUTED, linewidth=1, linestyle=":", label="one false alarm a minute")
    points = {"the test's own": block, "from validation": block.get("at_validation_threshold")}
    for name, point in points.items():
        if point and "found_share" in point:  # the test's own is absent where normal driving lasts less than a minute
            where = point["false_alarms_per_minute"], point["found_share"]
            axes.plot(*where, "o", color=_COLORS[name], markersize=7, label=_told(name, point), clip_on=False, zorder=4)
    axes.set_xscale("symlog", linthresh=max(1.0, least))
    axes.set_xlim(0, max(2.0, *rate))
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(f"false alarms a minute (of {block['normal_minutes']:.2g} minutes without an object)")
    axes.set_ylabel("share of the objects that is found")
    axes.legend(loc="lower right")  # where found shares, which only rise, leave room


def _told(name: str, point: dict[str, Any]) -> str:
    rate, share = point["false_alarms_per_minute"], point["found_share"]
    return f"threshold {name}: {share:.0%} at {rate:.2g} a minute"


def _draw_distances(axes: Axes, path: Path, block: dict[str, Any]) -> None:
    rows = read_table(path, _FIRST)
    names = list(dict.fromkeys(row["threshold"] for row in rows))
    if not names:
        say_empty(axes, _TOO_SHORT)
        return
    for name in names:
        part = [row for row in rows if row["threshold"] == name]
        distance, seen, found = (numbers(path, part, column) for column in _FIRST[1:])
        if name == names[0]:
            axes.fill_between(distance, seen, color=MUTED, alpha=0.12, linewidth=0, label="in view so far away")
        point = block if name == "the test's own" else block["at_validation_threshold"]
        median = point.get("first_detection_m")
        told = f", median {median:.1f} m" if median is not None else ""
        axes.plot(distance, found, color=_COLORS[name], label=f"found, threshold {name}{told}")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(left=0)
    axes.set_xlabel("distance [m]")
    axes.set_ylabel("share of the objects, when still at least so far away")
    axes.legend(loc="upper right")
