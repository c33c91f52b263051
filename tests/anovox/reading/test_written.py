"""Files that AnoVox's own generator code wrote, read and compared with what went into them (tests/golden/written)."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from lib.anovox.format import clouds, files, layout
from lib.anovox.format.configurations import read_configurations
from lib.anovox.format.folders import find_scenarios
from lib.anovox.reading.frames import compute_voxels, read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.common.labels import class_counts
from lib.geometry.rigid import apply
from lib.reading.findings import Notice
from lib.reading.recorded_frames import LabelSource, ReadFrame
from tests.sound_files import no_finding

WRITTEN = Path(__file__).parents[2] / "golden" / "written"
SETS = ("mono", "stereo", "surround", "other_rows", "definitions_only")
TRUTHS = {name: json.loads((WRITTEN / name / "truth.json").read_text()) for name in SETS}
SCENARIOS = [(name, scenario) for name in SETS for scenario in TRUTHS[name]["scenarios"]]
# Rows of SEMANTIC-LIDAR turned by 0.1 degrees: so many points per frame take a neighbour's class.
LABELS_OFF = {"other_rows": 2}

every_scenario = pytest.mark.parametrize(("name", "scenario"), SCENARIOS, ids=[f"{n}-{s[9:13]}" for n, s in SCENARIOS])


def opened(name, scenario, sensors="all"):
    """A golden scenario and its truth."""
    root = WRITTEN / name / "data"
    config = read_configurations(root, no_finding).get(scenario)
    return open_scenario(root / scenario, config, sensors), TRUTHS[name]["scenarios"][scenario]


def reads_of(scenario):
    found = list(read_frames(scenario))
    assert found and all(isinstance(read, ReadFrame) for read in found), found
    return found


def truth_of_kind(truth, kind):
    """What the truth says of the sensors of a kind, in the file's order."""
    return {name: value for name, value in truth.items() if name.startswith(f"{kind}(")}


@pytest.mark.parametrize("name", SETS)
def test_every_scenario_is_found(name):
    found = find_scenarios(WRITTEN / name / "data", no_finding)
    assert {path.name for path in found} == set(TRUTHS[name]["scenarios"])


@every_scenario
def test_type_town_weather_and_anomaly(name, scenario):
    found, truth = opened(name, scenario)
    config = found.config
    assert (config.type.value, config.town, config.weather_preset) == (
        truth["type"],
        truth["town"],
        truth["weather_preset"],
    )
    assert config.anomaly_blueprint == truth["anomaly_blueprint"]
    assert [str(frame_id) for frame_id in found.frame_ids] == sorted(truth["frames"], key=int)
    for read in reads_of(found):
        anomaly = read.frame.anomaly
        assert (anomaly.size if anomaly else None) == (truth["anomaly_size"] and truth["anomaly_size"].capitalize())
        assert (anomaly.blueprint if anomaly else None) == truth["anomaly_blueprint"]


@every_scenario
def test_poses_speed_and_time(name, scenario):
    found, truth = opened(name, scenario)
    for read in reads_of(found):
        expected = truth["frames"][str(read.frame.frame_id)]
        assert read.frame.time_s == pytest.approx(expected["time_s"], abs=1e-9)
        assert read.frame.speed_mps == pytest.approx(expected["speed_mps"], abs=1e-6)
        assert np.allclose(read.frame.world_SE3_ego, expected["world_SE3_ego"], atol=1e-4)


@every_scenario
def test_calibration(name, scenario):
    found, truth = opened(name, scenario)
    frame = truth["frames"][str(found.frame_ids[0])]
    cameras, lidars = truth_of_kind(frame["cameras"], layout.RGB), truth_of_kind(frame["lidars"], layout.LIDAR)
    assert len(found.views) == len(cameras) and len(found.lidar_rigs) == len(lidars)
    for view in found.views:
        expected = cameras[view.rig.folders[layout.RGB]]
        assert (view.camera.height_px, view.camera.width_px) == (expected["height"], expected["width"])
        assert view.rig.args.camera_fov == expected["fov_deg"]
        vehicle_SE3_camera = found.vehicle_SE3_points @ np.linalg.inv(view.calibration.camera_SE3_lidar)
        assert np.allclose(vehicle_SE3_camera, expected["vehicle_SE3_sensor"], atol=2e-5)
    assert {rig.args.channels for rig in found.lidar_rigs} == {16}


