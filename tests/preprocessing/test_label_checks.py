"""Sound data passes; each kind of wrong labels and calibration is objected to, with its cause."""

import shutil
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.anovox.format.folders import find_scenarios
from lib.anovox.format.grid import voxel_grid
from lib.anovox.reading.anovox_recordings import open_anovox
from lib.anovox.reading.scenario import open_scenario
from lib.common.labels import is_anomaly
from lib.doctor.survey import survey
from lib.preprocessing.evidence import Evidence
from lib.preprocessing.label_checks import explained, objections, undecided
from lib.preprocessing.pictures import PictureCounts
from lib.preprocessing.statistics import Statistics
from lib.reading.findings import Notice
from lib.simulator.sample import write_sample
from tests.all_params import all_params
from tests.anovox_sample import GOLDEN
from tests.sound_files import no_finding

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ROOT / "tests" / "golden" / "written"
SMALL: dict[str, float] = {"normality_scenarios": 4, "anomaly_scenarios": 2, "frames_per_scenario": 5, "seed": 5}
SMALL |= {"night_fraction": 0.0, "fog_fraction": 0.0, "rain_fraction": 0.0}
CLOUDS = ("LIDAR", "SEMANTIC-LIDAR")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound")
    write_sample(root, all_params().simulate.model_copy(update=SMALL), workers=1)
    return root


@pytest.fixture
def data(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "data"))


def judged(root, sensors="forward"):
    """Objections by name."""
    found = survey(root, sensors, 0, 1)
    sources = {
        scenario.config.name: partial(open_anovox, scenario.path, scenario.config, sensors)
        for scenario in found.scenarios
    }
    explanations = [explained(each, sources) for each in objections(found.statistics)]
    return {each.name: each for each in explanations}


def left_open(root):
    return {each.name: each for each in undecided(survey(root, "forward", 0, 1).statistics)}


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


def change_both_clouds(chosen):
    """Rows of LIDAR go with those of SEMANTIC-LIDAR that `chosen` drops."""

    def damage(scenario, _):
        for lidar, semantic in zip(files_of(scenario, "LIDAR("), files_of(scenario, "SEMANTIC-LIDAR"), strict=True):
            cloud, labelled = np.load(lidar), np.load(semantic)
            kept = (chosen(np.column_stack([np.arange(len(labelled)), labelled[:, 1:]])))[:, 0].astype(int)
            np.save(lidar, np.asfortranarray(cloud[kept]))
            np.save(semantic, np.asfortranarray(labelled[kept]))
        for path in files_of(scenario, "VOXEL_GRID"):
            path.unlink()

    return damage


CARLA_0_9_10 = np.arange(256, dtype=np.uint8)
"""The ids that classes had before CARLA 0.9.14."""
CARLA_0_9_10[:15] = [0, 7, 8, 1, 11, 2, 5, 18, 12, 9, 22, 13, 4, 4, 10]


def change_class_ids(change):
    """In images, clouds and voxels alike; anomalies keep theirs."""

    def changed(ids):
        ids = ids.astype(np.uint8)
        return np.where(is_anomaly(ids), ids, change(ids).astype(np.uint8))

    def damage(scenario, _):
        change_images(
            lambda image: np.dstack([changed(image[..., 0]), image[..., 1:]]) if image.ndim == 3 else changed(image),
            "SEMANTIC-CAM",
        )(scenario, _)
        for kind in ("SEMANTIC-LIDAR", "VOXEL_GRID"):
            change_clouds(lambda cloud: np.column_stack([cloud[:, :3], changed(cloud[:, 3])]), kinds=(kind,))(
                scenario, _
            )

    return damage


def copied_as_rgb(kind):
    def damage(scenario, _):
        for target, source in zip(files_of(scenario, "RGB-CAM"), files_of(scenario, kind), strict=True):
            Image.fromarray(np.asarray(Image.open(source).convert("RGB"))).save(target)

    return damage


