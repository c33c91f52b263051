"""Scores beside their truth, level by level, for one scenario."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lib.evaluation.anovox import Way, grid_voxel_scores, shared_voxels
from lib.evaluation.truth import FrameTruth, State, frame_truth, groups
from lib.geometry.rigid import apply
from lib.geometry.voxels import grid_cells, points_to_grid, voxel_keys
from lib.labels import is_anomaly, is_ignored
from lib.params import EvaluateParams
from lib.shards.predictions import Predictions
from lib.shards.reader import Shard

Level = Literal["frame", "frame_any", "pixel", "point", "point_all", "voxel"]
LEVELS: Final[tuple[Level, ...]] = ("frame", "frame_any", "pixel", "point", "point_all", "voxel")

Scores = npt.NDArray[np.float32]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LevelScores:
    """One level's scores in one scenario: positive (P,), each one's frame (P,) as an index, negative (N,)."""

    positive: Scores
    positive_frame: npt.NDArray[np.int64]
    negative: Scores


@dataclass(frozen=True, eq=False)
class SharedVoxels:
    """Voxels of one frame that predictions and ground truth share, without the ignored classes.

    score (M,) raw, is_anomaly (M,), in_view (M,); true_voxels and true_anomalies count the ground truth's.
    """

    score: Scores
    is_anomaly: Booleans
    in_view: Booleans
    true_voxels: int
    true_anomalies: int


@dataclass(frozen=True, eq=False)
class ScenarioScores:
    """A scenario's scores and truth, or one camera's of it; truth, groups and voxels have one entry per frame."""

    scenario: str
    scenario_type: str
    anomaly_size: str | None
    levels: dict[Level, LevelScores]
    truth: tuple[FrameTruth, ...]
    groups: tuple[dict[str, str], ...]
    voxels: tuple[SharedVoxels, ...]


@dataclass(frozen=True, eq=False)
class _FramePoints:
    points_m: npt.NDArray[np.float32]
    classes: npt.NDArray[np.uint8]
    scores: Scores
    in_view: Booleans


def score_scenario(shard: Shard, predictions: Predictions, params: EvaluateParams) -> ScenarioScores:
    """Bring the predictions of a shard (checked to be of this shard) together with its labels."""
    points = [_points(shard, predictions, i) for i in range(len(shard))]
    voxels = tuple(_shared_voxels(shard, i, frame, params.voxel_score) for i, frame in enumerate(points))
    truth = tuple(
        frame_truth(frame.points_m, frame.classes, frame.in_view, shard.pixel_class[i], shard.depth_m[i], shard.camera)
        for i, frame in enumerate(points)
    )
    pixels = [(predictions.pixel_score[i].ravel(), shard.pixel_class[i].ravel()) for i in range(len(shard))]
    return ScenarioScores(
        scenario=shard.scenario,
        scenario_type=shard.scenario_type.value,
        anomaly_size=shard.anomaly.size.capitalize() if shard.anomaly and shard.anomaly.size else None,
        levels={
            "frame": _frames(predictions, [t.state(params) for t in truth], left_out=False),
            "frame_any": _frames(predictions, [t.state(params) for t in truth], left_out=True),
            "pixel": _level([_known(*pair) for pair in pixels]),
            "point": _level([_known(p.scores[p.in_view], p.classes[p.in_view]) for p in points]),
            "point_all": _level([_known(p.scores, p.classes) for p in points]),
            "voxel": _level([(v.score[v.in_view], v.is_anomaly[v.in_view]) for v in voxels]),
        },
        truth=truth,
        groups=tuple(groups(t, shard.anomaly, shard.weather) for t in truth),
        voxels=voxels,
    )


def points_in_view(shard: Shard, points_m: npt.NDArray[np.floating]) -> Booleans:
    """Say which points (N, 3 or more) [m, LiDAR frame] the camera's image holds (N,)."""
    visible: Booleans = shard.camera.project(apply(shard.camera_SE3_lidar, points_m[:, :3]))[2]
    return visible


def _points(shard: Shard, predictions: Predictions, index: int) -> _FramePoints:
    count = int(shard.num_points[index])
    points_m = shard.points[index, :count]
    return _FramePoints(
        points_m=points_m,
        classes=shard.point_class[index, :count],
        scores=predictions.point_score[index, :count],
        in_view=points_in_view(shard, points_m),
    )


def _shared_voxels(shard: Shard, index: int, frame: _FramePoints, way: Way) -> SharedVoxels:
    clouds = zip(shard.lidar_points(index), shard.lidars, strict=True)
    grid_m = np.concatenate([points_to_grid(cloud, lidar.location, lidar.rotation) for cloud, lidar in clouds])
    truth = shard.voxels(index)
    truth = truth[~is_ignored(truth[:, 3].astype(np.uint8))]
    anomalies = is_anomaly(truth[:, 3].astype(np.uint8))
    keys, scores = grid_voxel_scores(grid_m, frame.scores, way)
    seen = np.unique(voxel_keys(grid_cells(grid_m[frame.in_view])))
    true_rows, rows = shared_voxels(voxel_keys(truth), keys)
    return SharedVoxels(
        score=scores[rows].astype(np.float32, copy=False),
        is_anomaly=anomalies[true_rows],
        in_view=np.isin(keys[rows], seen),
        true_voxels=len(truth),
        true_anomalies=int(anomalies.sum()),
    )


def _known(scores: Scores, classes: npt.NDArray[np.uint8]) -> tuple[Scores, Booleans]:
    known = ~is_ignored(classes)
    return scores[known], is_anomaly(classes[known])


def _frames(predictions: Predictions, states: list[State], left_out: bool) -> LevelScores:
    """Frames as a level; those with too little in view are positive, or absent."""
    return _level(
        [
            (predictions.frame_score[i : i + 1], np.array([state != "negative"]))
            for i, state in enumerate(states)
            if left_out or state != "left_out"
        ],
        [i for i, state in enumerate(states) if left_out or state != "left_out"],
    )


def _level(pairs: list[tuple[Scores, Booleans]], frames: list[int] | None = None) -> LevelScores:
    """Scores and labels of the scenario's frames, one after another; `frames` numbers them if some are absent."""
    if not pairs:
        nothing = np.zeros(0, dtype=np.float32)
        return LevelScores(nothing, np.zeros(0, dtype=np.int64), nothing)
    numbers = np.arange(len(pairs)) if frames is None else np.array(frames)
    return LevelScores(
        positive=np.concatenate([scores[labels] for scores, labels in pairs]),
        positive_frame=np.repeat(numbers, [int(labels.sum()) for _, labels in pairs]),
        negative=np.concatenate([scores[~labels] for scores, labels in pairs]),
    )
