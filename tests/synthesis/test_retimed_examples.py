"""Examples of re-timed vehicles: earlier frames as training edits them, beside how they were."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.loading.dataset import FrameRef, batches
from lib.loading.shard_windows import windows_of
from lib.shards.index import open_entry, read_index
from lib.synthesis.retimed_examples import RETIMED_KINDS, retimed_examples
from lib.views.range_view import RangeGrid
from tests.followed_drive import FRAMES, GAP_M, write_followed_drives

GRID = RangeGrid(32, 1024, 288, 15.0, -25.0)
LAGS = (0, 2, 5, 10)


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    root = tmp_path_factory.mktemp("followed")
    write_followed_drives(root, 1)
    [shard] = [open_entry(root / "data" / "shards", entry) for entry in read_index(root / "data" / "shards")]
    windows = windows_of([shard], LAGS, root / "data" / "tracks")
    refs = [FrameRef(0, index) for index in range(12, FRAMES)]
    return next(batches([shard], refs, len(refs), torch.device("cpu"), windows))


def test_examples_are_what_their_kind_says(batch):
    found = list(retimed_examples(batch, GRID, 25.0, 2))
    assert list(dict.fromkeys(example.kind for example in found)) == list(RETIMED_KINDS) and len(found) > 4
    for example in found:
        assert example.ago_s == (0.2, 0.5, 1.0) and len(example.original) == len(example.edited) == 3
        assert all(abs(moment.vehicle_m - GAP_M) < 0.7 for moment in (example.now, *example.original))
        assert any(not np.array_equal(a.image, b.image) for a, b in zip(example.original, example.edited, strict=True))
        assert example.now.cells.any() and example.now.image.shape[0] == 2 * example.edited[0].image.shape[0]
        nearer_m = [a.vehicle_m - b.vehicle_m for a, b in zip(example.original, example.edited, strict=True)]
        if example.kind != "other speed (normal)":
            assert nearer_m[2] > 0.1 and nearer_m[2] >= nearer_m[0] - 0.1
    fully, usual = ([each.edited[2].vehicle_m for each in found if each.kind == kind] for kind in RETIMED_KINDS[:2])
    assert min(fully) < min(usual)


def test_the_same_each_time(batch):
    first, again = (list(retimed_examples(batch, GRID, 25.0, 1)) for _ in range(2))
    for ours, theirs in zip(first, again, strict=True):
        assert ours.text == theirs.text
        assert all(np.array_equal(a.image, b.image) for a, b in zip(ours.edited, theirs.edited, strict=True))


def test_a_vehicle_that_is_not_followed_is_no_example(batch):
    lost = replace(batch, past=replace(batch.past, places_m_BT=torch.full_like(batch.past.places_m_BT, torch.nan)))
    assert not list(retimed_examples(lost, GRID, 25.0, 1))
