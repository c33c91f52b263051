"""The gallery: the camera image, the same with the scores as an overlay, and the cloud from above coloured by score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from lib.common.labels import is_anomaly
from lib.evaluation.levels import points_in_view
from lib.figures.cases import Category, NormalScores
from lib.figures.style import INK, MUTED, new_figure
from lib.geometry.camera import Camera
from lib.geometry.rigid import apply
from lib.shards.predictions import Predictions
from lib.shards.shard_reader import Shard

TRUTH: Final = "#00e5ff"
BACKDROP: Final = "#14171c"
QUIET: Final = "#5a626d"
MIN_SURPRISE: Final = 1.0
MAX_SURPRISE: Final = 4.0
# Four ticks around a free middle, so that what is marked stays visible.
CROSSHAIR: Final = Path(
    [(0, 0.4), (0, 1), (0, -0.4), (0, -1), (0.4, 0), (1, 0), (-0.4, 0), (-1, 0)], [Path.MOVETO, Path.LINETO] * 4
)
_TITLES: Final[dict[Category, str]] = {
    "hits": "Best hits: the anomalous frames with the highest scores",
    "misses": "Worst misses: the anomalous frames with the lowest scores",
    "false_alarms": "Worst false alarms: the normal frames with the highest scores",
}
_PANEL_IN, _GAP_IN, _MARGIN_IN, _CAPTION_IN, _TITLE_IN, _HEAD_IN, _FOOT_IN = 4.2, 0.08, 0.2, 0.66, 0.45, 0.35, 0.62
_HEADS: Final = ("camera", "camera with the scores laid over it", "LiDAR from above, coloured by score")


@dataclass(frozen=True, eq=False)
class Case:
    """One frame to draw. Surprise (see NormalScores) of points (N,) and pixels (H, W); points_m (N, 3) [camera frame];
    masks of anomalous pixels and points, and of the points in view.
    """

    image: npt.NDArray[np.uint8]
    pixel_surprise: npt.NDArray[np.float64]
    pixel_anomalous: npt.NDArray[np.bool_]
    depth_m: npt.NDArray[np.floating]
    points_m: npt.NDArray[np.float64]
    point_surprise: npt.NDArray[np.float64]
    point_score: npt.NDArray[np.float16]
    point_anomalous: npt.NDArray[np.bool_]
    in_view: npt.NDArray[np.bool_]
    camera: Camera
    caption: tuple[str, str, str]


def make_case(
    shard: Shard,
    predictions: Predictions,
    index: int,
    normal_pixels: NormalScores,
    normal_points: NormalScores,
    caption: tuple[str, str, str],
) -> Case:
    """Case of frame `index` of a shard; normal_pixels and normal_points: normal scores of the whole test set."""
    count = int(shard.num_points[index])
    points_m, scores = shard.points[index, :count], predictions.point_score[index, :count]
    return Case(
        image=shard.image[index],
        pixel_surprise=normal_pixels.surprise(predictions.pixel_score[index]),
        pixel_anomalous=is_anomaly(shard.pixel_class[index]),
        depth_m=shard.depth_m[index],
        points_m=apply(shard.calibration.camera_SE3_lidar, points_m[:, :3]),
        point_surprise=normal_points.surprise(scores),
        point_score=scores,
        point_anomalous=is_anomaly(shard.point_class[index, :count]),
        in_view=points_in_view(shard, points_m),
        camera=shard.camera,
        caption=caption,
    )


def draw_case(case: Case) -> Figure:
    """Draw one frame."""
    return _draw([case], title=None)


def draw_sheet(category: Category, cases: Sequence[Case]) -> Figure:
    """Draw all frames of a category on one sheet, or a note that there are none."""
    if cases:
        return _draw(cases, _TITLES[category])
    figure = new_figure(8.0, 1.4, constrained=False)
    figure.text(0.03, 0.72, _TITLES[category], weight="bold", fontsize=12)
    figure.text(0.03, 0.32, "The test set holds no such frame.", color=MUTED)
    return figure


def _draw(cases: Sequence[Case], title: str | None) -> Figure:
    """A row of three panels for each case."""
    camera = cases[0].camera
    panel_height_in = _PANEL_IN * camera.height_px / camera.width_px
    head_in = _HEAD_IN + (_TITLE_IN if title else 0.0)
    width_in = 2 * _MARGIN_IN + 3 * _PANEL_IN + 2 * _GAP_IN
    height_in = head_in + len(cases) * (panel_height_in + _CAPTION_IN) + _FOOT_IN
    figure = new_figure(width_in, height_in, constrained=False)
    if title:
        figure.text(_MARGIN_IN / width_in, 1 - 0.17 / height_in, title, fontsize=14, weight="bold", va="top")
    lefts_in = [_MARGIN_IN + column * (_PANEL_IN + _GAP_IN) for column in range(3)]
    for left_in, head in zip(lefts_in, _HEADS, strict=True):
        figure.text(left_in / width_in, 1 - (head_in - 0.07) / height_in, head, fontsize=9, color=MUTED)
    for row, case in enumerate(cases):
        bottom_in = height_in - head_in - row * (panel_height_in + _CAPTION_IN) - panel_height_in
        size = _PANEL_IN / width_in, panel_height_in / height_in
        plain, scored, plan = (figure.add_axes((x / width_in, bottom_in / height_in, *size)) for x in lefts_in)
        draw_image(plain, case)
        draw_image(scored, case)
        draw_scores(scored, case)
        draw_plan(plan, case, _PANEL_IN / panel_height_in)
        x, y = _MARGIN_IN / width_in, (bottom_in - 0.07) / height_in
        where, what, standing = case.caption
        standing += _highest_place(case)
        figure.text(x, y, where, fontsize=9, weight="bold", va="top")
        figure.text(x, y - 0.16 / height_in, what, fontsize=9, va="top")
        figure.text(x, y - 0.32 / height_in, standing, fontsize=9, va="top", color=MUTED)
    _draw_legend(figure, width_in, height_in)
    return figure


def draw_image(axes: Axes, case: Case) -> None:
    """The camera's image as it is."""
    width, height = case.camera.width_px, case.camera.height_px
    axes.imshow(case.image, extent=(0, width, height, 0), interpolation="bilinear")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()


