"""Sound data passes; each kind of wrong labels and calibration is objected to, with its cause."""

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.anovox.findings import Notice
from lib.anovox.folders import find_scenarios
from lib.anovox.grid import voxel_grid
from lib.anovox.scenario import open_scenario
from lib.doctor.survey import survey
from lib.labels import is_anomaly
from lib.params import load_params
from lib.shards.judgement import explained, objections, unjudged
from lib.simulator.sample import write_sample
from tests.anovox_sample import GOLDEN

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ROOT / "tests" / "golden" / "written"
SMALL = {"normality_scenarios": 4, "anomaly_scenarios": 2, "frames_per_scenario": 2, "seed": 5}
SMALL |= {"night_fraction": 0.0, "fog_fraction": 0.0, "rain_fraction": 0.0}
CLOUDS = ("LIDAR", "SEMANTIC-LIDAR")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound")
    write_sample(root, load_params(ROOT / "params.yaml").simulate.model_copy(update=SMALL), workers=1)
    return root


@pytest.fixture
def data(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "data"))


def judged(root, sensors="forward"):
    """Objections by name."""
    found = survey(root, sensors, 0, 1)
    sources = {scenario.config.name: (scenario.path, scenario.config) for scenario in found.scenarios}
    explanations = [explained(each, sources, sensors) for each in objections(found.statistics)]
    return {each.name: each for each in explanations}


def left_open(root):
    return {each.name: each for each in unjudged(survey(root, "forward", 0, 1).statistics)}


def files_of(scenario, kind):
    return sorted(
        path for folder in scenario.iterdir() if folder.name.startswith(f"{kind}") for path in folder.iterdir()
    )


def change_clouds(change, kinds=CLOUDS):
    """Each cloud (N, 4) of a scenario becomes what `change` makes of it."""

    def damage(scenario, _):
        for kind in kinds:
            for path in files_of(scenario, f"{kind}("):
                cloud = np.load(path)
                np.save(path, np.asfortranarray(change(cloud).astype(cloud.dtype)))

    return damage


def change_images(change, *kinds):
    def damage(scenario, _):
        for kind in kinds:
            for path in files_of(scenario, kind):
                Image.fromarray(np.ascontiguousarray(change(np.asarray(Image.open(path))))).save(path)

    return damage


def take_from_other(*kinds):
    def damage(scenario, other):
        for kind in kinds:
            for target, source in zip(files_of(scenario, kind), files_of(other, kind), strict=True):
                shutil.copy(source, target)

    return damage


def scaled(factor):
    return change_clouds(lambda cloud: cloud * [factor, factor, factor, 1])


