import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.shards.shard_writer import as_float16


def test_every_ordinary_half_its_neighbours_and_its_ties():
    halves = np.arange(0x0400, 0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = (halves[1:] + halves[:-1]) / 2
    exact = np.concatenate([halves, ties])
    for values in (exact, np.nextafter(exact, np.float32(0)), np.nextafter(exact[:-1], np.float32(np.inf))):
        values = values[(values >= halves[0]) & (values <= halves[-1])]
        assert np.array_equal(as_float16(values), values.astype(np.float16))


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, min_side=0), elements=st.floats(-70_000, 70_000, width=32)))
@pytest.mark.filterwarnings("ignore:overflow")
def test_all_others_are_as_numpy_rounds_them(values):
    assert np.array_equal(as_float16(values), values.astype(np.float16))
