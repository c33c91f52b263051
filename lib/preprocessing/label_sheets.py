"""Label proof sheets: images of the data set with the LiDAR points drawn on them in class colours.

If labels and calibration are right, the colours of the points match the objects under them. Without labels, the points
are coloured by distance: red near, blue far.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.common.labels import ANOMALY_IDS, LABELS, UNKNOWN, is_anomaly
from lib.geometry.frame import ScenarioType
from lib.preprocessing.label_colors import ANOMALY_COLOR, class_colors
from lib.shards.index import ShardEntry, frames_with_anomaly
from lib.shards.shard_reader import Shard, read_shard

FRAMES_PER_SHEET: Final = 4
SHEET_WIDTH_IN: Final = 13.0
DPI: Final = 110
INK, MUTED, PAPER = "#1c1c1c", "#5f5f5f", "#ffffff"
LEGEND_PAPER: Final = "#2e2e2e"
"""As dark as the images under the points, so that colours look the same on both."""

_KIND_NAMES: Final = {
    ScenarioType.NORMALITY: "normality",
    ScenarioType.STATIC: "static anomaly",
    ScenarioType.DYNAMIC: "dynamic anomaly",
    ScenarioType.UNLABELLED: "no labels",
}


@dataclass(frozen=True, eq=False)
class Example:
    """One frame to draw: the index-th of a shard."""

    shard: Shard
    index: int


def write_label_sheets(shards: Path, entries: Sequence[ShardEntry], folder: Path, seed: int = 0) -> tuple[Path, ...]:
    """Draw `anomalies.png` and `normality.png`, each with up to four frames, of different scenarios if possible.

    A sheet without any frame is not written. The selection depends only on the index and `seed`.
    """
    written: list[Path] = []
    plain: dict[str, Any] = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}}
    for name, wanted, having in (("anomalies", True, "with"), ("normality", False, "without")):
        examples = _choose(shards, entries, wanted, seed)
        if examples:
            written.append(folder / f"{name}.png")
            unlabelled = examples[0].shard.scenario_type is ScenarioType.UNLABELLED
            title = "Frames without labels" if unlabelled else f"Labels of frames {having} an anomaly"
            sheet = _draw_sheet(examples, title, "their distance (red: near)" if unlabelled else "their class")
            sheet.savefig(written[-1], dpi=DPI, facecolor=PAPER, **plain)
    return tuple(written)


def _choose(shards: Path, entries: Sequence[ShardEntry], anomalous: bool, seed: int) -> list[Example]:
    """Choose frames with (or without) a labelled anomaly, of different scenarios as far as possible.

    Of a scenario's cameras, the one with most anomalous pixels is used, or a random one for frames without an anomaly.
    """
    generator = np.random.default_rng([seed, int(anomalous)])
    usable: dict[str, list[ShardEntry]] = {}
    for entry in entries:
        if entry.frames_with_anomaly if anomalous else entry.frames - entry.frames_with_anomaly:
            usable.setdefault(entry.scenario, []).append(entry)
    cameras = list(usable.values())
    examples: list[Example] = []
    for position in generator.permutation(len(cameras))[:FRAMES_PER_SHEET]:
        scenario = [read_shard(shards / entry.file, verify=False) for entry in cameras[position]]
        if anomalous:
            shard = max(scenario, key=lambda shard: int(is_anomaly(np.asarray(shard.pixel_class)).sum()))
        else:
            shard = scenario[int(generator.integers(len(scenario))) if len(scenario) > 1 else 0]
        candidates = np.flatnonzero(frames_with_anomaly(shard) == anomalous)
        if anomalous:  # those whose anomaly covers most pixels
            pixels = np.array([is_anomaly(shard.pixel_class[index]).sum() for index in candidates])
            candidates = candidates[np.argsort(-pixels, kind="stable")]
        else:
            candidates = generator.permutation(candidates)
        per_scenario = FRAMES_PER_SHEET // min(len(cameras), FRAMES_PER_SHEET)
        examples += [Example(shard, int(index)) for index in np.sort(candidates[:per_scenario])]
    return examples[:FRAMES_PER_SHEET]


def _draw_sheet(examples: Sequence[Example], title: str, colored_by: str) -> Figure:
    camera = examples[0].shard.camera
    gap_in, caption_in, head_in, foot_in, margin_in = 0.12, 0.34, 0.62, 0.95, 0.2
    panel_width_in = (SHEET_WIDTH_IN - 2 * margin_in - gap_in) / 2
    panel_height_in = panel_width_in * camera.height_px / camera.width_px
    height_in = head_in + len(examples) * (panel_height_in + caption_in) + foot_in
    figure = Figure(figsize=(SHEET_WIDTH_IN, height_in))
    FigureCanvasAgg(figure)
    figure.text(margin_in / SHEET_WIDTH_IN, 1 - 0.2 / height_in, title, fontsize=15, weight="bold", va="top", color=INK)
    camera_side = "left: camera, anomaly outlined" if _any_anomaly(examples) else "left: camera"
    explanation = f"{camera_side}      right: LiDAR points at their projection, in the colour of {colored_by}"
    right_edge = 1 - margin_in / SHEET_WIDTH_IN
    figure.text(right_edge, 1 - 0.25 / height_in, explanation, fontsize=9.5, va="top", ha="right", color=MUTED)
    for row, example in enumerate(examples):
        top_in = height_in - head_in - row * (panel_height_in + caption_in)
        for column in range(2):
            left_in = margin_in + column * (panel_width_in + gap_in)
            left, bottom = left_in / SHEET_WIDTH_IN, (top_in - panel_height_in) / height_in
            axes = figure.add_axes((left, bottom, panel_width_in / SHEET_WIDTH_IN, panel_height_in / height_in))
            _draw_panel(axes, example, with_points=column == 1, panel_width_in=panel_width_in)
        caption_y = (top_in - panel_height_in - 0.07) / height_in
        figure.text(margin_in / SHEET_WIDTH_IN, caption_y, _caption(example), fontsize=9.5, va="top", color=INK)
    if examples[0].shard.scenario_type is not ScenarioType.UNLABELLED:
        _draw_legend(figure, examples, foot_in / height_in)
    return figure


def _draw_panel(axes: Any, example: Example, with_points: bool, panel_width_in: float) -> None:
    shard, index = example.shard, example.index
    width, height = shard.camera.width_px, shard.camera.height_px
    image = np.asarray(shard.image[index])
    extent = (0, width, height, 0)
    if with_points:
        grey = image.astype(np.float64) @ [0.299, 0.587, 0.114]
        axes.imshow(0.45 * grey, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="bilinear")
        _draw_points(axes, shard, index, panel_width_in)
    else:
        axes.imshow(image, extent=extent, interpolation="bilinear")
    anomalous = is_anomaly(np.asarray(shard.pixel_class[index]))
    if anomalous.any():
        padded = np.pad(anomalous, 1).astype(float)
        x, y = np.arange(-0.5, width + 1), np.arange(-0.5, height + 1)
        for color, line_width in [("white", 2.2), (ANOMALY_COLOR, 1.2)]:
            axes.contour(x, y, padded, levels=[0.5], colors=[color], linewidths=[line_width])
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()


def _draw_points(axes: Any, shard: Shard, index: int, panel_width_in: float) -> None:
    count = shard.num_points[index]
    u, v, visible = shard.calibration.project(shard.points[index, :count])
    classes = np.asarray(shard.point_class[index, :count])[visible]
    order = np.argsort(is_anomaly(classes), kind="stable")
    u, v, classes = u[visible][order], v[visible][order], classes[order]
    spacing_pt = 72 * panel_width_in * np.sqrt(0.35 / max(len(u), 1))
    size_pt = float(np.clip(0.7 * spacing_pt, 1.2, 4.0))
    if shard.scenario_type is ScenarioType.UNLABELLED:
        distance_m = np.linalg.norm(shard.points[index, :count, :3], axis=1)[visible][order]
        axes.scatter(u, v, s=size_pt**2, c=np.log(distance_m), cmap="turbo_r", linewidths=0)
    else:
        axes.scatter(u, v, s=size_pt**2, c=class_colors()[classes], linewidths=0)


def _draw_legend(figure: Figure, examples: Sequence[Example], top: float) -> None:
    present = np.zeros(256, dtype=bool)
    for example in examples:
        count = example.shard.num_points[example.index]
        present[np.asarray(example.shard.point_class[example.index, :count])] = True
    colors = class_colors()
    handles: list[Line2D] = [
        Line2D([], [], marker="o", linestyle="none", markersize=8, color=tuple(colors[class_id]), label=name)
        for class_id, name in legend_names(np.flatnonzero(present).tolist()).items()
    ]
    outline = Line2D([], [], color=ANOMALY_COLOR, linewidth=2, label="outline of the anomaly's pixels")
    figure.legend(
        handles=[*handles, outline] if _any_anomaly(examples) else handles,
        loc="upper center",
        bbox_to_anchor=(0.5, top),
        ncols=7,
        facecolor=LEGEND_PAPER,
        framealpha=1.0,
        edgecolor="none",
        labelcolor=PAPER,
        fontsize=9.5,
        handletextpad=0.5,
        columnspacing=1.4,
    )


def legend_names(class_ids: Sequence[int]) -> dict[int, str]:
    """Names of present classes by id; all anomalies, which have one colour, share the first one's entry."""
    names = {label.id: label.name for label in LABELS} | {UNKNOWN: "no label"}
    entries = {i: names.get(i, f"class {i}") for i in class_ids if i not in ANOMALY_IDS}
    if anomalies := [i for i in class_ids if i in ANOMALY_IDS]:
        kinds = [names[i] for i in anomalies if names[i] != "anomaly"]
        entries[anomalies[0]] = "anomaly: " + ", ".join(kinds) if kinds else "anomaly"
    return entries


