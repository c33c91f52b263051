"""What pasted objects take from the image around them: haze and noise."""

from dataclasses import replace

import pytest
import torch

from lib.common.labels import CAR, SKY
from lib.synthesis.appearance import blended, far_color, haze_density, image_noise
from lib.synthesis.targets import no_targets
from lib.training.augmentation import augment
from lib.views.range_view import make_views
from tests.views.streets import GRID, flat_street


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def street(frames=4):
    """A flat street with a wall across it, 40 m ahead."""
    views, _ = make_views(flat_street(frames), GRID)
    wall = torch.zeros_like(views.pixel_class_BHW, dtype=torch.bool)
    wall[:, 20:36, 10:80] = True
    return replace(
        views,
        depth_m_BHW=torch.where(wall, 40.0, views.depth_m_BHW),
        pixel_class_BHW=torch.where(wall, CAR, views.pixel_class_BHW).to(torch.uint8),
    )


@pytest.mark.parametrize("density", [0.0, 0.01, 0.04])
def test_the_density_of_fog_is_found(density):
    views = street()
    fog = torch.tensor([0.7, 0.7, 0.75])[:, None, None]
    veil = 1 - torch.exp(-density * views.depth_m_BHW)
    image = torch.where((views.pixel_class_BHW == SKY)[:, None], fog, torch.lerp(views.image_B3HW, fog, veil[:, None]))
    foggy = replace(views, image_B3HW=image)
    found = haze_density(foggy, far_color(foggy))
    assert found.flatten().tolist() == pytest.approx([density] * 4, abs=0.004)


def test_without_anything_at_a_middle_distance_no_haze_is_estimated():
    views, _ = make_views(flat_street(2), GRID)
    near = replace(views, depth_m_BHW=torch.full_like(views.depth_m_BHW, 8.0))
    assert (haze_density(near, far_color(near)) == 0).all()


@pytest.mark.parametrize("deviation", [0.005, 0.02, 0.04])
def test_the_image_noise_is_found(deviation):
    views = street()
    image = 0.4 + deviation * torch.randn(views.image_B3HW.shape, generator=generator())
    assert image_noise(replace(views, image_B3HW=image)).flatten().tolist() == pytest.approx([deviation] * 4, rel=0.1)


def test_what_is_pasted_is_as_noisy_as_the_image():
    grey, everywhere = torch.full((40, 3, 900), 0.5), torch.ones(40, 900, dtype=torch.bool)
    grains = torch.cat([torch.full((20, 1), 0.01), torch.full((20, 1), 0.04)])
    found = blended(grey, grey, everywhere, grains, (30, 30), generator()).flatten(1).std(1)
    assert found[:20].mean() == pytest.approx(0.009, rel=0.2) and found[20:].mean() == pytest.approx(0.036, rel=0.2)
    assert found[:20].min() > 0.0055 and found[20:].max() < 0.05


def test_fog_blur_and_noise_lie_over_everything_in_some_frames_alike():
    views = street(400)
    plain = replace(views, image_B3HW=torch.full_like(views.image_B3HW, 0.4))
    worn, _ = augment(plain, no_targets(plain), 0.15, generator())
    noise = (worn.image_B3HW[:, :, 58:, :] - worn.image_B3HW[:, :, 58:, :].mean((2, 3), keepdim=True)).flatten(1).std(1)
    assert 0.3 < (noise < 1e-3).float().mean() < 0.5 and 0.015 < noise.max() < 0.035
    sky, road = worn.image_B3HW[:, :, :8].mean((1, 2, 3)), worn.image_B3HW[:, :, 58:].mean((1, 2, 3))
    foggy = (sky - road).abs() > 0.03
    assert 0.05 < foggy.float().mean() < 0.2
