"""What the tracker found in one scenario: the vehicle ahead, and how hard it brakes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.ticks import HISTORY_TICKS
from lib.shards.storage import ArraySpec, FileKind, read_arrays, write_arrays

TRACKS_KIND: Final = FileKind("track file", 2, "run `dvc repro track` to write the tracks anew")
_ATTRIBUTES: Final = ("scenario", "shard_fingerprint")
_ARRAYS: Final = (
    ArraySpec("frame_id", "<i8"),
    ArraySpec("frame_score", "<f2"),
    ArraySpec("range_m", "<f4"),
    ArraySpec("speed_mps", "<f4"),
    ArraySpec("acceleration_mps2", "<f4"),
    ArraySpec("places_m", "<f4", (HISTORY_TICKS + 1,)),
    ArraySpec("points_flat", "<i4"),
    ArraySpec("point_offsets", "<i8"),
)


@dataclass(frozen=True, eq=False)
class Tracks:
    """The vehicle ahead in a shard's F frames, in its order; each frame is judged by itself and earlier ones alone.

    frame_score (F,) float16, finite: how hard the vehicle brakes, higher = more anomalous, also where none is found.
    range_m (F,) [m]: from the LiDAR to its rear, along the vehicle's x axis; speed_mps (F,) and acceleration_mps2 (F,):
    over the ground, along the ego's heading; float32, nan = not known. places_m (F, HISTORY_TICKS + 1) float32 [m]:
    where its rear was 0, 1, ... ticks ago, along its direction of motion over the ground, relative to its present
    place: 0 for the present, negative for where it came from; nan where that tick's place is not known (no vehicle,
    another one, not found then), all of it where fewer than two moments are. points_flat (sum M,) int32 and
    point_offsets (F + 1,) int64: the rows of its points in each frame's cloud.
    """

    scenario: str
    shard_fingerprint: str
    frame_id: npt.NDArray[np.int64]
    frame_score: npt.NDArray[np.float16]
    range_m: npt.NDArray[np.float32]
    speed_mps: npt.NDArray[np.float32]
    acceleration_mps2: npt.NDArray[np.float32]
    places_m: npt.NDArray[np.float32]
    points_flat: npt.NDArray[np.int32]
    point_offsets: npt.NDArray[np.int64]

    def points(self, index: int) -> npt.NDArray[np.int32]:
        """Rows (M,) of the vehicle's points in the index-th frame's cloud."""
        return self.points_flat[self.point_offsets[index] : self.point_offsets[index + 1]]


def write_tracks(path: Path, tracks: Tracks) -> None:
    """Write a scenario's tracks; the file appears whole or not at all, the same bytes for the same tracks."""
    write_arrays(path, TRACKS_KIND, _ARRAYS, tracks, {name: getattr(tracks, name) for name in _ATTRIBUTES})


def read_tracks(path: Path, verify: bool = True) -> Tracks:
    """Open a scenario's tracks as read-only memory maps; `verify` compares them with their checksums.

    Raises DataError when the file is missing, damaged or of another schema version.
    """
    arrays, attributes = read_arrays(path, TRACKS_KIND, _ARRAYS, verify)
    try:
        texts: dict[str, Any] = {name: str(attributes[name]) for name in _ATTRIBUTES}
        return Tracks(**texts, **arrays)
    except KeyError as error:
        raise DataError(f"{path}: damaged (attribute {error} is missing); {TRACKS_KIND.remedy}") from None
