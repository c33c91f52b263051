"""Scores beside their truth, level by level, for one scenario."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lib.common.labels import is_anomaly, is_ignored
from lib.evaluation.anovox_protocol import ProtocolFrame, Way, scores_of_voxels, shared_voxels, sigmoid
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.truth import FrameTruth, State, frame_truth, groups
from lib.geometry.frame import ScenarioType
from lib.geometry.rigid import apply_to_columns
from lib.geometry.voxels import grid_cells, nearest_to_corner, points_to_grid, voxel_keys
from lib.shards.predictions import Predictions, to_float16
from lib.shards.shard_reader import Shard

Level = Literal["frame", "frame_any", "frame_within", "pixel", "point", "point_all", "voxel"]
LEVELS: Final[tuple[Level, ...]] = ("frame", "frame_any", "frame_within", "pixel", "point", "point_all", "voxel")
FRAMES_AT_ONCE: Final = 32

Scores = npt.NDArray[np.float16]
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

    score (M,) raw, as evaluate.voxel_score says; corner_score (M,) raw, as AnoVox's protocol says: that of the point
    nearest to the voxel's lower corner, whose row is center (M,); is_anomaly (M,), in_view (M,); true_voxels and
    true_anomalies count the ground truth's.
    """

    score: Scores
    corner_score: Scores
    center: npt.NDArray[np.intp]
    is_anomaly: Booleans
    in_view: Booleans
    true_voxels: int
    true_anomalies: int


@dataclass(frozen=True, eq=False)
class FramePoints:
    """A frame's used points (N, 4) x, y, z [m], intensity; their classes; whether the camera's image holds them, and
    row and column of the pixel (V,) of those that it holds.
    """

    points_m: npt.NDArray[np.float32]
    classes: npt.NDArray[np.uint8]
    in_view: Booleans
    pixel: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


@dataclass(frozen=True, eq=False)
class ScenarioScores:
    """A scenario's scores and truth, or of a part of it: one camera's, some frames'. From `frame_id` on, all have one
    entry per frame; time_s [s], nan = unknown.
    """

    scenario: str
    scenario_type: str
    camera: str
    anomaly_size: str | None
    levels: dict[Level, LevelScores]
    frame_id: npt.NDArray[np.int64]
    time_s: npt.NDArray[np.float64]
    frame_score: Scores
    truth: tuple[FrameTruth, ...]
    groups: tuple[dict[str, str], ...]
    points: tuple[FramePoints, ...]
    voxels: tuple[SharedVoxels, ...]
    baselines: dict[str, LevelScores] = field(default_factory=dict)

    def protocol_frames(self) -> Iterator[ProtocolFrame]:
        """What AnoVox's protocol looks at."""
        for truth, voxels in zip(self.truth, self.voxels, strict=True):
            scores = sigmoid(voxels.corner_score)
            counts = voxels.true_voxels, voxels.true_anomalies
            yield ProtocolFrame(scores, voxels.is_anomaly, truth.anywhere, self.anomaly_size, *counts)


def score_scenario(shard: Shard, predictions: Predictions, params: EvaluateParams) -> ScenarioScores:
    """Bring the predictions of a shard (checked to be of this shard) together with its labels."""
    return score_frames(shard, predictions, params, range(len(shard)))


def score_in_parts(shard: Shard, predictions: Predictions, params: EvaluateParams) -> Iterator[ScenarioScores]:
    """As score_scenario, some frames at a time, so that memory does not grow with the scenario's length."""
    for start in range(0, len(shard), FRAMES_AT_ONCE):
        yield score_frames(shard, predictions, params, range(start, min(start + FRAMES_AT_ONCE, len(shard))))


