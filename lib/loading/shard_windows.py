"""What came before a frame: earlier frames of its shard by tick, and the track of the vehicle ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.ticks import HISTORY_TICKS, SINGLE_FRAME
from lib.geometry.rigid import Matrix, invert
from lib.shards.sequences import NO_FRAME, ticks_of, window_of
from lib.shards.shard_reader import Shard
from lib.shards.tracks import Tracks, read_tracks

FASTEST_QUANTILE: Final = 0.995


@dataclass(frozen=True, eq=False)
class ShardWindows:
    """Windows of one shard: its frames at some lags (the first is 0), and its tracks, None where it has none."""

    shard: Shard
    lags: tuple[int, ...]
    tracks: Tracks | None

    @cached_property
    def earlier(self) -> npt.NDArray[np.int64]:
        """Indices (F, L) of the frames at the lags but 0; NO_FRAME where one is missing, or a pose of the two is."""
        ticks = ticks_of(self.shard)
        if ticks is None:
            return np.full((len(self.shard), len(self.lags) - 1), NO_FRAME, dtype=np.int64)
        window = window_of(ticks, self.lags)[:, 1:]
        posed = np.asarray(np.isfinite(self.shard.world_SE3_ego).all(axis=(1, 2)))
        return np.where(posed[:, None] & posed[window], window, NO_FRAME)

    def lead_rows(self, index: int) -> npt.NDArray[np.bool_]:
        """Which points (P,) of a frame are of the vehicle ahead."""
        rows = np.zeros(self.shard.points.shape[1], dtype=np.bool_)
        if self.tracks is not None:
            rows[self.tracks.points(index)] = True
        return rows

    def places_m(self, index: int) -> npt.NDArray[np.float32]:
        """Tracks.places_m of a frame (T,), nan without a track."""
        if self.tracks is None:
            return np.full(HISTORY_TICKS + 1, np.nan, dtype=np.float32)
        return np.array(self.tracks.places_m[index])


def now_SE3_past(world_SE3_now: Matrix, world_SE3_past: Matrix, vehicle_SE3_points: Matrix) -> Matrix:
    """Transform (4, 4) from the points' frame at an earlier pose (4, 4) of the vehicle to that at the present one."""
    points_now, points_past = world_SE3_now @ vehicle_SE3_points, world_SE3_past @ vehicle_SE3_points
    return np.asarray(invert(points_now) @ points_past, dtype=np.float64)


def windows_of(shards: Sequence[Shard], lags: tuple[int, ...], tracks: Path) -> tuple[ShardWindows, ...] | None:
    """Windows of each shard, with its tracks of a folder; None for a detector that looks at single frames.

    Raises DataError where tracks are of another shard than the one of their name.
    """
    if lags == SINGLE_FRAME:
        return None
    return tuple(ShardWindows(shard, lags, _tracks_of(shard, tracks / shard.path.name)) for shard in shards)


def fastest_mps(windows: Sequence[ShardWindows]) -> float:
    """Speed [m/s] that vehicles ahead reach; 0 where none was followed."""
    tracks = [window.tracks.speed_mps for window in windows if window.tracks is not None]
    speeds = np.concatenate([*tracks, np.zeros(1, dtype=np.float32)])
    return float(np.quantile(speeds[np.isfinite(speeds)], FASTEST_QUANTILE))


def _tracks_of(shard: Shard, path: Path) -> Tracks | None:
    """The tracks of a shard; None where the stage `track` wrote none, as its frames are no sequence."""
    if not path.exists():
        return None
    tracks = read_tracks(path)
    if tracks.shard_fingerprint != shard.fingerprint:
        raise DataError(f"{path}: is of another shard than {shard.path}; run `dvc repro track`")
    return tracks
