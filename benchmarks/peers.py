"""The same frames in common formats for training data: how to write each, and how to read it fastest.

Samples are image (H, W, 3) uint8 (or float32 from 0 to 1 where named so) and points (P, 4) float32, padded with zeros.
They are returned in the requested order, or in the file's order if a format can only stream. They may be views: copy
those that are needed later.
"""

import io
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib.common.errors import DataError
from lib.geometry.frame import Frame
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard

Sample = tuple[npt.NDArray[Any], npt.NDArray[np.float32]]
Read = Callable[[Sequence[int]], Iterable[Sample]]
Write = Callable[[Path, Sequence[Frame], int], None]
Open = Callable[[Path, int], Read]

FRAMES_PER_SHARD: Final = 24
EXTRA: Final = "`make bench` installs it from benchmarks/requirements.lock"


@dataclass(frozen=True)
class Format:
    """A format with a writer and a reader; formats with the same `layout` read the same files.

    `write(folder, frames, max_points)` fills an empty folder. `open(folder, max_points)` returns a function that maps
    an order of frames to samples, and that can be called repeatedly.
    """

    name: str
    layout: str
    write: Write
    open: Open


def padded(points: npt.NDArray[np.float32], max_points: int) -> npt.NDArray[np.float32]:
    """A cloud (N, 4) padded with zeros to (max_points, 4)."""
    cloud = np.zeros((max_points, 4), dtype=np.float32)
    cloud[: len(points)] = points
    return cloud


def write_raw(folder: Path, frames: Sequence[Frame], max_points: int) -> None:
    """A PNG and an .npy per frame."""
    for number, (frame, png) in enumerate(zip(frames, _pngs(frames), strict=True)):
        (folder / f"{number:06}.png").write_bytes(png)
        np.save(folder / f"{number:06}.npy", frame.points)


def open_raw(folder: Path, max_points: int) -> Read:
    """Pillow, NumPy, padding."""

    def sample(number: int) -> Sample:
        with Image.open(folder / f"{number:06}.png") as image:
            pixels = np.asarray(image)
        return pixels, padded(np.load(folder / f"{number:06}.npy"), max_points)

    return partial(map, sample)


def open_raw_float(folder: Path, max_points: int) -> Read:
    """As `open_raw`, with the image as float32 from 0 to 1."""
    read = open_raw(folder, max_points)
    return lambda order: ((pixels.astype(np.float32) / 255, cloud) for pixels, cloud in read(order))


def open_raw_opencv(folder: Path, max_points: int) -> Read:
    """As `open_raw`, decoded by OpenCV on one thread."""
    cv2 = _module("cv2", "opencv-python-headless")
    cv2.setNumThreads(1)

    def sample(number: int) -> Sample:
        pixels = cv2.imread(str(folder / f"{number:06}.png"), cv2.IMREAD_COLOR_RGB)
        return pixels, padded(np.load(folder / f"{number:06}.npy"), max_points)

    return partial(map, sample)


def write_webdataset_png(folder: Path, frames: Sequence[Frame], max_points: int) -> None:
    """Tar files of a PNG and an .npy per frame."""
    samples = [{"png": png, "npy": _npy(f.points)} for png, f in zip(_pngs(frames), frames, strict=True)]
    _write_tars(folder, samples)


def open_webdataset_png(folder: Path, max_points: int) -> Read:
    """WebDataset's own decoders, then padding; in the file's order."""
    dataset = _webdataset(folder, "png", "npy")
    return lambda order: ((pixels, padded(points, max_points)) for pixels, points in dataset)


def write_webdataset_arrays(folder: Path, frames: Sequence[Frame], max_points: int) -> None:
    """Tar files of two .npy per frame, the cloud padded."""
    samples = [{"image.npy": _npy(f.image), "points.npy": _npy(padded(f.points, max_points))} for f in frames]
    _write_tars(folder, samples)


def open_webdataset_arrays(folder: Path, max_points: int) -> Read:
    """WebDataset's own decoder of .npy; in the file's order."""
    dataset = _webdataset(folder, "image.npy", "points.npy")
    return lambda order: iter(dataset)


