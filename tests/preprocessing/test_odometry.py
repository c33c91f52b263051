"""Poses found from clouds alone: near the recorded ones, the same in each run, and unknown after what is lost."""

import builtins
import re
from dataclasses import replace

import numpy as np
import pytest

from lib.anovox.reading.anovox_recordings import open_anovox
from lib.common.cache import Cache
from lib.common.errors import ParamsError
from lib.geometry.frame import Lidar
from lib.geometry.rigid import invert
from lib.preprocessing import odometry
from lib.preprocessing.conversion import convert_data_set
from lib.preprocessing.odometry import Odometry, above_ground, require_odometry
from lib.reading.recorded_frames import ReadFrame
from lib.shards.shard_reader import read_shard
from tests.all_params import all_params
from tests.drives import files_of, write_drive
from tests.sensor_files import write_folder

PARAMS = all_params().preprocess.model_copy(update={"poses": "odometry"})


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """Five metres a second, then braking, and a slight turn."""
    speed_mps = np.interp(np.arange(24) * 0.1, [0, 1, 2], [5, 5, 2])
    return write_drive(tmp_path_factory.mktemp("drive"), speed_mps, np.full(24, 0.05))


@pytest.fixture(scope="module")
def frames(drive):
    return [read.frame for read in open_anovox(drive, None, "forward").frames(None) if isinstance(read, ReadFrame)]


def found(frames):
    filtering = Odometry()
    return [filtering.pose(frame) for frame in frames]


def recorded(frames):
    return [invert(frames[0].world_SE3_ego) @ frame.world_SE3_ego for frame in frames]


def test_poses_are_near_the_recorded_ones(frames):
    errors_m = [
        np.linalg.norm(one[:3, 3] - other[:3, 3])
        for one, other in zip(found(frames), recorded(frames), strict=True)
        if one is not None
    ]
    assert len(errors_m) == len(frames) and max(errors_m) < 0.5  # of 10 m, with few rays


@pytest.mark.parametrize("missing", [{7, 8}, {3, 6, 9}])
def test_missing_ticks_are_bridged(frames, missing):
    left = [frame for tick, frame in enumerate(frames) if tick not in missing]
    for one, other in zip(found(left), recorded(left), strict=True):
        assert one is not None and np.linalg.norm(one[:3, 3] - other[:3, 3]) < 0.5


def test_after_a_long_gap_or_a_step_back_no_pose_is_known(frames):
    late = [replace(frame, time_s=frame.time_s + 2.0) for frame in frames[5:7]]
    assert [pose is None for pose in found([*frames[:5], *late])] == [False] * 5 + [True] * 2
    assert [pose is None for pose in found([*frames[:3], frames[1], frames[4]])] == [False] * 3 + [True] * 2


def test_without_times_each_frame_is_the_next_tick(frames):
    timeless = [replace(frame, time_s=None) for frame in frames]
    for one, other in zip(found(timeless), found(frames), strict=True):
        assert np.allclose(one, other, atol=0.05)


def test_ground_is_left_out_by_the_shape_of_the_cloud(frames):
    points_m = above_ground(frames[0])
    assert 0 < len(points_m) < len(frames[0].points) and points_m[:, 2].min() > 0.2
    low = replace(frames[0], lidars=(Lidar(24, 15.0, -25.0, 100.0, (0.0, 0.0, 0.5)),))
    assert len(above_ground(low)) == len(points_m)  # wherever the LiDAR is said to be
    flat = frames[0].points.copy()
    flat[:, 2] = 0.0
    assert len(above_ground(replace(frames[0], points=flat))) == len(flat)


def test_any_number_of_threads_and_the_environment_give_the_same_bytes(frames, monkeypatch):
    one = np.array(found(frames[:6])).tobytes()
    monkeypatch.setenv("kiss_icp_mapping", '{"voxel_size": 3.0}')
    assert np.array(found(frames[:6])).tobytes() == one
    made = odometry._filter()
    config = made.config.model_copy(
        update={"registration": made.config.registration.model_copy(update={"max_num_threads": 2})}
    )
    filtering = Odometry()
    filtering._filter = type(made)(config)
    assert np.array([filtering.pose(frame) for frame in frames[:6]]).tobytes() == one


def test_preprocess_writes_them_where_action_is_missing(drive, tmp_path):
    for folder in files_of(drive, "ACTION"):
        for path in folder:
            path.rename(path.with_suffix(".away"))
    try:
        shards = []
        for poses in ("action", "odometry"):
            folder = tmp_path / poses
            folder.mkdir()
            data = convert_data_set(drive.parent, folder, PARAMS.model_copy(update={"poses": poses}), 1)
            assert [each.drive.posed for each in data.statistics.values()] == [0 if poses == "action" else 24]
            shards.append(read_shard(folder / data.entries[0].file))
    finally:
        for [*folder] in files_of(drive, "ACTION"):
            for path in folder:
                path.rename(path.with_suffix(".csv"))
    unknown, known = shards
    assert np.isnan(unknown.world_SE3_ego).all() and np.isfinite(known.world_SE3_ego).all()
    assert np.array_equal(known.world_SE3_ego[0], np.eye(4))
    assert np.array_equal(unknown.time_s, known.time_s) and np.array_equal(unknown.points, known.points)


def test_the_cache_tells_poses_apart(drive, tmp_path):
    store = Cache(tmp_path / "cache")
    reused = []
    for number, poses in enumerate(("action", "odometry", "action", "odometry")):
        folder = tmp_path / str(number)
        folder.mkdir()
        data = convert_data_set(drive.parent, folder, PARAMS.model_copy(update={"poses": poses}), 1, store)
        reused.append(data.reused)
    assert reused == [0, 0, 1, 1]
    one, other = (read_shard(tmp_path / number / data.entries[0].file) for number in "13")
    assert np.array_equal(one.world_SE3_ego, other.world_SE3_ego)


def test_other_formats_get_poses_too(tmp_path):
    write_folder(tmp_path / "data" / "drive", [f"{number:03d}" for number in range(3)], {"frames_per_second": 10.0})
    (tmp_path / "out").mkdir()
    data = convert_data_set(tmp_path / "data", tmp_path / "out", PARAMS, 1, data_format="folder")
    shard = read_shard(tmp_path / "out" / data.entries[0].file)
    assert np.isfinite(shard.world_SE3_ego).all() and np.array_equal(shard.world_SE3_ego[0], np.eye(4))


def test_without_the_package_the_param_is_refused(monkeypatch, drive, tmp_path):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("kiss_icp"):
            raise ImportError
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ParamsError, match=re.escape("preprocess.poses: odometry needs kiss-icp: `pip install kiss-icp")
    ):
        convert_data_set(drive.parent, tmp_path, PARAMS, 1)
    monkeypatch.undo()
    assert require_odometry()