def _any_anomaly(examples: Iterable[Example]) -> bool:
    return any(bool(is_anomaly(np.asarray(e.shard.pixel_class[e.index])).any()) for e in examples)


def _caption(example: Example) -> str:
    shard, index = example.shard, example.index
    name = shard.scenario if len(shard.scenario) <= 21 else shard.scenario[:17]
    if shard.camera_name:
        name += f", {shard.camera_name}"
    parts = [f"{name}, frame {shard.frame_id[index]}", _KIND_NAMES[shard.scenario_type]]
    parts += [text for text in (shard.town, shard.weather.replace("_", " ").lower()) if text]
    points = shard.points[index, : shard.num_points[index]]
    anomalous = is_anomaly(np.asarray(shard.point_class[index, : len(points)]))
    pixels = int(is_anomaly(np.asarray(shard.pixel_class[index])).sum())
    if anomalous.any() or pixels:
        size = shard.anomaly.size if shard.anomaly and shard.anomaly.size else "size unknown"
        parts.append(f"anomaly ({size}): {pixels:,} pixels, {int(anomalous.sum()):,} points")
    if anomalous.any():
        nearest_m = float(np.linalg.norm(points[anomalous, :3], axis=1).min())
        parts.append(f"nearest {nearest_m:.1f} m")
    return "   ·   ".join(parts)
