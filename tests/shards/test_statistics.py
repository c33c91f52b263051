from dataclasses import replace

import numpy as np

from lib.anovox.files import Reason
from lib.anovox.reader import ReadFrame, read_frames
from lib.anovox.scenario import ScenarioReason, open_scenario
from lib.frame import ScenarioType
from lib.shards.statistics import Statistics, data_metrics, frame_statistics, sensor_agreement
from tests.anovox_sample import MONO_NORMALITY, MONO_STATIC


def golden(path):
    return list(read_frames(open_scenario(path, None)))


def test_counts_of_golden_frames():
    total = sum((frame_statistics(read) for p in (MONO_STATIC, MONO_NORMALITY) for read in golden(p)), Statistics())
    assert (total.frames, total.frames_with_anomaly) == (5, 3)
    assert total.anomaly_frames == {"Medium": 3}
    assert total.point_classes.sum() == total.labelled_by_row == 1499 + 1502 + 1517 + 1458 + 1445
    assert total.largest_cloud == 1517
    assert total.pixel_classes.sum() == 5 * 48 * 72 and total.pixel_classes[33] > 0
    assert total.same_class / total.compared > 0.9


def test_a_mirrored_calibration_is_seen():
    """What a loader that takes y as right would do: both agreements fall."""
    read = golden(MONO_STATIC)[0]
    mirrored = replace(read.frame, points=read.frame.points * np.array([1, -1, 1, 1], dtype=np.float32))
    shares = []
    for frame in (read.frame, mirrored):
        projected, same_depth, compared, same_class = sensor_agreement(frame)
        assert projected >= compared >= same_class > 0
        shares.append((same_depth / projected, same_class / compared))
    assert shares[0][0] > shares[1][0] + 0.1 and shares[0][1] > shares[1][1] + 0.1


def test_unknown_labels_are_not_compared():
    frame = golden(MONO_STATIC)[0].frame
    unknown = replace(frame, point_class=np.full(len(frame.points), 255, dtype=np.uint8))
    assert sensor_agreement(unknown)[2:] == (0, 0)
    read = ReadFrame(unknown, golden(MONO_STATIC)[0].point_labels)
    metrics = data_metrics(frame_statistics(read), [ScenarioType.STATIC], [], [])
    assert metrics["points"]["labelled_share"] == 0 and "class_agreement" not in metrics["labels"]


def test_keys_are_stable_and_reasons_counted():
    statistics = frame_statistics(golden(MONO_NORMALITY)[0])
    skipped = [Reason.BAD_ARRAY, Reason.MISSING_IMAGE, Reason.BAD_ARRAY]
    metrics = data_metrics(statistics, [ScenarioType.NORMALITY], skipped, [ScenarioReason.MISSING_SENSOR_SETUP])
    assert metrics["scenarios"] == {"normality": 1, "static": 0, "dynamic": 0}
    assert metrics["skipped"] == {reason.value: 0 for reason in Reason} | {"bad_array": 2, "missing_image": 1}
    assert metrics["skipped_scenarios"]["missing_sensor_setup"] == 1
    assert list(metrics["anomaly_frames"]) == ["Tiny", "Small", "Medium", "Big", "Huge", "unknown"]
    assert sum(metrics["point_class_share"].values()) > 0.9999
    assert metrics["points"]["anomaly_share"] == 0 == metrics["pixels"]["anomaly_share"]
