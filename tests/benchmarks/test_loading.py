"""Every format of the loading benchmark gives the same arrays; small frames here."""

import sys

import pytest

from benchmarks import loading
from benchmarks.frames import repeated, simulated_frames
from benchmarks.loading import Buffers, check, drop_from_cache, new_folder
from benchmarks.peers import FORMATS, Format, open_raw, padded
from lib.common.errors import DataError
from lib.shards.shard_writer import padded_length

SMALL = {"image_height": 32, "image_width": 48, "lidar_channels": 8, "lidar_rays_per_channel": 64}
NEEDS = {
    "PNG by OpenCV + .npy + padding": "cv2",
    "WebDataset of PNG": "webdataset",
    "WebDataset of arrays": "webdataset",
    "MosaicML StreamingDataset": "streaming",
    "MosaicML LocalDataset": "streaming",
    "zarr, uncompressed": "zarr",
    "LMDB": "lmdb",
}


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return list(repeated(simulated_frames(tmp_path_factory.mktemp("simulated"), 2, SMALL), 26))


@pytest.mark.parametrize("each", [f for f in FORMATS if f.name not in NEEDS], ids=lambda f: f.name)
def test_formats_give_the_frames_back(tmp_path, frames, each):
    max_points = padded_length(max(len(frame.points) for frame in frames))
    each.write(new_folder(tmp_path / each.layout), frames, max_points)
    drop_from_cache(tmp_path)
    check(each, tmp_path, frames, max_points)
    read = each.open(tmp_path / each.layout, max_points)
    backwards = [image.sum() for image, _ in read(range(25, -1, -1))]
    assert backwards == [image.sum() for image, _ in read(range(26))][::-1]


def test_the_check_sees_a_difference(tmp_path, frames):
    def darker(folder, max_points):
        return lambda order: ((image // 2, points) for image, points in open_raw(folder, max_points)(order))

    each = Format("darker", "raw", FORMATS[0].write, darker)
    each.write(new_folder(tmp_path / "raw"), frames, 512)
    with pytest.raises(AssertionError, match="darker"):
        check(each, tmp_path, frames, 512)


@pytest.mark.parametrize(("name", "module"), [item for item in NEEDS.items() if item[1] != "streaming"])
def test_a_missing_library_is_named(tmp_path, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    each = next(f for f in FORMATS if f.name == name)
    with pytest.raises(DataError, match=r"is not installed .*`make bench` installs it"):
        each.open(tmp_path, 64)


def test_buffers_hold_the_last_batch(frames):
    frame = frames[0]
    samples = [(frame.image + i, padded(frame.points + i, 512)) for i in range(2 * loading.BATCH + 1)]
    buffers = Buffers(samples[0])
    assert buffers.fill(samples) == len(samples)
    for place in range(loading.BATCH):
        expected = samples[-1] if place == 0 else samples[loading.BATCH + place]
        assert (buffers.images[place] == expected[0]).all() and (buffers.points[place] == expected[1]).all()
