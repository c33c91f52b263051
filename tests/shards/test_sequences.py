"""Windows of the past, cut from shards whose ticks are missing, twice there, unsorted, or of another rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.geometry.frame import ScenarioType
from lib.shards.sequences import NO_FRAME, is_drive, is_sequence, ticks_of, window_of
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard
from tests.shards.test_shards import frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sequences")


def shard_at(folder, times_s, kind=ScenarioType.STATIC):
    write_shard(folder / "a.h5", [frame(1, 3, 1, kind, time_s=time_s) for time_s in times_s], 8)
    return read_shard(folder / "a.h5")


@pytest.mark.parametrize(
    ("times_s", "ticks"),
    [
        ([88.0, 88.1, 88.2], [0, 1, 2]),
        ([88.0, 88.3, 88.4], [0, 3, 4]),  # ticks that are missing stay missing
        ([88.0, 88.1, 88.1, 88.2], [0, 1, 1, 2]),
        ([88.2, 88.0, 88.1], [2, 0, 1]),  # a clock that goes back
        ([0.0, 0.5, 1.0], [0, 5, 10]),
        ([0.0, 0.05, 0.1, 0.15, 0.2], [0, NO_FRAME, 1, NO_FRAME, 2]),  # 20 Hz: every other frame
        ([0.0, 0.1, 0.16, 0.2], [0, 1, NO_FRAME, 2]),
        ([1.7e9, 1.7e9 + 0.1, 1.7e9 + 0.2], [0, 1, 2]),
        ([5.0], [0]),
        ([0.0, 0.01, 0.02, 0.11], [0, 0, 0, 1]),
    ],
)
def test_ticks_are_counted_by_time(folder, times_s, ticks):
    found = ticks_of(shard_at(folder, times_s))
    assert found is not None and found.tolist() == ticks


def test_a_slow_clock_stays_on_the_grid(folder):
    """As KITTI's, whose LiDAR turns in 0.1037 s."""
    found = ticks_of(shard_at(folder, [0.1037 * number for number in range(40)]))
    assert found is not None and found.tolist() == list(range(40))


@pytest.mark.parametrize("times_s", [[None, None], [0.0, None, 0.2]])
def test_without_times_there_are_no_ticks(folder, times_s):
    shard = shard_at(folder, times_s)
    assert ticks_of(shard) is None and not is_sequence(shard)


@pytest.mark.parametrize(
    ("kind", "ticks", "sequence", "drive"),
    [
        (ScenarioType.NORMALITY, range(11), True, True),
        (ScenarioType.NORMALITY, range(10), False, False),
        (ScenarioType.DYNAMIC, range(11), True, True),
        (ScenarioType.DYNAMIC, range(0, 55, 5), False, False),
        (ScenarioType.STATIC, range(11), True, False),
        (ScenarioType.UNLABELLED, range(11), True, False),
    ],
)
def test_which_shards_are_sequences_and_drives(folder, kind, ticks, sequence, drive):
    shard = shard_at(folder, [0.1 * tick for tick in ticks], kind)
    assert is_sequence(shard) is sequence and is_drive(shard) is drive


@pytest.mark.parametrize(
    ("ticks", "window"),
    [
        ([0, 1, 2, 3], [[0, -1, -1], [1, 0, -1], [2, 1, -1], [3, 2, 0]]),
        ([0, 2, 3], [[0, -1, -1], [1, -1, -1], [2, 1, 0]]),
        ([0, 0, 1], [[0, -1, -1], [1, -1, -1], [2, 0, -1]]),
        ([3, NO_FRAME, 0], [[0, -1, 2], [-1, -1, -1], [2, -1, -1]]),
    ],
)
def test_windows_hold_the_frames_so_many_ticks_ago(ticks, window):
    assert window_of(np.array(ticks), [0, 1, 3]).tolist() == window
    assert window_of(np.array(ticks), []).shape == (len(ticks), 0)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=12), st.lists(st.integers(0, 6), max_size=4))
def test_each_window_is_what_a_search_finds(ticks, lags):
    found = window_of(np.array(ticks), lags)
    for index, tick in enumerate(ticks):
        for column, lag in enumerate(lags):
            earlier = [place for place, other in enumerate(ticks) if other == tick - lag]
            expected = index if lag == 0 else earlier[0] if earlier else NO_FRAME
            assert found[index, column] == expected
