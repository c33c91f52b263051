from dataclasses import replace

import numpy as np

from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.geometry.frame import ScenarioType
from lib.preprocessing.label_report import SCENARIO_COLUMNS, label_sentences, scenario_rows
from lib.preprocessing.statistics import (
    Problem,
    Statistics,
    data_metrics,
    frame_statistics,
    label_metrics,
    worst_scenarios,
)
from lib.reading.file_errors import Reason
from lib.reading.findings import Notice, ScenarioReason
from lib.reading.recorded_frames import ReadFrame
from lib.shards.index import ShardEntry
from tests.anovox_sample import MONO_NORMALITY, MONO_STATIC


def golden(path):
    return list(read_frames(open_scenario(path, None)))


def test_counts_of_golden_frames():
    total = sum((frame_statistics(read) for p in (MONO_STATIC, MONO_NORMALITY) for read in golden(p)), Statistics())
    assert (total.frames, total.frames_with_anomaly) == (5, 3)
    assert total.anomaly_sizes == {"Medium": 3}
    assert sum(total.anomaly_distances.values()) == 3
    assert total.cloud_sizes == (1499, 1502, 1517, 1458, 1445)
    assert total.point_classes.sum() == total.evidence.labels.by_row == sum(total.cloud_sizes)
    assert 10 < total.farthest_m < 101
    assert total.pixel_classes.sum() == 5 * 48 * 72 and total.pixel_classes[33] > 0


def test_keys_are_stable_and_reasons_counted():
    statistics = {"a": frame_statistics(golden(MONO_NORMALITY)[0])}
    skipped = Reason.BAD_ARRAY, Reason.MISSING_IMAGE, Reason.BAD_ARRAY
    problems: list[Problem] = [*skipped, ScenarioReason.MISSING_SENSOR_SETUP, Notice.SYMLINK_LOOP]
    metrics = data_metrics(statistics, [ScenarioType.NORMALITY], problems)
    every = [*Reason, *ScenarioReason, *Notice]
    assert len({problem.value for problem in every}) == len(every), "they are counted together"
    assert metrics["noticed"] == {notice.value: 0 for notice in Notice} | {"symlink_loop": 1}
    assert metrics["scenarios"] == {"normality": 1, "static": 0, "dynamic": 0, "unlabelled": 0}
    assert metrics["skipped"] == {reason.value: 0 for reason in Reason} | {"bad_array": 2, "missing_image": 1}
    assert metrics["skipped_scenarios"]["missing_sensor_setup"] == 1
    assert list(metrics["anomaly_frames"]) == ["Tiny", "Small", "Medium", "Big", "Huge", "unknown"]
    assert list(metrics["anomaly_distance"])[::5] == ["below_8_m", "camera_only"]
    assert sum(metrics["point_class_fraction"].values()) > 0.9999
    assert metrics["points"]["anomaly_fraction"] == 0 == metrics["pixels"]["anomaly_fraction"]
    assert metrics["points"]["smallest_cloud"] == metrics["points"]["largest_cloud"] == 1458
    assert metrics["labels"]["row_match_fraction"] == 1 and metrics["labels"]["unlabelled_fraction"] == 0
    assert metrics["labels"]["worst_voxel_agreement"] == metrics["labels"]["voxel_agreement"] > 0.99


def with_labels(read, class_id):
    """The frame with all its points in one class."""
    class_ids = np.full(len(read.frame.points), class_id, dtype=np.uint8)
    labels = replace(read.point_labels, class_ids=class_ids)
    semantic = read.clouds[0].semantic_points * [1, 1, 1, 0] + [0, 0, 0, class_id]
    clouds = (replace(read.clouds[0], semantic_points=semantic),)
    return ReadFrame(replace(read.frame, point_class=class_ids), labels, {"SEMANTIC-LIDAR": (270, -1)}, clouds=clouds)


def test_the_worst_scenario_is_named():
    good = golden(MONO_NORMALITY)[0]
    by_scenario = {
        "a": frame_statistics(good),
        "unlabelled": frame_statistics(with_labels(good, 255)),
        "wrong": frame_statistics(with_labels(good, 13)),
    }
    worst = worst_scenarios(by_scenario)
    assert worst["class_agreement_off_outlines"] == ("wrong", 0.0) == worst["voxel_agreement"]
    assert worst["unlabelled_fraction"] == ("unlabelled", 1.0)
    sentences = label_sentences(by_scenario)
    assert "labels: most points lack a label in unlabelled: 100.00%" in sentences
    assert (
        "labels: wrong: SEMANTIC-LIDAR holds class ids that AnoVox does not define, taken as unknown (255): -1, 270"
        in sentences
    )
    metrics = data_metrics(by_scenario, [ScenarioType.NORMALITY] * 3, [])
    assert metrics["labels"]["frames_with_undefined_ids"] == 2
    assert metrics["labels"]["worst_class_agreement_off_outlines"] == 0.0


def test_a_fraction_of_nothing_is_left_out():
    read = with_labels(golden(MONO_STATIC)[0], 255)
    metrics = data_metrics({"a": frame_statistics(read)}, [ScenarioType.STATIC], [])
    assert metrics["points"]["labelled_fraction"] == 0
    assert not {"class_agreement", "voxel_agreement", "worst_voxel_agreement"} & metrics["labels"].keys()


def test_each_scenario_has_a_row():
    entry = ShardEntry("a", ScenarioType.NORMALITY, "a.h5", 2, 0, 2, 48, 72, 1536, 16, "Town03", "CLEAR_NOON")
    statistics = sum((frame_statistics(read) for read in golden(MONO_NORMALITY)), Statistics())
    [row] = scenario_rows([entry], {"a": statistics})
    [both] = scenario_rows([entry, replace(entry, file="a_camera1.h5", camera="camera1")], {"a": statistics})
    assert both == {**row, "frames": 4}
    assert tuple(row) == tuple(column for column in SCENARIO_COLUMNS if column != "anomaly_agreement")
    assert (row["type"], row["frames"], row["row_match_fraction"]) == ("NORMALITY", 2, 1.0)
    assert row["voxel_agreement"] == label_metrics(statistics)["voxel_agreement"] == 1.0
