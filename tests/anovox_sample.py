"""Golden AnoVox files, and small scenarios of random but valid recordings in the release layout.

WRITTEN holds files that AnoVox's own generator code wrote, and in truth.json what went in.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.anovox.format import layout
from lib.anovox.format.configurations import ScenarioDefinition
from lib.anovox.format.recording import (
    CameraArgs,
    CameraRecording,
    LidarArgs,
    LidarRecording,
    Recording,
    ScenarioConfig,
    SensorSet,
)
from lib.anovox.format.writing import write_scenario
from lib.common.labels import NORMAL_IDS
from lib.geometry.frame import ScenarioType

GOLDEN = Path(__file__).parent / "golden" / "release"
WRITTEN = Path(__file__).parent / "golden" / "written"
MONO_STATIC = GOLDEN / "Scenario_5f82c2d9-cfeb-4fa3-a1d7-d982f8bd1045"
MONO_NORMALITY = GOLDEN / "Scenario_63f506fd-b9a5-4e6b-bc2f-9296078d2c7b"
STEREO = GOLDEN / "Scenario_9149e47e-6de0-4d43-b910-d41e2c8826ae"
STEREO_ONE_LIDAR = GOLDEN / "Scenario_9c330a5b-8404-4a50-8ac6-75cf347f74ad"
SCENARIOS = (MONO_STATIC, MONO_NORMALITY, STEREO, STEREO_ONE_LIDAR)

SENSORS = SensorSet(camera_args=CameraArgs(20, 30), lidar_args=LidarArgs(channels=8))
NORMALITY = ScenarioConfig("Scenario_00000000-aaaa", ScenarioType.NORMALITY, "Town03", "CLEAR_NOON")
STATIC = ScenarioConfig("Scenario_11111111-bbbb", ScenarioType.STATIC, "Town10HD", "HARD_RAIN_NIGHT", "static.prop.x")


def golden_copy(folder: Path, *scenarios: Path) -> Path:
    """A copy of golden scenarios (default: all) that a test may damage."""
    for scenario in scenarios or SCENARIOS:
        shutil.copytree(scenario, folder / scenario.name)
    return folder


def frame_path(scenario: Path, kind: str, frame_id: int) -> Path:
    """A golden or written file: the one of its sensor type (mono sets) and frame."""
    [folder] = [f for f in scenario.iterdir() if f.name == kind or f.name.startswith(f"{kind}(")]
    return folder / f"{folder.name}_{frame_id}{layout.FILE_ENDINGS[kind]}"


def recording(
    frame_id: int, anomaly_id: int | None = None, sensors: SensorSet = SENSORS, points: int = 200
) -> Recording:
    """A recording of random pixels and points, equal for equal arguments; the anomaly covers some of both."""
    generator = np.random.default_rng([7, frame_id])
    height, width = sensors.camera_args.image_height, sensors.camera_args.image_width
    cameras = []
    for _ in sensors.cameras:
        semantic = generator.choice(np.array(NORMAL_IDS, dtype=np.uint8), (height, width))
        if anomaly_id is not None:
            semantic[5:9, 5:9] = anomaly_id
        rgb = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        depth_m = generator.integers(0, 2**24, (height, width)) * np.float64(1000 / (2**24 - 1))
        instance = np.dstack([semantic, np.zeros_like(semantic), np.ones_like(semantic)])
        cameras.append(CameraRecording(rgb, depth_m, semantic, instance))
    lidars = tuple(lidar_recording(generator, points, anomaly_id) for _ in sensors.lidars)
    values = None
    if anomaly_id is not None:
        values = {"frame_id": str(frame_id), "anomaly_type_id": "static.prop.x", "size": "BIG"}
    return Recording(frame_id, tuple(cameras), lidars, {"frame_id": str(frame_id), "speed": "36.0"}, values)


def lidar_recording(generator: np.random.Generator, points: int, anomaly_id: int | None = None) -> LidarRecording:
    """Points on all sides, with AnoVox's noise along the ray."""
    direction = generator.normal(size=(points, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    range_m = generator.uniform(2, 60, points)
    class_ids = generator.choice(NORMAL_IDS, points)
    if anomaly_id is not None:
        class_ids[:7] = anomaly_id
    noisy_m = range_m + generator.normal(0, 0.1, points)
    noisy = np.column_stack([direction * noisy_m[:, None], generator.uniform(0, 1, points)])
    return LidarRecording(noisy.astype(np.float32), np.column_stack([direction * range_m[:, None], class_ids]))


def write_sample(root: Path, frames: tuple[int, ...] = (996, 1000, 1004)) -> None:
    """A normality and a static scenario, without configuration files."""
    write_scenario(root, NORMALITY, SENSORS, [recording(i) for i in frames])
    write_scenario(root, STATIC, SENSORS, [recording(i, anomaly_id=30) for i in frames])


def definition(config: ScenarioConfig) -> ScenarioDefinition:
    """A scenario on a straight road."""
    return ScenarioDefinition(config, np.column_stack([np.arange(110.0), np.zeros(110)]), 0.0, 70, 0.5)


def renamed(config: ScenarioConfig, name: str) -> ScenarioConfig:
    return replace(config, name=name)
