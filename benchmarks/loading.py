"""Speed of loading from each format: uint8 image and padded float32 cloud, copied into the memory of a batch."""

import os
import resource
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.frames import repeated, simulated_frames
from benchmarks.peers import FORMATS, Format, Read, Sample, open_shards, padded
from benchmarks.subject import Measure, Subject, Table
from benchmarks.timing import Times, alternate
from lib.geometry.frame import Frame
from lib.shards.shard_writer import padded_length

DIFFERENT_FRAMES, FRAMES, BATCH = 4, 64, 2
WARM_ROUNDS, COLD_ROUNDS = 7, 3
MEMORY: Final = "copy from memory"
VERIFIED: Final = "our shards, checksums compared"
SHARDS: Final = "shards"
OURS, MAPPED = "our shards", "memory-mapped .npy"
RAW, RAW_FLOAT = "PNG + .npy + padding", "PNG + .npy + padding, float32 images"
PACKED: Final = {
    "webdataset": "WebDataset of arrays",
    "streaming": "MosaicML StreamingDataset",
    "zarr": "zarr, uncompressed",
}
PACKAGES: Final = (
    *("h5py", "numpy", "pillow", "opencv-python-headless"),
    *("webdataset", "mosaicml-streaming", "zarr", "lmdb"),
)


class Buffers:
    """Reusable memory of a batch of images and clouds, with the shape and dtype of a sample."""

    def __init__(self, sample: Sample) -> None:
        self.images, self.points = (np.zeros((BATCH, *array.shape), array.dtype) for array in sample)

    def fill(self, samples: Iterable[Sample]) -> int:
        """Copy samples into the buffers, one batch over another, and return the number of samples."""
        count = 0
        for image, points in samples:
            self.images[count % BATCH], self.points[count % BATCH] = image, points
            count += 1
        return count


def measure(folder: Path) -> Subject:
    """Write the frames in every format, check that all return the same arrays, and time reading, warm and cold."""
    made = simulated_frames(new_folder(folder / "simulated"), DIFFERENT_FRAMES)
    frames = list(repeated(made, FRAMES))
    max_points = padded_length(max(len(frame.points) for frame in made))
    for each in FORMATS:
        if not (folder / each.layout).exists():
            each.write(new_folder(folder / each.layout), frames, max_points)
        check(each, folder, frames, max_points)
    os.sync()
    warm = _warm(folder, frames, max_points)
    cold, fraction = _cold(folder, frames[0], max_points)
    return _subject(warm, cold, fraction, frames[0], max_points)


def check(each: Format, folder: Path, frames: Sequence[Frame], max_points: int) -> None:
    """Assert that a format returns exactly the frames, in their order."""
    samples = each.open(folder / each.layout, max_points)(range(len(frames)))
    for (image, points), frame in zip(samples, frames, strict=True):
        expected = frame.image.astype(np.float32) / 255 if image.dtype == np.float32 else frame.image
        assert np.array_equal(image, expected) and image.dtype == expected.dtype, each.name
        assert np.array_equal(points, padded(frame.points, max_points)) and points.dtype == np.float32, each.name


def new_folder(path: Path) -> Path:
    """Create a folder and return it."""
    path.mkdir(parents=True)
    return path


def _order() -> list[int]:
    order: list[int] = np.random.default_rng(1).permutation(FRAMES).tolist()
    return order


def _read(read: Read, buffers: Buffers, order: Sequence[int]) -> None:
    assert buffers.fill(read(order)) == len(order)


def _open_and_read(open_format: Callable[[], Read], buffers: Buffers, order: Sequence[int]) -> None:
    _read(open_format(), buffers, order)


def _warm(folder: Path, frames: Sequence[Frame], max_points: int) -> Times:
    """Seconds to read all frames from files that are open and in the page cache."""
    images = np.stack([frame.image for frame in frames])
    points = np.stack([padded(frame.points, max_points) for frame in frames])

    def from_memory(order: Sequence[int]) -> Iterator[Sample]:
        return ((images[number], points[number]) for number in order)

    ways: dict[str, Callable[[], object]] = {}
    for name, read in [(MEMORY, from_memory), *((f.name, f.open(folder / f.layout, max_points)) for f in FORMATS)]:
        image = images[0].astype(np.float32) if name == RAW_FLOAT else images[0]
        ways[name] = partial(_read, read, Buffers((image, points[0])), _order())
    return alternate(ways, WARM_ROUNDS, at_least_s=0.3)