def inverse_depth(image):
    steps = (image[..., :3].astype(np.int64) * [1, 256, 65536]).sum(axis=2)
    inverse = np.clip((2**24 - 1) / 1000 / np.maximum(steps / (2**24 - 1) * 1000, 0.1), 0, 2**24 - 1).astype(np.int64)
    coded = np.stack([inverse & 255, inverse >> 8 & 255, inverse >> 16], axis=2).astype(np.uint8)
    return np.dstack([coded, image[..., 3:]]) if image.shape[2] == 4 else coded


def more_voxels(scenario, _):
    for path in files_of(scenario, "VOXEL_GRID"):
        voxels = np.load(path)
        moved = voxels + np.array([40, 0, 3, 0], dtype=voxels.dtype)
        np.save(path, np.unique(np.concatenate([voxels, moved[moved[:, 0] < 1000]]), axis=0))


def rearranged(order, kinds):
    def damage(scenario, _):
        for kind in kinds:
            paths = files_of(scenario, kind)
            contents = [path.read_bytes() for path in paths]
            for number, path in enumerate(paths):
                path.write_bytes(contents[order(number, len(paths))])

    return damage


def first_everywhere(*kinds):
    return rearranged(lambda number, count: 0, kinds)


def a_tick_late(*kinds):
    return rearranged(lambda number, count: max(0, number - 1), kinds)


def a_tick_early(*kinds):
    return rearranged(lambda number, count: min(count - 1, number + 1), kinds)


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
    "intensities of 0-255": (intensities(lambda values: values * 255), "intensities", "to 2"),
    "intensities of 3e38": (intensities(lambda values: values * 0 + 3e38), "intensities", "3e+38"),
    "clouds of half a turn": (
        change_clouds(lambda cloud: cloud[cloud[:, 0] > 0]),
        "partial_clouds",
        "% of the way around",
    ),
    "clouds without their lower rows": (
        change_clouds(lambda cloud: cloud[cloud[:, 2] > -0.1 * np.hypot(cloud[:, 0], cloud[:, 1])]),
        "partial_clouds",
        "directions below the LiDAR",
    ),
    "clouds up to 10 m": (
        change_clouds(lambda cloud: cloud[np.hypot(cloud[:, 0], cloud[:, 1]) < 10]),
        "partial_clouds",
        "directions below the LiDAR",
    ),
    "intensities of 0": (intensities(lambda values: values * 0), "intensities", "the same intensity"),
    "anomalies without points": (
        change_both_clouds(lambda cloud: cloud[~is_anomaly(cloud[:, 3].astype(np.uint8))]),
        "anomalies_unseen",
        "points lie on them",
    ),
    "class ids + 1": (
        change_class_ids(lambda ids: ids + 1),
        "wrong_class_ids",
        "pixels",
    ),
    "class ids of CARLA 0.9.10": (
        change_class_ids(lambda ids: CARLA_0_9_10[ids]),
        "wrong_class_ids",
        "not called sky",
    ),
    "road and sidewalk exchanged with buildings": (
        change_class_ids(lambda ids: np.where(ids == 1, 3, np.where(ids == 3, 1, ids))),
        "wrong_class_ids",
        "points labelled as road",
    ),
    "no class": (change_images(lambda image: np.full_like(image, 255), "SEMANTIC-CAM"), "unlabelled_pixels", "100.0%"),
    "depth as image": (copied_as_rgb("DEPTH_CAM"), "coded_image", "DEPTH_CAM"),
    "classes as image": (copied_as_rgb("SEMANTIC-CAM"), "coded_image", "SEMANTIC-CAM"),
    "depth as 1 / m": (change_images(inverse_depth, "DEPTH_CAM"), "wrong_depth", "DEPTH_CAM"),
    "voxels that nothing fills": (more_voxels, "voxels_disagree", "of the voxels hold a point"),
    "first image everywhere": (first_everywhere("RGB-CAM"), "frozen", "images"),
    "first cloud everywhere": (first_everywhere("LIDAR(", "SEMANTIC-LIDAR"), "frozen", "clouds"),
    "images a tick late": (a_tick_late("RGB-CAM"), "other_tick", "the tick before"),
    "images a tick early": (a_tick_early("RGB-CAM"), "other_tick", "the tick after"),
    "clouds a tick late": (a_tick_late("LIDAR(", "SEMANTIC-LIDAR", "VOXEL_GRID"), "other_tick", "tick before"),
    "LIDAR alone a tick late": (a_tick_late("LIDAR("), "other_tick", "LIDAR's files are those of the tick before"),
}
SOME_FRAMES = {
    "black": (change_images(np.zeros_like, "RGB-CAM"), "one_color"),
    "mirrored": (change_images(lambda image: image[:, ::-1], "RGB-CAM"), "mirrored_image"),
    "image of another": (take_from_other("RGB-CAM"), "other_image"),
    "turned": (turned(90), "turned_clouds"),
    "no class": (change_images(lambda image: np.full_like(image, 255), "SEMANTIC-CAM"), "unlabelled_pixels"),
    "all of another": (
        take_from_other("RGB-CAM", "DEPTH_CAM", "SEMANTIC-CAM", "LIDAR(", "SEMANTIC-LIDAR", "VOXEL_GRID"),
        "copied_scenario",
    ),
}


