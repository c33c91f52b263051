"""Frames in memory with what came before them, and batches of them: as ShardDataset gives them of shards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.ticks import HISTORY_TICKS, SINGLE_FRAME
from lib.geometry.frame import Frame
from lib.geometry.rigid import Matrix
from lib.loading.dataset import batch_of, past_of, vehicle_SE3_points
from lib.views.frame_batch import FrameBatch

_NO_ROWS: Final = np.empty(0, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class SeenFrame:
    """A frame, and the rows (M,) int32 of its points that are of the vehicle ahead."""

    frame: Frame
    lead_rows: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class FrameWindow:
    """A frame and what came before it.

    earlier: what was seen at each lag but 0; None where nothing was, or where a pose of the two frames is not known.
    places_m (HISTORY_TICKS + 1,) float32 [m]: where the vehicle ahead was, as in Tracks.
    """

    now: SeenFrame
    earlier: tuple[SeenFrame | None, ...]
    places_m: npt.NDArray[np.float32]


def without_past(frame: Frame, lags: tuple[int, ...]) -> FrameWindow:
    """A frame before which nothing is known."""
    unknown_m = np.full(HISTORY_TICKS + 1, np.nan, dtype=np.float32)
    return FrameWindow(SeenFrame(frame, _NO_ROWS), (None,) * (len(lags) - 1), unknown_m)


def batch_of_windows(windows: Sequence[FrameWindow], lags: tuple[int, ...]) -> FrameBatch:
    """Frames of the same image size as a batch, with what came before them, unless `lags` are of single frames."""
    if lags == SINGLE_FRAME:
        return batch_of([window.now.frame for window in windows])
    # In place of a missing frame, the present one is read; it counts as missing.
    seen = [window.now for window in windows]
    seen += [window.earlier[lag] or window.now for lag in range(len(lags) - 1) for window in windows]
    together, number = batch_of([each.frame for each in seen]), len(windows)
    lead = np.zeros((len(seen), together.points_BP4.shape[1]), dtype=np.bool_)
    for row, each in enumerate(seen):
        lead[row, each.lead_rows] = True
    now, *earlier = (_rows(together, slice(first, first + number)) for first in range(0, len(seen), number))
    exists_BL = np.array([[each is not None for each in window.earlier] for window in windows], dtype=np.bool_)
    past = past_of(
        now,
        lags[1:],
        earlier,
        [vehicle_SE3_points(window.now.frame) for window in windows],
        [np.stack([_pose(each.frame) for each in seen[row::number]]) for row in range(number)],
        exists_BL,
        lead[:number],
        np.ascontiguousarray(lead[number:].reshape(len(lags) - 1, number, -1).swapaxes(0, 1)),
        np.stack([window.places_m for window in windows]),
    )
    return replace(now, past=past)


def _pose(frame: Frame) -> Matrix:
    """The vehicle's pose (4, 4); nan where it is not known."""
    return np.full((4, 4), np.nan) if frame.world_SE3_ego is None else frame.world_SE3_ego


def _rows(batch: FrameBatch, rows: slice) -> FrameBatch:
    return batch.changed(lambda tensor: tensor[rows])