def _cold(folder: Path, frame: Frame, max_points: int) -> tuple[Times, float]:
    """Seconds to open each format and read all frames from disk, and the fraction of bytes that was read from disk."""
    cloud = padded(frame.points, max_points)
    ways: dict[str, Callable[[], object]] = {}
    for each in FORMATS:
        image = frame.image.astype(np.float32) if each.name == RAW_FLOAT else frame.image
        open_format = partial(each.open, folder / each.layout, max_points)
        ways[each.name] = partial(_open_and_read, open_format, Buffers((image, cloud)), _order())
    verified = partial(open_shards, folder / SHARDS, max_points, verify=True)
    ways[VERIFIED] = partial(_open_and_read, verified, Buffers((frame.image, cloud)), _order())
    read_before = resource.getrusage(resource.RUSAGE_SELF).ru_inblock
    times = alternate(ways, COLD_ROUNDS, before=partial(drop_from_cache, folder), warm_up=0)
    read_bytes = 512 * (resource.getrusage(resource.RUSAGE_SELF).ru_inblock - read_before)
    return times, read_bytes / (COLD_ROUNDS * len(ways) * FRAMES * (frame.image.nbytes + cloud.nbytes))


def drop_from_cache(folder: Path) -> None:
    """Ask the system to drop the files below a folder from the page cache; mapped pages stay."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _subject(warm: Times, cold: Times, fraction: float, frame: Frame, max_points: int) -> Subject:
    height, width = frame.image.shape[:2]
    size = f"{(frame.image.nbytes + 16 * max_points) / 1e6:.1f} MB"
    rows = [
        (
            name,
            warm.rate(name, FRAMES).text(),
            warm.speedup(OURS, name).text(),
            cold.rate(name, FRAMES).text() if name in cold.seconds else "",
            cold.speedup(OURS, name).text() if name in cold.seconds else "",
        )
        for name in [*(each.name for each in FORMATS), MEMORY]
    ]
    checked = (VERIFIED, "", "", cold.rate(VERIFIED, FRAMES).text(), cold.speedup(OURS, VERIFIED).text())
    columns = ("way", "warm, frames/s", "ours: times as fast", "cold, frames/s", "ours: times as fast")
    note = (
        "Warm: the files are open, in the page cache, and were read once before. Cold: they are removed from the page "
        f"cache (posix_fadvise DONTNEED; {fraction:.0%} of the bytes came from the disk), then opened and read."
    )
    return Subject(
        title="Loading",
        setting=(
            f"{FRAMES} simulated frames of {height} x {width} pixels and {max_points:,} points ({size} each), in "
            "random order if the format allows it; one process, one thread; each frame is copied into a batch "
            f"of {BATCH}."
        ),
        packages=PACKAGES,
        tables=(Table("Frames per second and core", columns, (*rows[:-1], checked, rows[-1]), note),),
        measures=_measures(warm, cold),
        reading=(
            "The upper limit is the copy from memory: a mapped file in the page cache is memory. The other formats "
            "also decode, run Python code per frame, and copy the bytes through read(). LocalDataset is the plain "
            "reader below StreamingDataset."
        ),
    )


def _measures(warm: Times, cold: Times) -> tuple[Measure, ...]:
    def ratio(name: str, meaning: str, peer: str, at_least: float | None, times: Times = warm) -> Measure:
        return Measure(name, meaning, times.speedup(OURS, peer), at_least)

    return (
        ratio("warm_over_raw_float32", "warm: speed relative to raw files with float32 images", RAW_FLOAT, 45),
        ratio("warm_over_raw_uint8", "warm: speed relative to raw files with uint8 images", RAW, None),
        *(ratio(f"warm_over_{key}", f"warm: speed relative to {name}", name, 8) for key, name in PACKED.items()),
        ratio("warm_over_mapped_npy", "warm: speed relative to memory-mapped .npy", MAPPED, 0.9),
        ratio("warm_over_memory", "warm: speed relative to a copy from memory", MEMORY, 0.85),
        ratio("cold_over_raw_uint8", "cold: speed relative to raw files with uint8 images", RAW, None, cold),
        ratio("cold_over_mapped_npy", "cold: speed relative to memory-mapped .npy", MAPPED, None, cold),
    )
