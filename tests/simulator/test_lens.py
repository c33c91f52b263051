from typing import Any

import numpy as np
import pytest

from lib.simulator.lens import develop
from tests.simulator.small_scene import NIGHT, weather

HEIGHT, WIDTH = 60, 90


def grey(level: float) -> np.ndarray:
    return np.full((3, HEIGHT, WIDTH), level, dtype=np.float32)


def developed(light: np.ndarray, seed: int = 0, **changes: Any) -> np.ndarray:
    return develop(light, weather(**changes), np.random.default_rng(seed))


def test_a_picture_is_rgb_and_keeps_its_colours():
    light = grey(0.1)
    light[0] = 0.4
    image = developed(light)
    assert image.dtype == np.uint8 and image.shape == (HEIGHT, WIDTH, 3) and image.flags.c_contiguous
    assert (image[..., 0] > image[..., 1] + 50).all()
    np.testing.assert_array_equal(image[..., 1], image[..., 2])


def test_exposure_evens_out_bright_and_dark_days_within_limits():
    means = [developed(grey(level)).mean() for level in (0.15, 0.25, 0.35)]
    assert max(means) - min(means) < 3
    assert developed(grey(0.001)).mean() < 30
    assert developed(grey(0.12), **NIGHT).mean() < 0.8 * developed(grey(0.12)).mean()


def test_noise_has_the_weathers_strength():
    clean, noisy = developed(grey(0.2)), developed(grey(0.2), camera_noise=0.03)
    assert (noisy.astype(float) - clean).std() / 255 == pytest.approx(0.03, rel=0.05)
    np.testing.assert_array_equal(noisy, developed(grey(0.2), camera_noise=0.03))


def test_corners_are_darker():
    image = developed(grey(0.2))
    assert image[0, 0, 0] < image[HEIGHT // 2, WIDTH // 2, 0] - 5


def test_blur_keeps_the_light_and_spreads_a_point_by_a_pixel():
    light = grey(0.2)
    light[:, 30, 40] = 0.8
    changed = np.argwhere((developed(light) != developed(grey(0.2)))[..., 0] & (np.arange(HEIGHT) > 0)[:, None])
    near = np.abs(changed - [30, 40]).max(axis=1) <= 1
    assert near.sum() == 9


@pytest.mark.parametrize("preset", ["SOFT_RAIN_NOON", "FOGGY_MID_RAIN_SUNSET", "HARD_RAIN_NIGHT"])
def test_it_rains_where_the_preset_says_so(preset):
    dry, rainy = developed(grey(0.2)), developed(grey(0.2), preset=preset)
    drops = (np.abs(rainy.astype(int) - dry) > 3).any(axis=2).mean()
    assert 0.005 < drops < 0.6
    assert not np.array_equal(rainy, developed(grey(0.2), seed=1, preset=preset))
    np.testing.assert_array_equal(dry, developed(grey(0.2), seed=1))
