"""A drive in which the vehicle ahead brakes: scores over time, and what the vehicle does."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.common.errors import DataError
from lib.common.ticks import TICK_S
from lib.evaluation.braking import DriveScores, already_alarmed, delay_s, held
from lib.evaluation.metrics_files import read_metrics
from lib.figures.braking_figure import METHOD_COLORS
from lib.figures.read_tables import Row, numbers, read_table
from lib.figures.style import ANOMALOUS, INK, MUTED, new_figure
from lib.geometry.frame import ScenarioType

METHODS: Final = ("detector", "tracker")
_COLUMNS: Final = ("drive", "time_s", "labelled", "contact", *METHODS, "range_m", "speed_mps")


@dataclass(frozen=True, eq=False)
class DriveCurves:
    """A drive's scores, and range (F,) [m] and speed over ground (F,) [m/s] of the vehicle ahead, nan = unknown."""

    scores: DriveScores
    range_m: npt.NDArray[np.float64]
    speed_mps: npt.NDArray[np.float64]

    def delay_s(self, method: str, thresholds: dict[str, float]) -> float:
        """A method's delay at its threshold; infinite where it misses, or where there is no onset or no threshold."""
        if self.scores.onset_s is None or method not in thresholds:
            return np.inf
        return delay_s(self.scores, self.scores.scores[method], thresholds[method])


def read_drives(table: Path) -> list[DriveCurves]:
    """The drives of plots/drives.csv, in its order; raises DataError where it is missing or damaged."""
    drives = []
    for name, group in groupby(read_table(table, _COLUMNS), key=lambda row: row["drive"]):
        rows = list(group)
        column = {key: np.array(numbers(table, rows, key)) for key in _COLUMNS[1:-2]}
        if not (np.diff(column["time_s"]) > 0).all():
            raise DataError(f"{table}: the time of drive {name} does not rise; run `dvc repro`")
        masks = column["labelled"] > 0, column["contact"] > 0
        scores = {method: column[method] for method in METHODS}
        drive = DriveScores(name, ScenarioType.DYNAMIC, column["time_s"], *masks, scores)
        drives.append(DriveCurves(drive, *(_known(table, rows, key) for key in ("range_m", "speed_mps"))))
    return drives


def thresholds_of(metrics: Path) -> dict[str, float]:
    """Each method's threshold of one false alarm a minute, where there is one."""
    block = read_metrics(metrics).get("braking", {})
    return {method: block[method]["threshold"] for method in METHODS if "threshold" in block.get(method, {})}


def choose_drives(drives: list[DriveCurves], thresholds: dict[str, float], count: int) -> list[tuple[int, DriveCurves]]:
    """The best, the middle and the worst drives, so many of each, with their rank from 1 on.

    The detector's delay decides, then the tracker's, then the name.
    """

    def order(drive: DriveCurves) -> tuple[float, float, str]:
        return drive.delay_s("detector", thresholds), drive.delay_s("tracker", thresholds), drive.scores.name

    ordered = list(enumerate(sorted(drives, key=order), start=1))
    if len(ordered) <= 3 * count:
        return ordered
    middle = (len(ordered) - count) // 2
    return ordered[:count] + ordered[middle : middle + count] + ordered[-count:]


def draw_drive(drive: DriveCurves, rank: int, drives: int, thresholds: dict[str, float], hold_s: float) -> Figure:
    """Draw both scores, and range and speed of the vehicle, over one axis of time; the labelled window is shaded."""
    figure = new_figure(9.0, 7.6)
    panels = figure.subplots(4, 1, sharex=True, height_ratios=[1.5, 1.5, 1, 1])
    name = drive.scores.name.removeprefix("Scenario_")
    short = name if len(name) <= 24 else name[:8]
    figure.suptitle(f"{short}: number {rank} of {drives} by delay", x=0.01, ha="left", weight="bold", fontsize=11.5)
    time_s = drive.scores.time_s
    for axes, method in zip(panels, METHODS, strict=False):
        score, color = drive.scores.scores[method], METHOD_COLORS[method]
        axes.plot(
            time_s, held(time_s, score, hold_s), color=color, linewidth=0.9, alpha=0.5, label=f"held {hold_s:g} s"
        )
        axes.plot(time_s, score, color=color, linewidth=1.5, label="raw")
        if method in thresholds:
            label = "one false alarm a minute"
            axes.axhline(thresholds[method], color=INK, linewidth=1, linestyle="--", label=label)
        axes.set_title(f"{method}: {_told(drive, method, thresholds)}", fontsize=10)
        axes.set_ylabel("score")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), alignment="left")
    panels[2].plot(time_s, drive.range_m, color=INK, linewidth=1.5)
    panels[2].set_ylabel("range [m]")
    panels[2].set_ylim(bottom=0)
    panels[2].set_title("vehicle ahead", fontsize=10)
    panels[3].plot(time_s, drive.speed_mps, color=INK, linewidth=1.5)
    panels[3].set_ylabel("speed [m/s]")
    panels[3].axhline(0, color=MUTED, linewidth=0.8)
    panels[3].set_xlabel("time since the start of the recording [s]")
    panels[3].set_xlim(time_s[0], time_s[-1])
    for axes in panels:
        _mark_truth(axes, drive.scores)
    handles, labels = panels[2].get_legend_handles_labels()
    panels[2].legend(handles, labels, loc="upper left", bbox_to_anchor=(1.0, 1.05), alignment="left")
    return figure


def _mark_truth(axes: Axes, drive: DriveScores) -> None:
    """Shade each run of labelled frames; mark when the vehicle begins to brake, and when the ego touches it."""
    label: str | None = "labelled as braking"
    edges = np.flatnonzero(np.diff(np.concatenate([[0], drive.labelled.astype(int), [0]])))
    for start, stop in edges.reshape(-1, 2).tolist():
        span = drive.time_s[start] - TICK_S / 2, drive.time_s[stop - 1] + TICK_S / 2
        axes.axvspan(*span, color=ANOMALOUS, alpha=0.13, linewidth=0, label=label)
        label = None
    line: dict[str, Any] = {"linewidth": 1.0, "color": MUTED}
    if drive.onset_s is not None:
        axes.axvline(drive.onset_s, linestyle=":", label="braking begins", **line)
    if drive.contact.any():
        axes.axvline(drive.time_s[np.argmax(drive.contact)], linestyle="-.", label="contact", **line)


def _told(drive: DriveCurves, method: str, thresholds: dict[str, float]) -> str:
    if drive.scores.onset_s is None:
        return "no onset"
    if method not in thresholds:
        return "no threshold"
    delay = drive.delay_s(method, thresholds)
    if np.isfinite(delay):
        return f"told after {delay:.1f} s"
    early = already_alarmed(drive.scores, drive.scores.scores[method], thresholds[method])
    return "an alarm sounded before" if early else "missed"


def _known(table: Path, rows: list[Row], column: str) -> npt.NDArray[np.float64]:
    """A column with empty cells, as nan."""
    return np.array(numbers(table, [{column: row[column] or "nan"} for row in rows], column))
