"""Training curves: the columns of plots/training.csv over the epochs."""

from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.common.errors import DataError
from lib.figures.read_tables import numbers, read_table
from lib.figures.style import ANOMALOUS, INK, NORMAL, new_figure

_Lines = tuple[tuple[str, str, str], ...]
_PANELS: Final[tuple[tuple[str, _Lines], ...]] = (
    ("Loss", (("train_loss", "training", NORMAL), ("validation_loss", "validation", ANOMALOUS))),
    (
        "Mean score on validation",
        (("pseudo_anomaly_score", "pseudo-anomalous points", ANOMALOUS), ("normal_score", "normal points", NORMAL)),
    ),
    ("Point AUROC on pseudo-anomalies", (("validation_point_auroc", "validation", ANOMALOUS),)),
    ("Learning rate", (("learning_rate", "learning rate", INK),)),
)


def draw_training(path: Path) -> Figure:
    """Draw one panel per kind of column in the table; raises DataError if there is none or the table is damaged."""
    rows = read_table(path, ["epoch"])
    columns = set(rows[0]) if rows else set()
    panels = [(title, [line for line in lines if line[0] in columns]) for title, lines in _PANELS]
    panels = [(title, lines) for title, lines in panels if lines]
    if not panels:
        raise DataError(f"{path}: holds no training curve; run `dvc repro`")
    epochs = numbers(path, rows, "epoch")
    figure = new_figure(4.2 * len(panels), 3.4)
    for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for column, name, color in lines:
            values = numbers(path, rows, column)
            axes.plot(epochs, values, color=color, label=f"{name}: {values[-1]:.3g}", marker="o", markersize=3)
        _finish_axes(axes, title)
    return figure


def _finish_axes(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend(loc="best", title="last epoch", alignment="left", title_fontsize=9)
