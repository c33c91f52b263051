"""Every sensor set of AnoVox, simulated with seeds of its own: written, read, merged and put into the voxel grid."""

import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lib.anovox.format import files, layout, writing
from lib.anovox.format.class_images import read_class_image
from lib.anovox.format.recording import SENSOR_POSES, CameraArgs, LidarArgs, SensorPose, SensorSet, SensorSetName
from lib.anovox.format.sensor_setup import read_sensor_setup, sensor_setup, write_sensor_setup
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import largest_cloud, open_scenario
from lib.common.labels import ROAD_LINE
from lib.geometry.merged import split_clouds
from lib.geometry.rigid import apply, vehicle_SE3_sensor
from lib.reading.file_errors import Reason
from lib.reading.recorded_frames import ReadFrame, SkippedFrame
from lib.simulator.mounting import sensor_set
from tests.anovox_sample import STEREO, STEREO_ONE_LIDAR, golden_copy
from tests.simulated_sets import SEVERAL, set_params, write_set

SEEDS = {"mono": 31, "stereo": 32, "stereo_one_lidar": 33, "multi": 34, "surround": 35}


@pytest.fixture(scope="module", params=["mono", *SEVERAL])
def scenario_path(request, tmp_path_factory):
    path = write_set(tmp_path_factory.mktemp(request.param), request.param, SEEDS[request.param])
    return request.param, path


def frames_of(path, sensors="all"):
    return list(read_frames(open_scenario(path, None, sensors)))


def test_the_poses_are_anovoxs():
    golden: dict[SensorSetName, Path] = {"stereo": STEREO, "stereo_one_lidar": STEREO_ONE_LIDAR}
    for name, path in golden.items():
        setup = read_sensor_setup(path / layout.SENSOR_SETUP)
        cameras, lidars = SENSOR_POSES[name]
        assert tuple(rig.pose for rig in setup.cameras) == cameras and tuple(rig.pose for rig in setup.lidars) == lidars
        ours = sensor_setup(sensor_set(set_params(name, 1)))
        assert [(s.kind, s.pose, s.saved) for s in ours.sensors] == [(s.kind, s.pose, s.saved) for s in setup.sensors]
    assert {name: len(set(cameras + lidars)) for name, (cameras, lidars) in SENSOR_POSES.items()} == {
        "mono": 1,
        "stereo": 3,
        "stereo_one_lidar": 3,
        "multi": 7,
        "surround": 10,
    }
    backward = [pose for pose in SENSOR_POSES["multi"][0] if abs(pose.rotation[2]) > 90]
    assert len(backward) == 3


def test_a_sample_per_camera_with_every_lidar_in_one_cloud(scenario_path):
    name, path = scenario_path
    cameras, lidars = SENSOR_POSES[name]
    scenario = open_scenario(path, None, "all")
    reads = frames_of(path)
    assert len(reads) == len(cameras) == len({read.frame.camera_name for read in reads})
    frame = reads[0].frame
    own = split_clouds(frame.points, frame.cloud_sizes, [(pose.location, pose.rotation) for pose in lidars])
    classes = []
    for rig, cloud in zip(scenario.lidar_rigs, own, strict=True):
        [file] = scenario.files[rig.folders[layout.LIDAR]].paths.values()
        assert np.allclose(cloud, np.load(file), atol=2e-5)
        [file] = scenario.files[rig.folders[layout.SEMANTIC_LIDAR]].paths.values()
        classes.append(np.load(file)[:, 3])
    assert np.array_equal(frame.point_class, np.concatenate(classes))
    assert all(np.array_equal(read.frame.points, frame.points) for read in reads)
    assert largest_cloud(scenario) == len(frame.points)


