"""What a shard holds: one scenario's frames of one camera, pre-padded, in one HDF5 file."""

from dataclasses import dataclass
from typing import Final, Literal

from lib.shards.storage import ArraySpec, Compression, FileKind

PointDtype = Literal["float32", "float16"]

SHARD_KIND: Final = FileKind("shard", 5, "run `dvc repro preprocess` to write the shards anew")
ANY: Final = -1


@dataclass(frozen=True)
class Storage:
    """How a shard lies on the disk: its large arrays compressed frame by frame, its points rounded to `point_dtype`."""

    compression: Compression = "none"
    point_dtype: PointDtype = "float32"


def shard_arrays(
    height: int = ANY,
    width: int = ANY,
    max_points: int = ANY,
    lidars: int = ANY,
    elevations: int = ANY,
    point_dtype: PointDtype = "float32",
) -> tuple[ArraySpec, ...]:
    """The arrays of a shard; -1 stands for any length. `Shard` describes those of the frames.

    intrinsics: fx, fy, cx, cy [px]. lidars, a row each: channels, upper and lower field of view [degrees], range [m],
    x, y, z [m], roll, pitch, yaw [degrees] on the vehicle. lidar_elevations_deg, a row each: as Lidar.elevations_deg;
    no columns where all LiDARs are even, and shorter rows end with nan.
    """
    return (
        ArraySpec("frame_id", "<i8"),
        ArraySpec("frame_digest", "<u8", (2,)),
        ArraySpec("image", "|u1", (height, width, 3), by_row=True),
        ArraySpec("points", point_dtype, (max_points, 4), by_row=True),
        ArraySpec("num_points", "<i4"),
        ArraySpec("lidar_num_points", "<i4", (lidars,)),
        ArraySpec("point_class", "|u1", (max_points,), by_row=True),
        ArraySpec("pixel_class", "|u1", (height, width), by_row=True),
        ArraySpec("depth_m", "<f2", (height, width), by_row=True),
        ArraySpec("voxels_flat", "<u2", (4,)),
        ArraySpec("voxel_offsets", "<i8"),
        ArraySpec("world_SE3_ego", "<f8", (4, 4)),
        ArraySpec("speed_mps", "<f8"),
        ArraySpec("time_s", "<f8"),
        ArraySpec("camera_SE3_lidar", "<f8", (4,)),
        ArraySpec("intrinsics", "<f8"),
        ArraySpec("lidars", "<f8", (10,)),
        ArraySpec("lidar_elevations_deg", "<f8", (elevations,)),
    )
