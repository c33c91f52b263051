"""Small shards and predictions through the real writers: a flat street, a ball as the anomaly, scores made up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lib.common.labels import ROAD, SKY, is_anomaly
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Anomaly, Frame, Lidar, ScenarioType
from lib.geometry.voxels import LabelledCloud, voxelize
from lib.shards.index import write_index
from lib.shards.predictions import Predictions, read_predictions, to_float16, write_predictions
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard
from lib.shards.split import assign_splits
from lib.shards.validation_scores import NORMAL, PASTED, ValidationScores, write_validation
from tests.all_params import all_params
from tests.shard_data import shard_entry

ROOT = Path(__file__).parents[1]
CAMERA = Camera.from_fov(72, 48, 90.0)
LIDAR = Lidar(channels=16, upper_fov_deg=15, lower_fov_deg=-25, range_m=100)
GROUND_M = -1.8
MAX_POINTS = 640
ANIMAL = 30

Change = Callable[[Predictions], Predictions]


@dataclass(frozen=True)
class Ball:
    """The anomaly: a ball on the ground."""

    x_m: float
    y_m: float
    radius_m: float
    class_id: int = ANIMAL


def ball_frame(
    scenario: str, frame_id: int, scenario_type: ScenarioType, ball: Ball | None, anomaly: Anomaly | None
) -> Frame:
    """A frame of the flat street, with the ball where there is one."""
    generator = np.random.default_rng([frame_id, *scenario.encode()])
    points = np.column_stack([generator.uniform(-30, 40, 500), generator.uniform(-20, 20, 500), np.full(500, GROUND_M)])
    classes = np.full(500, ROAD, dtype=np.uint8)
    row, column = np.indices((CAMERA.height_px, CAMERA.width_px)) + 0.5
    below = row > CAMERA.cy_px
    depth = np.where(below, -GROUND_M * CAMERA.fy_px / np.maximum(row - CAMERA.cy_px, 0.5), 1000.0).astype(np.float32)
    pixels = np.where(below, ROAD, SKY).astype(np.uint8)
    if ball is not None:
        center = np.array([ball.x_m, ball.y_m, GROUND_M + ball.radius_m])
        shell = generator.normal(size=(100, 3))
        shell *= ball.radius_m / np.linalg.norm(shell, axis=1, keepdims=True)
        points = np.concatenate([points, center + shell])
        classes = np.append(classes, np.full(100, ball.class_id, dtype=np.uint8))
        if ball.x_m > 0:
            u, v, _ = CAMERA.project(center[None])
            inside = np.hypot(column - u[0], row - v[0]) <= ball.radius_m * CAMERA.fx_px / ball.x_m
            pixels[inside], depth[inside] = ball.class_id, ball.x_m
    cloud = LabelledCloud(points, classes)
    return Frame(
        scenario=scenario,
        frame_id=frame_id,
        scenario_type=scenario_type,
        image=generator.integers(60, 190, (CAMERA.height_px, CAMERA.width_px, 3), dtype=np.uint8),
        points=np.column_stack([points, np.full(len(points), 0.4)]).astype(np.float32),
        point_class=classes,
        pixel_class=pixels,
        depth_m=depth,
        calibration=Calibration(CAMERA, np.eye(4)),
        lidars=(LIDAR,),
        voxels=voxelize([cloud]),
        world_SE3_ego=None,
        speed_mps=None,
        time_s=0.1 * frame_id,
        anomaly=anomaly,
    )


def write_scenario(
    folder: Path, name: str, balls: list[Ball | None], anomaly: Anomaly | None, weather: str = ""
) -> Path:
    """One shard: a frame per ball (None: nothing there); with an anomaly or a ball the scenario is STATIC."""
    normal = anomaly is None and not any(balls)
    scenario_type = ScenarioType.NORMALITY if normal else ScenarioType.STATIC
    frames = [ball_frame(name, 10 * i, scenario_type, ball, anomaly) for i, ball in enumerate(balls)]
    write_shard(folder / f"{name}.h5", frames, MAX_POINTS, weather=weather)
    return folder / f"{name}.h5"


def made_up_scores(shard_path: Path, skill: float = 2.0) -> Predictions:
    """Noise plus `skill` on anomalies; the frame's score is the mean of its 10 highest points."""
    shard = read_shard(shard_path)
    generator = np.random.default_rng(list(shard.scenario.encode()))

    def scores(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
        return to_float16(generator.normal(size=classes.shape) + skill * is_anomaly(classes))

    point_score = scores(np.asarray(shard.point_class))
    used = np.arange(point_score.shape[1]) < shard.num_points[:, None]
    top = np.sort(np.where(used, point_score, -np.inf), axis=1)[:, -10:]
    return Predictions(
        scenario=shard.scenario,
        shard_fingerprint=shard.fingerprint,
        model_fingerprint="made up",
        frame_id=shard.frame_id,
        num_points=shard.num_points,
        point_score=point_score,
        pixel_score=scores(np.asarray(shard.pixel_class)),
        frame_score=to_float16(top.mean(axis=1, dtype=np.float64)),
    )


def made_up_validation(
    skill: float = 2.0, scenarios: int = 8, frames: int = 30, step_s: float = 0.5
) -> ValidationScores:
    """Noise, plus `skill` where every other scenario's frame has a pseudo-anomaly of 5 of its 40 points."""
    generator = np.random.default_rng(3)
    drive = np.repeat(np.arange(scenarios, dtype=np.int32), frames)
    pasted = np.arange(len(drive)) % 2 == 1
    label = np.where(pasted[:, None] & (np.arange(40) < 5), PASTED, NORMAL).astype(np.uint8)
    return ValidationScores(
        model_fingerprint="made up",
        outside_shift=-0.5,
        drives=tuple((f"Scenario_v{n}", "") for n in range(scenarios)),
        drive=drive,
        time_s=np.tile(step_s * np.arange(frames), scenarios),
        frame_score=to_float16(generator.normal(size=len(drive))),
        pasted_drive=drive,
        pasted_score=to_float16(generator.normal(size=len(drive)) + skill * pasted),
        pasted_image_fraction=(0.01 * pasted).astype(np.float32),
        pasted_points=(20 * pasted).astype(np.int32),
        point_score=to_float16(generator.normal(size=label.shape) + skill * label),
        point_label=label,
        pixel_score=to_float16(generator.normal(size=label.shape) + skill * label),
        pixel_label=label,
    )


def write_sample(root: Path, anomaly_scenarios: int = 6, normality_scenarios: int = 9, skill: float = 2.0) -> None:
    """A project's data/shards with index, and data/predictions of the test scenarios by the repository's params."""
    shards, predictions = root / "data" / "shards", root / "data" / "predictions"
    kinds, sizes = ("geometry", "appearance", "both"), ("Tiny", "Medium", "huge")
    paths = []
    for n in range(anomaly_scenarios):
        balls = [Ball(5.0 + 3 * n - i, -2.0 + n, 0.4 + 0.2 * n) for i in range(3)] + [None]
        anomaly = Anomaly(sizes[n % 3], "static.prop.ball", kinds[n % 3])
        paths.append(
            write_scenario(shards, f"Scenario_a{n:02}", balls, anomaly, ("CLEAR_NOON", "MID_RAIN_NIGHT")[n % 2])
        )
    for n in range(normality_scenarios):
        paths.append(write_scenario(shards, f"Scenario_n{n:02}", [None] * 3, None, "SOFT_RAIN_SUNSET"))
    entries = [shard_entry(read_shard(path)) for path in paths]
    write_index(shards, entries)
    splits = assign_splits(entries, all_params().split)
    for entry in entries:
        if splits[entry.scenario] == "test":
            write_predictions(predictions / entry.file, made_up_scores(shards / entry.file, skill))
    write_validation(root / "data" / "validation.h5", made_up_validation(skill))


def change_predictions(path: Path, **arrays: Any) -> None:
    """Rewrite a prediction file with other values."""
    write_predictions(path, replace(read_predictions(path), **arrays))
