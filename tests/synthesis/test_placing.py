import torch

from lib.synthesis.families import TRAINING
from lib.synthesis.placing import MAX_EXTENT_M, MIN_EXTENT_M, SMALL_FILL, SMALL_WINDOW, Slot, draw_kinds, place
from lib.views.range_view import make_views
from tests.views.streets import GRID, HEIGHT_PX, flat_street

SLOTS = 3


def placed(frames=600, clean=0.0, seed=0):
    views, _ = make_views(flat_street(frames), GRID)
    seen = views.seen_BRC
    generator = torch.Generator().manual_seed(seed)
    kinds = draw_kinds(SLOTS, frames, clean, generator, torch.device("cpu"))
    everything = place(views, seen, kinds, TRAINING, generator)
    return views, [everything[slot * frames : (slot + 1) * frames] for slot in range(SLOTS)]


def is_solid(each):
    return (each.kind_B == Slot.BOTH) | (each.kind_B == Slot.GEOMETRY)


def height_px(views, each):
    return each.extent_B3.amax(1) * views.intrinsics_B4[:, 1] / each.anchor_B3[:, 0]


def test_only_the_first_slot_holds_what_is_large_in_the_image():
    views, (first, *others) = placed()
    limit_px = SMALL_FILL * HEIGHT_PX / SMALL_WINDOW
    large = height_px(views, first) > limit_px * 1.001
    assert 0.1 < large[is_solid(first)].float().mean() < 0.6
    for other in others:
        assert (height_px(views, other)[is_solid(other)] < limit_px * 1.001).all()


def test_sizes_of_all_slots_together_are_spread_evenly_by_their_logarithm():
    """As if each had been drawn without regard to its slot; none reaches what the image has room for."""
    _, slots = placed()
    extent_m = torch.cat([each.extent_B3.amax(1)[is_solid(each)] for each in slots])
    share = (extent_m / MIN_EXTENT_M).log() / torch.tensor(MAX_EXTENT_M / MIN_EXTENT_M).log()
    deciles = share.quantile(torch.linspace(0.1, 0.9, 9))
    assert (deciles - torch.linspace(0.1, 0.9, 9)).abs().max() < 0.08


def test_clean_frames_hold_nothing_anomalous_and_the_others_do():
    _, slots = placed(frames=80, clean=0.25)
    harmful = torch.stack([each.kind_B != Slot.NOTHING for each in slots])
    assert harmful.any(0).sum() == 60
    assert torch.equal(harmful.any(0), harmful[0])


def test_the_fraction_of_clean_frames_holds_for_every_size_but_the_smallest():
    generator = torch.Generator().manual_seed(0)
    for frames, expected in ((1, 0.0), (3, 0.0), (4, 0.25), (6, 0.25), (7, 0.25)):
        draws = [draw_kinds(SLOTS, frames, 0.25, generator, torch.device("cpu")) for _ in range(1000)]
        clean = torch.stack([(kinds == Slot.NOTHING).all(0) for kinds in draws])
        assert abs(clean.float().mean() - expected) < 0.03, frames
        assert clean.sum(1).max() <= clean.sum(1).min() + 1


def test_anchors_lie_on_the_ground_within_reach():
    _, slots = placed(frames=50)
    for each in slots:
        distance_m = each.anchor_B3.square().sum(1).sqrt()
        assert (distance_m > 3.5).all() and (distance_m < 26).all()
        assert torch.allclose(each.anchor_B3[:, 2], torch.full((50,), -1.8), atol=1e-3)
