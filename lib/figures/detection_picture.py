"""A frame's detections: the camera image with the scores laid over it, and the cloud from above coloured by score."""

from typing import Final

from matplotlib.figure import Figure

from lib.figures.gallery import Case, draw_image, draw_plan, draw_rarity_bar, draw_scores
from lib.figures.style import MUTED, new_figure

MARGIN_IN: Final = 0.2
HEAD_IN: Final = 0.56
FOOT_IN: Final = 0.66
GAP_IN: Final = 0.08
WIDE: Final = 2.0
"""Images wider than so many times their height stand above the cloud, others beside it."""
IMAGE_IN, WIDE_IMAGE_IN, PLAN_IN, MOST_IMAGE_IN = 5.6, 9.6, 4.0, 9.0
AHEAD_M: Final = 45.0
OPACITY: Final = 0.55
DPI: Final = 100


def draw_detections(case: Case) -> Figure:
    """Draw a frame; `case.caption` holds its two lines. Each side has an even number of pixels, as videos need."""
    aspect = case.camera.width_px / case.camera.height_px
    wide = aspect > WIDE
    image_in = (WIDE_IMAGE_IN, WIDE_IMAGE_IN / aspect) if wide else (IMAGE_IN, min(IMAGE_IN / aspect, MOST_IMAGE_IN))
    plan_in = (WIDE_IMAGE_IN, PLAN_IN) if wide else (PLAN_IN, image_in[1])
    inner_in = (WIDE_IMAGE_IN, image_in[1] + GAP_IN + PLAN_IN) if wide else (IMAGE_IN + GAP_IN + PLAN_IN, image_in[1])
    width_in, height_in = (_even(side) for side in (inner_in[0] + 2 * MARGIN_IN, inner_in[1] + HEAD_IN + FOOT_IN))
    figure = new_figure(width_in, height_in, constrained=False)
    top_in = height_in - HEAD_IN
    plan_left_in = MARGIN_IN if wide else MARGIN_IN + IMAGE_IN + GAP_IN
    places = (
        (MARGIN_IN, top_in - image_in[1], *image_in),
        (plan_left_in, top_in - inner_in[1], *plan_in),
    )
    camera, plan = (
        figure.add_axes((left / width_in, bottom / height_in, width / width_in, height / height_in))
        for left, bottom, width, height in places
    )
    draw_image(camera, case)
    draw_scores(camera, case, OPACITY)
    draw_plan(plan, case, plan_in[0] / plan_in[1], AHEAD_M)
    title, line, note = case.caption
    left = MARGIN_IN / width_in
    figure.text(left, 1 - 0.1 / height_in, title, fontsize=11, weight="bold", va="top")
    figure.text(left, 1 - 0.32 / height_in, line, fontsize=9, va="top")
    figure.text(left, 0.3 / height_in, note, fontsize=9, color=MUTED)
    draw_rarity_bar(figure, width_in, height_in)
    return figure


def _even(side_in: float) -> float:
    """The side rounded to an even number of pixels."""
    return 2 * round(side_in * DPI / 2) / DPI
