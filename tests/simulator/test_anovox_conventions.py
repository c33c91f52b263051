"""Simulated scenarios read by a small reader of its own, written after AnoVox's scripts and without this project's.

What it takes from where: Tools/visualizer.py (ACTION by position, pictures, clouds, folders by pattern, frame ids),
voxelize_separate.py (sensor_setup.json by key, voxels), DataGenerator.py (y mirrored, the transforms of ACTION).
"""

import ast
import csv
import fnmatch
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.common.labels import is_anomaly
from lib.simulator.sample import write_sample
from tests.simulated_sets import set_params

SKY_M = 1000.0


class Visualizer:
    """AnoVox's way into one scenario of the mono set."""

    def __init__(self, scenario: Path) -> None:
        self.scenario = scenario
        self.setup = json.loads((scenario / "sensor_setup.json").read_text())
        self.ids = sorted(int(path.stem.split("_")[-1]) for path in self.folder("ACTION*").iterdir())

    def folder(self, pattern: str) -> Path:
        [found] = [path for path in self.scenario.iterdir() if path.is_dir() and fnmatch.fnmatch(path.name, pattern)]
        return found

    def file(self, pattern: str, frame_id: int) -> Path:
        [found] = self.folder(pattern).glob(f"*_{frame_id}.*")
        return found

    def image(self, pattern: str, frame_id: int) -> np.ndarray:
        with Image.open(self.file(pattern, frame_id)) as image:
            return np.array(image)

    def depth_m(self, frame_id: int) -> np.ndarray:
        return self.image("DEPTH_CAM*", frame_id).astype(np.float64) @ [1.0, 256.0, 65536.0] / 16777215.0 * 1000.0

    def cloud(self, pattern: str, frame_id: int) -> np.ndarray:
        cloud: np.ndarray = np.load(self.file(pattern, frame_id))
        return cloud

    def rows(self, name: str, frame_id: int) -> list[list[str]]:
        with self.file(name, frame_id).open() as file:
            return list(csv.reader(file, delimiter=";"))

    def action(self, frame_id: int) -> tuple[int, float, float, float, float]:
        """Frame id, speed, throttle, steer and brake, each found by its row."""
        rows = self.rows("ACTION*", frame_id)
        speed, throttle, steer, brake = (float(rows[row][1]) for row in (4, 5, 6, 7))
        return int(rows[0][1]), speed, throttle, steer, brake

    def matrix(self, row_from_the_end: int, frame_id: int) -> np.ndarray:
        key, *value = self.rows("ACTION*", frame_id)[-row_from_the_end]
        assert "matrix" in key
        return np.array(ast.literal_eval(";".join(value).strip()))

    def sensor(self, sensor_type: str) -> dict:
        found: list[dict] = [entry for entry in self.setup.values() if entry["sensor_type"] == sensor_type]
        [entry] = found
        return entry


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    params = set_params("mono", 71, frames=3).model_copy(
        update={
            "image_height": 64, "image_width": 96, "lidar_channels": 16, "lidar_rays_per_channel": 256,
            "seconds_between_frames": 0.1, "absent_fraction": 0.0, "lidar_noise_m": 0.0, "anomaly_scenarios": 3,
        }
    )  # fmt: skip
    root = tmp_path_factory.mktemp("conventions")
    write_sample(root, params, workers=1)
    return root


@pytest.fixture(scope="module")
def scenarios(sample):
    return [Visualizer(path) for path in sorted(sample.glob("Scenario_*-*"))]


def frames(scenarios):
    return [(scenario, frame_id) for scenario in scenarios for frame_id in scenario.ids]


def test_action_is_read_by_position(scenarios):
    for scenario in scenarios:
        assert np.diff(scenario.ids).tolist() == [1, 1]
        places = [scenario.matrix(4, frame_id)[:3, 3] for frame_id in scenario.ids]
        for frame_id, place, before in zip(scenario.ids[1:], places[1:], places, strict=False):
            found_id, speed_kmh, throttle, steer, brake = scenario.action(frame_id)
            assert found_id == frame_id and (throttle, steer, brake) == (float(np.float32(0.4)), 0.0, 0.0)
            assert speed_kmh == pytest.approx(3.6 * np.linalg.norm(place - before) / 0.1, rel=1e-3)
        first = scenario.ids[0]
        assert np.allclose(scenario.matrix(4, first) @ scenario.matrix(3, first), np.eye(4), atol=1e-5)
        assert np.allclose(scenario.matrix(2, first) @ scenario.matrix(1, first), np.eye(4), atol=1e-5)