ONCE = ("turned by 90", "voxels of another", "image of another", "intensities of 0-255")


@pytest.mark.parametrize(("name", "everywhere"), [*product(DAMAGES, [True]), *product(ONCE, [False])])
def test_what_cannot_be_right_is_named(data, name, everywhere):
    """In all scenarios, or in one of them."""
    damage, expected, part = DAMAGES[name]
    scenarios = list(find_scenarios(data, no_finding))
    copies = [Path(shutil.copytree(path, data.parent / "copies" / path.name)) for path in scenarios]
    chosen = range(len(scenarios)) if everywhere else [2]
    for number in chosen:
        damage(scenarios[number], copies[(number + 1) % len(copies)])
    found = judged(data)
    assert expected in found, {key: each.what for key, each in found.items()}
    assert part in found[expected].what and found[expected].remedy
    assert everywhere or found[expected].scenarios[:1] in ((), (scenarios[2].name,))


def in_some_frames(scenario, other, damage, frame_ids, tmp_path):
    """Do the damage to a copy, and take these frames' files from it."""
    copy = Path(shutil.copytree(scenario, tmp_path / "damaged" / scenario.name))
    damage(copy, other)
    for path in copy.rglob("*_*.*"):
        if path.is_file() and path.stem.rsplit("_", 1)[-1] in frame_ids:
            shutil.copy(path, scenario / path.relative_to(copy))


@pytest.mark.parametrize("name", SOME_FRAMES)
def test_what_is_wrong_in_some_frames_is_named(data, tmp_path, name):
    damage, expected = SOME_FRAMES[name]
    scenarios = list(find_scenarios(data, no_finding))
    ids = {path.stem.rsplit("_", 1)[-1] for path in files_of(scenarios[2], "RGB-CAM")}
    in_some_frames(scenarios[2], scenarios[3], damage, sorted(ids, key=int)[-2:], tmp_path)
    found = judged(data)
    assert expected in found, {key: each.what for key, each in found.items()}
    assert found[expected].scenarios[:1] in ((scenarios[2].name,), (scenarios[3].name,))


def test_cameras_that_are_wrong_in_different_ways_do_not_make_up_for_each_other():
    """Of both together, the edges fit no other place better than the outlines; of each, they do."""
    seen = PictureCounts(images=1, outline_pairs=1000, true_fit=600.0, strong_step=40, pixels=1000, brightness=300_000)
    cameras = {"left": replace(seen, mirrored_fit=600.0), "right": replace(seen, quarter_fit=600.0)}
    evidence = {camera: Evidence(pictures=pictures) for camera, pictures in cameras.items()}
    [found] = objections({"Scenario_1": Statistics(frames=2, by_camera=evidence)})
    assert found.name == "other_image" and "(camera left)" in found.what


