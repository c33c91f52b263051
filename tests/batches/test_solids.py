import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.batches.solids import contains, first_hit, moved, random_solids


def solids_and_rays(seed, frames=3, rays=400):
    generator = torch.Generator().manual_seed(seed)
    center = torch.rand(frames, 3, generator=generator) * 4 + torch.tensor([6.0, -2.0, -1.0])
    extent = 0.4 + 3 * torch.rand(frames, 3, generator=generator)
    solids = random_solids(center, extent, generator)
    aim = center[..., None] + extent[..., None] * (torch.rand(frames, 3, rays, generator=generator) - 0.5)
    return solids, aim, extent


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_hit_is_the_first_point_inside(seed):
    solids, direction, _ = solids_and_rays(seed)
    t, normal = first_hit(solids, torch.zeros_like(direction), direction)
    hit = torch.isfinite(t)
    assert hit.any()
    length = direction.square().sum(1).sqrt()
    step = 2e-3 / length
    assert contains(solids, direction * (t + step)[:, None])[hit].float().mean() > 0.97
    assert not contains(solids, direction * (t - step).nan_to_num(0)[:, None])[hit].any()
    facing = (normal * direction).sum(1)[hit]
    assert (facing < 1e-4).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_rays_that_miss_meet_no_inside(seed):
    solids, direction, _ = solids_and_rays(seed)
    t, _ = first_hit(solids, torch.zeros_like(direction), direction)
    missed = torch.isinf(t)
    for share in torch.linspace(0.5, 2.0, 61):
        assert not (contains(solids, direction * share) & missed).any()


def test_solids_stay_in_their_box_whatever_their_yaw():
    solids, _, extent = solids_and_rays(3, frames=64)
    generator = torch.Generator().manual_seed(1)
    reach = extent.amax(1) * 0.87
    outward = torch.nn.functional.normalize(torch.randn(64, 3, 500, generator=generator), dim=1)
    outside = solids.center_B3[..., None] + outward * (2 * reach)[:, None, None]
    assert not contains(solids, outside).any()


def test_moved_solids_are_hit_later():
    solids, direction, _ = solids_and_rays(5)
    by = torch.tensor([[100.0, 0.0, 0.0]]).expand(3, 3)
    t, _ = first_hit(moved(solids, by), torch.zeros_like(direction), direction)
    assert not (t < 5).any()
