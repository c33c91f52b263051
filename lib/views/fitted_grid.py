"""The range view of a LiDAR that the detector was not trained with."""

import numpy as np

from lib.geometry.frame import Lidar
from lib.views.range_view import RangeGrid

SPACING_TOLERANCE = 0.8
"""Rows may be closer together than in training by this factor."""


def fitted_grid(trained: RangeGrid, lidar: Lidar, rays_per_turn: int) -> RangeGrid:
    """Rows at the LiDAR's rings and columns at its rays, but no denser than in training.

    So no row is empty between two rings, and objects have about as many cells as in training.
    """
    rings_deg = lidar.elevations_deg or np.linspace(lidar.upper_fov_deg, lidar.lower_fov_deg, lidar.channels).tolist()
    spacing_deg = SPACING_TOLERANCE * (trained.upper_fov_deg - trained.lower_fov_deg) / max(trained.rows - 1, 1)
    rows_deg = [rings_deg[0]]
    for ring_deg in rings_deg[1:]:
        if rows_deg[-1] - ring_deg >= spacing_deg:
            rows_deg.append(ring_deg)
    columns = min(trained.columns, rays_per_turn // 2 * 2)
    return RangeGrid(len(rows_deg), columns, columns, rows_deg[0], rows_deg[-1], tuple(rows_deg))
