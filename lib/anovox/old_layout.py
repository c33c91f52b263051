"""AnoVox's old sample layout, the paper's first download: its names, its sensors, and classes written as colours.

One camera and one LiDAR at the default pose, no sensor_setup.json; `<folder>/<folder>_<frame>.<ending>`. Colours are
those of AnoVox's palette, or of the palette in its benchmark's voxelize_groundtruth.py; clouds are x forward, y left,
z up, as that script's rotation of the depth cloud onto them shows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox import files, layout
from lib.anovox.decoders import Decoders
from lib.anovox.files import FileError, Reason
from lib.anovox.findings import Finding, Notice
from lib.anovox.folders import FrameFiles
from lib.anovox.grid import voxel_grid
from lib.anovox.pcd import PcdCloud, pcd_size, read_pcd, require_pcd_library, write_pcd
from lib.anovox.recording import CameraArgs, LidarArgs, SensorPose
from lib.anovox.setup import MAX_IMAGE_SIZE, Sensor, SensorSetup
from lib.geometry.voxels import voxel_keys
from lib.labels import LABELS, UNKNOWN, is_anomaly

ANOMALY_COLOR: Final = (245, 0, 0)
GENERIC_ANOMALY_ID: Final = 100
MIN_IN_VOXEL_SHARE: Final = 0.9
BENCHMARK_COLORS: Final[Mapping[int, tuple[int, int, int]]] = {
    29: (250, 128, 114),
    30: (255, 36, 0),
    31: (224, 17, 95),
    32: (184, 15, 10),
}


def is_old_layout(scenario: Path, listing: Mapping[str, FrameFiles]) -> bool:
    """Say whether a scenario folder is one of the old sample layout, which has no setup and folders of its own."""
    return not layout.OLD_FILE_ENDINGS.keys().isdisjoint(listing) and not (scenario / layout.SENSOR_SETUP).exists()


def old_sensor_setup(images: Iterable[Path]) -> SensorSetup:
    """AnoVox's default camera and LiDAR at the default pose; the image size is the one that most of `images` have."""
    sizes = Counter(size for size in map(_png_size, images) if size is not None)
    default = CameraArgs()
    height, width = max(sizes, key=lambda size: sizes[size], default=(default.image_height, default.image_width))
    camera, lidar = CameraArgs(height, width), LidarArgs()
    placed: list[tuple[str, str, CameraArgs | LidarArgs]] = [
        (layout.OLD_RGB, layout.RGB, camera),
        (layout.OLD_DEPTH, layout.DEPTH, camera),
        (layout.OLD_SEMANTIC, layout.SEMANTIC, camera),
        (layout.OLD_LIDAR, layout.LIDAR, lidar),
        (layout.OLD_SEMANTIC_LIDAR, layout.SEMANTIC_LIDAR, lidar),
    ]
    return SensorSetup(tuple(Sensor(folder, kind, SensorPose(), args) for folder, kind, args in placed))


def anomaly_id_of(blueprint: str | None) -> int:
    """The class id behind (245, 0, 0), which all anomalies share: by the blueprint's last word
    (static.prop.o_barbedwire_special -> 32), else 100, AnoVox's `anomaly`.
    """
    word = (blueprint or "").rpartition("_")[2].lower()
    return next((label.id for label in LABELS if label.name == word and label.id in range(29, 35)), GENERIC_ANOMALY_ID)


def class_ids_of_colors(colors: npt.NDArray[np.uint8], anomaly_id: int) -> npt.NDArray[np.uint8]:
    """Class ids (...) of palette colours (..., 3) RGB, matched exactly; 255 where no class has the colour."""
    of_color = {color: class_id for class_id, color in BENCHMARK_COLORS.items()}
    of_color |= {label.color: label.id for label in LABELS} | {ANOMALY_COLOR: anomaly_id}
    keys = _color_keys(np.array(list(of_color), dtype=np.uint8))
    ids = np.array(list(of_color.values()), dtype=np.uint8)
    order = np.argsort(keys)
    keys, ids = keys[order], ids[order]
    wanted = _color_keys(colors)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, ids[place], np.uint8(UNKNOWN))


