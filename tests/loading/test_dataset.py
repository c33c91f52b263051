"""Batches hold what the shards hold, whoever reads them: the dataset, its DataLoader, or worker processes."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from lib.loading.dataset import FrameRef, ShardDataset, as_read, batches
from lib.shards.index import read_index
from lib.shards.shard_reader import read_shard
from tests.shard_data import write_street_shards

CPU = torch.device("cpu")
FRAMES = [FrameRef(shard, index) for shard in range(3) for index in range(4)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_street_shards(folder, normality=3, static=0, frames=4)
    return [read_shard(folder / entry.file) for entry in read_index(folder)]


def read(shards, refs):
    return ShardDataset(shards, refs).__getitems__(range(len(refs)))


def equal(batch, other):
    return all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(batch.tensors(), other.tensors(), strict=True))


@given(st.lists(st.sampled_from(FRAMES), max_size=20), st.integers(1, 7))
def test_batches_come_in_order_and_the_last_may_be_smaller(shards, order, batch_size):
    expected = [read(shards, order[i : i + batch_size]) for i in range(0, len(order), batch_size)]
    found = list(batches(shards, order, batch_size, CPU))
    assert all(equal(batch, other) for batch, other in zip(found, expected, strict=True))


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


def test_a_dataset_is_a_map_style_dataset_of_torch(shards):
    dataset = ShardDataset(shards)
    assert len(dataset) == 12 and dataset.frames == tuple(FRAMES)
    assert equal(dataset[5], read(shards, [FRAMES[5]]))
    loaded = list(DataLoader(dataset, batch_size=5, collate_fn=as_read))
    assert [len(batch.num_points_B) for batch in loaded] == [5, 5, 2]
    assert equal(loaded[1], read(shards, FRAMES[5:10]))


def test_worker_processes_read_the_same(shards):
    dataset = ShardDataset(shards, FRAMES)
    loader = DataLoader(dataset, batch_size=5, collate_fn=as_read, num_workers=2)
    assert all(equal(a, b) for a, b in zip(loader, batches(shards, FRAMES, 5, CPU), strict=True))


def test_a_dataset_can_be_sent_to_a_process_that_is_spawned(shards):
    dataset = pickle.loads(pickle.dumps(ShardDataset(shards, FRAMES)))
    assert equal(dataset[3], read(shards, [FRAMES[3]]))


def test_frame_bytes_are_those_of_a_batch(shards):
    (batch,) = batches(shards, FRAMES[:1], 1, CPU)
    assert ShardDataset(shards, FRAMES).frame_bytes == sum(np.asarray(tensor).nbytes for tensor in batch.tensors())


def test_a_frame_that_is_not_there_is_an_error(shards):
    with pytest.raises(IndexError):
        list(batches(shards, [FRAMES[0], FrameRef(0, 99)], 1, CPU))
