import numpy as np
from hypothesis import given
from hypothesis.extra import numpy as hnp

from lib.common import labels
from lib.common.labels import (
    AGENT_IDS,
    ANOMALY_IDS,
    IGNORED_IDS,
    LABELS,
    NORMAL_IDS,
    class_counts,
    is_anomaly,
    is_ignored,
    is_known,
)

ALL_IDS = np.arange(256, dtype=np.uint8)


def test_anomalies_ignored_and_normal_classes_do_not_overlap():
    groups = [set(ANOMALY_IDS), set(IGNORED_IDS), set(NORMAL_IDS)]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert {label.id for label in LABELS} | {labels.UNKNOWN} == set().union(*groups) | {0}


def test_agents_are_the_classes_that_are_called_so():
    assert {label.id for label in LABELS if label.name.startswith("agent_")} == set(AGENT_IDS)


def test_the_anomaly_ids_are_anovoxs():
    assert set(np.flatnonzero(is_anomaly(ALL_IDS))) == {29, 30, 31, 32, 33, 34, 100}
    assert set(np.flatnonzero(is_ignored(ALL_IDS))) == {112, 113, 114, 115, 116, 118, 119, 214, 255}
    assert is_known(ALL_IDS).sum() == len(LABELS) + 1 and not is_known(np.array([117], dtype=np.uint8))[0]


def test_look_ups_keep_the_shape():
    image = np.array([[1, 33], [255, 100]], dtype=np.uint8)
    assert is_anomaly(image).tolist() == [[False, True], [False, True]]


def test_named_ids_carry_their_names():
    names = {label.id: label.name for label in LABELS}
    assert (names[labels.ROAD], names[labels.SKY], names[labels.BICYCLE]) == ("road", "sky", "bicycle")
    assert (names[labels.STATIC], names[labels.ROAD_LINE], names[labels.GUARD_RAIL]) == (
        "static",
        "road line",
        "guard rail",
    )
    assert names[labels.CAR] == "car" and labels.CAR == 14


def test_ids_and_colours_are_unique():
    assert len({label.id for label in LABELS}) == len({label.color for label in LABELS}) == len(LABELS)


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=2, min_side=0)))
def test_counts_of_classes_are_those_of_bincount(class_ids):
    assert np.array_equal(class_counts(class_ids), np.bincount(class_ids.reshape(-1), minlength=256))
