"""What a score that knows nothing of anomalies reaches: if one of these does well, the data gives the answer away.

Each is evaluated like the model's scores. None looks at a label; higher = taken for more anomalous, and a baseline far
below 0.5 gives as much away as one far above it.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import (
    FramePoints,
    LevelScores,
    ScenarioScores,
    Scores,
    frame_level,
    known,
    level_of,
)
from lib.evaluation.truth import State
from lib.geometry.rigid import apply
from lib.shards.predictions import to_float16
from lib.shards.shard_reader import Shard

GIVES_AWAY: Final = 0.65
"""A trivial score should stay below this frame AUROC, whichever way round."""
CHANCE: Final = "random"
"""The baseline that shows what chance reaches on this test set; it knows nothing that could give a label away."""
_CLUTTER_RANGE_M, _CLUTTER_HEIGHT_M = 30.0, 0.3

_OfFrame = Callable[[Shard, int, FramePoints, np.random.Generator], float]
_OfPoints = Callable[[Shard, int, FramePoints, np.random.Generator], npt.NDArray[np.floating]]


def with_baselines(shard: Shard, scores: ScenarioScores, params: EvaluateParams) -> ScenarioScores:
    """Add the trivial scores of the same frames, by `level.baseline`."""
    rows = np.searchsorted(shard.frame_id, scores.frame_id).tolist()
    states = [t.state(params) for t in scores.truth]
    levels = {f"frame.{name}": _frames(shard, rows, scores, of, states) for name, of in _FRAME.items()}
    for name, of in _POINT.items():
        levels[f"point.{name}"], levels[f"voxel.{name}"] = _points_and_voxels(shard, rows, scores, of)
    return replace(scores, baselines=levels)


def by_level(blocks: Mapping[str, Mapping[str, float | int]]) -> dict[str, dict[str, Mapping[str, float | int]]]:
    """`frame.range` -> block as level -> baseline -> block."""
    nested: dict[str, dict[str, Mapping[str, float | int]]] = {}
    for key, block in blocks.items():
        level, name = key.split(".")
        nested.setdefault(level, {})[name] = block
    return nested


def gives_away(name: str, block: Mapping[str, float | int]) -> bool:
    """Whether a baseline's block of the level `frame` tells anomalous frames from normal ones, whichever way round.

    An AUROC far from 0.5 whose interval holds 0.5 says nothing: the test set is small.
    """
    far = max(block["auroc"], 1 - block["auroc"]) >= GIVES_AWAY
    return name != CHANCE and far and (block["auroc_low"] > 0.5 or block["auroc_high"] < 0.5)


def _frames(shard: Shard, rows: list[int], scores: ScenarioScores, of: _OfFrame, states: list[State]) -> LevelScores:
    found = [of(shard, i, p, _generator(shard, i)) for i, p in zip(rows, scores.points, strict=True)]
    return frame_level(to_float16(np.array(found)), states)


def _points_and_voxels(
    shard: Shard, rows: list[int], scores: ScenarioScores, of: _OfPoints
) -> tuple[LevelScores, LevelScores]:
    """A voxel has the score of its point nearest to the lower corner."""
    points, voxels = [], []
    for i, p, v in zip(rows, scores.points, scores.voxels, strict=True):
        found: Scores = to_float16(of(shard, i, p, _generator(shard, i)))
        points.append(known(found[p.in_view], p.classes[p.in_view]))
        voxels.append((found[v.center[v.in_view]], v.is_anomaly[v.in_view]))
    return level_of(points), level_of(voxels)


def _generator(shard: Shard, index: int) -> np.random.Generator:
    name = f"{shard.scenario} {shard.camera_name} {int(shard.frame_id[index])}"
    return np.random.default_rng(zlib.crc32(name.encode()))


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0


def _range_m(points: FramePoints) -> npt.NDArray[np.floating]:
    return np.asarray(np.linalg.norm(points.points_m[:, :3], axis=1))


def _clutter(points: FramePoints) -> float:
    """Number of points in view that stand out from the ground nearby."""
    height_m = points.points_m[points.in_view, 2]
    near = _range_m(points)[points.in_view] < _CLUTTER_RANGE_M
    ground_m = np.quantile(height_m, 0.05) if len(height_m) else 0.0
    return float((near & (height_m > ground_m + _CLUTTER_HEIGHT_M)).sum())


def _brightness(shard: Shard, index: int, points: FramePoints, _: np.random.Generator) -> npt.NDArray[np.floating]:
    """Brightness (N,) of the pixels that the points fall on, 0 outside the image."""
    u, v, visible = shard.camera.project(apply(shard.camera_SE3_lidar, points.points_m[:, :3]))
    found = np.zeros(len(u))
    pixels = shard.image[index][v[visible].astype(np.int64), u[visible].astype(np.int64)]
    found[visible] = pixels.mean(axis=1, dtype=np.float64)
    return found


_FRAME: Final[dict[str, _OfFrame]] = {
    CHANCE: lambda shard, i, points, generator: float(generator.random()),
    "range": lambda shard, i, points, generator: _mean(_range_m(points)[points.in_view]),
    "height": lambda shard, i, points, generator: _mean(points.points_m[points.in_view, 2]),
    "intensity": lambda shard, i, points, generator: _mean(points.points_m[points.in_view, 3]),
    "brightness": lambda shard, i, points, generator: _mean(shard.image[i].reshape(-1, 3).mean(axis=1)),
    "frame_index": lambda shard, i, points, generator: float(i),
    "clutter": lambda shard, i, points, generator: _clutter(points),
}
_POINT: Final[dict[str, _OfPoints]] = {
    CHANCE: lambda shard, i, points, generator: generator.random(len(points.points_m)),
    "range": lambda shard, i, points, generator: _range_m(points),
    "height": lambda shard, i, points, generator: points.points_m[:, 2],
    "intensity": lambda shard, i, points, generator: points.points_m[:, 3],
    "brightness": _brightness,
}
