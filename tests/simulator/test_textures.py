from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.simulator.patterns import UNUSUAL, bands, hashed, resolved_fraction
from lib.simulator.scene import Texture
from lib.simulator.textures import LATTICE, SurfacePoints, ValueNoise, surface

COUNT = 4000
COLOR, COLOR2 = np.array([[0.5], [0.4], [0.3]], dtype=np.float32), np.array([[0.05], [0.1], [0.6]], dtype=np.float32)


def wall(texture: Texture, pixel_m: float, seed: int = 0, spread_m: float = 6.0) -> SurfacePoints:
    """Points all over a wall that faces +y."""
    position = np.random.default_rng(seed).uniform(-spread_m, spread_m, (3, COUNT)).astype(np.float32)
    position[1] = 2.0
    return SurfacePoints(
        position_m=position,
        normal=np.array([[0], [1], [0]], dtype=np.float32).repeat(COUNT, axis=1),
        footprint_m=np.full(COUNT, pixel_m, dtype=np.float32),
        texture=np.full(COUNT, texture, dtype=np.int32),
        color=COLOR.repeat(COUNT, axis=1),
        color2=COLOR2.repeat(COUNT, axis=1),
        scale_m=np.full(COUNT, 0.5, dtype=np.float32),
    )


@pytest.fixture(scope="module")
def noise() -> ValueNoise:
    return ValueNoise(3)


def test_noise_is_smooth_bounded_and_its_seeds(noise):
    rng = np.random.default_rng(1)
    points = rng.uniform(-100, 100, (3, 5000)).astype(np.float32)
    values = noise(points)
    assert values.dtype == np.float32 and values.min() >= 0 and values.max() < 1
    assert 0.4 < values.mean() < 0.6 and values.std() > 0.1
    assert np.abs(noise(points + np.float32(0.01)) - values).max() < 0.1
    assert np.array_equal(ValueNoise(3)(points), values)
    assert not np.allclose(ValueNoise(4)(points), values)


def test_noise_goes_through_its_lattice_and_repeats(noise):
    corner = np.array([[3], [5], [7]], dtype=np.float32)
    np.testing.assert_allclose(noise(corner - np.float32(1e-4)), noise(corner + np.float32(1e-4)), atol=1e-3)
    np.testing.assert_allclose(noise(corner + LATTICE), noise(corner))
    np.testing.assert_allclose(noise(corner - 2 * LATTICE), noise(corner))


@given(st.floats(-20, 20), st.floats(0.05, 0.95), st.floats(0.01, 4))
def test_bands_are_the_exact_fraction_of_the_pixel(position, duty, pixel):
    inside = position + pixel * ((np.arange(4000) + 0.5) / 4000 - 0.5)
    share = np.mean(inside - np.floor(inside) < duty)
    assert bands(np.array([position], dtype=np.float32), duty, np.array([pixel], dtype=np.float32))[0] == pytest.approx(
        share, abs=3e-3
    )


def test_hash_is_uniform_and_takes_negative_cells():
    i, j = (axis.ravel().astype(np.float32) for axis in np.mgrid[-50:50, -50:50])
    values = hashed(i, j, 1)
    counts, _ = np.histogram(values, bins=10, range=(0, 1))
    assert counts.min() > 850 and counts.max() < 1150
    assert not np.array_equal(values, hashed(i, j, 2))


def test_kept_fades_out_before_a_pixel_holds_a_period():
    assert resolved_fraction(np.array([0.0, 0.3, 0.55, 0.8, 5.0], dtype=np.float32)) == pytest.approx(
        [1, 1, 0.5, 0, 0], abs=1e-6
    )


@pytest.mark.parametrize("texture", Texture)
def test_every_texture_is_a_possible_colour(texture, noise):
    look = surface(wall(texture, 0.01), noise)
    assert look.albedo.shape == (3, COUNT) and look.albedo.dtype == np.float32
    assert np.isfinite(look.albedo).all() and look.albedo.min() >= 0 and look.albedo.max() <= 0.95
    assert (look.glass.max() > 0.5) == (look.lit.max() > 0.5) == (texture == Texture.WINDOWS)


@pytest.mark.parametrize("texture", Texture)
def test_far_surfaces_do_not_sparkle(texture, noise):
    """With pixels larger than any pattern, neighbours look alike."""
    near, far = surface(wall(texture, 0.005), noise).albedo, surface(wall(texture, 20.0), noise).albedo
    assert far.std(axis=1).max() < 0.02
    assert near.std(axis=1).max() > 2 * far.std(axis=1).max()


@pytest.mark.parametrize("texture", list(UNUSUAL))
def test_unusual_patterns_show_both_colours_near_and_their_mean_far(texture, noise):
    near = surface(wall(Texture(texture), 0.002), noise).albedo
    gap = np.linalg.norm(COLOR - COLOR2)
    for color in (COLOR, COLOR2):
        assert (np.linalg.norm(near - color, axis=0) < 0.25 * gap).mean() > 0.15
    far = surface(wall(Texture(texture), 20.0), noise).albedo
    np.testing.assert_allclose(far.mean(axis=1), near.mean(axis=1), atol=0.05)


def test_points_of_many_textures_are_coloured_as_they_are_alone(noise):
    alone = [surface(wall(texture, 0.01, texture), noise).albedo for texture in Texture]
    points = [wall(texture, 0.01, texture) for texture in Texture]
    names = ("position_m", "normal", "footprint_m", "texture", "color", "color2", "scale_m")
    joined = replace(points[0], **{n: np.concatenate([getattr(p, n) for p in points], axis=-1) for n in names})
    np.testing.assert_array_equal(surface(joined, noise).albedo, np.concatenate(alone, axis=1))


def test_walls_and_floors_have_upright_patterns(noise):
    """Stripes on a wall are upright: their colour changes along the wall, not with height."""
    points = wall(Texture.STRIPES, 0.002)
    raised = replace(points, position_m=points.position_m + np.array([[0], [0], [0.13]], dtype=np.float32))
    aside = replace(points, position_m=points.position_m + np.array([[0.25], [0], [0]], dtype=np.float32))
    first, second, third = (surface(p, noise).albedo[2] for p in (points, raised, aside))
    assert np.abs(first - second).mean() < 0.1 * np.abs(first - third).mean()