def test_each_camera_sees_the_points_on_what_they_are(scenario_path):
    """By each camera's own calibration, cameras that look back included; a mirrored y would miss."""
    _, path = scenario_path
    agreement: dict[float, list[float]] = {1.0: [], -1.0: []}
    for read in frames_of(path):
        frame = read.frame
        for sign, shares in agreement.items():
            points = apply(frame.calibration.camera_SE3_lidar, frame.points[:, :3] * [1, sign, 1])
            u, v, visible = frame.camera.project(points)
            row, column = v[visible].astype(int), u[visible].astype(int)
            unhidden = points[visible, 0] <= 1.05 * frame.depth_m[row, column] + 0.5
            shares.append((frame.pixel_class[row, column] == frame.point_class[visible])[unhidden].mean())
    assert min(agreement[1.0]) > 0.75
    assert np.mean(agreement[1.0]) > np.mean(agreement[-1.0]) + 0.2


def test_the_forward_camera_is_one_of_all(scenario_path):
    _, path = scenario_path
    [forward] = frames_of(path, "forward")
    same = [read for read in frames_of(path) if np.array_equal(read.frame.image, forward.frame.image)]
    assert len(same) == 1 and forward.frame.camera_name == "" and len(forward.frame.lidars) == 1
    assert np.array_equal(same[0].frame.voxels, forward.frame.voxels)


def anovox_grid(clouds):
    """AnoVox's rules for the voxel grid, point by point: clouds of (x, y, z, class) rows with their sensor's pose."""
    cells = defaultdict(list)
    for rows, pose in clouds:
        roll, pitch, yaw = (-math.radians(angle) for angle in pose.rotation)
        for x, y, z, class_id in rows:
            x, y = x * math.cos(yaw) - y * math.sin(yaw), x * math.sin(yaw) + y * math.cos(yaw)
            x, z = x * math.cos(pitch) + z * math.sin(pitch), -x * math.sin(pitch) + z * math.cos(pitch)
            y, z = y * math.cos(roll) - z * math.sin(roll), y * math.sin(roll) + z * math.cos(roll)
            place = [value - at + low for value, at, low in zip((x, y, z), pose.location, (250, 250, 16), strict=True)]
            index = tuple(math.floor(value / 0.5) for value in place)
            if all(0 <= i < n for i, n in zip(index, (1000, 1000, 64), strict=True)):
                away = sum((value - 0.5 * i) ** 2 for value, i in zip(place, index, strict=True))
                cells[index].append((away, int(class_id)))
    grid = []
    for index in sorted(cells, key=lambda index: index[::-1]):
        classes = [class_id for _, class_id in cells[index]]
        nearest = min(cells[index], key=lambda point: point[0])[1]
        grid.append((*index, ROAD_LINE if ROAD_LINE in classes else nearest))
    return grid


def depth_rows(depth_m, semantic, fov_deg):
    height, width = semantic.shape
    focal = width / (2 * math.tan(math.radians(fov_deg) / 2))
    for i in range(height):
        for j in range(width):
            d = float(depth_m[i, j])
            point = d, -(j - width / 2) * d / focal, -(i - height / 2) * d / focal
            if math.dist(point, (0, 0, 0)) <= 100:
                yield *point, semantic[i, j]


def test_the_voxel_grid_follows_anovoxs_rules_written_out_in_plain_python(scenario_path):
    """The grid holds all semantic LiDARs of the vehicle, and depth cameras where a pose has no LiDAR."""
    _, path = scenario_path
    scenario = open_scenario(path, None, "all")
    clouds = []
    for rig in scenario.setup.lidars:
        [file] = scenario.files[rig.folders[layout.SEMANTIC_LIDAR]].paths.values()
        clouds.append((np.load(file).tolist(), rig.pose))
    covered = {pose for _, pose in clouds}
    for camera in scenario.setup.cameras:
        if camera.pose not in covered:
            args = camera.args
            views = zip(frames_of(path), scenario.views, strict=True)
            read = next(read for read, view in views if view.rig.pose == camera.pose)
            [file] = scenario.files[camera.folders[layout.DEPTH]].paths.values()
            depth_m = files.read_depth(file, args.image_height, args.image_width)
            clouds.append((list(depth_rows(depth_m, read.frame.pixel_class, args.camera_fov)), camera.pose))
    [file] = scenario.files[layout.VOXEL_GRID].paths.values()
    stored = np.load(file)
    assert stored.dtype == np.uint16
    assert [tuple(row) for row in stored.tolist()] == anovox_grid(clouds)
    file.rename(file.with_suffix(".away"))
    computed = frames_of(path)[0].frame.voxels
    file.with_suffix(".away").rename(file)
    assert np.array_equal(computed, stored)