def write_streaming(folder: Path, frames: Sequence[Frame], max_points: int) -> None:
    """MDS files of arrays of one shape."""
    height, width, _ = frames[0].image.shape
    columns = {"image": f"ndarray:uint8:{height},{width},3", "points": f"ndarray:float32:{max_points},4"}
    with _streaming().MDSWriter(out=str(folder), columns=columns) as writer:
        for frame in frames:
            writer.write({"image": frame.image, "points": padded(frame.points, max_points)})


def open_streaming(folder: Path, max_points: int) -> Read:
    """StreamingDataset, the class for training; in the file's order."""
    dataset = _streaming().StreamingDataset(local=str(folder), batch_size=1, num_canonical_nodes=1)
    return lambda order: ((sample["image"], sample["points"]) for sample in dataset)


def open_streaming_local(folder: Path, max_points: int) -> Read:
    """LocalDataset, the plain reader of local files."""
    dataset = _streaming().LocalDataset(str(folder))

    def sample(number: int) -> Sample:
        arrays = dataset[number]
        return arrays["image"], arrays["points"]

    return partial(map, sample)


def write_zarr(folder: Path, frames: Sequence[Frame], max_points: int) -> None:
    """Two uncompressed arrays, a chunk per frame."""
    zarr = _module("zarr", "zarr")
    for name, shape, dtype in (("image", frames[0].image.shape, "uint8"), ("points", (max_points, 4), "float32")):
        array = zarr.create_array(
            folder / f"{name}.zarr", shape=(len(frames), *shape), chunks=(1, *shape), dtype=dtype, compressors=None
        )
        for number, frame in enumerate(frames):
            array[number] = frame.image if name == "image" else padded(frame.points, max_points)


def open_zarr(folder: Path, max_points: int) -> Read:
    """One chunk of each array per frame."""
    zarr = _module("zarr", "zarr")
    image, points = (zarr.open_array(folder / f"{name}.zarr", mode="r") for name in ("image", "points"))
    return lambda order: ((image[number], points[number]) for number in order)


def write_lmdb(folder: Path, frames: Sequence[Frame], max_points: int) -> None:
    """The arrays' bytes, image then points, by frame number."""
    lmdb = _module("lmdb", "lmdb")
    with lmdb.open(str(folder), map_size=1 << 36) as database, database.begin(write=True) as transaction:
        for number, frame in enumerate(frames):
            value = frame.image.tobytes() + padded(frame.points, max_points).tobytes()
            transaction.put(b"%06d" % number, value)
        shape = np.array(frames[0].image.shape, dtype=np.int64)
        transaction.put(b"shape", shape.tobytes())


def open_lmdb(folder: Path, max_points: int) -> Read:
    """Views of LMDB's own memory map."""
    lmdb = _module("lmdb", "lmdb")
    transaction = lmdb.open(str(folder), readonly=True, lock=False).begin(buffers=True)
    shape = np.frombuffer(transaction.get(b"shape"), dtype=np.int64)
    image_bytes = int(np.prod(shape))

    def sample(number: int) -> Sample:
        value = transaction.get(b"%06d" % number)
        image = np.frombuffer(value, dtype=np.uint8, count=image_bytes).reshape(shape)
        return image, np.frombuffer(value, dtype=np.float32, offset=image_bytes).reshape(-1, 4)

    return partial(map, sample)


def write_npy(folder: Path, frames: Sequence[Frame], max_points: int) -> None:
    """One .npy of all images, one of all clouds."""
    np.save(folder / "image.npy", np.stack([frame.image for frame in frames]))
    np.save(folder / "points.npy", np.stack([padded(frame.points, max_points) for frame in frames]))


def open_npy(folder: Path, max_points: int) -> Read:
    """Views of NumPy's memory maps."""
    image, points = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("image", "points"))
    return lambda order: ((image[number], points[number]) for number in order)


