"""The track head learns from re-timed tracks to tell full braking from gentle braking, and is the same each time."""

from dataclasses import replace

import pytest
import torch

from lib.common.ticks import HISTORY_TICKS
from lib.model.track_head import SILENT, TrackHead
from lib.training import track_training
from lib.training.recipe import Recipe
from lib.training.track_training import train_track_head
from tests.all_params import all_params
from tests.views.streets import GRID

RECIPE = Recipe(all_params().train, GRID, torch.device("cpu"), "float32", fastest_mps=20.0)


def tracks(acceleration_mps2, count=400, seed=1):
    """Places of vehicles at 4 to 14 m/s now, with noise of 1 cm; a fifth is known for half a second only."""
    generator = torch.Generator().manual_seed(seed)
    ago_s = torch.arange(HISTORY_TICKS + 1) / 10
    speed_mps = 4 + 10 * torch.rand(count, 1, generator=generator)
    places_m = -speed_mps * ago_s + acceleration_mps2 * ago_s**2 / 2
    places_m = places_m + 0.01 * torch.randn(places_m.shape, generator=generator)
    places_m = places_m - places_m[:, :1]
    places_m[: count // 5, 6:] = torch.nan
    return places_m


def trained(recipe=RECIPE, places_m=None):
    torch.manual_seed(0)
    head = TrackHead()
    places_m = tracks(0.0) if places_m is None else places_m
    train_track_head(head, places_m, torch.full((len(places_m),), 12.0), recipe)
    return head


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(track_training, "STEPS", 300)
    monkeypatch.setattr(track_training, "ROWS", 512)


def test_full_braking_is_told_from_all_else():
    head, range_m = trained(), torch.full((400,), 12.0)
    with torch.no_grad():
        logits = {a: head(tracks(a, seed=2), range_m) for a in (-8.0, -3.0, 0.0, 3.0)}
    assert all(each.isfinite().all() for each in logits.values())
    lowest = logits[-8.0].quantile(0.05)
    assert all(lowest > logits[a].quantile(0.95) for a in (-3.0, 0.0, 3.0))


def test_the_head_is_frozen_and_depends_on_the_seed_alone():
    here, again = trained(), trained()
    other = trained(replace(RECIPE, params=RECIPE.params.model_copy(update={"seed": 2})))
    assert not any(value.requires_grad for value in here.parameters())
    pairs = list(zip(here.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs) and not all(torch.equal(a, c) for a, _, c in pairs)


def test_without_a_track_it_never_says_that_a_vehicle_brakes():
    head = trained(places_m=torch.empty(0, HISTORY_TICKS + 1))
    assert (head(tracks(-8.0), torch.full((400,), 12.0)) < SILENT / 2).all()
    assert not any(value.requires_grad for value in head.parameters())