def draw_scores(axes: Axes, case: Case, opacity: float = 0.85) -> None:
    """Draw the scores over the image, the highest with this opacity, and the outline of the true anomaly."""
    width, height = case.camera.width_px, case.camera.height_px
    strength = _strength()(case.pixel_surprise)
    overlay = _colormap()(strength)
    overlay[..., 3] = opacity * np.clip(strength, 0, 1) ** 0.7
    axes.imshow(overlay, extent=(0, width, height, 0), interpolation="nearest")
    if case.pixel_anomalous.any():
        padded = np.pad(case.pixel_anomalous, 1).astype(float)
        x, y = np.arange(-0.5, width + 1), np.arange(-0.5, height + 1)
        for color, line_width in (("black", 2.6), (TRUTH, 1.3)):
            axes.contour(x, y, padded, levels=[0.5], colors=[color], linewidths=[line_width])
    if case.in_view.any():
        u, v, _ = case.camera.project(case.points_m[[_highest(case)]])
        _mark_highest(axes, float(u[0]), float(v[0]))


def draw_plan(axes: Axes, case: Case, aspect: float, ahead_m: float | None = None) -> None:
    """The cloud from above: forward is up, left is left; as far as the anomaly and the highest score, or `ahead_m`."""
    truth = _true_place(case)
    top = case.points_m[_highest(case)] if case.in_view.any() else None
    far = [float(np.hypot(*place[:2])) for place in (truth and truth[0], top) if place is not None]
    ahead_m, behind_m = ahead_m or float(np.clip(1.3 * max(far, default=20.0), 20.0, 70.0)), 3.0
    aside_m = (ahead_m + behind_m) * aspect / 2
    axes.set_facecolor(BACKDROP)
    axes.grid(visible=False)
    axes.set_xlim(-aside_m, aside_m)
    axes.set_ylim(-behind_m, ahead_m)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    _draw_rings(axes, case.camera, ahead_m, aside_m)
    _draw_frustum(axes, case, 2 * ahead_m)
    order = np.argsort(case.point_surprise, kind="stable")
    strength = _strength()(case.point_surprise[order])
    colors = _colormap()(np.clip(strength, 0, 1))
    colors[:, 3] = np.where(case.in_view[order] | (strength > 0), 1.0, 0.45)
    sizes = 1.2 + 9.0 * np.clip(strength, 0, 1)
    points = case.points_m[order]
    axes.scatter(-points[:, 1], points[:, 0], s=sizes, c=colors, linewidths=0)
    axes.plot(0, 0, marker="^", color="white", markersize=6, linestyle="none")
    if truth is not None:
        (x, y, _), radius_m = truth
        for color, line_width in (("black", 3.0), (TRUTH, 1.5)):
            axes.add_patch(Circle((-y, x), radius_m, fill=False, edgecolor=color, linewidth=line_width))
    if top is not None:
        _mark_highest(axes, -float(top[1]), float(top[0]))


