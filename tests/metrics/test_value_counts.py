import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lib.metrics.value_counts import VALUES, ValueCounts

scores = st.lists(st.floats(width=16, allow_nan=False, allow_infinity=False), max_size=40)


def counted(parts):
    counts = ValueCounts()
    for scenario, part in parts:
        counts.add(scenario, np.array(part, dtype=np.float16))
    return counts


def test_values_ascend():
    finite = VALUES[np.isfinite(VALUES)]
    assert len(VALUES) == 65_536 and (np.diff(finite) >= 0).all() and (finite[0], finite[-1]) == (-65504, 65504)


@given(st.lists(st.tuples(st.integers(0, 3), scores), max_size=12))
def test_every_score_is_counted_once_with_its_scenario_however_it_comes(parts):
    parts = sorted(parts, key=lambda part: part[0])
    counts = counted(parts)
    total, every = counts.total(), np.array([score for _, part in parts for score in part], dtype=np.float32)
    held = np.flatnonzero(total)
    np.testing.assert_array_equal(VALUES[held], np.unique(every))
    np.testing.assert_array_equal(total[held], np.unique(every, return_counts=True)[1])
    below = (VALUES >= 0).astype(np.intp)
    for scenario, row in enumerate(counts.by_scenario(np.maximum.accumulate(below), 4)):
        own = np.array([score for number, part in parts if number == scenario for score in part])
        assert row.tolist() == [(own < 0).sum(), (own >= 0).sum()]
    assert counts.scenarios == len({number for number, part in parts if part})


def test_minus_zero_is_zero():
    total = counted([(0, [0.0, -0.0, -0.0])]).total()
    assert total.max() == 3 and VALUES[total.argmax()] == 0


def test_memory_does_not_grow_with_a_scenarios_length():
    counts = counted((0, np.random.default_rng(n).normal(size=500)) for n in range(60))
    assert len(counts._parts) == 1 and counts.total().sum() == 30_000
