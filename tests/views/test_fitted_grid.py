from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.geometry.frame import Lidar
from lib.views.fitted_grid import fitted_grid
from lib.views.range_view import cell_row
from tests.views.streets import GRID

TRAINED = replace(GRID, visible_columns=GRID.columns)
LIDAR = Lidar(32, 15.0, -25.0, 100.0)


def test_the_lidar_of_the_training_gets_its_rows():
    grid = fitted_grid(TRAINED, LIDAR, 256)
    assert (grid.rows, grid.columns, grid.visible_columns) == (TRAINED.rows, 256, 256)
    assert grid.elevations_deg == pytest.approx(np.linspace(15.0, -25.0, 32))


def test_a_sparse_lidar_gets_a_row_for_each_ring():
    grid = fitted_grid(TRAINED, replace(LIDAR, channels=16, upper_fov_deg=15.0, lower_fov_deg=-15.0), 150)
    assert (grid.rows, grid.columns) == (16, 150)
    assert grid.elevations_deg == pytest.approx(np.linspace(15.0, -15.0, 16))


def test_a_dense_lidar_gets_rows_and_columns_as_in_training():
    grid = fitted_grid(TRAINED, replace(LIDAR, channels=128), 2048)
    assert grid.columns == TRAINED.columns
    steps = -np.diff(grid.elevations_deg)
    assert steps.min() >= 0.8 * 40 / 31 and steps.max() <= 40 / 31 + 40 / 127


def test_uneven_rings_leave_no_row_empty():
    """Dense around the horizon and sparse below, as solid-state and 64-channel LiDARs are."""
    rings_deg = (*np.arange(2.0, -6.0, -0.2).tolist(), -8.0, -11.0, -15.0, -25.0)
    lidar = Lidar(len(rings_deg), 2.0, -25.0, 100.0, elevations_deg=rings_deg)
    grid = fitted_grid(TRAINED, lidar, 256)
    assert set(grid.elevations_deg) <= set(rings_deg) and grid.elevations_deg[-4:] == rings_deg[-4:]
    elevation = torch.deg2rad(torch.tensor(rings_deg))
    rows = cell_row(elevation.cos(), elevation.sin(), grid).round().long()
    assert set(rows.tolist()) == set(range(grid.rows))
