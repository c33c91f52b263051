"""Histograms of normal and anomalous scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.evaluation.metrics_files import read_metrics
from lib.figures.style import ANOMALOUS, NORMAL, new_figure, note_below, note_empty, put_legend_below


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts (B,) of a level's normal and anomalous scores between edges (B + 1,); `what` is counted."""

    level: str
    what: str
    logarithmic: bool
    edges: npt.NDArray[np.float64]
    normal: npt.NDArray[np.int64]
    anomalous: npt.NDArray[np.int64]


def draw_scores(histograms: Sequence[Histogram], metrics: Path) -> Figure:
    """One panel per histogram; each group's bars add up to 1. metrics: metrics/evaluate.json."""
    blocks = read_metrics(metrics)
    figure = new_figure(11.0, 5.4)
    for axes, histogram in zip(figure.subplots(1, len(histograms), squeeze=False)[0], histograms, strict=True):
        block = blocks.get(histogram.level)
        axes.set_title(f"Scores of {histogram.what}")
        if block is None or histogram.normal.sum() == 0 or histogram.anomalous.sum() == 0:
            note_empty(axes, f"no normal or no anomalous {histogram.what} to compare")
            continue
        _draw(axes, histogram)
        put_legend_below(axes, f"AUROC {block['auroc']:.3f}, FPR95 {block['fpr95']:.3f}")
    note_below(figure, "FPR95: fraction of normal that is reported where 95 % of anomalous are found")
    return figure


def _draw(axes: Axes, histogram: Histogram) -> None:
    fractions = [counts / counts.sum() for counts in (histogram.normal, histogram.anomalous)]
    highest = max(float(fraction.max()) for fraction in fractions)
    floor = 0.5 * min(float(s[s > 0].min()) for s in fractions) if histogram.logarithmic else 0.0
    totals = int(histogram.normal.sum()), int(histogram.anomalous.sum())
    groups = (("normal", NORMAL), ("anomalous", ANOMALOUS))
    for fraction, total, (name, color) in zip(fractions, totals, groups, strict=True):
        label = f"{name} ({total:,} {histogram.what})"
        heights = np.maximum(fraction, floor)
        axes.stairs(heights, histogram.edges, baseline=floor, color=color, linewidth=1.6, label=label)
        axes.stairs(heights, histogram.edges, baseline=floor, color=color, fill=True, alpha=0.25)
    if histogram.logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(floor, 1.5 * highest)
    else:
        axes.set_ylim(0, 1.05 * highest)
    axes.set_xlabel("score (raw; higher = more anomalous)")
    axes.set_ylabel("fraction of the group in a bin")
