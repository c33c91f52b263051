"""Compressed shards and narrower points: the same frames through the same reader."""

import builtins
import fcntl
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from lib.common.errors import DataError
from lib.loading.dataset import ShardDataset
from lib.shards.schema import Storage
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard
from tests.file_systems import file_size_limit, no_more_files
from tests.shard_data import is_mapped
from tests.shards.test_shards import PER_FRAME, assert_holds, frame

FRAMES = [frame(1), frame(2, 33), frame(3, 0)]
ROUNDED = [replace(f, points=f.points.astype(np.float16).astype(np.float32)) for f in FRAMES]
STORAGES = [Storage(c, d) for c in ("none", "gzip", "lz4") for d in ("float32", "float16")]


@pytest.fixture(params=STORAGES, ids=lambda s: f"{s.compression}-{s.point_dtype}")
def stored(tmp_path, request):
    write_shard(tmp_path / "a.h5", FRAMES, 64, "Town03", "CLEAR", storage=request.param)
    return tmp_path / "a.h5", request.param


def test_every_storage_gives_the_frames_back(stored):
    path, storage = stored
    shard = read_shard(path)
    assert_holds(shard, ROUNDED if storage.point_dtype == "float16" else FRAMES, 64)
    assert {name: getattr(shard, name).dtype for name in PER_FRAME} == {
        "image": np.uint8,
        "points": np.float32,
        "point_class": np.uint8,
        "pixel_class": np.uint8,
        "depth_m": np.float16,
    }
    for name in PER_FRAME:
        mapped = storage.compression == "none" and (name, storage.point_dtype) != ("points", "float16")
        assert is_mapped(getattr(shard, name)[1]) == mapped, name


def test_equal_frames_make_equal_bytes(stored, tmp_path):
    path, storage = stored
    write_shard(tmp_path / "b" / "a.h5", FRAMES, 64, "Town03", "CLEAR", storage=storage)
    assert path.read_bytes() == (tmp_path / "b" / "a.h5").read_bytes()


def test_the_fingerprint_is_of_the_content_not_of_its_packing(tmp_path):
    prints = {}
    for storage in STORAGES:
        write_shard(tmp_path / "a.h5", FRAMES, 64, storage=storage)
        prints[storage] = read_shard(tmp_path / "a.h5").fingerprint
    assert len({prints[s] for s in STORAGES if s.point_dtype == "float32"}) == 1
    assert len({prints[s] for s in STORAGES if s.point_dtype == "float16"}) == 1
    assert len(set(prints.values())) == 2


def test_compression_makes_files_smaller(tmp_path):
    sizes = {}
    plain = [replace(f, image=np.full((8, 12, 3), 7, np.uint8)) for f in [frame(i + 1) for i in range(40)]]
    for compression in ("none", "gzip", "lz4"):
        write_shard(tmp_path / "a.h5", plain, 2048, storage=Storage(compression))
        sizes[compression] = (tmp_path / "a.h5").stat().st_size
    assert sizes["gzip"] < sizes["none"] / 3 and sizes["lz4"] < sizes["none"] / 3


def test_batches_are_the_same(stored, tmp_path):
    path, storage = stored
    write_shard(tmp_path / "plain.h5", ROUNDED if storage.point_dtype == "float16" else FRAMES, 64)
    batch, expected = (ShardDataset([read_shard(p)]).__getitems__([2, 0]) for p in (path, tmp_path / "plain.h5"))
    assert all(torch.equal(one, other) for one, other in zip(batch.tensors(), expected.tensors(), strict=True))


def test_threads_read_side_by_side(stored):
    shard = read_shard(stored[0])
    expected = [np.array(image) for image in shard.image]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: np.array(shard.image[i % 3]), range(60)))
    assert all(np.array_equal(image, expected[i % 3]) for i, image in enumerate(found))


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_shards_take_no_open_file_and_no_lock(tmp_path, compression):
    path = tmp_path / "a.h5"
    write_shard(path, FRAMES, 64, storage=Storage(compression))
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        before = list(Path("/proc/self/fd").iterdir())
        shards = [read_shard(path) for _ in range(20)]
        assert list(Path("/proc/self/fd").iterdir()) == before
    path.unlink()
    with no_more_files():
        assert all(np.array_equal(shard.image[1], FRAMES[1].image) for shard in shards)


def test_it_travels_between_processes_as_its_path(stored):
    shard = read_shard(stored[0])
    data = pickle.dumps(shard)
    assert len(data) < 1000 and np.array_equal(pickle.loads(data).points[1], shard.points[1])


def test_damage_in_a_compressed_array_is_found_when_opened(tmp_path):
    path = tmp_path / "a.h5"
    write_shard(path, FRAMES, 64, storage=Storage("gzip"))
    with h5py.File(path, "r+") as file:
        file["image"][1, 2, 3, 0] ^= 1
    with pytest.raises(DataError, match=r"damaged .*\(image does not match its checksum\)"):
        read_shard(path)
    assert len(read_shard(path, verify=False)) == 3


def test_broken_compressed_bytes_are_named_when_opened(tmp_path):
    path = tmp_path / "a.h5"
    write_shard(path, FRAMES, 64, storage=Storage("gzip"))
    with h5py.File(path) as file:
        place = file["image"].id.get_chunk_info(1)
    data = bytearray(path.read_bytes())
    data[place.byte_offset : place.byte_offset + place.size] = b"\xff" * place.size
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"damaged or truncated .*run `dvc repro preprocess`"):
        read_shard(path)


@pytest.mark.parametrize("compression", ["none", "gzip", "lz4"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, compression):
    path, storage = tmp_path / "a.h5", Storage(compression)
    write_shard(path, FRAMES, 64, storage=storage)
    whole = path.read_bytes()
    path.unlink()
    for room in range(0, len(whole), 1000):
        with file_size_limit(room), pytest.raises(DataError, match=r"a\.h5: cannot be written .*check disk space"):
            write_shard(path, FRAMES, 64, storage=storage)
        assert list(tmp_path.iterdir()) == []
    write_shard(path, FRAMES, 64, storage=storage)
    assert path.read_bytes() == whole


def test_points_beyond_float16_are_refused(tmp_path):
    far = frame(1)
    far.points[3, 0] = 70_000
    with pytest.raises(DataError, match=r"a\.h5: .*frame 1's points is beyond float16.*preprocess\.point_dtype"):
        write_shard(tmp_path / "a.h5", [far], 64, storage=Storage(point_dtype="float16"))
    assert list(tmp_path.iterdir()) == []


def test_without_its_package_lz4_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "hdf5plugin":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda _: False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"needs hdf5plugin; install it .* or set preprocess\.compression"):
        write_shard(tmp_path / "a.h5", FRAMES, 64, storage=Storage("lz4"))


KEYS = (2, -1, np.int64(1), (0, slice(9)), (2, slice(None), 1), slice(1, 3), (..., 0), [2, 0], [True, False, True])


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_rows_are_indexed_like_an_array(stored, key):
    rows = read_shard(stored[0]).points
    array = np.array(list(rows))
    assert (rows.shape, rows.ndim, len(rows), rows.dtype) == (array.shape, 3, 3, array.dtype)
    assert np.array_equal(rows[key], array[key]) and rows[key].dtype == np.float32


def test_rows_beyond_the_end_are_refused_as_an_arrays_are(stored):
    with pytest.raises(IndexError):
        read_shard(stored[0]).image[3]