def test_the_ego_drives_the_same_way_whatever_sensors_look(tmp_path):
    """ACTION's matrices are of the last LiDAR of the setup, which in stereo sets is turned and at the side."""
    poses = {}
    for name in ("mono", *SEVERAL):
        path = write_set(tmp_path / name, name, seed=36, frames=3)
        for sensors in ("forward", "all"):
            frames = [read.frame for read in frames_of(path, sensors)]
            ticks = {frame.frame_id: frame.world_SE3_ego for frame in frames}
            poses[name, sensors] = np.stack([ticks[frame_id] for frame_id in sorted(ticks)])
            assert all(np.array_equal(frame.world_SE3_ego, ticks[frame.frame_id]) for frame in frames)
    reference = poses["mono", "forward"]
    assert all(np.allclose(found, reference, atol=1e-5) for found in poses.values())
    first, second, third = (read.frame for read in frames_of(path, "forward"))
    assert second.time_s - first.time_s == pytest.approx(0.5) == third.time_s - second.time_s
    driven_m = np.linalg.norm(reference[1, :3, 3] - reference[0, :3, 3])
    assert driven_m == pytest.approx(first.speed_mps * 0.5, abs=1e-6)
    ahead = apply(np.linalg.inv(reference[0]), reference[1, :3, 3])
    assert ahead[0] == pytest.approx(driven_m, abs=1e-6)


def test_missing_files_cost_what_needs_them(tmp_path):
    root = golden_copy(tmp_path, STEREO)
    scenario = open_scenario(root / STEREO.name, None, "all")
    first, second = scenario.frame_ids
    camera = scenario.views[1].rig.folders[layout.RGB]
    lidar = scenario.lidar_rigs[2].folders[layout.LIDAR]
    scenario.files[camera].paths[first].unlink()
    scenario.files[lidar].paths[second].unlink()
    reads = frames_of(root / STEREO.name)
    skipped = [(read.frame_id, read.reason) for read in reads if isinstance(read, SkippedFrame)]
    assert skipped == [(first, Reason.MISSING_IMAGE), *[(second, Reason.MISSING_LIDAR)] * 3]
    assert [read.frame.camera_name for read in reads if isinstance(read, ReadFrame)] == [
        "camera0_yaw0",
        "camera2_yaw15",
    ]


@pytest.mark.parametrize("kind", [layout.RGB, layout.LIDAR, layout.ACTION, layout.VOXEL_GRID])
def test_a_frame_that_is_there_twice_is_named(tmp_path, kind):
    root = golden_copy(tmp_path, STEREO)
    path = root / STEREO.name
    folder = sorted(f for f in path.iterdir() if f.name == kind or f.name.startswith(f"{kind}(0, 0, 1.8)"))[0]
    ending = layout.FILE_ENDINGS[kind]
    file = folder / f"{folder.name}_5000{ending}"
    (folder / f"{folder.name}_005000{ending}").write_bytes(file.read_bytes())
    reads = frames_of(path, "forward")
    [skipped] = [read for read in reads if isinstance(read, SkippedFrame)]
    assert (skipped.frame_id, skipped.reason, len(reads)) == (5000, Reason.DUPLICATE_FRAME, 2)
    assert "frame 5000 exists more than once" in skipped.message and "keep only the right file" in skipped.message


