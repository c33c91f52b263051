"""Small drives at 10 Hz through the real writers: a ball as the vehicle ahead, which brakes in a window of ticks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.common.ticks import HISTORY_TICKS
from lib.geometry.frame import Frame, ScenarioType
from lib.geometry.rigid import yaw_transform
from lib.shards.index import write_index
from lib.shards.predictions import to_float16, write_predictions
from lib.shards.shard_reader import Shard, read_shard
from lib.shards.shard_writer import write_shard
from lib.shards.split import assign_splits
from lib.shards.tracks import Tracks, read_tracks, write_tracks
from lib.shards.validation_scores import write_validation
from tests.all_params import all_params
from tests.scored_sample import MAX_POINTS, Ball, ball_frame, made_up_scores, made_up_validation
from tests.shard_data import shard_entry

AGENT, BRAKING = 114, 100
EGO_SPEED_MPS = 10.0
STREET_POINTS = 500
TEST_FRACTION = 0.5


@dataclass(frozen=True)
class Drive:
    """window: the first labelled frame and the one after the last; range_m: of the ball's middle in each frame."""

    window: tuple[int, int] | None
    range_m: tuple[float | None, ...]


def braking_drive(frames: int = 60, start: int = 30, nearest_m: float = 3.5) -> Drive:
    """The ball is 20 m ahead until it brakes by 8 m/s^2, which the ego does not answer; labelled for 31 frames."""
    braking_s = 0.1 * np.maximum(np.arange(frames) - start, 0)
    return Drive((start, start + 31), tuple(np.maximum(20.0 - 4.0 * braking_s**2, nearest_m).tolist()))


def drive_frames(name: str, drive: Drive) -> list[Frame]:
    """Frames of a drive; without a window it is normal, and its balls are of no class that counts."""
    kind = ScenarioType.NORMALITY if drive.window is None else ScenarioType.DYNAMIC
    labelled = range(*drive.window) if drive.window else range(0)
    frames = []
    for i, range_m in enumerate(drive.range_m):
        class_id = BRAKING if i in labelled else AGENT
        ball = None if range_m is None else Ball(range_m, 0.0, 0.9, class_id)
        frames.append(
            replace(
                ball_frame(name, 100 + i, kind, ball, None),
                time_s=10.0 + 0.1 * i,
                speed_mps=EGO_SPEED_MPS,
                world_SE3_ego=yaw_transform(0.3, (EGO_SPEED_MPS * 0.1 * i, 0.0, 0.0)),
            )
        )
    return frames


def write_drive(folder: Path, name: str, drive: Drive, change: Callable[[int, Frame], Frame] | None = None) -> Path:
    """One shard; `change` alters each frame."""
    frames = drive_frames(name, drive)
    path = folder / f"{name}.h5"
    write_shard(path, [change(i, frame) if change else frame for i, frame in enumerate(frames)], MAX_POINTS)
    return path


def made_up_tracks(shard: Shard) -> Tracks:
    """Noise, plus 4 in the five frames from the second one on in which the ball brakes; its points are the ball's."""
    generator = np.random.default_rng(list(shard.scenario.encode()))
    scores = generator.normal(size=len(shard))
    braking = [bool((classes == BRAKING).any()) for classes in shard.point_class]
    if any(braking):
        first = braking.index(True)
        scores[first + 2 : first + 7] += 4.0
    points = [np.arange(min(STREET_POINTS, count), count, dtype=np.int32) for count in shard.num_points.tolist()]
    nothing = np.full(len(shard), np.nan, dtype=np.float32)
    return Tracks(
        scenario=shard.scenario,
        shard_fingerprint=shard.fingerprint,
        frame_id=shard.frame_id,
        frame_score=to_float16(scores),
        range_m=nothing,
        speed_mps=nothing,
        acceleration_mps2=nothing,
        places_m=np.full((len(shard), HISTORY_TICKS + 1), np.nan, dtype=np.float32),
        points_flat=np.concatenate(points),
        point_offsets=np.concatenate([[0], np.cumsum([len(rows) for rows in points])]).astype(np.int64),
    )


def write_braking_sample(root: Path, dynamic: int = 4, normal: int = 4, normal_frames: int = 260) -> None:
    """data/shards with index, predictions and tracks of the test drives (split.test_fraction: 0.5), validation.h5."""
    shards = root / "data" / "shards"
    drives = {f"Scenario_d{n}": braking_drive(start=25 + n) for n in range(dynamic)}
    drives |= {f"Scenario_n{n}": Drive(None, (None,) * normal_frames) for n in range(normal)}
    paths = [write_drive(shards, name, drive) for name, drive in drives.items()]
    entries = [shard_entry(read_shard(path)) for path in paths]
    write_index(shards, entries)
    splits = assign_splits(entries, all_params().split.model_copy(update={"test_fraction": TEST_FRACTION}))
    for entry in entries:
        if splits[entry.scenario] == "test":
            shard = read_shard(shards / entry.file)
            write_predictions(root / "data" / "predictions" / entry.file, made_up_scores(shard.path))
            write_tracks(root / "data" / "tracks" / entry.file, made_up_tracks(shard))
    write_validation(root / "data" / "validation.h5", made_up_validation())


def change_tracks(path: Path, **arrays: Any) -> None:
    """Rewrite a track file with other values."""
    write_tracks(path, replace(read_tracks(path), **arrays))