def colors_of_class_ids(class_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Palette colours (..., 3) RGB of class ids (...) as the old layout writes them: every anomaly (245, 0, 0)."""
    colors = np.full((256, 3), 255, dtype=np.uint8)
    for label in LABELS:
        colors[label.id] = label.color
    colors[is_anomaly(np.arange(256, dtype=np.uint8))] = ANOMALY_COLOR
    return colors[class_ids]


def old_decoders(anomaly_id: int) -> Decoders:
    """The layout's readers, `anomaly_id` for (245, 0, 0); raises DataError when the library for .pcd is missing."""
    require_pcd_library()
    return Decoders(
        class_image=partial(read_semantic_image, anomaly_id=anomaly_id),
        lidar=read_lidar,
        semantic_lidar=partial(read_semantic_lidar, anomaly_id=anomaly_id),
        cloud_size=pcd_size,
        undefined_ids=undefined_colors,
    )


def adapted_files(
    path: Path, listing: Mapping[str, FrameFiles], decoders: Decoders
) -> tuple[dict[str, FrameFiles], tuple[Finding, ...]]:
    """A scenario's files with ACTION_STATE under ACTION, and without a VOXEL_GRID that lies elsewhere than the points.

    AnoVox's scripts of that time laid the grid another way (its benchmark's voxelize_groundtruth.py does not subtract
    the sensor's location). The first frame with both files tells; a grid left out is computed from SEMANTIC_PCD.
    """
    adapted = dict(listing)
    if layout.OLD_ACTION in adapted:
        adapted[layout.ACTION] = adapted.pop(layout.OLD_ACTION)
    share = _in_voxel_share(listing, decoders)
    if share is None or share >= MIN_IN_VOXEL_SHARE:
        return adapted, ()
    adapted.pop(layout.VOXEL_GRID)
    grid, points = path / layout.VOXEL_GRID, layout.OLD_SEMANTIC_LIDAR
    message = (
        f"{grid}: holds only {share:.0%} of the cells in which {points} has points, so it is laid otherwise than in "
        f"AnoVox's release; the grid is computed from {points} instead"
    )
    return adapted, (Finding(Notice.VOXEL_GRID_MISFIT, message),)


def _in_voxel_share(listing: Mapping[str, FrameFiles], decoders: Decoders) -> float | None:
    """Share of the voxels that the points occupy which the stored grid holds; None where no frame tells."""
    if not {layout.VOXEL_GRID, layout.OLD_SEMANTIC_LIDAR} <= listing.keys():
        return None
    grids, clouds = (listing[folder].paths for folder in (layout.VOXEL_GRID, layout.OLD_SEMANTIC_LIDAR))
    for frame_id in sorted(grids.keys() & clouds.keys()):
        try:
            stored = files.read_voxels(grids[frame_id])
            computed = voxel_grid([(SensorPose(), decoders.semantic_lidar(clouds[frame_id]))], [])
        except FileError:
            continue  # the reader reports it with its frame
        if len(computed):
            return float(np.isin(voxel_keys(computed), voxel_keys(stored)).mean())
    return None


def read_semantic_image(path: Path, height: int, width: int, anomaly_id: int) -> npt.NDArray[np.uint8]:
    """Read SEMANTIC_IMG: (H, W) uint8 class ids; (245, 0, 0) becomes `anomaly_id`, an unknown colour 255."""
    return class_ids_of_colors(files.read_rgb(path, height, width), anomaly_id)


def read_lidar(path: Path) -> npt.NDArray[np.float32]:
    """Read PCD: (N, 4) float32 x, y, z [m, sensor frame], intensity; the intensity is 0 where the file has none."""
    cloud = read_pcd(path)
    intensity = np.zeros(len(cloud.points_m)) if cloud.intensity is None else cloud.intensity
    with np.errstate(invalid="ignore", over="ignore"):
        points = np.column_stack([cloud.points_m, intensity]).astype(np.float32)
    files.check_coordinates(path, points)
    return points


def read_semantic_lidar(path: Path, anomaly_id: int) -> npt.NDArray[np.float64]:
    """Read SEMANTIC_PCD: (N, 4) float64 x, y, z [m, sensor frame], class id by colour, as `read_semantic_image`."""
    cloud = read_pcd(path)
    if cloud.colors is None:
        raise FileError(path, Reason.BAD_ARRAY, "it has no field rgb, which holds the points' classes")
    class_ids = class_ids_of_colors(cloud.colors, anomaly_id)
    with np.errstate(invalid="ignore"):
        points = np.column_stack([cloud.points_m, class_ids]).astype(np.float64)
    files.check_coordinates(path, points)
    return points


def undefined_colors(path: Path) -> tuple[int, ...]:
    """The colours 0xRRGGBB, ascending, of a readable SEMANTIC_IMG or SEMANTIC_PCD file that are no class's; of a
    VOXEL_GRID file the class ids.
    """
    if path.suffix == ".npy":
        return files.undefined_ids(path)
    if path.suffix == ".png":
        colors = files.read_rgb(path, *files.png_size(path)).reshape(-1, 3)
    else:
        found = read_pcd(path).colors
        colors = np.empty((0, 3), dtype=np.uint8) if found is None else found
    unknown = class_ids_of_colors(colors, GENERIC_ANOMALY_ID) == UNKNOWN
    return tuple(int(key) for key in np.unique(_color_keys(colors[unknown])))


def write_semantic_image(path: Path, class_ids: npt.NDArray[np.uint8]) -> None:
    """Write SEMANTIC_IMG from (H, W) uint8 class ids; which anomaly a pixel shows is lost."""
    files.write_rgb(path, colors_of_class_ids(class_ids))


def write_lidar(path: Path, points: npt.NDArray[np.float32], intensity: bool = False) -> None:
    """Write PCD from (N, 4) x, y, z, intensity; Open3D, which AnoVox used, leaves the intensity out."""
    write_pcd(path, PcdCloud(points[:, :3], points[:, 3] if intensity else None))


def write_semantic_lidar(path: Path, points: npt.NDArray[np.float64]) -> None:
    """Write SEMANTIC_PCD from (N, 4) x, y, z, class id; coordinates become float32, which anomaly it is is lost."""
    colors = colors_of_class_ids(points[:, 3].astype(np.uint8))
    write_pcd(path, PcdCloud(points[:, :3].astype(np.float32), colors=colors))


def _color_keys(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    red, green, blue = np.moveaxis(colors.astype(np.int32), -1, 0)
    return np.asarray(red << 16 | green << 8 | blue, dtype=np.int32)


def _png_size(path: Path) -> tuple[int, int] | None:
    """Height and width by a PNG's header; None where it is none, which the reader reports with its frame."""
    try:
        height, width = files.png_size(path)
    except FileError:
        return None
    return (height, width) if max(height, width) <= MAX_IMAGE_SIZE else None