def score_frames(shard: Shard, predictions: Predictions, params: EvaluateParams, frames: range) -> ScenarioScores:
    """As score_scenario, of some successive frames alone."""
    points = tuple(_points(shard, i) for i in frames)
    scores = [predictions.point_score[i, : len(p.points_m)] for i, p in zip(frames, points, strict=True)]
    scored = list(zip(frames, points, scores, strict=True))
    voxels = tuple(_shared_voxels(shard, i, p, s, params.voxel_score) for i, p, s in scored)
    images = ((shard.pixel_class[i], shard.depth_m[i]) for i in frames)
    found = zip(points, images, strict=True)
    truth = tuple(frame_truth(p.points_m, p.classes, p.in_view, *image, shard.camera) for p, image in found)
    pixels = [(predictions.pixel_score[i].ravel(), shard.pixel_class[i].ravel()) for i in frames]
    rows, states = slice(frames.start, frames.stop), [t.state(params) for t in truth]
    frame = frame_level(predictions.frame_score[rows], states)
    return ScenarioScores(
        scenario=shard.scenario,
        scenario_type=shard.scenario_type.value,
        camera=shard.camera_name,
        anomaly_size=shard.anomaly.size.capitalize() if shard.anomaly and shard.anomaly.size else None,
        levels={
            "frame": frame,
            "frame_any": frame_level(predictions.frame_score[rows], states, left_out=True),
            "frame_within": level_of([]) if shard.scenario_type is ScenarioType.NORMALITY else frame,
            "pixel": level_of([known(*pair) for pair in pixels]),
            "point": level_of([known(s[p.in_view], p.classes[p.in_view]) for _, p, s in scored]),
            "point_all": level_of([known(s, p.classes) for _, p, s in scored]),
            "voxel": level_of([(v.score[v.in_view], v.is_anomaly[v.in_view]) for v in voxels]),
        },
        frame_id=shard.frame_id[rows],
        time_s=shard.time_s[rows],
        frame_score=predictions.frame_score[rows],
        truth=truth,
        groups=tuple(groups(t, shard.anomaly, shard.weather) for t in truth),
        points=points,
        voxels=voxels,
    )


def known(scores: Scores, classes: npt.NDArray[np.uint8]) -> tuple[Scores, Booleans]:
    """Scores and labels of what is not of an ignored class."""
    kept = ~is_ignored(classes)
    return scores[kept], is_anomaly(classes[kept])


def frame_level(scores: Scores, states: list[State], left_out: bool = False) -> LevelScores:
    """Frames' scores (F,) as a level; those with too little in view are positive if `left_out`, or absent."""
    frames = [i for i, state in enumerate(states) if left_out or state != "left_out"]
    return level_of([(scores[i : i + 1], np.array([states[i] != "negative"])) for i in frames], frames)


def level_of(pairs: list[tuple[Scores, Booleans]], frames: list[int] | None = None) -> LevelScores:
    """Scores and labels of the scenario's frames, one after another; `frames` numbers them if some are absent."""
    if not pairs:
        nothing = np.zeros(0, dtype=np.float16)
        return LevelScores(nothing, np.zeros(0, dtype=np.int64), nothing)
    numbers = np.arange(len(pairs)) if frames is None else np.array(frames)
    return LevelScores(
        positive=np.concatenate([scores[labels] for scores, labels in pairs]),
        positive_frame=np.repeat(numbers, [int(labels.sum()) for _, labels in pairs]),
        negative=np.concatenate([scores[~labels] for scores, labels in pairs]),
    )


def points_in_view(shard: Shard, points_m: npt.NDArray[np.floating]) -> Booleans:
    """Say which points (N, 3 or more) [m, LiDAR frame] the camera's image holds (N,)."""
    return _project(shard, points_m)[0]


def _project(
    shard: Shard, points_m: npt.NDArray[np.floating]
) -> tuple[Booleans, tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Which points the image holds, and row and column of the pixels of those."""
    columns_m = points_m[:, :3].T.astype(np.float64)
    visible, *pixel = shard.camera.pixels_of(apply_to_columns(shard.camera_SE3_lidar, columns_m))
    in_view = np.zeros(len(points_m), dtype=bool)
    in_view[visible] = True
    return in_view, (pixel[0], pixel[1])


def _points(shard: Shard, index: int) -> FramePoints:
    count = int(shard.num_points[index])
    points_m = shard.points[index, :count]
    return FramePoints(points_m, shard.point_class[index, :count], *_project(shard, points_m))


def _shared_voxels(shard: Shard, index: int, points: FramePoints, scores: Scores, way: Way) -> SharedVoxels:
    clouds = zip(shard.lidar_points(index), shard.lidars, strict=True)
    grid_m = np.concatenate([points_to_grid(cloud, lidar.location, lidar.rotation) for cloud, lidar in clouds])
    truth = shard.voxels(index)
    truth = truth[~is_ignored(truth[:, 3].astype(np.uint8))]
    anomalies = is_anomaly(truth[:, 3].astype(np.uint8))
    keys = voxel_keys(grid_cells(grid_m))
    occupied, centers = nearest_to_corner(grid_m, keys)
    true_rows, rows = shared_voxels(voxel_keys(truth), occupied)
    return SharedVoxels(
        score=to_float16(scores_of_voxels(keys, occupied, centers, scores, way)[rows]),
        corner_score=scores[centers[rows]],
        center=centers[rows],
        is_anomaly=anomalies[true_rows],
        in_view=np.isin(occupied[rows], keys[points.in_view]),
        true_voxels=len(truth),
        true_anomalies=int(anomalies.sum()),
    )
