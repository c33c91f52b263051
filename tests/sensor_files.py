"""Files of other sensors in KITTI's layouts and in plain folders, written with NumPy and Pillow alone."""

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

# A rig like KITTI's: the camera 7 cm beside the LiDAR, looks along its x axis, half a degree off in each angle.
P2 = np.array([[72.15377, 0, 60.95593, 4.485728], [0, 72.15377, 17.2854, 0.02163791], [0, 0, 1, 0.002745884]])
R0 = np.array(
    [
        [0.9999239, 0.00983776, -0.007445048],
        [-0.009869795, 0.9999421, -0.004278459],
        [0.007402527, 0.004351614, 0.9999631],
    ]
)
TR = np.array(
    [
        [0.007533745, -0.9999714, -0.000616602, -0.004069766],
        [0.01480249, 0.0007280733, -0.9998902, -0.07631618],
        [0.9998621, 0.00752379, 0.01480755, -0.2717806],
    ]
)
HEIGHT, WIDTH = 40, 124
ELEVATIONS_DEG = np.array([2.0, 1.0, 0.0, -1.5, -3.0, -6.0, -10.0, -15.0])


def image(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng([1, seed]).integers(0, 256, (height, width, 3), dtype=np.uint8)


def cloud(seed: int, rays: int = 60) -> np.ndarray:
    """A sweep (N, 4) float32, ring by ring from the top, counter-clockwise; intensities 0 to 1."""
    generator = np.random.default_rng([2, seed])
    azimuth = np.deg2rad(np.tile(np.linspace(0, 359, rays), len(ELEVATIONS_DEG)))
    elevation = np.deg2rad(np.repeat(ELEVATIONS_DEG, rays))
    range_m = generator.uniform(3, 60, len(azimuth))
    flat = range_m * np.cos(elevation)
    columns = flat * np.cos(azimuth), flat * np.sin(azimuth), range_m * np.sin(elevation)
    return np.column_stack([*columns, generator.integers(0, 100, len(azimuth)) / 100]).astype(np.float32)


def ring_numbers(rays: int = 60) -> np.ndarray:
    return np.repeat(np.arange(len(ELEVATIONS_DEG)), rays)


def numbers(matrix: np.ndarray) -> str:
    return " ".join(f"{value:.12e}" for value in np.ravel(matrix))


def write_kitti_object(split: Path, frames: dict[str, tuple[np.ndarray, tuple[int, int]]]) -> None:
    """training/ or testing/; `frames`: P2 and (height, width) of each."""
    for folder in ("image_2", "velodyne", "calib"):
        (split / folder).mkdir(parents=True)
    for name, (projection, size) in frames.items():
        Image.fromarray(image(int(name), *size)).save(split / "image_2" / f"{name}.png")
        cloud(int(name)).tofile(split / "velodyne" / f"{name}.bin")
        lines = [f"P{camera}: {numbers(projection)}" for camera in range(4)]
        lines += [f"R0_rect: {numbers(R0)}", f"Tr_velo_to_cam: {numbers(TR)}", f"Tr_imu_to_velo: {numbers(TR)}", ""]
        (split / "calib" / f"{name}.txt").write_text("\n".join(lines))


def write_kitti_odometry(sequence: Path, frames: int) -> None:
    for folder in ("image_2", "velodyne"):
        (sequence / folder).mkdir(parents=True)
    for number in range(frames):
        Image.fromarray(image(number)).save(sequence / "image_2" / f"{number:06d}.png")
        cloud(number).tofile(sequence / "velodyne" / f"{number:06d}.bin")
    rectified = np.eye(4)
    rectified[:3, :3] = R0
    tr = (rectified @ np.vstack([TR, [0, 0, 0, 1]]))[:3]
    (sequence / "calib.txt").write_text(
        "".join(f"P{camera}: {numbers(P2)}\n" for camera in range(4)) + f"Tr: {numbers(tr)}\n"
    )
    (sequence / "times.txt").write_text("".join(f"{0.1037 * number:.6e}\n" for number in range(frames)))


def write_kitti_tracking(split: Path, sequence: str, frames: int) -> None:
    for folder in ("image_02", "velodyne"):
        (split / folder / sequence).mkdir(parents=True)
    (split / "calib").mkdir(exist_ok=True)
    for number in range(frames):
        Image.fromarray(image(number)).save(split / "image_02" / sequence / f"{number:06d}.png")
        cloud(number).tofile(split / "velodyne" / sequence / f"{number:06d}.bin")
    lines = [f"P{camera}: {numbers(P2)}" for camera in range(4)]
    lines += [f"R_rect {numbers(R0)}", f"Tr_velo_cam {numbers(TR)}", f"Tr_imu_velo {numbers(TR)}", ""]
    (split / "calib" / f"{sequence}.txt").write_text("\n".join(lines))


OPENCV_SE3_LIDAR = [[0.0, -1.0, 0.0, 0.05], [0.0, 0.0, -1.0, -0.1], [1.0, 0.0, 0.0, -0.2]]
"""A camera that looks along the LiDAR's x axis: x right, y down, z forward."""


def calibration() -> dict:
    """A valid calibration.yaml as plain values."""
    return {
        "camera": {
            "width_px": WIDTH,
            "height_px": HEIGHT,
            "fx_px": 72.0,
            "fy_px": 71.0,
            "cx_px": 60.5,
            "cy_px": 18.5,
        },
        "camera_axes": "opencv",
        "camera_SE3_lidar": [list(row) for row in OPENCV_SE3_LIDAR],
        "lidar": {"columns": ["x", "y", "z", "intensity"], "intensity_range": [0, 255], "range_m": 100.0},
    }


def write_folder(path: Path, names: list[str], changes: dict | None = None) -> dict:
    """A plain folder with .npy clouds of intensities 0 to 255; `changes`: keys of calibration.yaml to replace."""
    content = calibration() | (changes or {})
    for folder in ("images", "clouds"):
        (path / folder).mkdir(parents=True)
    for number, name in enumerate(names):
        Image.fromarray(image(number)).save(path / "images" / f"{name}.png")
        np.save(path / "clouds" / f"{name}.npy", raw_cloud(number))
    (path / "calibration.yaml").write_text(yaml.safe_dump(content))
    return content


def raw_cloud(seed: int) -> np.ndarray:
    """The cloud with intensities 0 to 255, whole numbers."""
    points = cloud(seed)
    points[:, 3] = np.rint(points[:, 3] * 255)
    return points
