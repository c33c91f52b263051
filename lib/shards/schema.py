"""What a shard holds: one scenario's frames of one camera, pre-padded, in one HDF5 file."""

from typing import Final

from lib.shards.storage import ArraySpec, FileKind

SHARD_KIND: Final = FileKind("shard", 2, "run `dvc repro preprocess` to write the shards anew")
ANY: Final = -1


def shard_arrays(
    height: int = ANY, width: int = ANY, max_points: int = ANY, lidars: int = ANY
) -> tuple[ArraySpec, ...]:
    """The arrays of a shard, in the file's order; -1 stands for any length. One LiDAR needs no lidar_num_points."""
    several = (ArraySpec("lidar_num_points", "<i4", (lidars,), optional=True),) if lidars != 1 else ()
    return (
        ArraySpec("frame_id", "<i8"),
        ArraySpec("frame_digest", "<u8", (2,)),
        ArraySpec("image", "|u1", (height, width, 3)),
        ArraySpec("points", "<f4", (max_points, 4)),
        ArraySpec("num_points", "<i4"),
        ArraySpec("point_class", "|u1", (max_points,)),
        ArraySpec("pixel_class", "|u1", (height, width)),
        ArraySpec("depth_m", "<f2", (height, width)),
        ArraySpec("voxels_flat", "<u2", (4,)),
        ArraySpec("voxel_offsets", "<i8"),
        ArraySpec("world_SE3_ego", "<f8", (4, 4)),
        ArraySpec("speed_mps", "<f8"),
        ArraySpec("time_s", "<f8"),
        ArraySpec("camera_SE3_lidar", "<f8", (4,)),
        *several,
    )


def lidar_prefixes(lidars: int) -> tuple[str, ...]:
    """How the attributes of each LiDAR begin: `lidar_` for the first, `lidar2_`, `lidar3_`, ... for more."""
    return ("lidar_", *(f"lidar{number}_" for number in range(2, lidars + 1)))
