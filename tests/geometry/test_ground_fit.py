"""The ground is found on slopes and bends, under what stands on it, with few and with many points."""

import numpy as np
import pytest

from lib.geometry.ground_fit import fit_ground


def ground_points(slope, bend, bank, count, seed=0):
    """Points of a road, denser near the vehicle, with noise along the ray; a third of them are on things above it."""
    rng = np.random.default_rng(seed)
    x, y = 4 * np.exp(rng.uniform(0, 2.6, count)), rng.uniform(-7, 7, count)
    z = slope * x + bend * x**2 + bank * y + rng.normal(0, 0.1, count) * 1.8 / np.hypot(x, 1.8)
    above = (y > 2.5) | ((np.abs(y) < 1.0) & (x > 14) & (x < 16))
    z[above] += rng.uniform(0, 1.5, above.sum())
    return np.column_stack([x, y, z])


@pytest.mark.parametrize("count", [300, 6_000])
@pytest.mark.parametrize(
    ("slope", "bend", "bank"), [(0, 0, 0), (0.04, 0, 0), (-0.02, 0.0008, 0.02), (0, -0.001, 0), (0, 0.001, 0)]
)
def test_the_ground_is_within_a_decimetre_of_the_truth(slope, bend, bank, count):
    ground = fit_ground(ground_points(slope, bend, bank, count), 60.0)
    x = np.arange(5.0, 41.0, 5.0)
    for y in (-2.0, 0.0, 2.0):
        on_it = np.column_stack([x, np.full_like(x, y), slope * x + bend * x**2 + bank * y])
        assert np.abs(ground.height_above(on_it)).max() < 0.1
        assert ground.height_above(on_it + np.array([0, 0, 1.0])) == pytest.approx(1 + ground.height_above(on_it))


def test_behind_a_near_vehicle_the_ground_is_still_flat():
    """Only some metres of road are seen, and then the rear."""
    rng = np.random.default_rng(1)
    road = np.column_stack([rng.uniform(4, 6, 200), rng.uniform(-2, 2, 200), rng.normal(0, 0.03, 200)])
    rear = np.column_stack([np.full(500, 6.0), rng.uniform(-0.9, 0.9, 500), rng.uniform(0.3, 1.5, 500)])
    ground = fit_ground(np.concatenate([road, rear]), 60.0)
    assert np.abs(ground.height_above(np.array([[5.0, 0, 0], [6.0, 0, 0]]))).max() < 0.1


def test_without_points_the_ground_is_flat():
    assert fit_ground(np.empty((0, 4)), 60.0).height_above(np.array([[20.0, 1, 0.7]])) == pytest.approx(0.7)


def test_the_order_of_the_points_does_not_matter():
    points = ground_points(0.04, 0.0, 0.02, 3_000)
    shuffled = np.random.default_rng(1).permutation(points)
    assert np.array_equal(fit_ground(points, 60.0).coefficients, fit_ground(shuffled, 60.0).coefficients)


def test_a_quarter_of_each_cell_lies_below_its_low_point():
    """Four heights in each cell, all but the second out of the fit: the ground goes through the second."""
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(2.25, 40, 1.5), np.arange(-7.0, 8, 2.0)))
    layers = [np.column_stack([x, y, np.full_like(x, z)]) for z in (0.02, 0.01, 0.8, 0.9, 1.0)]
    on_it = np.array([[10.0, 0.0, 0.02], [30.0, 4.0, 0.02]])
    assert np.abs(fit_ground(np.concatenate(layers), 60.0).height_above(on_it)).max() < 0.002


def test_points_that_are_equally_low_are_one_in_its_turn():
    """Of nine points at one height the third stands for the cell, as sorting would have it."""
    x = np.linspace(10.6, 11.9, 9)  # one cell
    ground = [fit_ground(np.column_stack([x, np.zeros(9), np.full(9, 0.3)]), 60.0)]
    ground.append(fit_ground(np.array([[x[2], 0.0, 0.3]]), 60.0))
    assert np.array_equal(ground[0].coefficients, ground[1].coefficients)
