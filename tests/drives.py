"""Drives at 10 Hz through a simulated street, with any speed and turn rate of the ego, and what may be wrong there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lib.anovox.format.ego_state import EgoState, action_values
from lib.anovox.format.recording import Recording
from lib.anovox.format.writing import write_scenario
from lib.geometry.rigid import yaw_transform
from lib.simulator.mounting import extrinsics, sensor_set
from lib.simulator.recordings import scenario_config
from lib.simulator.scenario_plan import plan_scenarios
from lib.simulator.scene_builder import build_scene
from lib.simulator.sensors import sense_camera, sense_lidar
from lib.simulator.textures import ValueNoise
from lib.simulator.world import SceneWorlds
from tests.all_params import all_params

TICK_S = 0.1
SMALL = {"image_height": 64, "image_width": 96, "lidar_channels": 24, "lidar_rays_per_channel": 256}
CLOUDS = ("LIDAR(", "SEMANTIC-LIDAR", "VOXEL_GRID")
CAMERA = ("RGB-CAM", "DEPTH_CAM", "SEMANTIC-CAM")
FIRST_ID = 880


def write_drive(
    root: Path, speed_mps: npt.NDArray[np.float64], turn_radps: npt.NDArray[np.float64] | None = None, seed: int = 4
) -> Path:
    """Write one normality drive below `root`, a tick for each speed, in a street where nothing else moves."""
    changes = {"seed": seed, "normality_scenarios": 1, "anomaly_scenarios": 0, "dynamic_scenarios": 0}
    params = all_params().simulate.model_copy(update=SMALL | changes | {"frames_per_scenario": 2})
    [plan] = plan_scenarios(params)
    scene = build_scene(plan, params)
    scene = replace(scene, actors=())
    sensors, worlds, noise = sensor_set(params), SceneWorlds(scene), ValueNoise(scene.texture_seed)
    last = extrinsics(sensors.poses[-1])
    recordings, (x, y), yaw_rad = [], scene.ego_start_xy_m, scene.ego_yaw_rad
    for tick, speed in enumerate(speed_mps):
        pose, world = yaw_transform(yaw_rad, (x, y, 0.0)), worlds.at(0.0)
        camera_rng, lidar_rng = np.random.default_rng([seed, tick]).spawn(2)
        cameras = [sense_camera(world, sensors.camera_args, pose @ last, pose, noise, camera_rng)]
        lidars = [sense_lidar(world, sensors.lidar_args, pose @ last, 10, lidar_rng)]
        action = action_values(FIRST_ID + tick, plan.name, EgoState(pose, float(speed)), last, last)
        recordings.append(Recording(FIRST_ID + tick, tuple(cameras), tuple(lidars), action))
        x, y = x + TICK_S * speed * np.cos(yaw_rad), y + TICK_S * speed * np.sin(yaw_rad)
        yaw_rad += TICK_S * (0.0 if turn_radps is None else turn_radps[tick])
    return write_scenario(root, scenario_config(plan, scene), sensors, recordings)


def files_of(scenario: Path, *kinds: str) -> list[list[Path]]:
    """The files of each folder of some kinds, by frame."""
    folders = [folder for folder in sorted(scenario.iterdir()) if folder.name.startswith(kinds) and folder.is_dir()]
    return [sorted(folder.iterdir()) for folder in folders]


def rearranged(scenario: Path, order: Callable[[int], int], *kinds: str) -> None:
    """Give each file of some kinds the content of the one in another place of its folder."""
    for paths in files_of(scenario, *kinds):
        contents = [path.read_bytes() for path in paths]
        for place, path in enumerate(paths):
            path.write_bytes(contents[min(max(order(place), 0), len(paths) - 1)])


def a_tick_late(scenario: Path, *kinds: str) -> None:
    rearranged(scenario, lambda place: place - 1, *kinds)


def a_tick_early(scenario: Path, *kinds: str) -> None:
    rearranged(scenario, lambda place: place + 1, *kinds)


def renumbered(scenario: Path, number: Callable[[int], int]) -> None:
    """Give each frame another id; ids must grow."""
    for paths in files_of(scenario, ""):
        for place, path in reversed(list(enumerate(paths))):
            path.rename(path.with_name(f"{path.parent.name}_{number(place)}{path.suffix}"))
