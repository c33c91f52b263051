"""What a shard holds: one scenario's frames of one camera, pre-padded, in one HDF5 file."""

from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Literal

from lib.shards.storage import ArraySpec, Compression, FileKind

PointDtype = Literal["float32", "float16"]

SHARD_KIND: Final = FileKind("shard", 3, "run `dvc repro preprocess` to write the shards anew")
ANY: Final = -1


@dataclass(frozen=True)
class Storage:
    """How a shard lies on the disk: its large arrays compressed frame by frame, its points rounded to `point_dtype`."""

    compression: Compression = "none"
    point_dtype: PointDtype = "float32"


def shard_arrays(
    height: int = ANY, width: int = ANY, max_points: int = ANY, lidars: int = ANY, storage: Storage | None = None
) -> tuple[ArraySpec, ...]:
    """The arrays of a shard, in the file's order; -1 stands for any length. One LiDAR needs no lidar_num_points.

    Without `storage`, for reading, any of its values will do.
    """
    compression: Compression = storage.compression if storage else "none"
    point_dtypes = (storage.point_dtype,) if storage else ("float32", "float16")

    def per_frame(name: str, dtype: str, row_shape: tuple[int, ...], stored: tuple[str, ...] = ()) -> ArraySpec:
        return ArraySpec(name, dtype, row_shape, stored=stored, compression=compression)

    several = (ArraySpec("lidar_num_points", "<i4", (lidars,), optional=True),) if lidars != 1 else ()
    return (
        ArraySpec("frame_id", "<i8"),
        ArraySpec("frame_digest", "<u8", (2,)),
        per_frame("image", "|u1", (height, width, 3)),
        per_frame("points", "<f4", (max_points, 4), point_dtypes),
        ArraySpec("num_points", "<i4"),
        per_frame("point_class", "|u1", (max_points,)),
        per_frame("pixel_class", "|u1", (height, width)),
        per_frame("depth_m", "<f2", (height, width)),
        ArraySpec("voxels_flat", "<u2", (4,)),
        ArraySpec("voxel_offsets", "<i8"),
        ArraySpec("world_SE3_ego", "<f8", (4, 4)),
        ArraySpec("speed_mps", "<f8"),
        ArraySpec("time_s", "<f8"),
        ArraySpec("camera_SE3_lidar", "<f8", (4,)),
        *several,
    )


FRAME_ARRAYS: Final = tuple(spec.name for spec in takewhile(lambda spec: spec.name != "voxels_flat", shard_arrays()))
"""The arrays before the first one whose length says nothing of the number of frames: those with a row per frame that
are large.
"""


def lidar_prefixes(lidars: int) -> tuple[str, ...]:
    """How the attributes of each LiDAR begin: `lidar_` for the first, `lidar2_`, `lidar3_`, ... for more."""
    return ("lidar_", *(f"lidar{number}_" for number in range(2, lidars + 1)))
