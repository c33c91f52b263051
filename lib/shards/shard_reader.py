"""Read shards at memory speed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Anomaly, Frame, Lidar, ScenarioType
from lib.geometry.merged import split_clouds
from lib.shards.rows import Rows
from lib.shards.schema import SHARD_KIND, shard_arrays
from lib.shards.storage import Attributes, read_arrays


@dataclass(frozen=True, eq=False)
class Shard:
    """One scenario's frames of one camera, F of them. The arrays are read-only memory maps: `Rows` are read frame by
    frame, as `shard.image[index]`, and decompressed or widened to float32 where that is needed.

    frame_id (F,) int64; frame_digest (F, 2) uint64, of image and points (lib.shards.digests); image (F, h, w, 3)
    uint8; points (F, P, 4) float32 x, y, z [m, LiDAR frame, or vehicle frame where several LiDARs are merged],
    intensity, padded with 0 after num_points (F,) int32, of which lidar_num_points (F, L) int32 are of each LiDAR, in
    the order of `lidars`; point_class (F, P) uint8, padded with 255; pixel_class (F, h, w) uint8; depth_m (F, h, w)
    float16 planar, sky 1000; voxels_flat (sum M, 4) uint16 and voxel_offsets (F + 1,) int64: AnoVox's grid of the full
    cloud; world_SE3_ego (F, 4, 4), speed_mps (F,) and time_s (F,) float64, nan = unknown;
    calibration from the points' frame. `camera_name` is empty where one camera was chosen.
    `fingerprint` changes when any of this does.
    """

    path: Path
    scenario: str
    scenario_type: ScenarioType
    town: str
    weather: str
    fingerprint: str
    calibration: Calibration
    camera_name: str
    lidars: tuple[Lidar, ...]
    anomaly: Anomaly | None
    frame_id: npt.NDArray[np.int64]
    frame_digest: npt.NDArray[np.uint64]
    image: Rows
    points: Rows
    num_points: npt.NDArray[np.int32]
    lidar_num_points: npt.NDArray[np.int32]
    point_class: Rows
    pixel_class: Rows
    depth_m: Rows
    voxels_flat: npt.NDArray[np.uint16]
    voxel_offsets: npt.NDArray[np.int64]
    world_SE3_ego: npt.NDArray[np.float64]
    speed_mps: npt.NDArray[np.float64]
    time_s: npt.NDArray[np.float64]

    @property
    def camera(self) -> Camera:
        """The camera's intrinsics."""
        return self.calibration.camera

    def voxels(self, index: int) -> npt.NDArray[np.uint16]:
        """Voxel ground truth of the index-th frame: (M, 4) uint16 ix, iy, iz, class id."""
        start, stop = self.voxel_offsets[index], self.voxel_offsets[index + 1]
        return self.voxels_flat[start:stop]

    def lidar_points(self, index: int) -> list[npt.NDArray[np.floating]]:
        """The index-th frame's points of each LiDAR: (N, 4) each, x, y, z [m, that LiDAR's own frame], intensity."""
        poses = [(lidar.location, lidar.rotation) for lidar in self.lidars]
        return split_clouds(self.points[index, : self.num_points[index]], self.lidar_num_points[index], poses)

    def frame(self, index: int) -> Frame:
        """The index-th frame, as preprocess stored it: without padding, in memory of its own."""
        num_points = int(self.num_points[index])
        pose, speed_mps, time_s = self.world_SE3_ego[index], float(self.speed_mps[index]), float(self.time_s[index])
        return Frame(
            scenario=self.scenario,
            frame_id=int(self.frame_id[index]),
            scenario_type=self.scenario_type,
            image=np.array(self.image[index]),
            points=np.array(self.points[index][:num_points], dtype=np.float32),
            point_class=np.array(self.point_class[index][:num_points]),
            pixel_class=np.array(self.pixel_class[index]),
            depth_m=np.array(self.depth_m[index], dtype=np.float32),
            calibration=self.calibration,
            lidars=self.lidars,
            voxels=np.array(self.voxels(index)),
            world_SE3_ego=np.array(pose) if np.isfinite(pose).all() else None,
            speed_mps=speed_mps if np.isfinite(speed_mps) else None,
            time_s=time_s if np.isfinite(time_s) else None,
            anomaly=self.anomaly,
            camera_name=self.camera_name,
            cloud_sizes=tuple(self.lidar_num_points[index].tolist()) if len(self.lidars) > 1 else (),
        )

    def __len__(self) -> int:
        return len(self.frame_id)

    def __reduce__(self) -> Any:
        """Travel between processes as a path: the other side maps the verified file again and copies no array."""
        return read_shard, (self.path, False)


def read_shard(path: Path, verify: bool = True) -> Shard:
    """Open a shard; what is never touched is never read.

    `verify` reads every array once and finds out whether all is as written. Raises DataError when the file is missing,
    truncated, damaged or of another schema version.
    """
    arrays, attributes = read_arrays(path, SHARD_KIND, shard_arrays(), verify)
    try:
        return _shard(path, arrays, attributes)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: damaged ({str(error)[:200]}); {SHARD_KIND.remedy}") from None


def _shard(path: Path, arrays: dict[str, Any], attributes: Attributes) -> Shard:
    a = attributes
    intrinsics, camera_SE3_lidar = arrays.pop("intrinsics"), arrays.pop("camera_SE3_lidar")
    lidars, elevations_deg = arrays.pop("lidars"), arrays.pop("lidar_elevations_deg")
    anomaly = {field: str(a[f"anomaly_{field}"]) for field in ("size", "blueprint", "kind") if f"anomaly_{field}" in a}
    named = ("scenario", "town", "weather", "fingerprint", "camera_name")
    texts: dict[str, Any] = {name: str(a[name]) for name in named}
    height, width = arrays["image"].shape[1:3]
    return Shard(
        path=path,
        scenario_type=ScenarioType(str(a["scenario_type"])),
        calibration=Calibration(Camera(width, height, *intrinsics.tolist()), np.array(camera_SE3_lidar)),
        lidars=tuple(_lidar(rows, *row) for rows, row in zip(elevations_deg, lidars.tolist(), strict=True)),
        anomaly=Anomaly(**anomaly) if a["has_anomaly"] else None,
        **texts,
        **arrays,
    )


def _lidar(
    elevations_deg: npt.NDArray[np.float64],
    channels: float,
    upper_deg: float,
    lower_deg: float,
    range_m: float,
    *place: float,
) -> Lidar:
    x_m, y_m, z_m, roll_deg, pitch_deg, yaw_deg = place
    location, rotation = (x_m, y_m, z_m), (roll_deg, pitch_deg, yaw_deg)
    uneven = tuple(elevations_deg[np.isfinite(elevations_deg)].tolist())
    return Lidar(int(channels), upper_deg, lower_deg, range_m, location, rotation, uneven)
