"""Costs of preprocess.compression and point_dtype: bytes, seconds to write, frames read per second."""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final, get_args

import numpy as np

from benchmarks.frames import repeated, simulated_frames
from benchmarks.loading import new_folder
from benchmarks.subject import Subject, Table, number_text
from benchmarks.timing import alternate
from lib.geometry.frame import Frame
from lib.shards.schema import PointDtype, Storage
from lib.shards.shard_reader import Shard, read_shard
from lib.shards.shard_writer import padded_length, write_shard
from lib.shards.storage import Compression

DIFFERENT_FRAMES, FRAMES, ROUNDS = 4, 24, 5
PER_FRAME: Final = ("image", "points", "point_class", "pixel_class", "depth_m")
STORAGES: Final = tuple(Storage(c, d) for c, d in product(get_args(Compression), get_args(PointDtype)))


def measure(folder: Path) -> Subject:
    """Time writing and reading the same shard in every storage format, alternating."""
    made = simulated_frames(new_folder(folder / "simulated"), DIFFERENT_FRAMES)
    frames = list(repeated(made, FRAMES))
    max_points = padded_length(max(len(frame.points) for frame in made))
    paths = {storage: folder / f"{storage.compression}-{storage.point_dtype}.h5" for storage in STORAGES}
    writes: dict[str, Callable[[], object]] = {
        path.stem: partial(write_shard, path, frames, max_points, storage=storage) for storage, path in paths.items()
    }
    written = alternate(writes, 1, warm_up=0)
    shards = {path.stem: read_shard(path) for path in paths.values()}
    for storage, path in paths.items():
        _check(shards[path.stem], frames, storage)
    model: dict[str, Callable[[], object]] = {n: partial(_read, s, ("image", "points")) for n, s in shards.items()}
    whole: dict[str, Callable[[], object]] = {n: partial(_read, s, PER_FRAME) for n, s in shards.items()}
    read, read_whole = alternate(model, ROUNDS, at_least_s=0.2), alternate(whole, ROUNDS, at_least_s=0.2)
    rows = tuple(
        (
            f"{storage.compression}, {storage.point_dtype}",
            number_text(path.stat().st_size / FRAMES / 1e6),
            number_text(written.rate(path.stem, FRAMES).median),
            read.rate(path.stem, FRAMES).text(),
            read_whole.rate(path.stem, FRAMES).text(),
        )
        for storage, path in paths.items()
    )
    columns = ("compression, points", "MB/frame", "written, frames/s", "image and points, frames/s", "all, frames/s")
    return Subject(
        title="Storage",
        setting=(
            f"A shard of {FRAMES} simulated frames of AnoVox's true size, labels and depth included, by "
            "`preprocess.compression` and `preprocess.point_dtype`; one process, page cache warm."
        ),
        packages=("h5py", "hdf5plugin", "numpy"),
        tables=(Table("Trade-off", columns, rows),),
        measures=(),
        reading=(
            "Uncompressed float32 is mapped and read at memory speed. LZ4 saves a third of the disk and is many times "
            "as fast as gzip, which saves a little more. float16 rounds coordinates to 3 cm at 64-128 m."
        ),
    )


def _read(shard: Shard, names: tuple[str, ...]) -> None:
    buffers = {name: np.empty(getattr(shard, name).shape[1:], getattr(shard, name).dtype) for name in names}
    for index in range(len(shard)):
        for name, buffer in buffers.items():
            buffer[:] = getattr(shard, name)[index]


def _check(shard: Shard, frames: list[Frame], storage: Storage) -> None:
    for index, frame in enumerate(frames):
        points = frame.points.astype(storage.point_dtype).astype(np.float32)
        assert np.array_equal(shard.image[index], frame.image), storage
        assert np.array_equal(shard.points[index, : len(points)], points), storage