def _draw_rings(axes: Axes, camera: Camera, ahead_m: float, aside_m: float) -> None:
    """Range rings, labelled just right of the camera's view, where they hide little."""
    step_m = 5 if ahead_m <= 24 else 10 if ahead_m <= 50 else 20
    bearing = min(float(np.arctan((camera.width_px - camera.cx_px) / camera.fx_px)) + 0.12, 1.35)
    for radius_m in range(step_m, int(np.hypot(ahead_m, aside_m)) + 1, step_m):
        axes.add_patch(Circle((0, 0), radius_m, fill=False, edgecolor="#353b44", linewidth=0.7))
        right_m, up_m = radius_m * np.sin(bearing), radius_m * np.cos(bearing)
        if right_m < 0.94 * aside_m and up_m < 0.96 * ahead_m:
            label = axes.text(right_m, up_m, f"{radius_m} m", color="#aab2bd", fontsize=7, ha="center", va="center")
            label.set_path_effects([withStroke(linewidth=2, foreground=BACKDROP)])
            label.set_zorder(3)


def _draw_frustum(axes: Axes, case: Case, length_m: float) -> None:
    for u in (0.0, float(case.camera.width_px)):
        left_m = length_m * (case.camera.cx_px - u) / case.camera.fx_px
        axes.plot([0.0, -left_m], [0.0, length_m], color="#aab2bd", linewidth=0.8, linestyle=(0, (4, 3)))


def _true_place(case: Case) -> tuple[npt.NDArray[np.float64], float] | None:
    """Centre [m, camera frame] and radius [m] of the anomaly, from its points in view, else from its pixels' depth."""
    places: npt.NDArray[np.floating] = case.points_m[case.point_anomalous & case.in_view]
    if not len(places):
        places = case.camera.unproject(case.depth_m)[case.pixel_anomalous]
    if not len(places):
        return None
    middle = np.median(places, axis=0)
    return middle, float(np.percentile(np.hypot(*(places - middle)[:, :2].T), 90)) + 0.8


def _highest(case: Case) -> int:
    """Row of the point in view with the highest score; there is one in view."""
    rows = np.flatnonzero(case.in_view)
    return int(rows[np.argmax(case.point_score[rows])])


def _highest_place(case: Case) -> str:
    """Caption: whether the point with the highest score is on the anomaly; a hit may have another cause."""
    if not case.point_anomalous[case.in_view].any():
        return ""
    return f", highest point {'on' if case.point_anomalous[_highest(case)] else 'beside'} the anomaly"


def _mark_highest(axes: Axes, x: float, y: float) -> None:
    for color, width in (("black", 3.0), ("white", 1.3)):
        axes.plot(x, y, marker=CROSSHAIR, color=color, markersize=13, markeredgewidth=width, linestyle="none", zorder=4)


def _strength() -> Normalize:
    return Normalize(MIN_SURPRISE, MAX_SURPRISE)


def _colormap() -> LinearSegmentedColormap:
    """Grey for common scores, then inferno's bright part: perceptually uniform and colour-blind safe."""
    bright = matplotlib.colormaps["inferno"](np.linspace(0.45, 0.97, 200))
    grey = np.array(matplotlib.colors.to_rgba(QUIET))
    fade = np.linspace(0, 1, 56)[:, None]
    return LinearSegmentedColormap.from_list("surprise", np.concatenate([grey + fade * (bright[0] - grey), bright]))


def draw_rarity_bar(figure: Figure, width_in: float, height_in: float) -> None:
    """Draw the colour bar of the scores at the lower right; the sizes are the figure's."""
    bar_width_in, bar_right_in = 2.4, _MARGIN_IN + 0.25
    left = 1 - (bar_right_in + bar_width_in) / width_in
    axes = figure.add_axes((left, 0.3 / height_in, bar_width_in / width_in, 0.12 / height_in))
    bar = figure.colorbar(ScalarMappable(_strength(), _colormap()), cax=axes, orientation="horizontal")
    bar.set_ticks([1, 2, 3, 4], labels=["10", "100", "1,000", "10,000"])
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)
    explanation = "how rare so high a score is among normal ones: 1 in"
    figure.text(1 - _MARGIN_IN / width_in, 0.46 / height_in, explanation, fontsize=9, va="bottom", ha="right")


def _draw_legend(figure: Figure, width_in: float, height_in: float) -> None:
    draw_rarity_bar(figure, width_in, height_in)
    crosshair: dict[str, Any] = {"marker": CROSSHAIR, "markersize": 11, "markeredgewidth": 1.4, "linestyle": "none"}
    handles = [
        Line2D([], [], color=TRUTH, linewidth=2, label="true anomaly"),
        Line2D([], [], color=INK, label="highest point score", **crosshair),
        Line2D([], [], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="camera's view"),
    ]
    place, tight = (_MARGIN_IN / width_in - 0.004, 0.33 / height_in), {"columnspacing": 1.4, "handletextpad": 0.5}
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=place, ncols=len(handles), borderpad=0, **tight)
