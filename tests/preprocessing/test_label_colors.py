"""The colours of classes on the label sheets: told apart by eye, from each other and from the dark picture."""

from itertools import combinations

import numpy as np
import pytest

from lib.common.labels import (
    ANOMALY_IDS,
    BICYCLE,
    BUS,
    CAR,
    LABELS,
    MOTORCYCLE,
    PEDESTRIAN,
    RIDER,
    TRAIN,
    TRUCK,
    UNKNOWN,
)
from lib.preprocessing.label_colors import CLASS_COLORS, class_colors

TOLD_APART, CLEARLY_TOLD_APART = 12.0, 40.0
NAMES = {label.id: label.name for label in LABELS if label.id not in ANOMALY_IDS[1:]} | {UNKNOWN: "no label"}
ANOMALY = ANOMALY_IDS[0]
TRAFFIC = (PEDESTRIAN, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE, ANOMALY)


def lab(rgb):
    """CIE L*a*b* (N, 3) of sRGB colours (N, 3) [0 to 1], under D65."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / [0.9505, 1.0, 1.089]
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def too_near(ids, least):
    """Pairs of classes whose colours differ by less than `least` (delta E of 1976)."""
    places = lab(class_colors())
    pairs = [(NAMES[a], NAMES[b], np.linalg.norm(places[a] - places[b])) for a, b in combinations(ids, 2)]
    return [pair for pair in pairs if pair[2] < least]


def test_lab_of_known_colours():
    found = lab(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found, np.array([[100, 0, 0], [53.24, 80.09, 67.20], [0, 0, 0]]), atol=0.1)


def test_every_class_has_a_colour_and_all_anomalies_the_same():
    assert set(CLASS_COLORS) == {label.id for label in LABELS} | {UNKNOWN}
    assert len({CLASS_COLORS[class_id] for class_id in ANOMALY_IDS}) == 1


def test_no_two_classes_look_the_same():
    assert too_near(sorted(NAMES), TOLD_APART) == []


def test_traffic_and_anomalies_are_clearly_told_apart():
    assert too_near(TRAFFIC, CLEARLY_TOLD_APART) == []


@pytest.mark.parametrize("class_id", [i for i in NAMES if i != ANOMALY], ids=NAMES.get)
def test_anomalies_look_like_nothing_else(class_id):
    assert too_near((ANOMALY, class_id), CLEARLY_TOLD_APART) == []


def test_colours_can_be_told_from_a_dark_picture():
    assert (lab(class_colors())[:, 0] > 39).all()
