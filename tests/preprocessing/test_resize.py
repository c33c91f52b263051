"""Resized frames: labels never mixed, the picture averaged, projections following."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.preprocessing.resize import resize_frame
from tests.anovox_sample import MONO_STATIC
from tests.shards.test_shards import frame
from tests.sound_files import whole


@given(st.integers(1, 30), st.integers(1, 30))
def test_labels_and_depth_are_never_interpolated(height, width):
    original = frame(1)
    resized = resize_frame(original, height, width)
    assert resized.image.shape == (height, width, 3)
    pairs = set(zip(original.pixel_class.ravel().tolist(), original.depth_m.ravel().tolist(), strict=True))
    found = set(zip(resized.pixel_class.ravel().tolist(), resized.depth_m.ravel().tolist(), strict=True))
    assert found <= pairs


def test_the_same_size_changes_nothing():
    original = frame(1)
    assert resize_frame(original, 8, 12) is original


def test_halving_averages_the_picture():
    """A one-pixel chessboard becomes grey; a resize without antialias would give black and white."""
    board = (np.indices((8, 12)).sum(axis=0) % 2 * 255).astype(np.uint8)
    resized = resize_frame(replace(frame(1), image=np.dstack([board] * 3)), 4, 6)
    assert resized.image[1:-1, 1:-1].min() >= 120 and resized.image[1:-1, 1:-1].max() <= 135


def test_doubling_repeats_labels():
    original = frame(1)
    resized = resize_frame(original, 16, 24)
    assert np.array_equal(resized.pixel_class, original.pixel_class.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("size", [(24, 36), (96, 144), (30, 72)])
def test_points_meet_the_same_labels_after_resizing(size):
    original = whole(next(read_frames(open_scenario(MONO_STATIC, None)))).frame
    shares = []
    for made in (original, resize_frame(original, *size)):
        u, v, visible = made.calibration.project(made.points)
        pixels = made.pixel_class[v[visible].astype(int), u[visible].astype(int)]
        shares.append((pixels == made.point_class[visible]).mean())
    assert abs(shares[0] - shares[1]) < 0.06