def test_lidars_beside_the_camera_are_placed_by_their_pose():
    pose = SensorPose((-1.5, 0.9, 1), (0, 0, 170))
    ahead = apply(vehicle_SE3_sensor(pose.location, pose.rotation), np.array([[10.0, 0.0, 0.0]]))[0]
    turn = math.radians(170)
    assert np.allclose(ahead, [-1.5 + 10 * math.cos(turn), -0.9 - 10 * math.sin(turn), 1.0])


@pytest.mark.parametrize("name", ["mono", *SEVERAL])
def test_sensor_setup_is_written_as_it_was_read(tmp_path, name):
    setup = sensor_setup(sensor_set(set_params(name, 1)))
    write_sensor_setup(tmp_path / "a.json", setup)
    found = read_sensor_setup(tmp_path / "a.json")
    write_sensor_setup(tmp_path / "b.json", found)
    assert found == setup and (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    kinds = Counter(sensor.kind for sensor in setup.sensors)
    assert len(set(kinds.values())) == 1 and len(kinds) == 6
    assert setup.action_pose(layout.LIDAR) == setup.sensors[-1].pose == setup.action_pose(layout.RGB)


def rewritten(path, folder):
    """A file read and written again, as its name says what it is."""
    kind, target = path.parent.name.split("(")[0], folder / path.name
    if path.name == layout.SENSOR_SETUP:
        write_sensor_setup(target, read_sensor_setup(path))
    elif kind in (layout.RGB, layout.INSTANCE):
        writing.write_png(target, files.read_rgb(path, 24, 36))
    elif kind == layout.DEPTH:
        writing.write_depth(target, files.read_depth(path, 24, 36))
    elif kind == layout.SEMANTIC:
        writing.write_png(target, read_class_image(path, 24, 36, 100))
    elif kind in (layout.ACTION, layout.ANOMALY):
        writing.write_key_values(target, files.read_key_values(path))
    elif kind == layout.VOXEL_GRID:
        writing.write_array(target, files.read_voxels(path))
    elif kind == layout.ROUTE_MAP:
        with Image.open(path) as image:
            writing.write_png(target, np.asarray(image))
    elif kind == layout.LIDAR:
        writing.write_cloud(target, files.read_lidar(path))
    else:
        assert kind == layout.SEMANTIC_LIDAR
        writing.write_cloud(target, files.read_semantic_lidar(path))
    return target


def test_every_file_is_written_as_it_was_read(scenario_path, tmp_path):
    _, path = scenario_path
    paths = [file for file in path.rglob("*") if file.is_file()]
    kinds = {file.parent.name.split("(")[0] for file in paths if file.parent != path}
    assert kinds == {*layout.FILE_ENDINGS, layout.ROUTE_MAP}
    assert all(rewritten(file, tmp_path).read_bytes() == file.read_bytes() for file in paths)


metres = st.floats(-5, 5).map(lambda value: round(value, 2)) | st.integers(-5, 5)
poses = st.builds(SensorPose, st.tuples(metres, metres, metres), st.tuples(st.just(0), st.just(0), metres))
cameras = st.builds(CameraArgs, st.integers(1, 900), st.integers(1, 900), st.floats(10, 170))
lidars = st.builds(LidarArgs, channels=st.integers(1, 128), noise_stddev=st.floats(0, 1), range=st.floats(1, 200))


@given(st.lists(poses, min_size=1, max_size=4, unique=True), st.data(), cameras, lidars)
def test_any_setup_is_written_as_it_was_read(tmp_path_factory, places, data, camera_args, lidar_args):
    path = tmp_path_factory.mktemp("setup") / layout.SENSOR_SETUP
    cameras, lidars = (tuple(data.draw(st.lists(st.sampled_from(places), unique=True))) for _ in range(2))
    setup = sensor_setup(SensorSet(cameras, lidars, camera_args, lidar_args))
    write_sensor_setup(path, setup)
    assert read_sensor_setup(path) == setup