def turned(degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    return change_clouds(lambda cloud: cloud @ turn.T)


def intensities(change):
    return change_clouds(lambda cloud: np.column_stack([cloud[:, :3], change(cloud[:, 3])]), kinds=("LIDAR",))


def other_cell_size(scenario, _):
    opened = open_scenario(scenario, None)
    for path in files_of(scenario, "VOXEL_GRID"):
        cloud = np.load(
            next(p for p in files_of(scenario, "SEMANTIC-LIDAR") if p.stem.split("_")[-1] == path.stem.split("_")[-1])
        )
        np.save(path, voxel_grid([(opened.lidar_rigs[0].pose, cloud)], [], 0.2))


def without_anomalies(cloud):
    return np.column_stack([cloud[:, :3], np.where(is_anomaly(cloud[:, 3].astype(np.uint8)), 1, cloud[:, 3])])


DAMAGES = {
    "clouds of a tenth": (scaled(0.1), "scaled_clouds", "0.1 times"),
    "clouds of half": (scaled(0.5), "scaled_clouds", "0.5 times"),
    "clouds of 100 times": (scaled(100), "scaled_clouds", "100 times"),
    "clouds 1 m up": (change_clouds(lambda cloud: cloud + np.array([0, 0, 1, 0])), "moved_clouds", "1 m too far up"),
    "clouds 1 m to the left": (
        change_clouds(lambda cloud: cloud + np.array([0, 1, 0, 0])),
        "moved_clouds",
        "m too far to the left",
    ),
    "turned by 4": (turned(4), "turned_clouds", "degrees to the left"),
    "turned by -6": (turned(-6), "turned_clouds", "degrees to the right"),
    "turned by 90": (turned(90), "turned_clouds", "90 degrees to the left"),
    "half a turn": (turned(180), "turned_clouds", "half a turn"),
    "columns y, x, z": (change_clouds(lambda cloud: cloud[:, [1, 0, 2, 3]]), "other_axes", "columns are y, x, z"),
    "z down": (change_clouds(lambda cloud: cloud * [1, 1, -1, 1]), "other_axes", "columns are x, y, -z"),
    "anomalies erased from the clouds": (
        change_clouds(without_anomalies, kinds=("SEMANTIC-LIDAR",)),
        "anomalies_disagree",
        "different anomalies",
    ),
    "anomalies erased from the images": (
        change_images(lambda image: np.where(is_anomaly(image), np.uint8(1), image), "SEMANTIC-CAM"),
        "anomalies_disagree",
        "different anomalies",
    ),
    "mirrored": (change_clouds(lambda cloud: cloud * [1, -1, 1, 1]), "mirrored_clouds", "y to the right"),
    "depth constant": (change_images(lambda image: np.full_like(image, 9), "DEPTH_CAM"), "wrong_depth", "one depth"),
    "depth reversed": (change_images(lambda image: image[..., ::-1], "DEPTH_CAM"), "wrong_depth", "exchanged"),
    "depth of another": (take_from_other("DEPTH_CAM"), "wrong_depth", "DEPTH_CAM"),
    "classes of another": (take_from_other("SEMANTIC-CAM"), "wrong_classes", "different classes"),
    "camera of another": (take_from_other("RGB-CAM", "DEPTH_CAM", "SEMANTIC-CAM"), "other_frames", "neither depth"),
    "images shifted": (
        change_images(lambda image: np.roll(image, 8, 1), "RGB-CAM", "DEPTH_CAM", "SEMANTIC-CAM"),
        "moved_images",
        "8 pixels too far right",
    ),
    "semantic LiDAR of another": (take_from_other("SEMANTIC-LIDAR"), "other_semantic_lidar", "SEMANTIC-LIDAR"),
    "voxels of another": (take_from_other("VOXEL_GRID"), "voxels_disagree", "occupied voxel"),
    "voxels of 0.2 m": (other_cell_size, "voxels_disagree", "occupied voxel"),
    "image of another": (take_from_other("RGB-CAM"), "other_image", "does not belong"),
    "image mirrored": (change_images(lambda image: image[:, ::-1], "RGB-CAM"), "mirrored_image", "is mirrored"),
    "image in BGR": (change_images(lambda image: image[..., ::-1], "RGB-CAM"), "exchanged_colors", "BGR"),
    "image black": (change_images(np.zeros_like, "RGB-CAM"), "one_color", "one colour"),
    "intensities of 0-255": (intensities(lambda values: values * 255), "intensity_range", "to 2"),
    "intensities of 3e38": (intensities(lambda values: values * 0 + 3e38), "intensity_range", "3e+38"),
    "clouds of half a turn": (
        change_clouds(lambda cloud: cloud[cloud[:, 0] > 0]),
        "half_clouds",
        "% of the way around",
    ),
}


ONCE = ("turned by 90", "voxels of another", "image of another", "intensities of 0-255")


@pytest.mark.parametrize(("name", "everywhere"), [*product(DAMAGES, [True]), *product(ONCE, [False])])
def test_what_cannot_be_right_is_named(data, name, everywhere):
    """In all scenarios, or in one of them."""
    damage, expected, part = DAMAGES[name]
    scenarios = list(find_scenarios(data, pytest.fail))
    copies = [Path(shutil.copytree(path, data.parent / "copies" / path.name)) for path in scenarios]
    chosen = range(len(scenarios)) if everywhere else [2]
    for number in chosen:
        damage(scenarios[number], copies[(number + 1) % len(copies)])
    found = judged(data)
    assert expected in found, {key: each.what for key, each in found.items()}
    assert part in found[expected].what and found[expected].remedy
    assert everywhere or found[expected].scenarios[:1] in ((), (scenarios[2].name,))


def test_sound_data_passes(sound):
    assert judged(sound) == {} and left_open(sound) == {}


def test_other_rows_of_semantic_points_pass(data):
    shuffle = np.random.default_rng(1).permutation
    for scenario in find_scenarios(data, pytest.fail):
        change_clouds(shuffle, kinds=("SEMANTIC-LIDAR",))(scenario, None)
    assert judged(data) == {}


@pytest.mark.parametrize("sensors", ["forward", "all"])
@pytest.mark.parametrize("root", [GOLDEN, *sorted(WRITTEN.iterdir())], ids=lambda path: path.name)
def test_files_that_anovox_wrote_pass(root, sensors):
    assert judged(root, sensors) == {}


@pytest.mark.parametrize("stated_deg", [60, 84, 95, 97, 120])
def test_a_wrong_field_of_view_is_corrected_or_named(data, stated_deg):
    """lib.anovox.measured corrects what is far off; the rest is named."""
    for scenario in find_scenarios(data, pytest.fail):
        path = scenario / "sensor_setup.json"
        path.write_text(path.read_text().replace('"camera_fov": 90.0', f'"camera_fov": {stated_deg}.0'))
    found = survey(data, "forward", 0, 1)
    corrected = {finding.reason for finding in found.findings} == {Notice.OTHER_FIELD_OF_VIEW}
    assert judged(data) == {} if corrected else "sensor_setup.json has" in judged(data)["wrong_field_of_view"].what


def test_small_scenarios_are_judged_too(data):
    """400 points around, a handful of them in view and off outlines."""
    for scenario in find_scenarios(data, pytest.fail):
        change_clouds(lambda cloud: cloud[:: len(cloud) // 400])(scenario, None)
        for path in files_of(scenario, "VOXEL_GRID"):
            path.unlink()
    assert judged(data) == {}
    for scenario in find_scenarios(data, pytest.fail):
        turned(90)(scenario, None)
    assert judged(data).keys() == {"turned_clouds"}


@pytest.mark.parametrize(("name", "faint"), [("fog", lambda i: 190 + i // 16), ("night", lambda i: i // 14)])
def test_hidden_outlines_cannot_be_judged(data, name, faint):
    """Where images show next to nothing, those of other scenarios cannot be told, and the sound ones are no error."""
    scenarios = list(find_scenarios(data, pytest.fail))
    copies = [Path(shutil.copytree(path, data.parent / "copies" / path.name)) for path in scenarios]
    for number, scenario in enumerate(scenarios):
        take_from_other("RGB-CAM")(scenario, copies[(number + 1) % len(copies)])
        change_images(faint, "RGB-CAM")(scenario, None)
    assert judged(data) == {}
    assert len(left_open(data)["image_unjudged"].scenarios) == len(scenarios)


@pytest.mark.parametrize("tint", [(0.8, 0.9, 1.1), (1.2, 1.0, 0.8), (0.7, 0.7, 0.7)])
def test_cold_warm_and_dim_light_pass(data, tint):
    for scenario in find_scenarios(data, pytest.fail):
        change_images(lambda image: np.clip(image * np.array(tint), 0, 255).astype(np.uint8), "RGB-CAM")(scenario, None)
    assert judged(data) == {}


def test_a_recording_under_another_name_is_found(data):
    scenario = next(iter(find_scenarios(data, pytest.fail)))
    shutil.copytree(scenario, scenario.with_name("Scenario_copy"))
    for path in files_of(scenario.with_name("Scenario_copy"), "RGB-CAM"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    found = judged(data)["copied_scenario"]
    assert found.scenarios == ("Scenario_copy",) and scenario.name in found.what