@every_scenario
def test_clouds_bit_by_bit(name, scenario):
    found, truth = opened(name, scenario)
    for frame_id in found.frame_ids:
        for folder, expected in truth_of_kind(truth["frames"][str(frame_id)]["lidars"], layout.LIDAR).items():
            path = found.files[folder].paths[frame_id]
            cloud = clouds.read_lidar(path)
            assert len(cloud) == expected["num_points"] == clouds.cloud_size(path)
            assert f"{zlib.crc32(cloud.tobytes()):08x}" == expected["crc32"]
            semantic = found.files[f"SEMANTIC-{folder}"].paths[frame_id]
            classes = clouds.read_semantic_lidar(semantic, 100)
            assert f"{zlib.crc32(classes.tobytes()):08x}" == expected["semantic_lidar"]["crc32"]


@every_scenario
def test_points_their_classes_and_places_in_the_world(name, scenario):
    found, truth = opened(name, scenario)
    for read in reads_of(found):
        frame, expected = read.frame, truth["frames"][str(read.frame.frame_id)]
        world_SE3_points = frame.world_SE3_ego @ found.vehicle_SE3_points
        start = 0
        for rig in found.lidar_rigs:
            lidar = expected["lidars"][rig.folders[layout.LIDAR]]
            part = slice(start, start + lidar["num_points"])
            counts = {str(i): n for i, n in enumerate(class_counts(frame.point_class[part]).tolist()) if n}
            off = sum(abs(counts.get(i, 0) - lidar["classes"].get(i, 0)) for i in {*counts, *lidar["classes"]}) / 2
            assert off <= LABELS_OFF.get(name, 0)
            for row in lidar["rows"]:
                world_m = apply(world_SE3_points, frame.points[start + row["row"], None, :3].astype(np.float64))
                assert np.allclose(world_m, [row["world_xyz_m"]], atol=1e-3)
                assert name in LABELS_OFF or frame.point_class[start + row["row"]] == row["class_id"]
            start = part.stop
        assert start == len(frame.points)
        assert read.point_labels.count(LabelSource.NONE) == 0


@every_scenario
def test_pixels_their_classes_and_depth(name, scenario):
    found, truth = opened(name, scenario)
    views = {view.name: view.rig.folders[layout.RGB] for view in found.views}
    for read in reads_of(found):
        frame = read.frame
        camera = truth["frames"][str(frame.frame_id)]["cameras"][views[frame.camera_name]]
        counts = {str(i): n for i, n in enumerate(class_counts(frame.pixel_class.reshape(-1)).tolist()) if n}
        assert counts == camera["classes"]
        for pixel in camera["pixels"]:
            place = pixel["row"], pixel["column"]
            assert frame.pixel_class[place] == pixel["class_id"]
            assert frame.image[place].tolist() == pixel["rgb"]
            assert frame.depth_m[place] == pytest.approx(pixel["depth_m"], abs=1e-3, rel=1e-4)


@every_scenario
def test_voxel_grids_equal_what_is_computed(name, scenario):
    found, _ = opened(name, scenario)
    stored = found.files.get(layout.VOXEL_GRID)
    assert (stored is None) == (name == "definitions_only")
    for frame_id, path in stored.paths.items() if stored else ():
        assert np.array_equal(files.read_voxels(path), compute_voxels(found, frame_id))


def test_a_setup_of_other_sizes_than_the_images_is_corrected_and_said_once():
    [scenario] = TRUTHS["definitions_only"]["scenarios"]
    found, _ = opened("definitions_only", scenario, "forward")
    said = {finding.reason: finding.message for finding in found.findings}
    assert len(found.findings) == len(said) == 2
    assert "says 512 x 768 pixels (height x width), but the images are 64 x 96" in said[Notice.OTHER_IMAGE_SIZE]
    assert "says 64 channels" in said[Notice.OTHER_LIDAR_CHANNELS]
    assert "the clouds show 16 channels" in said[Notice.OTHER_LIDAR_CHANNELS]
    for name in SETS[:-1]:
        for scenario in TRUTHS[name]["scenarios"]:
            assert opened(name, scenario)[0].findings == ()
