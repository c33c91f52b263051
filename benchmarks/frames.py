"""Simulated frames of AnoVox's size (512 x 768 pixels, 64 x 1,562 rays) for benchmarks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.common.params import load_params
from lib.geometry.frame import Frame
from lib.reading.recorded_frames import ReadFrame
from lib.simulator.sample import write_sample
from lib.simulator.simulate_params import SimulateParams
from stages.check import Params

TRUE_SIZE: Final = {
    "image_height": 512,
    "image_width": 768,
    "lidar_channels": 64,
    "lidar_rays_per_channel": 1562,
}


def simulated_scenarios(
    folder: Path, normality: int, anomaly: int, frames: int, size: dict[str, int] = TRUE_SIZE
) -> list[Path]:
    """Simulate some scenarios below a folder and return their paths."""
    changes = size | {
        "normality_scenarios": normality,
        "anomaly_scenarios": anomaly,
        "frames_per_scenario": frames,
    }
    params = SimulateParams.model_validate(load_params(Params).simulate.model_dump() | changes)
    return [folder / config.name for config in write_sample(folder, params, workers=0)]


def simulated_frames(folder: Path, different: int, size: dict[str, int] = TRUE_SIZE) -> list[Frame]:
    """Simulate one normality scenario with `count` frames below a folder, and read them with their labels."""
    [path] = simulated_scenarios(folder, 1, 0, different, size)
    reads = list(read_frames(open_scenario(path, None)))
    assert len(reads) == different
    return [read.frame for read in reads if isinstance(read, ReadFrame)]


def multiplied(source: Path, target: Path, factor: int) -> None:
    """A scenario whose frames are, `factor` times over, hard links to those of `source`."""
    for path in source.rglob("*"):
        if path.is_file():
            folder = target / path.relative_to(source).parent
            folder.mkdir(parents=True, exist_ok=True)
            if path.parent == source:
                (folder / path.name).hardlink_to(path)
                continue
            stem, _, number = path.stem.rpartition("_")
            for turn in range(factor):
                (folder / f"{stem}_{int(number) + 10_000 * turn}{path.suffix}").hardlink_to(path)


def repeated(frames: list[Frame], count: int) -> Iterator[Frame]:
    """`count` frames: the given ones, repeated cyclically and numbered from 1."""
    for number in range(count):
        yield replace(frames[number % len(frames)], frame_id=1 + number)
