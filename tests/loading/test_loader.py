"""The same batches in every mode, in memory that is reused only when nobody looks at it any more."""

import gc
from collections.abc import Generator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.common.errors import ParamsError
from lib.loading.data_location import DataLocation
from lib.loading.frame_reader import FrameRef, read_batch
from lib.loading.loader import Loader, ReusedMemory, batches, open_loader
from lib.shards.index import read_index
from lib.shards.shard_reader import read_shard
from tests.shard_data import write_street_shards

CPU = torch.device("cpu")
MODES: tuple[DataLocation, ...] = ("stream", "memory", "device")
FRAMES = [FrameRef(shard, index) for shard in range(3) for index in range(4)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_street_shards(folder, normality=3, static=0, frames=4)
    return [read_shard(folder / entry.file) for entry in read_index(folder)]


@pytest.fixture(scope="module")
def loaders(shards):
    return [Loader(shards, FRAMES, CPU, mode) for mode in MODES]


@given(st.lists(st.sampled_from(FRAMES), max_size=20), st.integers(1, 7))
def test_every_mode_gives_the_batches_of_the_shards(shards, loaders, order, batch_size):
    expected = [read_batch(shards, order[i : i + batch_size]).tensors() for i in range(0, len(order), batch_size)]
    for loader in loaders:
        read = [batch.tensors() for batch in loader.batches(order, batch_size)]
        assert [[t.shape for t in batch] for batch in read] == [[t.shape for t in batch] for batch in expected]
        for ours, theirs in zip(read, expected, strict=True):
            assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))


def test_a_batch_holds_what_the_shards_hold(shards):
    order = [FRAMES[7], FRAMES[0], FRAMES[11]]
    (batch,) = batches(shards, order, 3, CPU)
    for row, ref in enumerate(order):
        shard = shards[ref.shard]
        assert (batch.image_BHW3[row].numpy() == shard.image[ref.index]).all()
        assert (batch.points_BP4[row].numpy() == shard.points[ref.index]).all()
        assert batch.num_points_B[row] == shard.num_points[ref.index]
        assert (batch.point_class_BP[row].numpy() == shard.point_class[ref.index]).all()
        assert (batch.pixel_class_BHW[row].numpy() == shard.pixel_class[ref.index]).all()
        assert (batch.depth_m_BHW[row].numpy() == shard.depth_m[ref.index]).all()
        assert batch.intrinsics_B4[row].tolist() == [48.0, 48.0, 48.0, 32.0]
        assert torch.equal(batch.camera_SE3_lidar_B44[row], torch.eye(4))


@pytest.mark.parametrize("mode", MODES)
def test_an_epoch_continues_anywhere(shards, mode):
    loader = Loader(shards, FRAMES, CPU, mode)
    whole = list(loader.batches(FRAMES, 5))
    rest = list(loader.batches(FRAMES[5:], 5))
    for ours, theirs in zip(rest, whole[1:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours.tensors(), theirs.tensors(), strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_what_a_caller_still_holds_is_never_overwritten(shards, mode):
    """Even a single tensor that looks at part of a batch keeps that batch's memory."""
    loader = Loader(shards, FRAMES, CPU, mode)
    corners = [batch.image_BHW3[:, :2, :2] for _ in range(5) for batch in loader.batches(FRAMES, 2)]
    wanted = torch.cat([torch.from_numpy(shards[ref.shard].image[ref.index][None, :2, :2].copy()) for ref in FRAMES])
    assert torch.equal(torch.cat(corners), wanted.repeat(5, 1, 1, 1))


@pytest.mark.parametrize("mode", MODES)
def test_a_frame_may_be_named_more_than_once(shards, mode):
    refs = [FRAMES[3], FRAMES[1], FRAMES[3], FRAMES[8]]
    (batch,) = Loader(shards, refs, CPU, mode).batches(refs, 4)
    assert torch.equal(batch.image_BHW3, read_batch(shards, refs).image_BHW3)


def test_an_epoch_left_early_ends_its_thread(shards):
    import threading

    unfinished = Loader(shards, FRAMES, CPU, "stream").batches(FRAMES, 2)
    assert isinstance(unfinished, Generator)
    next(unfinished)
    assert any(thread.name.startswith("loader") for thread in threading.enumerate())
    unfinished.close()
    assert not any(thread.name.startswith("loader") for thread in threading.enumerate())


def test_memory_is_used_again_once_the_last_tensor_is_gone():
    memory = ReusedMemory()
    first = memory.allocate((4, 8), torch.float32)
    place, part = first.data_ptr(), first[2:].flatten()
    second = memory.allocate((4, 8), torch.float32)
    assert second.data_ptr() != place
    del first
    gc.collect()
    third = memory.allocate((4, 8), torch.float32)
    assert third.data_ptr() not in (place, second.data_ptr())
    del part
    gc.collect()
    assert memory.allocate((32,), torch.float32).data_ptr() == place


def test_a_thousand_batches_need_the_memory_of_a_few(shards):
    loader = Loader(shards, FRAMES, CPU, "stream")
    places = {batch.image_BHW3.data_ptr() for _ in range(50) for batch in loader.batches(FRAMES, 2)}
    assert len(places) <= 8


def test_an_error_of_the_reading_thread_reaches_the_caller(shards):
    with pytest.raises(IndexError):
        list(batches(shards, [FRAMES[0], FrameRef(0, 99)], 1, CPU))


def test_small_data_is_kept_in_memory_and_the_loader_says_so(shards):
    loader, sentence = open_loader(shards, FRAMES, CPU, "auto")
    assert loader.data_location == "memory"
    assert "kept in main memory" in sentence


def test_data_that_does_not_fit_is_refused_when_asked_to_be_kept(shards, monkeypatch):
    monkeypatch.setattr("lib.loading.data_location.free_memory", lambda: 1000)
    assert open_loader(shards, FRAMES, CPU, "auto")[0].data_location == "stream"
    with pytest.raises(ParamsError, match=r"execution\.data_location: got 'memory', but .* do not fit in main memory"):
        open_loader(shards, FRAMES, CPU, "memory")


def test_frame_bytes_are_those_of_a_batch(shards):
    loader = Loader(shards, FRAMES, CPU, "stream")
    (batch,) = loader.batches(FRAMES[:1], 1)
    assert loader.window_frames == (2 << 30) // sum(np.asarray(tensor).nbytes for tensor in batch.tensors())
