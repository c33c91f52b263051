"""How long reading a frame of AnoVox's true size takes, beside decoding its files alone.

`python -m benchmarks.reading [--repeats N]` simulates a few frames (512 x 768, 64 x 1,562 rays) in a temporary folder,
then reads the same frames in turn: file by file with the project's checked decoders, with Pillow and NumPy alone, and
as frames, labels transferred. Prints the median of each, its quartiles, and the median of the ratios within a turn.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.true_size import HEIGHT, WIDTH, write_true_size_scenarios
from lib.anovox import files, layout
from lib.anovox.reader import ReadFrame, read_frames
from lib.anovox.scenario import Scenario, open_scenario

FRAMES = 3


def main() -> None:
    """Simulate, read in turn, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory(prefix="reading-") as folder:
        [path] = write_true_size_scenarios(Path(folder), 0, 1, FRAMES)
        scenario = open_scenario(path, None)
        paths = _paths(scenario)
        ways: dict[str, Callable[[], object]] = {
            "checked decoders": lambda: [_decode(kind, path) for kind, path in paths],
            "Pillow and NumPy": lambda: [_bare(path) for _, path in paths],
            "frames": lambda: [_checked(read) for read in read_frames(scenario)],
        }
        times_ms = np.array([[_time_ms(way) for way in ways.values()] for _ in range(repeats + 1)])[1:] / FRAMES
    for name, column in zip(ways, times_ms.T, strict=True):
        print(f"{name:18} {_spread(column)} ms per frame")
    for name, column in zip(list(ways)[:2], times_ms.T[:2], strict=True):
        print(f"frames / {name:18} {_spread(times_ms[:, 2] / column, 3)}")


def _paths(scenario: Scenario) -> list[tuple[str, Path]]:
    """The kind and path of every file that a frame is made of; INSTANCE-CAM is none of them."""
    found = sorted(path for path in scenario.path.rglob("*") if path.parent != scenario.path and path.is_file())
    kinds = [next(kind for kind in layout.FILE_ENDINGS if path.name.startswith(kind)) for path in found]
    return [(kind, path) for kind, path in zip(kinds, found, strict=True) if kind != layout.INSTANCE]


def _decode(kind: str, path: Path) -> object:
    size = HEIGHT, WIDTH
    decoders: dict[str, Callable[[], object]] = {
        layout.RGB: lambda: files.read_rgb(path, *size),
        layout.DEPTH: lambda: files.read_depth(path, *size),
        layout.SEMANTIC: lambda: files.read_class_image(path, *size),
        layout.LIDAR: lambda: files.read_lidar(path),
        layout.SEMANTIC_LIDAR: lambda: files.read_semantic_lidar(path),
        layout.VOXEL_GRID: lambda: files.read_voxels(path),
        layout.ANOMALY: lambda: files.read_key_values(path),
        layout.ACTION: lambda: files.read_key_values(path),
    }
    return decoders[kind]()


def _bare(path: Path) -> object:
    if path.suffix == ".png":
        with Image.open(path) as image:
            return np.asarray(image)
    return np.load(path) if path.suffix == ".npy" else path.read_text(encoding="utf-8")


def _checked(read: object) -> object:
    assert isinstance(read, ReadFrame), read
    return read


def _time_ms(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def _spread(values: np.ndarray, digits: int = 1) -> str:
    low, median, high = np.percentile(values, [25, 50, 75])
    return f"{median:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()
