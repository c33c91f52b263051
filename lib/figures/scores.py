"""Histograms of normal and anomalous scores: how far apart they lie, and where they overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.figures.style import ANOMALOUS, INK, MUTED, NORMAL, new_figure, say_empty

HEADROOM = 1.5


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts (B,) of normal and of anomalous scores between edges (B + 1,)."""

    title: str
    what: str
    edges: npt.NDArray[np.float64]
    normal: npt.NDArray[np.int64]
    anomalous: npt.NDArray[np.int64]


def draw_scores(histograms: Sequence[Histogram]) -> Figure:
    """One panel per histogram; each group's bars add up to 1."""
    figure = new_figure(11.0, 4.2)
    for axes, histogram in zip(figure.subplots(1, len(histograms), squeeze=False)[0], histograms, strict=True):
        axes.set_title(histogram.title)
        if histogram.normal.sum() == 0 or histogram.anomalous.sum() == 0:
            say_empty(axes, f"no normal or no anomalous {histogram.what} to compare")
            continue
        _draw(axes, histogram)
    return figure


def _draw(axes: Axes, histogram: Histogram) -> None:
    for counts, color, name in ((histogram.normal, NORMAL, "normal"), (histogram.anomalous, ANOMALOUS, "anomalous")):
        label = f"{name} ({counts.sum():,} {histogram.what})"
        axes.stairs(counts / counts.sum(), histogram.edges, color=color, linewidth=1.6, label=label)
        axes.stairs(counts / counts.sum(), histogram.edges, color=color, fill=True, alpha=0.25)
    cut, false_alarms = _cut(histogram)
    axes.axvline(cut, color=INK, linewidth=1, linestyle="--")
    axes.text(
        cut,
        1.0,
        f" 95 % of the anomalous score higher,\n so do {100 * false_alarms:.1f} % of the normal",
        transform=axes.get_xaxis_transform(),
        va="top",
        fontsize=8.5,
        color=MUTED,
    )
    axes.set_xlabel("score (raw; higher = more anomalous)")
    axes.set_ylabel("share of the group per bin")
    highest = max(float((counts / counts.sum()).max()) for counts in (histogram.normal, histogram.anomalous))
    axes.set_ylim(0, HEADROOM * highest)
    axes.legend(loc="upper right", bbox_to_anchor=(1.0, 0.9))


def _cut(histogram: Histogram) -> tuple[float, float]:
    """The highest bin edge that 95 % of the anomalous scores reach, and the share of normal scores above it."""
    anomalous_above = np.cumsum(histogram.anomalous[::-1])[::-1] / histogram.anomalous.sum()
    normal_above = np.cumsum(histogram.normal[::-1])[::-1] / histogram.normal.sum()
    first = int(np.flatnonzero(anomalous_above >= 0.95)[-1])
    return float(histogram.edges[first]), float(normal_above[first])
