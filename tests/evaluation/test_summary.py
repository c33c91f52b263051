import pytest

from lib.evaluation.summary import HEADLINES, summary_of

LEVEL = {"auroc": 0.8, "auroc_low": 0.7, "auroc_high": 0.9, "ap": 0.5, "fpr95": 0.3, "positives": 20, "negatives": 60}
METRICS = {
    **dict.fromkeys(("frame", "frame_any", "pixel", "point", "point_all", "voxel"), LEVEL),
    "events": {"objects": 50, "normal_minutes": 2.0, "detection_rate": 0.25},
    "calibration": {"frame": {"test_error": 0.1, "validation_error": 0.05}, "point": {"test_error": 0.01}},
    "baselines": {"frame": {"random": LEVEL}},
}


def test_it_holds_a_dozen_numbers_under_the_keys_of_the_metrics():
    found = summary_of(METRICS)
    assert found == {
        "frame": {"auroc": 0.8, "auroc_low": 0.7, "auroc_high": 0.9, "ap": 0.5},
        "point": {"auroc": 0.8, "ap": 0.5},
        "point_all": {"ap": 0.5},
        "pixel": {"auroc": 0.8, "ap": 0.5},
        "voxel": {"auroc": 0.8, "ap": 0.5},
        "events": {"detection_rate": 0.25},
        "calibration": {"frame": 0.1},
    }


@pytest.mark.parametrize("block", [*HEADLINES, "calibration"])
def test_what_could_not_be_computed_is_absent(block):
    whole = summary_of(METRICS)
    assert summary_of({k: v for k, v in METRICS.items() if k != block}) == {
        k: v for k, v in whole.items() if k != block
    }


def test_an_operating_point_that_was_left_out_leaves_no_empty_block():
    found = summary_of({**METRICS, "events": {"objects": 50, "normal_minutes": 0.9}, "calibration": {"point": {}}})
    assert set(found) == {"frame", "point", "point_all", "pixel", "voxel"}


def test_four_numbers_of_braking_under_joined_keys():
    braking = {
        "drives": 100,
        "detector": {"onset": {"auroc": 0.6}, "label_held": {"auroc": 0.7}, "detected_within_1_s": 0.2},
        "tracker": {"onset": {"auroc": 0.95}},
    }
    found = summary_of({**METRICS, "braking": braking})
    assert found["braking"] == {
        "detector_onset_auroc": 0.6,
        "detector_label_held_auroc": 0.7,
        "detector_detected_within_1_s": 0.2,
        "tracker_onset_auroc": 0.95,
    }
    del braking["detector"]
    assert summary_of({**METRICS, "braking": braking})["braking"] == {"tracker_onset_auroc": 0.95}
    assert "braking" not in summary_of({**METRICS, "braking": {"drives": 1, "detector": {}}})
