"""ROC and precision-recall curves of all levels, with chance lines and 95 % intervals."""

from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.common.errors import DataError
from lib.evaluation.metrics_files import read_metrics
from lib.figures.read_tables import numbers, read_table
from lib.figures.style import GRID, LEVEL_COLORS, LEVEL_DASHES, LEVEL_NAMES, MUTED, new_figure

_Curve = tuple[list[float], list[float]]
LOWEST_RATE: Final = 1e-4


def draw_roc(table: Path, metrics: Path) -> Figure:
    """Draw ROC curves on a linear axis, and on a logarithmic one for low false positive rates."""
    curves = _curves(table, "false_positive_rate", "true_positive_rate")
    blocks = _blocks(metrics, curves)
    figure = new_figure(11.0, 5.6)
    linear, logarithmic = figure.subplots(1, 2)
    diagonal = [LOWEST_RATE * (1 / LOWEST_RATE) ** (step / 200) for step in range(201)]
    for axes in (linear, logarithmic):
        for level, (x, y) in curves.items():
            axes.plot(x, y, **_line(level), label=_label(level, blocks[level], "auroc"))
        axes.plot(diagonal, diagonal, color=MUTED, linewidth=1, linestyle=":", label="chance: 0.500")
        axes.set_xlabel("false positive rate: fraction of normal that is reported")
        axes.set_ylim(-0.01, 1.01)
    linear.set_ylabel("true positive rate: fraction of anomalous that is found")
    linear.set_title("Anomalous found, normal reported (ROC)")
    linear.set_xlim(-0.01, 1.01)
    linear.set_aspect("equal", adjustable="box", anchor="C")
    logarithmic.set_title("The same at few false alarms")
    logarithmic.set_xscale("log")
    logarithmic.set_xlim(LOWEST_RATE, 1.0)
    handles, labels = linear.get_legend_handles_labels()
    title = "area under the curve (AUROC) [95 % interval over scenarios]"
    figure.legend(handles, labels, loc="outside lower center", ncols=3, title=title)
    return figure


def draw_precision_recall(table: Path, metrics: Path) -> Figure:
    """Draw precision over recall; the chance line of a level is its fraction of positives."""
    curves = _curves(table, "recall", "precision")
    blocks = _blocks(metrics, curves)
    figure = new_figure(8.6, 6.2)
    axes: Axes = figure.subplots()
    for level, (x, y) in curves.items():
        block = blocks[level]
        chance = block["positives"] / (block["positives"] + block["negatives"])
        axes.plot(x, y, drawstyle="steps-pre", **_line(level), label=_label(level, block, "ap", chance))
        axes.axhline(chance, color=LEVEL_COLORS[level], linewidth=0.9, linestyle=":")
    axes.axhline(-1, color=MUTED, linewidth=0.9, linestyle=":", label="chance: the fraction of anomalous")
    axes.set_title("How much of what is reported is anomalous (precision and recall)")
    axes.set_xlabel("recall: fraction of anomalous that is found")
    axes.set_ylabel("precision: fraction of reported that is anomalous")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.axhline(0, color=GRID, linewidth=0.8)
    figure.legend(loc="outside lower center", ncols=2, title="average precision (AP) [95 % interval over scenarios]")
    return figure


def _curves(path: Path, x: str, y: str) -> dict[str, _Curve]:
    rows = read_table(path, ["level", x, y])
    parts = {level: [row for row in rows if row["level"] == level] for level in LEVEL_NAMES}
    curves = {level: (numbers(path, part, x), numbers(path, part, y)) for level, part in parts.items() if part}
    if not curves:
        raise DataError(f"{path}: holds no curve; run `dvc repro`")
    return curves


def _blocks(path: Path, curves: dict[str, _Curve]) -> dict[str, dict[str, Any]]:
    metrics = read_metrics(path)
    if lacking := [level for level in curves if not isinstance(metrics.get(level), dict)]:
        raise DataError(f"{path}: lacks the level {lacking[0]}; run `dvc repro`")
    return {level: metrics[level] for level in curves}


def _line(level: str) -> dict[str, Any]:
    width = 1.2 if level in LEVEL_DASHES else 2.0
    return {"color": LEVEL_COLORS[level], "linestyle": LEVEL_DASHES.get(level, "-"), "linewidth": width}


def _label(level: str, block: dict[str, Any], metric: str, chance: float | None = None) -> str:
    low, high = block[f"{metric}_low"], block[f"{metric}_high"]
    text = f"{LEVEL_NAMES[level]}: {block[metric]:.3f} [{low:.3f}, {high:.3f}]"
    return text if chance is None else f"{text}, chance {chance:.2g}"
