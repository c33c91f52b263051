"""The ground in a cloud, found by a robust fit: a plane that may bend along the driving direction."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.floating]
Values = npt.NDArray[np.float64]

HALF_WIDTH_M: Final = 8.0
_CELL_X_M, _CELL_Y_M = 1.5, 2.0
_LOW_SHARE: Final = 0.25
"""The point of a cell that stands for its ground: low, but not the lowest, which noise has made low."""
_STEEPEST: Final = 0.15
_CELL_STEP_M: Final = 1024.0
"""More than the heights of two points near the ground can differ."""
_PRIOR_SIGMA: Final = np.array([0.1, 0.04, 0.03, 0.001])
"""How far height [m], slopes along x and y, and bend along x [1/m] are usually from those of flat ground."""
_CELL_SIGMA_M: Final = 0.03
_SCALES_M: Final = (1.2, 0.6, 0.35, 0.2, 0.12, 0.12)
"""What is farther above the fit than the scale does not count; it narrows from one pass to the next."""


@dataclass(frozen=True, eq=False)
class Ground:
    """Ground of the height a + b x + c y + d x^2 [m, vehicle frame: x forward, y left, z up].

    coefficients (4,) float64: a [m], b, c, d [1/m].
    """

    coefficients: Values

    def height_above(self, points_m: Points) -> Values:
        """Heights (N,) [m] of points (N, 3 or more) [m, vehicle frame] above the ground."""
        return np.asarray(points_m[:, 2] - _terms(points_m) @ self.coefficients, dtype=np.float64)


def fit_ground(points_m: Points, max_range_m: float) -> Ground:
    """The ground ahead of the vehicle, up to max_range_m, from a cloud's points (N, 3 or more) [m, vehicle frame].

    The vehicle stands on the ground, so without any point the answer is flat ground at z = 0. What stands on the ground
    lies above it: of each cell of a grid a low point counts, and cells far above the fit do not.
    """
    x, y, z = points_m[:, 0], points_m[:, 1], points_m[:, 2]
    near = np.flatnonzero((x > 1.0) & (x < max_range_m))
    near = near[(np.abs(y[near]) < HALF_WIDTH_M) & (np.abs(z[near]) < 0.5 + _STEEPEST * x[near])]
    cells_m = _low_points(np.array([x[near], y[near], z[near]], dtype=np.float64))
    terms, height = _terms(cells_m), cells_m[:, 2]
    prior = np.diag(_PRIOR_SIGMA**-2.0)
    coefficients: Values = np.zeros(4)
    for scale_m in _SCALES_M:
        residual = (height - terms @ coefficients) / scale_m
        above = np.maximum(1 - residual**2, 0) ** 2  # Tukey's biweight
        below = 1 / np.maximum(1.0, -residual)  # Huber's: nothing is below the ground, so these points are of it
        weight = np.where(residual > 0, above, below) / _CELL_SIGMA_M**2
        weighted = terms * weight[:, None]
        coefficients = np.asarray(np.linalg.solve(terms.T @ weighted + prior, weighted.T @ height), dtype=np.float64)
    return Ground(coefficients)


def _terms(points_m: Points) -> Values:
    x, y = np.asarray(points_m[:, 0], dtype=np.float64), np.asarray(points_m[:, 1], dtype=np.float64)
    return np.column_stack([np.ones_like(x), x, y, x * x])


def _low_points(columns_m: Values) -> Values:
    """A low point (cells, 3) of each occupied cell, of points as columns (3, N)."""
    column = np.floor(columns_m[0] / _CELL_X_M).astype(np.int64)
    row = np.floor((columns_m[1] + HALF_WIDTH_M) / _CELL_Y_M).astype(np.int64)
    cell = column * round(2 * HALF_WIDTH_M / _CELL_Y_M) + row
    # Sorting values is ten times as fast as finding their order, so the few that count are looked up afterwards.
    key = cell * _CELL_STEP_M + columns_m[2]
    ascending = np.sort(key)
    counts = np.bincount(cell)
    occupied = np.flatnonzero(counts)
    counts = counts[occupied]
    rank = np.cumsum(counts) - counts + (_LOW_SHARE * (counts - 1)).astype(np.int64)
    low = np.zeros(occupied[-1] + 1 if len(occupied) else 0)
    low[occupied] = ascending[rank]
    found = np.flatnonzero(key == low[cell])
    found = found[np.argsort(cell[found], kind="stable")]
    # Of points that are equally low, one in its turn.
    turn = rank - np.searchsorted(ascending, ascending[rank])
    return columns_m[:, found[np.searchsorted(cell[found], occupied) + turn]].T
