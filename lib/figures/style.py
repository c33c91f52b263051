"""Common style of all figures: fonts, colour-blind safe colours, and reproducible PNG files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK: Final = "#1f2328"
MUTED: Final = "#656d76"
GRID: Final = "#dfe3e8"
NORMAL: Final = "#0072B2"
ANOMALOUS: Final = "#D55E00"

# Okabe and Ito's palette; a level and its variant share a colour and differ in the line.
LEVEL_COLORS: Final = {
    "frame": "#0072B2",
    "frame_any": "#0072B2",
    "pixel": "#009E73",
    "point": "#D55E00",
    "point_all": "#D55E00",
    "voxel": "#CC79A7",
}
LEVEL_DASHES: Final = {"frame_any": (0, (4, 2)), "point_all": (0, (4, 2))}
LEVEL_NAMES: Final = {
    "frame": "frame",
    "frame_any": "frame, any sign",
    "pixel": "pixel",
    "point": "point in view",
    "point_all": "point, whole cloud",
    "voxel": "voxel in view",
}

_STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Context manager for the project's style, independent of the user's matplotlibrc."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width_in: float, height_in: float, constrained: bool = True) -> Figure:
    """An empty figure on the Agg canvas."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path, dpi: int) -> None:
    """Write a PNG without date or version, so that its bytes are reproducible; call it inside house_style."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"compress_level": 3}
    figure.savefig(path, format="png", dpi=dpi, metadata={"Software": None}, facecolor="white", pil_kwargs=options)


def put_legend_below(axes: Axes, title: str) -> None:
    """Put the legend below the horizontal axis; the title is its first line."""
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.15), "borderaxespad": 0}
    axes.legend(alignment="left", title=title, title_fontsize=9, **place)


def note_below(figure: Figure, text: str) -> None:
    """Write what the figure's marks mean below its panels."""
    figure.supxlabel(text, fontsize=9, color=MUTED)


def note_empty(axes: Axes, text: str) -> None:
    """Write in the middle of an empty panel why nothing is drawn."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