def test_folders_go_with_the_setup(scenarios):
    for scenario in scenarios:
        for name, entry in scenario.setup.items():
            assert (
                name
                == f"{entry['sensor_type']}{tuple(entry['location'])}{tuple(entry['rotation'])}_" + name.split("_")[-1]
            )
            files = list((scenario.scenario / name).iterdir())
            assert entry["save_data"] and len(files) == 3
            assert {path.name for path in files} == {f"{name}_{i}{entry['file_ending']}" for i in scenario.ids}
        args = scenario.sensor("RGB-CAM")["args"]
        assert scenario.image("RGB-CAM*", scenario.ids[0]).shape == (args["image_height"], args["image_width"], 3)


def test_points_lie_on_the_pixels_of_their_class_and_depth(scenarios):
    """Through AnoVox's projection, by way of the world: lidar to world to camera, y mirrored before and after."""
    same, all_points = 0, 0
    for scenario, frame_id in frames(scenarios):
        cloud = scenario.cloud("SEMANTIC-LIDAR*", frame_id)
        args = scenario.sensor("DEPTH_CAM")["args"]
        width, height = args["image_width"], args["image_height"]
        focal = width / (2.0 * np.tan(args["camera_fov"] * np.pi / 360.0))
        carla = np.column_stack([cloud[:, 0], -cloud[:, 1], cloud[:, 2], np.ones(len(cloud))])
        seen = scenario.matrix(3, frame_id) @ scenario.matrix(2, frame_id) @ carla.T
        ahead = seen[0] > 0.1
        u, v = (np.full(len(cloud), -1.0) for _ in range(2))
        u[ahead], v[ahead] = (
            width / 2 + focal * seen[1, ahead] / seen[0, ahead],
            height / 2 - focal * seen[2, ahead] / seen[0, ahead],
        )
        inside = (u > 0) & (u < width) & (v > 0) & (v < height)
        row, column = v[inside].astype(int), u[inside].astype(int)
        classes = scenario.image("SEMANTIC-CAM*", frame_id)[row, column]
        depth_m = scenario.depth_m(frame_id)[row, column]
        near = np.abs(depth_m - seen[0, inside]) < 0.05 * seen[0, inside] + 0.1
        same += int(((classes == cloud[inside, 3]) & near).sum())
        all_points += int(inside.sum())
        assert (scenario.image("INSTANCE-CAM*", frame_id)[..., 0] == scenario.image("SEMANTIC-CAM*", frame_id)).all()
        assert (scenario.depth_m(frame_id)[scenario.image("SEMANTIC-CAM*", frame_id) == 11] == SKY_M).all()
    assert all_points > 1000 and same > 0.85 * all_points


def test_both_clouds_have_the_same_rows(scenarios):
    for scenario, frame_id in frames(scenarios):
        lidar, semantic = (scenario.cloud(kind, frame_id) for kind in ("LIDAR*", "SEMANTIC-LIDAR*"))
        assert (lidar.dtype, semantic.dtype) == (np.float32, np.float64)
        assert lidar.flags.f_contiguous and semantic.flags.f_contiguous
        np.testing.assert_allclose(lidar[:, :3], semantic[:, :3], atol=1e-4)  # made without noise


