import numpy as np
import pytest

from lib.geometry.frame import Lidar
from lib.sensors.scan_pattern import channel_elevations_deg, rays_per_turn

UNEVEN = (2.0, 1.5, 1.0, 0.0, -2.0, -5.0, -9.0, -14.0)


def sweep(elevations_deg, rays, seed=0, kept=0.6):
    """A cloud (N, 4) whose rays hit something at any range; some give no return."""
    generator = np.random.default_rng(seed)
    azimuth, elevation = np.meshgrid(np.arange(rays) * 2 * np.pi / rays - 1.0, np.deg2rad(elevations_deg))
    range_m = generator.uniform(4, 60, azimuth.shape)
    flat = np.cos(elevation)
    xyz = [flat * np.cos(azimuth) * range_m, flat * np.sin(azimuth) * range_m, np.sin(elevation) * range_m]
    points = np.stack([*xyz, generator.random(azimuth.shape)], axis=-1).reshape(-1, 4).astype(np.float32)
    return points[generator.random(len(points)) < kept]


@pytest.mark.parametrize("rays", [48, 512, 1562, 2083])
@pytest.mark.parametrize("elevations", [tuple(np.linspace(15.0, -25.0, 8)), UNEVEN])
def test_rays_per_turn_of_even_and_uneven_channels(rays, elevations):
    even = elevations != UNEVEN
    lidar = Lidar(8, elevations[0], elevations[-1], 100.0, elevations_deg=() if even else elevations)
    assert channel_elevations_deg(lidar) == pytest.approx(elevations)
    assert rays_per_turn(sweep(elevations, rays), lidar) == rays


def test_a_cloud_without_points_has_the_fewest_rays():
    assert rays_per_turn(np.empty((0, 4), np.float32), Lidar(8, 15.0, -25.0, 100.0)) == 32