def test_sound_data_passes(sound):
    assert judged(sound) == {} and left_open(sound) == {}


def test_other_rows_of_semantic_points_pass(data):
    shuffle = np.random.default_rng(1).permutation
    for scenario in find_scenarios(data, no_finding):
        change_clouds(shuffle, kinds=("SEMANTIC-LIDAR",))(scenario, None)
    assert judged(data) == {}


@pytest.mark.parametrize("sensors", ["forward", "all"])
@pytest.mark.parametrize("root", [GOLDEN, *sorted(WRITTEN.iterdir())], ids=lambda path: path.name)
def test_files_that_anovox_wrote_pass(root, sensors):
    assert judged(root, sensors) == {}


@pytest.mark.parametrize("stated_deg", [60, 84, 95, 97, 120])
def test_a_wrong_field_of_view_is_corrected_or_named(data, stated_deg):
    """lib.anovox.reading.measured corrects what is far off; the rest is named."""
    for scenario in find_scenarios(data, no_finding):
        path = scenario / "sensor_setup.json"
        path.write_text(path.read_text().replace('"camera_fov": 90.0', f'"camera_fov": {stated_deg}.0'))
    found = survey(data, "forward", 0, 1)
    corrected = {finding.reason for finding in found.findings} == {Notice.OTHER_FIELD_OF_VIEW}
    assert judged(data) == {} if corrected else "sensor_setup.json has" in judged(data)["wrong_field_of_view"].what


def test_small_scenarios_are_judged_too(data):
    """400 points around, a handful of them in view and off outlines."""
    for scenario in find_scenarios(data, no_finding):
        change_clouds(lambda cloud: cloud[:: len(cloud) // 400])(scenario, None)
        for path in files_of(scenario, "VOXEL_GRID"):
            path.unlink()
    assert judged(data) == {}
    for scenario in find_scenarios(data, no_finding):
        turned(90)(scenario, None)
    assert judged(data).keys() == {"turned_clouds"}


@pytest.mark.parametrize(("name", "faint"), [("fog", lambda i: 190 + i // 16), ("night", lambda i: i // 14)])
def test_hidden_outlines_cannot_be_judged(data, name, faint):
    """Where images show next to nothing, those of other scenarios cannot be told, and the sound ones are no error."""
    scenarios = list(find_scenarios(data, no_finding))
    copies = [Path(shutil.copytree(path, data.parent / "copies" / path.name)) for path in scenarios]
    for number, scenario in enumerate(scenarios):
        take_from_other("RGB-CAM")(scenario, copies[(number + 1) % len(copies)])
        change_images(faint, "RGB-CAM")(scenario, None)
    assert judged(data) == {}
    assert len(left_open(data)["image_unjudged"].scenarios) == len(scenarios)


@pytest.mark.parametrize("tint", [(0.8, 0.9, 1.1), (1.2, 1.0, 0.8), (0.7, 0.7, 0.7)])
def test_cold_warm_and_dim_light_pass(data, tint):
    for scenario in find_scenarios(data, no_finding):
        change_images(lambda image: np.clip(image * np.array(tint), 0, 255).astype(np.uint8), "RGB-CAM")(scenario, None)
    assert judged(data) == {}


def test_a_recording_under_another_name_is_found(data):
    scenario = next(iter(find_scenarios(data, no_finding)))
    shutil.copytree(scenario, scenario.with_name("Scenario_copy"))
    for path in files_of(scenario.with_name("Scenario_copy"), "RGB-CAM"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    found = judged(data)["copied_scenario"]
    assert found.scenarios == ("Scenario_copy",) and scenario.name in found.what
