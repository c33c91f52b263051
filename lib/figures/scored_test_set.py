"""One pass over the scored test set that collects the data of the figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import Level, LevelScores, score_scenario
from lib.figures.cases import NormalScores, ScoredFrame
from lib.figures.read_tables import numbers, read_table
from lib.figures.scores_figure import Histogram
from lib.shards.predictions import Predictions
from lib.shards.shard_reader import Shard

_HISTOGRAMS: Final[tuple[tuple[Level, str, bool], ...]] = (
    ("frame", "frames", False),
    ("point", "points in view", True),
)
MAX_NORMAL_SCORES: Final = 5_000_000


@dataclass(frozen=True, eq=False)
class Evidence:
    """All frames of the test set, histograms, and scores of normal pixels and points."""

    frames: tuple[ScoredFrame, ...]
    histograms: tuple[Histogram, ...]
    normal_pixels: NormalScores
    normal_points: NormalScores


def score_edges(path: Path, bins: int) -> dict[Level, npt.NDArray[np.float64]]:
    """Histogram edges (bins + 1,) by level, over the range of plots/scores.csv; for frames, which are few, bins / 3."""
    rows = read_table(path, ("level", "group", "score", "share"))
    edges: dict[Level, npt.NDArray[np.float64]] = {}
    for level, _, _ in _HISTOGRAMS:
        middles = np.array(numbers(path, [r for r in rows if r["level"] == level and r["group"] == "normal"], "score"))
        if len(middles) > 1:
            half = (middles[-1] - middles[0]) / (len(middles) - 1) / 2
            number = max(5, bins // 3) if level == "frame" else bins
            edges[level] = np.linspace(middles[0] - half, middles[-1] + half, number + 1)
    return edges


def gather_evidence(
    scenarios: Iterable[tuple[Shard, Predictions]],
    count: int,
    edges: dict[Level, npt.NDArray[np.float64]],
    params: EvaluateParams,
) -> Evidence:
    """Gather from `count` scenarios; levels without edges get an empty histogram."""
    frames: list[ScoredFrame] = []
    pixels, points = list[npt.NDArray[np.float32]](), list[npt.NDArray[np.float32]]()
    edges = {level: edges.get(level, np.array([0.0, 1.0])) for level, _, _ in _HISTOGRAMS}
    counts = {level: np.zeros((2, len(edges[level]) - 1), dtype=np.int64) for level in edges}
    for shard, predictions in scenarios:
        scored = score_scenario(shard, predictions, params)
        for index, (truth, groups) in enumerate(zip(scored.truth, scored.groups, strict=True)):
            frame_id, score = int(shard.frame_id[index]), float(predictions.frame_score[index])
            state = truth.state(params)
            frames.append(ScoredFrame(shard.scenario, index, frame_id, score, state, truth, groups, shard.camera_name))
        for level in counts:
            counts[level] += _counts(scored.levels[level], edges[level])
        pixels.append(_subsample(scored.levels["pixel"].negative, count))
        points.append(_subsample(scored.levels["point_all"].negative, count))
    return Evidence(
        frames=tuple(frames),
        histograms=tuple(Histogram(n, what, logarithmic, edges[n], *counts[n]) for n, what, logarithmic in _HISTOGRAMS),
        normal_pixels=NormalScores(np.sort(np.concatenate(pixels))),
        normal_points=NormalScores(np.sort(np.concatenate(points))),
    )


def _counts(level: LevelScores, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    # The table's scores are rounded; scores slightly outside its range belong to the outermost bins.
    groups = (np.clip(scores.astype(np.float64), edges[0], edges[-1]) for scores in (level.negative, level.positive))
    return np.stack([np.histogram(scores, edges)[0] for scores in groups]).astype(np.int64)


def _subsample(scores: npt.NDArray[np.float16], scenarios: int) -> npt.NDArray[np.float32]:
    """Subsample evenly, so that all scenarios together have at most MAX_NORMAL_SCORES scores."""
    return scores[:: max(1, -(-len(scores) * scenarios // MAX_NORMAL_SCORES))].astype(np.float32)  # sorts faster
