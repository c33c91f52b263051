"""The vehicle ahead in simulated and real drives, side by side."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from benchmarks.braking_drives import FollowedDrive

Values = npt.NDArray[np.float64]
FOCAL_PX: Final = 384.0
"""AnoVox's camera: 768 pixels, 90 degrees."""
WIDTH_M: Final = 2.0
"""Of CARLA's cars, with mirrors."""
_LAG: Final = 5


@dataclass(frozen=True, eq=False)
class Ranges:
    """Ranges [m] and speeds against the ego [m/s] of the vehicle ahead, of all frames where they are known, and how
    near it comes in each drive [m]: where one of the two has stopped, or at contact.
    """

    range_m: Values
    closing_mps: Values
    nearest_m: Values


def real_drives(path: Path) -> Ranges:
    """Ranges from boxes: a CSV with the columns drive, left_px, right_px, one row per frame at 10 Hz.

    Frames whose box is missing, or wider or narrower by a tenth than one frame before, are left out.
    """
    widths: dict[str, list[float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            known = row["left_px"] and row["right_px"]
            width = float(row["right_px"]) - float(row["left_px"]) if known else np.nan
            widths.setdefault(row["drive"], []).append(width)
    ranges, speeds = list[Values](), list[Values]()
    for of_drive in widths.values():
        range_m = FOCAL_PX * WIDTH_M / np.array(of_drive)
        steady = np.abs(np.diff(np.log(range_m), prepend=np.log(range_m[0]))) < 0.1
        jumps = np.convolve(~steady, np.ones(_LAG), "full")[: len(range_m)] > 0
        speed_mps = np.full(len(range_m), np.nan)
        speed_mps[_LAG:] = (range_m[_LAG:] - range_m[:-_LAG]) / (_LAG / 10)
        ranges.append(range_m[np.isfinite(range_m)])
        speeds.append(speed_mps[np.isfinite(speed_mps) & ~jumps])
    nearest_m = np.array([float(range_m.min()) for range_m in ranges])
    return Ranges(np.concatenate(ranges), np.concatenate(speeds), nearest_m)


def simulated(drives: Sequence[FollowedDrive], ego: str) -> Ranges:
    """Ranges and speeds of one kind of ego's drives with a braking lead."""
    chosen = [each for each in drives if each.ego == ego and each.scores.is_dynamic]
    nearest_m = np.array([float(each.range_m.min()) for each in chosen])
    return Ranges(
        np.concatenate([each.range_m for each in chosen]),
        np.concatenate([each.closing_mps for each in chosen]),
        nearest_m,
    )


def write_ranges(path: Path, drives: Sequence[FollowedDrive], real: Ranges) -> None:
    """Draw both as cumulative shares of frames."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    parts = {
        "AnoVox, 13 drives": (real, "black", "-"),
        "simulated, AnoVox's ego": (simulated(drives, "follower"), "#0072b2", "-"),
        "simulated, ego that keeps a distance": (simulated(drives, "idm"), "#d55e00", "--"),
    }
    for name, (each, color, style) in parts.items():
        for axes, values in ((left, each.range_m), (middle, each.closing_mps), (right, each.nearest_m)):
            axes.plot(np.sort(values), np.linspace(0, 1, len(values)), style, color=color, label=name)
    left.set(xlabel="range of its rear [m]", ylabel="share of frames", xlim=(0, 45))
    middle.set(xlabel="its speed less the ego's [m/s]", xlim=(-10, 10))
    right.set(xlabel="nearest range in a drive [m]", ylabel="share of drives", xlim=(0, 30))
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