def test_the_anomaly_is_where_its_file_says(scenarios):
    seen = 0
    for scenario, frame_id in frames(scenarios):
        if not list(scenario.scenario.glob("ANOMALY/*")):
            assert not is_anomaly(scenario.image("SEMANTIC-CAM*", frame_id)).any()
            continue
        said = {row[0].strip(): row[1].strip() for row in scenario.rows("ANOMALY*", frame_id)}
        assert (said["anomaly_is_alive"], said["role_name"]) == ("True", "prop") and said["size"].islower()
        [tag] = ast.literal_eval(said["semantic_tags"])
        cloud = scenario.cloud("SEMANTIC-LIDAR*", frame_id)
        hit = cloud[cloud[:, 3] == tag]
        if len(hit):
            seen += 1
            world = (
                scenario.matrix(2, frame_id) @ np.column_stack([hit[:, 0], -hit[:, 1], hit[:, 2], np.ones(len(hit))]).T
            )
            distance_m = np.linalg.norm(world[:3].T - np.array(ast.literal_eval(said["location"])), axis=1)
            assert distance_m.max() < 4.0
    assert seen > 3


def test_voxels_are_those_of_the_labelled_cloud(scenarios):
    for scenario, frame_id in frames(scenarios):
        cloud = scenario.cloud("SEMANTIC-LIDAR*", frame_id)
        moved = cloud[:, :3] - scenario.sensor("SEMANTIC-LIDAR")["location"]  # rotation is zero; AnoVox subtracts
        cells = np.floor((moved + np.array([250, 250, 16])) / 0.5).astype(int)
        inside = ((cells >= 0) & (cells < [1000, 1000, 64])).all(axis=1)
        cells, cloud = cells[inside], cloud[inside]
        voxels = scenario.cloud("VOXEL*", frame_id)
        assert voxels.dtype == np.uint16 and voxels.flags.c_contiguous
        assert {tuple(cell) for cell in cells.tolist()} == {tuple(cell) for cell in voxels[:, :3].tolist()}
        by_cell: dict[tuple[int, ...], Counter[int]] = {}
        for cell, class_id in zip(map(tuple, cells.tolist()), cloud[:, 3].astype(int).tolist(), strict=True):
            by_cell.setdefault(cell, Counter())[class_id] += 1
        assert all(row[3] in by_cell[tuple(row[:3])] for row in voxels.tolist())


def test_the_route_map_shows_the_road_ahead(scenarios):
    """The ego stands on its route; what is white ahead of it is road, lines or things on the road in the LiDAR."""
    for scenario, frame_id in frames(scenarios):
        drawn = scenario.image("ROUTE_MAP", frame_id)
        assert drawn.shape == (192, 192) and drawn[192 - 1 - 40, 96] == 255 and drawn[0].any()
        cloud = scenario.cloud("SEMANTIC-LIDAR*", frame_id)
        row = np.round(191 - 40 - 5 * cloud[:, 0]).astype(int)
        column = np.round(96 - 5 * cloud[:, 1]).astype(int)
        inside = (row >= 0) & (row < 192) & (column >= 0) & (column < 192) & (cloud[:, 2] < -1.75)
        on_route = drawn[row[inside], column[inside]] == 255
        classes = cloud[inside, 3].astype(int)[on_route]
        assert len(classes) > 10 and np.isin(classes, [1, 24]).mean() > 0.9


def test_configuration_files_name_every_scenario(sample, scenarios):
    found: dict[str, dict] = {}
    for path in sorted(sample.glob("Scenario_Configuration_Files/scenario_config_map_*.json")):
        definition = json.loads(path.read_text())["scenario_definition"]
        assert path.stem == f"scenario_config_map_{definition['map']}"
        found |= {f"Scenario_{entry['id']}": entry for entry in definition["scenarios"]}
    assert set(found) == {scenario.scenario.name for scenario in scenarios}
    for scenario in scenarios:
        entry, first = found[scenario.scenario.name], scenario.ids[0]
        spawn, place = entry["ego_spawnpoint"], scenario.matrix(2, first)
        assert (entry["anomaly_config"]["anomaly_bp_name"] == "---") == (not list(scenario.scenario.glob("ANOMALY")))
        np.testing.assert_allclose([spawn["location"]["x"], spawn["location"]["y"]], place[:2, 3], atol=1e-5)
        yaw_rad = np.deg2rad(spawn["rotation"]["yaw"])
        np.testing.assert_allclose(place[:2, 0], [np.cos(yaw_rad), np.sin(yaw_rad)], atol=1e-6)
