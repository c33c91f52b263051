"""Rings are found in clouds of known scan patterns, whatever their order, noise and part of a turn."""

import numpy as np
import pytest

from lib.geometry.rings import find_lidar, find_rings

UNEVEN = np.concatenate([np.linspace(3, -8, 34), np.linspace(-8.5, -24.5, 30)])


def sweep(elevations_deg, rays=400, spread_deg=0.0, half_turn_deg=180.0, seed=0):
    """Ring by ring from the top, counter-clockwise, each ray with its own error; a fifth has no echo."""
    generator = np.random.default_rng(seed)
    rings = []
    for number, elevation in enumerate(elevations_deg):
        azimuth = np.linspace(0, 359.9, rays) + generator.normal(0, 0.02, rays)
        azimuth = azimuth[np.abs((azimuth + 180) % 360 - 180) < half_turn_deg]
        azimuth = azimuth[generator.random(len(azimuth)) < 0.8]
        above = elevation + generator.uniform(-spread_deg, spread_deg, len(azimuth))
        a, e, r = np.deg2rad(azimuth), np.deg2rad(above), generator.uniform(4, 80, len(azimuth))
        cosine = np.cos(e)
        ids = np.full(len(a), number)
        rings.append(np.column_stack([r * cosine * np.cos(a), r * cosine * np.sin(a), r * np.sin(e), ids]))
    points = np.concatenate(rings)
    return points[:, :3].astype(np.float32), points[:, 3].astype(np.int64)


def shuffled(points, seed=1):
    return points[np.random.default_rng(seed).permutation(len(points))]


@pytest.mark.parametrize("elevations_deg", [UNEVEN, np.linspace(15, -15, 16), np.linspace(10, -30, 128), [1, 0, -2]])
@pytest.mark.parametrize("half_turn_deg", [180.0, 45.0])
def test_gaps_tell_exact_rings_apart_in_any_order(elevations_deg, half_turn_deg):
    points, _ = sweep(elevations_deg, half_turn_deg=half_turn_deg)
    found = find_rings(shuffled(points))
    assert found is not None
    np.testing.assert_allclose(found, np.sort(elevations_deg)[::-1], atol=1e-3)


@pytest.mark.parametrize("half_turn_deg", [180.0, 45.0])
@pytest.mark.parametrize("direction", [1, -1])
def test_the_order_tells_overlapping_rings_apart(half_turn_deg, direction):
    points, _ = sweep(UNEVEN, spread_deg=0.4, half_turn_deg=half_turn_deg)
    found = find_rings(points * [1, direction, 1])
    assert found is not None and len(found) == len(UNEVEN)
    np.testing.assert_allclose(found, UNEVEN, atol=0.15)


def test_a_ring_column_tells_all():
    points, ring = sweep(UNEVEN, spread_deg=0.4)
    order = np.random.default_rng(3).permutation(len(points))
    found = find_rings(points[order], (63 - ring)[order])
    assert found is not None
    np.testing.assert_allclose(found, UNEVEN, atol=0.15)


def test_a_ring_column_that_tells_nothing_is_left_aside():
    points, ring = sweep(UNEVEN)
    assert find_rings(points, np.zeros_like(ring)) == find_rings(points)


def test_without_rings_the_pattern_is_estimated_evenly():
    points, _ = sweep(UNEVEN, spread_deg=0.4)
    assert find_rings(shuffled(points)) is None
    lidar = find_lidar(shuffled(points), None, 90.0)
    assert lidar.elevations_deg == () and lidar.range_m == 90.0 and 32 < lidar.channels < 128
    assert lidar.upper_fov_deg == pytest.approx(3.3, abs=0.3) and lidar.lower_fov_deg == pytest.approx(-24.8, abs=0.3)


@pytest.mark.parametrize("count", [1, 2, 30])
def test_a_handful_of_points_is_no_error(count):
    points, _ = sweep(UNEVEN)
    assert find_rings(points[:: len(points) // count]) is None or count == 30
    assert find_lidar(points[:: len(points) // count], None, 90.0).channels >= 3


def test_a_lidar_names_its_rings():
    points, ring = sweep(UNEVEN)
    lidar = find_lidar(points, ring, 90.0)
    assert lidar.channels == 64 == len(lidar.elevations_deg)
    assert (lidar.upper_fov_deg, lidar.lower_fov_deg) == (lidar.elevations_deg[0], lidar.elevations_deg[-1])
