"""Every frame once, the same order for the same seed and epoch, few blocks at a time where the data is large."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lib.loading.dataset import FrameRef
from lib.loading.order import BLOCK_FRAMES, WINDOW_BYTES, blocks, shuffled, window_frames

shard_lengths = st.lists(st.integers(1, 60), min_size=1, max_size=8)
windows = st.integers(BLOCK_FRAMES, 200)


def frames_of(lengths):
    return [FrameRef(shard, index) for shard, length in enumerate(lengths) for index in range(length)]


@given(shard_lengths, st.integers(0, 2**32 - 1), st.integers(1, 5), windows)
def test_every_frame_comes_once_in_the_order_of_seed_and_epoch(lengths, seed, epoch, window):
    refs = frames_of(lengths)
    order = shuffled(refs, seed, epoch, window)
    assert sorted(order) == list(range(len(refs)))
    assert order == shuffled(refs, seed, epoch, window)


@given(shard_lengths, st.integers(0, 2**32 - 1))
def test_data_of_one_window_is_shuffled_as_a_whole(lengths, seed):
    refs = frames_of(lengths)
    whole = np.random.default_rng([seed, 3]).permutation(len(refs)).tolist()
    assert shuffled(refs, seed, 3, len(refs)) == shuffled(refs, seed, 3, 10**6) == whole


@given(st.integers(40, 400), windows)
def test_a_window_holds_whole_blocks_of_large_data(length, window):
    """So that what is read within some time lies in few places: at most two blocks of a window are cut by its ends."""
    refs = frames_of([length] * 4)
    order = shuffled(refs, 1, 1, window)
    block_of = {place: number for number, block in enumerate(blocks(refs)) for place in block}
    size = {number: len(block) for number, block in enumerate(blocks(refs))}
    for start in range(0, len(order), window):
        mixed = [block_of[place] for place in order[start : start + window]]
        assert sum(mixed.count(number) < size[number] for number in set(mixed)) <= 2


def test_windows_mix_frames_of_many_shards():
    refs = frames_of([200] * 20)
    first = shuffled(refs, 1, 1, 512)[:512]
    assert len({refs[place].shard for place in first}) > 10
    assert first != sorted(first)
    assert shuffled(refs, 1, 1, 512) != shuffled(refs, 1, 2, 512) != shuffled(refs, 2, 2, 512)


@given(shard_lengths)
def test_blocks_are_neighbours_of_one_shard_and_leave_nothing_out(lengths):
    refs = frames_of(lengths)
    cut = blocks(refs)
    assert [place for block in cut for place in block] == list(range(len(refs)))
    for block in cut:
        assert len({refs[place].shard for place in block}) == 1 and 1 <= len(block) <= BLOCK_FRAMES


def test_no_frames_have_an_order_too():
    assert shuffled([], 1, 1, 100) == []


def test_a_window_is_two_gib_but_never_less_than_a_block():
    assert window_frames(4 << 20) == 512
    assert window_frames(WINDOW_BYTES) == BLOCK_FRAMES
