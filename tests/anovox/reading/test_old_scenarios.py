"""Scenarios of the old sample layout: twins of release scenarios yield the same frames, up to what the layout loses."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.anovox.download.voxelizing import voxelize_data_set
from lib.anovox.format import files, layout, writing
from lib.anovox.format.writing import write_scenario
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import largest_cloud, open_scenario
from lib.common.labels import is_anomaly
from lib.geometry.frame import Anomaly, ScenarioType
from lib.reading.file_errors import Reason
from lib.reading.findings import Notice, ScenarioError, ScenarioReason
from lib.reading.recorded_frames import LabelSource, ReadFrame, SkippedFrame
from lib.simulator.mounting import sensor_set
from lib.simulator.recordings import record_scenario, scenario_config
from lib.simulator.scenario_plan import plan_scenarios
from lib.simulator.scene_builder import build_scene
from tests.all_params import all_params
from tests.anovox_sample import NORMALITY, SENSORS, STATIC, recording
from tests.old_layout_files import colors_of_class_ids, write_old_scenario
from tests.present import present
from tests.sound_files import whole_frames

FRAMES = (996, 1000, 1004)
BLUEPRINT = "static.prop.o_lion_animal"
TINY = {"image_height": 32, "image_width": 48, "lidar_channels": 8, "lidar_rays_per_channel": 64}


@pytest.fixture
def old(tmp_path):
    """A static scenario of the old layout: three frames, an anomaly of id 30 in each."""
    return write_old_scenario(tmp_path / "old", STATIC, recordings())


def recordings(blueprint=BLUEPRINT):
    made = [recording(frame_id, anomaly_id=30) for frame_id in FRAMES]
    return [replace(r, anomaly={**present(r.anomaly), "anomaly_type_id": blueprint}) for r in made]


def frames_of(path, config=None):
    return list(read_frames(open_scenario(path, config)))


def file_of(scenario: Path, folder: str, frame_id: int = 1000) -> Path:
    return scenario / layout.frame_file(folder, frame_id, layout.ending_of(folder))


def assert_twins(release, old):
    """The same frame; lost: intensity."""
    for field in ("scenario", "frame_id", "scenario_type", "camera", "speed_mps", "time_s", "anomaly"):
        assert getattr(old, field) == getattr(release, field), field
    for field in ("image", "point_class", "pixel_class", "depth_m", "calibration", "voxels"):
        assert np.array_equal(getattr(old, field), getattr(release, field)), field
    assert np.array_equal(old.points[:, :3], release.points[:, :3]) and not old.points[:, 3].any()
    assert (old.world_SE3_ego is None) == (release.world_SE3_ego is None)
    assert old.world_SE3_ego is None or np.allclose(old.world_SE3_ego, release.world_SE3_ego)
    assert [(lidar.range_m, lidar.location) for lidar in old.lidars] == [(100.0, (0, 0, 1.8))]


def test_a_twin_yields_the_same_frames(tmp_path, old):
    release = write_scenario(tmp_path / "release", STATIC, SENSORS, recordings())
    pairs = list(zip(frames_of(release), frames_of(old), strict=True))
    assert [b.frame.frame_id for _, b in pairs] == list(FRAMES)
    for a, b in pairs:
        assert_twins(a.frame, b.frame)
        assert np.array_equal(a.point_labels.source, b.point_labels.source)
        assert is_anomaly(b.frame.point_class).any() and is_anomaly(b.frame.pixel_class).any()
        assert b.undefined_ids == {} and b.frame.speed_mps == pytest.approx(10)
        assert b.frame.anomaly == Anomaly("Big", BLUEPRINT)
    [named] = {read.frame.camera_name for read in whole_frames(open_scenario(old, None, "all"))}
    assert named == "camera0_yaw0"
    scenario = open_scenario(old, None)
    assert largest_cloud(scenario) == 200 and scenario.findings == () and scenario.config.type is ScenarioType.STATIC


@pytest.mark.parametrize("kind", [ScenarioType.NORMALITY, ScenarioType.STATIC])
def test_a_twin_of_a_simulated_scenario(tmp_path, kind):
    """Real scans: every label by its row, poses from ACTION_STATE."""
    params = all_params().simulate
    params = params.model_copy(update={**TINY, "frames_per_scenario": 2})
    plan = next(plan for plan in plan_scenarios(params) if plan.type is kind)
    scene = build_scene(plan, params)
    made = list(record_scenario(scene, plan, params))
    config = scenario_config(plan, scene)
    release = write_scenario(tmp_path / "release", config, sensor_set(params), made)
    old = write_old_scenario(tmp_path / "old", config, made)
    for a, b in zip(frames_of(release, config), frames_of(old, config), strict=True):
        assert_twins(a.frame, b.frame)
        assert b.frame.lidars == a.frame.lidars  # its channels are measured
        assert b.frame.world_SE3_ego is not None and (b.point_labels.source == LabelSource.ROW).all()


def test_an_anomaly_of_unknown_kind_has_anovoxs_general_id(tmp_path):
    old = write_old_scenario(tmp_path, STATIC, recordings("static.prop.thing"))
    for read in frames_of(old):
        found = set(np.unique(read.frame.pixel_class[is_anomaly(read.frame.pixel_class)]))
        assert found == {100} and (read.frame.point_class == 100).any()


def test_the_configuration_names_the_kind_where_it_can(old):
    config = replace(STATIC, anomaly_blueprint="static.prop.o_sofa_home")
    assert (frames_of(old, config)[0].frame.pixel_class == 29).any()
    assert (frames_of(old, replace(STATIC, anomaly_blueprint=None))[0].frame.pixel_class == 30).any()


def test_normality(tmp_path):
    old = write_old_scenario(tmp_path, NORMALITY, [recording(5)])
    [read] = frames_of(old)
    assert read.frame.scenario_type is ScenarioType.NORMALITY and read.frame.anomaly is None
    assert not is_anomaly(read.frame.point_class).any()


def test_a_missing_voxel_grid_is_computed(old):
    stored = [read.frame.voxels for read in frames_of(old)]
    shutil.rmtree(old / layout.VOXEL_GRID)
    computed = [read.frame.voxels for read in frames_of(old)]
    assert all(np.array_equal(a, b) for a, b in zip(stored, computed, strict=True))
    assert open_scenario(old, None).findings == ()


def test_missing_grids_can_be_written(old):
    stored = {path.name: path.read_bytes() for path in (old / layout.VOXEL_GRID).iterdir()}
    shutil.rmtree(old / layout.VOXEL_GRID)
    [done] = voxelize_data_set(old.parent, None, 0.5, 1, print)
    assert (done.written, done.before, done.left_out) == (3, 0, ())
    assert {path.name: path.read_bytes() for path in (old / layout.VOXEL_GRID).iterdir()} == stored


def test_a_voxel_grid_laid_another_way_is_named_and_computed(old):
    whole = [read.frame.voxels for read in frames_of(old)]
    for path in (old / layout.VOXEL_GRID).iterdir():
        writing.write_array(path, files.read_voxels(path) + np.array([4, 0, 0, 0], dtype=np.uint16))
    scenario = open_scenario(old, None)
    [finding] = scenario.findings
    assert finding.reason is Notice.VOXEL_GRID_MISFIT
    assert (
        finding.message.startswith(f"{old / 'VOXEL_GRID'}: holds only ")
        and "computed from SEMANTIC_PCD" in finding.message
    )
    found = [read.frame.voxels for read in whole_frames(scenario)]
    assert all(np.array_equal(a, b) for a, b in zip(whole, found, strict=True))


def test_a_damaged_first_grid_does_not_hide_that_the_others_misfit(old):
    for path in (old / layout.VOXEL_GRID).iterdir():
        writing.write_array(path, files.read_voxels(path) + np.array([4, 0, 0, 0], dtype=np.uint16))
    file_of(old, layout.VOXEL_GRID, 996).write_bytes(b"damaged")
    assert [finding.reason for finding in open_scenario(old, None).findings] == [Notice.VOXEL_GRID_MISFIT]


def test_without_semantic_pcd_the_voxel_grid_labels_the_points(old):
    shutil.rmtree(old / layout.OLD_SEMANTIC_LIDAR)
    scenario = open_scenario(old, None)
    [finding] = scenario.findings
    assert finding.reason is Notice.MISSING_SENSOR_FOLDER and "old sample layout names this folder" in finding.message
    for read in whole_frames(scenario):
        assert set(np.unique(read.point_labels.source)) <= {LabelSource.VOXEL, LabelSource.NONE}
        assert read.point_labels.count(LabelSource.VOXEL) > 50


def test_unknown_colours_are_255_and_named(old):
    path = file_of(old, layout.OLD_SEMANTIC)
    colors = files.read_rgb(path, 20, 30)
    colors[0, :2] = [[1, 2, 3], [254, 0, 1]]
    writing.write_png(path, colors)
    reads = frames_of(old)
    assert [read.undefined_ids for read in reads] == [{}, {"SEMANTIC_IMG": (0x010203, 0xFE0001)}, {}]
    assert reads[1].frame.pixel_class[0, :2].tolist() == [255, 255]


def test_actions_may_lie_in_a_folder_of_the_releases_name(old):
    for path in (old / layout.OLD_ACTION).iterdir():
        path.rename(path.with_name(path.name.replace("ACTION_STATE", "ACTION")))
    (old / layout.OLD_ACTION).rename(old / layout.ACTION)
    assert all(read.frame.speed_mps == pytest.approx(10) for read in frames_of(old))


def test_a_release_scenario_without_sensor_setup_is_not_taken_for_an_old_one(tmp_path):
    release = write_scenario(tmp_path, STATIC, SENSORS, recordings())
    (release / layout.SENSOR_SETUP).unlink()
    found = open_scenario(release, None)
    assert [finding.reason for finding in found.findings] == [Notice.ASSUMED_SENSOR_SETUP]
    assert found.views[0].rig.folders[layout.RGB].startswith("RGB-CAM(0, 0, 1.8)")


@pytest.mark.parametrize(
    ("folder", "change", "reason", "part"),
    [
        (layout.OLD_RGB, lambda p: p.unlink(), Reason.MISSING_IMAGE, "RGB_IMG_1000.png: missing"),
        (layout.OLD_DEPTH, lambda p: p.unlink(), Reason.MISSING_DEPTH, "DEPTH_IMG_1000.png: missing"),
        (layout.OLD_SEMANTIC, lambda p: p.unlink(), Reason.MISSING_PIXEL_LABELS, "SEMANTIC_IMG_1000.png: missing"),
        (layout.OLD_LIDAR, lambda p: p.unlink(), Reason.MISSING_LIDAR, "PCD_1000.pcd: missing"),
        (layout.OLD_RGB, lambda p: p.write_bytes(b""), Reason.EMPTY_FILE, "empty (0 bytes)"),
        (layout.OLD_RGB, lambda p: p.write_bytes(p.read_bytes()[:99]), Reason.DAMAGED_IMAGE, "cannot be decoded"),
        (layout.OLD_LIDAR, lambda p: p.write_bytes(b""), Reason.EMPTY_FILE, "empty (0 bytes)"),
        (layout.OLD_LIDAR, lambda p: p.write_bytes(p.read_bytes()[:-1]), Reason.BAD_ARRAY, "bytes of data, but"),
        (layout.OLD_SEMANTIC_LIDAR, lambda p: p.write_bytes(b"DATA"), Reason.BAD_ARRAY, "not a readable PCD file"),
        (layout.OLD_LIDAR, lambda p: p.with_name("PCD_01000.pcd").write_bytes(b""), Reason.DUPLICATE_FRAME, "01000"),
        (layout.VOXEL_GRID, lambda p: p.write_bytes(b"x"), Reason.BAD_ARRAY, "VOXEL_GRID_1000.npy"),
        (layout.OLD_ACTION, lambda p: p.write_text("speed ; fast\n"), Reason.BAD_TEXT, "`speed` is 'fast'"),
    ],
)
def test_a_damaged_frame_is_named_and_the_others_are_read(old, folder, change, reason, part):
    change(file_of(old, folder))
    first, second, third = frames_of(old)
    assert isinstance(first, ReadFrame) and isinstance(third, ReadFrame) and isinstance(second, SkippedFrame)
    assert second.reason is reason and part in second.message and second.message.startswith(str(old))


def test_leading_zeros_are_a_number(old):
    for folder in old.iterdir():
        for path in folder.iterdir():
            path.rename(path.with_name(path.name.replace("_996.", "_00996.")))
    assert [read.frame.frame_id for read in frames_of(old)] == list(FRAMES)


@pytest.mark.parametrize(
    ("folder", "reason"),
    [(folder, ScenarioReason.NO_SENSOR_PAIR) for folder in (layout.OLD_RGB, layout.OLD_DEPTH, layout.OLD_LIDAR)],
)
def test_a_missing_folder_is_named(old, folder, reason):
    shutil.rmtree(old / folder)
    with pytest.raises(ScenarioError) as caught:
        open_scenario(old, None)
    assert caught.value.reason is reason and str(caught.value).startswith(str(old))


def test_empty_folders_are_named(old):
    for folder in (layout.OLD_RGB, layout.OLD_DEPTH, layout.OLD_SEMANTIC, layout.OLD_LIDAR, layout.OLD_SEMANTIC_LIDAR):
        for path in (old / folder).iterdir():
            path.unlink()
    with pytest.raises(ScenarioError) as caught:
        open_scenario(old, None)
    assert caught.value.reason is ScenarioReason.NO_USABLE_FRAME


def test_what_is_written_is_what_was_read(tmp_path, old):
    """Reading a scenario's files and writing them gives the same bytes."""
    again = write_old_scenario(tmp_path / "again", STATIC, recordings())
    for path in sorted(old.rglob("*.*")):
        assert path.read_bytes() == (again / path.relative_to(old)).read_bytes()
    image = files.read_rgb(file_of(old, layout.OLD_SEMANTIC), 20, 30)
    read = frames_of(old)[1]
    assert np.array_equal(colors_of_class_ids(read.frame.pixel_class), image)