def write_shards(folder: Path, frames: Sequence[Frame], max_points: int) -> None:
    """Shards of this project as `preprocess` writes them, including labels, depth and voxels."""
    for start in range(0, len(frames), FRAMES_PER_SHARD):
        write_shard(folder / f"{start:06}.h5", frames[start : start + FRAMES_PER_SHARD], max_points)


def open_shards(folder: Path, max_points: int, verify: bool = False) -> Read:
    """Views of the shards' memory maps; `verify` reads all of them first and compares the checksums."""
    shards = [read_shard(path, verify) for path in sorted(folder.iterdir())]

    def sample(number: int) -> Sample:
        shard, index = shards[number // FRAMES_PER_SHARD], number % FRAMES_PER_SHARD
        return shard.image[index], shard.points[index]

    return partial(map, sample)


FORMATS: Final = (
    Format("PNG + .npy + padding, float32 images", "raw", write_raw, open_raw_float),
    Format("PNG + .npy + padding", "raw", write_raw, open_raw),
    Format("PNG by OpenCV + .npy + padding", "raw", write_raw, open_raw_opencv),
    Format("WebDataset of PNG", "webdataset_png", write_webdataset_png, open_webdataset_png),
    Format("WebDataset of arrays", "webdataset_arrays", write_webdataset_arrays, open_webdataset_arrays),
    Format("MosaicML StreamingDataset", "streaming", write_streaming, open_streaming),
    Format("MosaicML LocalDataset", "streaming", write_streaming, open_streaming_local),
    Format("zarr, uncompressed", "zarr", write_zarr, open_zarr),
    Format("LMDB", "lmdb", write_lmdb, open_lmdb),
    Format("memory-mapped .npy", "npy", write_npy, open_npy),
    Format("our shards", "shards", write_shards, open_shards),
)


def _module(name: str, distribution: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise DataError(f"{distribution} is not installed ({error}); {EXTRA}") from None


def _webdataset(folder: Path, *keys: str) -> Any:
    wds = _module("webdataset", "webdataset")
    tars = [str(path) for path in sorted(folder.iterdir())]
    return wds.WebDataset(tars, shardshuffle=False).decode("rgb8").to_tuple(*keys)


def _write_tars(folder: Path, samples: list[dict[str, bytes]]) -> None:
    for start in range(0, len(samples), FRAMES_PER_SHARD):
        with tarfile.open(folder / f"{start:06}.tar", "w") as tar:
            for number, sample in enumerate(samples[start : start + FRAMES_PER_SHARD], start):
                for ending, content in sample.items():
                    member = tarfile.TarInfo(f"{number:06}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def _streaming() -> Any:
    """The streaming package, imported without torchvision and transformers.

    Only its examples for vision and text need the two (400 MB), and torchvision's wheel does not load beside the CPU
    build of torch; stand-ins take their place while it is imported.
    """
    if "streaming" in sys.modules:
        return sys.modules["streaming"]
    names = {
        "torchvision": (),
        "torchvision.datasets": ("VisionDataset", "CIFAR10"),
        "torchvision.transforms": (),
        "torchvision.transforms.functional": ("to_tensor",),
        "transformers": ("BatchEncoding", "BatchFeature"),
        "transformers.models": (),
        "transformers.models.auto": (),
        "transformers.models.auto.tokenization_auto": ("AutoTokenizer",),
    }
    for name, attributes in names.items():
        sys.modules[name] = stand_in = ModuleType(name)
        for attribute in attributes:
            setattr(stand_in, attribute, type(attribute, (), {}))
    try:
        return _module("streaming", "mosaicml-streaming")
    finally:
        for name in names:
            del sys.modules[name]


def _pngs(frames: Sequence[Frame]) -> Iterator[bytes]:
    """The frames' images as PNG; repeated images are encoded once."""
    encoded: dict[int, bytes] = {}
    for frame in frames:
        if id(frame.image) not in encoded:
            buffer = io.BytesIO()
            Image.fromarray(frame.image).save(buffer, "png")
            encoded[id(frame.image)] = buffer.getvalue()
        yield encoded[id(frame.image)]


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
