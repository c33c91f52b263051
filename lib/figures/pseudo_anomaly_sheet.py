"""Sheet of the pseudo-anomalies and negatives of training and validation, by kind, in both sensors."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from lib.figures.retimed_rows import FARTHEST_M, MARK, NEAREST_M, draw_retimed, retimed_height_in
from lib.figures.style import INK, MUTED, new_figure
from lib.synthesis.examples import Example
from lib.synthesis.retimed_examples import RetimedExample

_CELL_IN, _GAP_IN, _LEFT_IN, _HEAD_IN, _FOOT_IN = 2.6, 0.1, 1.95, 0.95, 0.4
_STRIP: Final = 0.28
"""Height of a range view relative to its width."""
_MEANING: Final = {
    "both": "an unusual shape\nwith an unusual surface",
    "misfit": "an object of another street:\nnothing has such a shape",
    "geometry only": "an unusual shape with the\nappearance of the background",
    "appearance only": "an unusual surface,\nits shape is normal",
    "shadow (normal)": "of something out of sight:\nis not to be found",
    "dirt (normal)": "a stain on the ground:\nis not to be found",
    "transplanted (normal)": "an object of another street:\nis not to be found",
}


def draw_pasted(examples: Sequence[Example], retimed: Sequence[RetimedExample] = ()) -> Figure:
    """Draw a row per kind and columns per family: the image above the range view, with pasted objects outlined.

    Below them the rows of re-timed vehicles.
    """
    kinds = list(dict.fromkeys(example.kind for example in examples))
    families = list(dict.fromkeys(example.families for example in examples))
    each = max(sum((e.kind, e.families) == (k, f) for e in examples) for k in kinds for f in families)
    height, width = examples[0].image.shape[:2]
    image_in, strip_in = _CELL_IN * height / width, _CELL_IN * _STRIP
    row_in = image_in + strip_in + 2 * _GAP_IN
    width_in = _LEFT_IN + len(families) * each * (_CELL_IN + _GAP_IN) + _GAP_IN
    pasted_in = _HEAD_IN + len(kinds) * row_in
    height_in = pasted_in + retimed_height_in(retimed, width_in - _LEFT_IN) + _FOOT_IN
    figure = new_figure(width_in, height_in, constrained=False)
    figure.text(0.1 / width_in, 1 - 0.15 / height_in, "Pseudo-anomalies", fontsize=15, weight="bold", va="top")
    for column, name in enumerate(families):
        x_in = _LEFT_IN + column * each * (_CELL_IN + _GAP_IN)
        figure.text(x_in / width_in, 1 - 0.62 / height_in, f"{name}'s families", fontsize=12, weight="bold", va="top")
    for row, kind in enumerate(kinds):
        top_in = height_in - _HEAD_IN - row * row_in
        figure.text(0.1 / width_in, top_in / height_in, kind, fontsize=10.5, weight="bold", va="top", color=INK)
        figure.text(0.1 / width_in, (top_in - 0.25) / height_in, _MEANING[kind], fontsize=8, va="top", color=MUTED)
        for column, name in enumerate(families):
            chosen = [e for e in examples if (e.kind, e.families) == (kind, name)]
            for place, example in enumerate(chosen):
                left_in = _LEFT_IN + (column * each + place) * (_CELL_IN + _GAP_IN)
                bottom_in = top_in - image_in
                size = _CELL_IN / width_in
                image = figure.add_axes((left_in / width_in, bottom_in / height_in, size, image_in / height_in))
                bottom_in -= strip_in + 0.3 * _GAP_IN
                strip = figure.add_axes((left_in / width_in, bottom_in / height_in, size, strip_in / height_in))
                _draw(image, strip, example)
    draw_retimed(figure, retimed, _LEFT_IN, height_in - pasted_in)
    ranges = f"range view: {NEAREST_M:g} m dark to {FARTHEST_M:g} m bright, black: no return"
    text = f"{ranges}; outlines: what was pasted{', or the vehicle ahead' if retimed else ''}"
    figure.text(_LEFT_IN / width_in, 0.13 / height_in, text, fontsize=9, color=MUTED)
    return figure


def _draw(image: Axes, strip: Axes, example: Example) -> None:
    image.imshow(example.image, interpolation="bilinear")
    colors = LogNorm(NEAREST_M, FARTHEST_M)
    ranges = np.ma.masked_equal(example.range_m, 0.0)
    strip.set_facecolor("black")
    strip.imshow(ranges, cmap="viridis", norm=colors, aspect="auto", interpolation="nearest")
    for axes, mask in ((image, example.pixels), (strip, example.cells)):
        if mask.any():
            axes.contour(mask, levels=[0.5], colors=MARK, linewidths=0.8)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
