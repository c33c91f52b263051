"""The range view of several LiDARs' clouds: from the camera's place, with the camera's direction in the middle."""

import numpy as np
import pytest
import torch

from lib.anovox.reading.scenario import open_scenario
from lib.geometry.rigid import apply
from lib.loading.dataset import FrameRef, ShardDataset
from lib.sensors.scan_pattern import rays_per_turn
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard
from lib.views.range_view import RangeGrid, make_views
from tests.simulated_sets import write_set
from tests.sound_files import whole_frames

GRID = RangeGrid(rows=16, columns=96, visible_columns=96, upper_fov_deg=15.0, lower_fov_deg=-25.0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """A shard per camera of a multi set, whose cameras look ahead, aside and back from several places."""
    root = tmp_path_factory.mktemp("multi")
    frames = [read.frame for read in whole_frames(open_scenario(write_set(root, "multi", 5), None, "all"))]
    size = -(-max(len(frame.points) for frame in frames) // 64) * 64
    for frame in frames:
        write_shard(root / f"{frame.camera_name}.h5", [frame], size)
    return [read_shard(root / f"{frame.camera_name}.h5") for frame in frames]


def test_points_lie_where_the_camera_sees_them(shards):
    batch = ShardDataset(shards).__getitems__(range(len(shards)))
    views, cell_BP = make_views(batch, GRID)
    assert torch.equal(views.lidar_offset_m_B3, torch.zeros(len(shards), 3))
    uv_B2RC, visible_BRC = views.projection
    for number, shard in enumerate(shards):
        count = int(shard.num_points[0])
        points_m = apply(shard.calibration.camera_SE3_lidar, shard.points[0, :count, :3])
        cell = cell_BP[number, :count].numpy()
        column = cell % GRID.columns
        turn = 0.5 - np.arctan2(points_m[:, 1], points_m[:, 0]) / (2 * np.pi)
        assert np.mean(column == np.floor(turn * GRID.columns)) > 0.999
        found = views.xyz_B3RC[number].flatten(1).T.numpy()[cell]
        assert np.all(np.linalg.norm(found, axis=1) <= np.linalg.norm(points_m, axis=1) + 1e-3)
        seen = np.flatnonzero(shard.camera.project(points_m)[2])
        middle = (column[seen] - GRID.columns / 2) * 360 / GRID.columns
        assert len(seen) > 50 and middle.min() >= -49 and middle.max() <= 49
        nearest = np.linalg.norm(found - points_m, axis=1) < 1e-3
        assert nearest.mean() > 0.2
        both = seen[nearest[seen]]
        u, v, _ = shard.camera.project(points_m[both])
        projected = uv_B2RC[number].flatten(1).numpy()[:, cell[both]]
        assert np.allclose(projected, [u, v], atol=0.05)
        assert visible_BRC[number].flatten().numpy()[cell[both]].mean() > 0.99


def test_the_scan_pattern_is_that_of_one_lidar(shards):
    assert rays_per_turn(shards[0].lidar_points(0)[0], shards[0].lidars[0]) == 96


def test_padding_stays_padding(shards):
    _, cell_BP = make_views(ShardDataset(shards, [FrameRef(4, 0)])[0], GRID)
    count = int(shards[4].num_points[0])
    assert (cell_BP[0, count:] == -1).all() and (cell_BP[0, :count] >= 0).all()
