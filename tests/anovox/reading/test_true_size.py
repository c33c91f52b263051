"""Labels of simulated frames of AnoVox's true size: 512 x 768 pixels, 64 x 1,562 rays, 0.1 m of range noise."""

from pathlib import Path

import numpy as np
import pytest

from lib.anovox.format import files
from lib.anovox.format.recording import SensorPose
from lib.anovox.reading.point_labels import transfer_labels
from lib.anovox.reading.scenario import open_scenario
from lib.preprocessing.agreement import Agreement, read_agreement
from lib.reading.recorded_frames import LabelSource
from lib.simulator.sample import write_sample
from tests.all_params import all_params
from tests.anovox_sample import frame_path
from tests.sound_files import whole_frames

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
NOISE_STDDEV_M = 0.1


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory):
    """One normal and one anomalous scenario."""
    root = tmp_path_factory.mktemp("true size")
    changes = {
        "normality_scenarios": 1,
        "anomaly_scenarios": 1,
        "frames_per_scenario": 1,
        "image_height": 512,
        "image_width": 768,
        "lidar_channels": 64,
        "lidar_rays_per_channel": 1562,
        "lidar_noise_m": NOISE_STDDEV_M,
    }
    params = all_params().simulate.model_copy(update=changes)
    return [root / config.name for config in write_sample(root, params, workers=1)]


@pytest.fixture(scope="module")
def clouds(scenarios):
    """LIDAR, SEMANTIC-LIDAR whose rows match it, and VOXEL_GRID of each frame."""
    found = []
    for scenario in scenarios:
        [frame_id] = open_scenario(scenario, None).frame_ids
        lidar, semantic, voxels = (
            frame_path(scenario, kind, frame_id) for kind in ("LIDAR", "SEMANTIC-LIDAR", "VOXEL_GRID")
        )
        found.append((files.read_lidar(lidar), files.read_semantic_lidar(semantic), files.read_voxels(voxels)))
    assert all(60_000 < len(lidar) == len(semantic) <= 64 * 1562 for lidar, semantic, _ in found)
    return found


def test_every_label_reaches_its_point_by_row(clouds):
    for lidar, semantic, voxels in clouds:
        labels = transfer_labels(lidar, semantic, voxels, SensorPose(), NOISE_STDDEV_M)
        assert labels.count(LabelSource.ROW) == len(lidar)
        assert np.array_equal(labels.class_ids, semantic[:, 3])


def test_shuffled_rows_reach_their_points_by_direction(clouds):
    for lidar, semantic, _ in clouds:
        order = np.random.default_rng(1).permutation(len(semantic))
        labels = transfer_labels(lidar, semantic[order], None, SensorPose(), NOISE_STDDEV_M)
        assert labels.count(LabelSource.ROW) < 0.01 * len(lidar)
        assert (labels.class_ids == semantic[:, 3]).mean() >= 0.995


def test_lost_rows_cost_their_points_alone(clouds):
    """Each sensor lost other returns, so lengths differ and no row matches for long."""
    for lidar, semantic, _ in clouds:
        rng = np.random.default_rng(2)
        heard, labelled = (rng.random(len(lidar)) > 0.02 for _ in range(2))
        labels = transfer_labels(lidar[heard], semantic[labelled], None, SensorPose(), NOISE_STDDEV_M)
        expected, known = semantic[heard, 3], labelled[heard]
        assert (labels.class_ids == expected)[known].mean() >= 0.995
        wrong = (labels.class_ids != expected) & (labels.class_ids != 255)
        assert wrong.mean() <= 0.005


def test_voxels_label_most_points_where_nothing_else_does(clouds):
    """The noise takes points out of occupied cells: these stay unknown rather than wrong."""
    for lidar, semantic, voxels in clouds:
        labels = transfer_labels(lidar, None, voxels, SensorPose(), NOISE_STDDEV_M)
        found = labels.class_ids != 255
        assert found.mean() > 0.8
        assert (labels.class_ids == semantic[:, 3])[found].mean() > 0.9


def test_camera_and_lidar_agree_away_from_outlines(scenarios):
    total = Agreement()
    for scenario in scenarios:
        for read in whole_frames(open_scenario(scenario, None)):
            total += read_agreement(read)
    assert total.clear > 0.7 * total.compared > 10_000
    assert total.clear_same >= 0.99 * total.clear
    assert total.same_class >= 0.98 * total.compared
    assert total.off_outlines_same_depth >= 0.99 * total.off_outlines and total.in_voxel == total.labelled
    assert total.same_voxel >= 0.99 * total.in_voxel
