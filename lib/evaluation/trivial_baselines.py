"""What a score that knows nothing of anomalies reaches: if one of these does well, the data gives the answer away.

Each is evaluated like the model's scores. None looks at a label; higher = taken for more anomalous, and a baseline far
below 0.5 gives as much away as one far above it.
"""

import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.labels import is_anomaly, is_ignored
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import Booleans, FramePoints, ScenarioScores, Scores, frame_level, level_of
from lib.shards.predictions import to_float16
from lib.shards.shard_reader import Shard

GIVES_AWAY: Final = 0.65
"""A trivial score should stay below this frame AUROC, whichever way round."""
CHANCE: Final = "random"
"""The baseline that shows what chance reaches on this test set; it knows nothing that could give a label away."""
_CLUTTER_RANGE_M, _CLUTTER_HEIGHT_M = 30.0, 0.3


def with_baselines(shard: Shard, scores: ScenarioScores, params: EvaluateParams) -> ScenarioScores:
    """Add the frames' trivial scores, by `level.baseline`; a voxel has that of its point nearest to its low corner."""
    frames = defaultdict[str, list[float]](list)
    items = defaultdict[str, list[tuple[Scores, Booleans]]](list)
    rows = np.searchsorted(shard.frame_id, scores.frame_id).tolist()
    for index, points, voxels in zip(rows, scores.points, scores.voxels, strict=True):
        kept = points.in_view & ~is_ignored(points.classes)
        anomalous, center = is_anomaly(points.classes[kept]), voxels.center[voxels.in_view]
        for name, found in _of_points(shard, index, points).items():
            items[f"point.{name}"].append((to_float16(found[kept]), anomalous))
            items[f"voxel.{name}"].append((to_float16(found[center]), voxels.is_anomaly[voxels.in_view]))
        for name, score in _of_frame(shard, index, points).items():
            frames[f"frame.{name}"].append(score)
    states = [truth.state(params) for truth in scores.truth]
    levels = {name: frame_level(to_float16(np.array(found)), states) for name, found in frames.items()}
    return replace(scores, baselines=levels | {name: level_of(pairs) for name, pairs in items.items()})


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


def _of_frame(shard: Shard, index: int, points: FramePoints) -> dict[str, float]:
    x, y, z, intensity = points.points_m[points.in_view].T
    range_m = np.sqrt(x * x + y * y + z * z)
    ground_m = np.quantile(z, 0.05) if len(z) else 0.0
    return {
        CHANCE: float(_generator(shard, index).random()),
        "range": _mean(range_m),
        "height": _mean(z),
        "intensity": _mean(intensity),
        "brightness": float(shard.image[index].mean()),
        "frame_index": float(index),
        "clutter": float(((range_m < _CLUTTER_RANGE_M) & (z > ground_m + _CLUTTER_HEIGHT_M)).sum()),
    }


def _of_points(shard: Shard, index: int, points: FramePoints) -> dict[str, npt.NDArray[np.floating]]:
    x, y, z, intensity = points.points_m.T
    brightness = np.zeros(len(x))
    brightness[points.in_view] = shard.image[index][points.pixel].mean(axis=1)
    return {
        CHANCE: _generator(shard, index).random(len(x)),
        "range": np.sqrt(x * x + y * y + z * z),
        "height": z,
        "intensity": intensity,
        "brightness": brightness,  # of the pixel that the point falls on; 0 outside the image
    }


def _generator(shard: Shard, index: int) -> np.random.Generator:
    name = f"{shard.scenario} {shard.camera_name} {int(shard.frame_id[index])}"
    return np.random.default_rng(zlib.crc32(name.encode()))


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0
