import pytest
import torch

from lib.synthesis.families import TRAINING, VALIDATION
from lib.synthesis.pseudo_anomalies import Mix, paste_pseudo_anomalies
from lib.synthesis.validation_solids import random_validation_solids
from lib.synthesis.validation_textures import COLORS, random_validation_textures
from lib.views.range_view import make_views
from tests.synthesis.solid_points import contains
from tests.views.streets import GRID, HEIGHT_PX, WIDTH_PX, flat_street

FRAMES = 300


def solids_of(families, seed=0):
    generator = torch.Generator().manual_seed(seed)
    extent = 0.4 + 3 * torch.rand(FRAMES, 3, generator=generator)
    return families.solids(torch.zeros(FRAMES, 3), extent, generator), extent


def rounded(families):
    """Which parts (FRAMES, M) show some of the ball that they are cut from."""
    solids, _ = solids_of(families)
    generator = torch.Generator().manual_seed(1)
    on_ball = torch.nn.functional.normalize(torch.randn(3, 3000, generator=generator), dim=0)
    left = (solids.normal_BMQ3 @ on_ball <= solids.offset_BMQ[..., None]).all(dim=2)
    return left.any(dim=-1)


def test_training_never_draws_a_validation_shape_nor_the_other_way_round():
    """Training's parts are balls with cuts, stretched: some of the ball shows. Validation's are faceted all over."""
    assert rounded(TRAINING).float().mean() > 0.97
    assert not rounded(VALIDATION).any()


def texture_sheet(families, seed=0, frames=60):
    """Colours on a fine square grid [m]: (frames, 3, 80, 80), of objects of 2 m."""
    generator = torch.Generator().manual_seed(seed)
    draw = families.textures(torch.full((frames, 3), 2.0), torch.ones(frames, dtype=torch.bool), generator)
    line = torch.linspace(-0.8, 0.8, 80)
    offset = torch.stack([*torch.meshgrid(line, line, indexing="ij"), torch.full((80, 80), 0.1)])
    return draw.colors(offset.flatten(1).expand(frames, 3, -1).contiguous()).view(frames, 3, 80, 80)


def textures(seed=0, frames=60):
    """The validation textures that texture_sheet draws with the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return random_validation_textures(torch.full((frames, 3), 2.0), torch.ones(frames, dtype=torch.bool), generator)


def spread_of_shift(sheet):
    """How much of a sheet's variance remains between neighbours 10 cm apart (frames,)."""
    step = (sheet[..., 5:] - sheet[..., :-5]).square().mean((1, 2, 3))
    return step / sheet.flatten(2).var(2).mean(1).clamp(min=1e-6)


def test_validation_textures_are_none_of_trainings():
    """Each kind of validation's changes more within centimetres than training's do as a rule."""
    training, validation = texture_sheet(TRAINING), texture_sheet(VALIDATION)
    kind = textures().kind_B
    assert (validation.flatten(2).var(2).sum(1) > 1e-4).all(), "none is plain"
    assert validation.min() >= 0 and validation.max() <= 1
    usual = spread_of_shift(training).median()
    for number in range(3):
        assert spread_of_shift(validation[kind == number]).median() > 2 * usual, number


def test_halves_of_tiles_have_colors_of_their_own_and_no_row_comes_again():
    drawn = textures(frames=40)
    for number in (drawn.kind_B == 1).nonzero().flatten().tolist():
        one = drawn[number : number + 1]
        line = (torch.arange(24) - 12).repeat_interleave(2)
        place = torch.stack([*torch.meshgrid(line + 0.0, line + 0.0, indexing="ij"), torch.zeros(48, 48)])
        place[0, ::2] += 0.1  # both sides of either diagonal, in each tile
        place[0, 1::2] += 0.9
        place[1] += 0.5
        axes = one.axes_B33[0] * one.tiles_B
        offset = (torch.linalg.inv(axes) @ place.flatten(1))[None]
        colors = one.colors(offset).view(3, 48, 48)
        halves = (colors[:, ::2] != colors[:, 1::2]).any(0)
        assert 0.7 < halves.float().mean() < 0.97
        assert len(colors[:, ::2, ::2].permute(1, 2, 0).reshape(24, -1).unique(dim=0)) == 24


def test_mosaics_and_speckles_have_more_colors_than_training_mixes():
    sheet, kind = texture_sheet(VALIDATION), textures().kind_B
    for number in (1, 2):
        for each in sheet[kind == number]:
            assert 4 <= len(each.flatten(1).unique(dim=1).T) <= COLORS


def test_validation_solids_stay_in_their_box():
    generator = torch.Generator().manual_seed(2)
    extent = 0.4 + 3 * torch.rand(FRAMES, 3, generator=generator)
    solids = random_validation_solids(torch.zeros(FRAMES, 3), extent, generator)
    inside = (torch.rand(FRAMES, 3, 3000, generator=generator) - 0.5) * 2 * extent[..., None]
    found = contains(solids, inside)
    assert found.any(1).float().mean() > 0.95
    assert not (found & (inside.abs() > extent[..., None] / 2).any(1)).any()


@pytest.mark.parametrize("families", [TRAINING, VALIDATION])
def test_both_families_are_the_same_in_both_sensors(families):
    views, _ = make_views(flat_street(64), GRID)
    mix = Mix(2, 0.0, misfit_fraction=0.5)
    views, targets = paste_pseudo_anomalies(views, GRID, mix, families, torch.Generator().manual_seed(3))
    uv, seen = views.projection
    u = uv[:, 0].floor().long().clamp(0, WIDTH_PX - 1)
    v = uv[:, 1].floor().long().clamp(0, HEIGHT_PX - 1)
    frame = torch.arange(len(u))[:, None, None].expand_as(u)
    inner = -torch.nn.functional.max_pool2d(-(targets.pixel_BHW == 1).float()[:, None], 3, 1, 1)[:, 0]
    inside = seen & (targets.cell_BRC != 255) & (inner[frame, v, u] == 1)
    assert inside.sum() > 50
    assert (targets.cell_BRC == 1)[inside].float().mean() > 0.93
