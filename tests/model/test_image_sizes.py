"""Images and range views whose sides are no multiples of the networks' strides: every pixel keeps its place."""

from dataclasses import replace

import pytest
import torch

from lib.common.labels import CAR, NORMAL_IDS, ROAD, SKY, TERRAIN
from lib.inference.scores import also_without_image, score_both_ways, scores_of, upsampled
from lib.model.blocks import BatchNorm, ConvNorm
from lib.model.detector import DetectorConfig, Logits, build_detector, quarter_size
from lib.model.sampling import cells_in_image, sample_image
from lib.synthesis.families import TRAINING
from lib.synthesis.pseudo_anomalies import Mix, paste_pseudo_anomalies
from lib.synthesis.targets import UNSURE
from lib.training.augmentation import augment
from lib.training.losses import _quarter_targets, detection_loss, segmentation_loss
from lib.views.mirror import mirrored
from lib.views.range_view import RangeGrid, make_views
from tests.all_params import all_params
from tests.present import present
from tests.views.streets import GRID, HEIGHT_PX, WIDTH_PX, flat_street

ODD_GRID = RangeGrid(rows=31, columns=255, visible_columns=79, upper_fov_deg=15.0, lower_fov_deg=-25.0)
VARIANTS = [
    *(("image", "none"), ("lidar", "none"), ("concat", "none")),
    *(("cross_attention", encoding) for encoding in ("none", "sine", "learned")),
]
SIZES = [(63, 97), (64, 97), (62, 96), (5, 7), (1, 1)]
PREDICT, TRAIN = all_params().predict, all_params().train


def street(size, frames=2):
    """A flat street in another resolution."""
    batch, (height, width) = flat_street(frames), size
    rows = (torch.arange(height) + 0.5).mul(HEIGHT_PX / height).long()
    columns = (torch.arange(width) + 0.5).mul(WIDTH_PX / width).long()
    x, y = width / WIDTH_PX, height / HEIGHT_PX
    return replace(
        batch,
        image_BHW3=batch.image_BHW3[:, rows][:, :, columns],
        pixel_class_BHW=batch.pixel_class_BHW[:, rows][:, :, columns],
        depth_m_BHW=batch.depth_m_BHW[:, rows][:, :, columns],
        intrinsics_B4=batch.intrinsics_B4 * torch.tensor([x, y, x, y]),
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("fusion", "encoding"), VARIANTS)
def test_every_variant_trains_and_scores(fusion, encoding, size):
    torch.manual_seed(0)
    grid = ODD_GRID if size[1] % 2 else GRID
    config = DetectorConfig(fusion, 4, 4, 8, grid.rows, grid.columns, grid.upper_fov_deg, grid.lower_fov_deg, encoding)
    detector = build_detector(config)
    generator = torch.Generator().manual_seed(0)
    frames = 1 if size == (1, 1) else 2
    views, cell_BP = make_views(street(size, frames), grid)
    mix = Mix(3, 0.25, misfit_fraction=0.5)
    pasted, targets = augment(*paste_pseudo_anomalies(views, grid, mix, TRAINING, generator), 0.15, generator)
    loss = detection_loss(detector(pasted), pasted, targets, TRAIN) + segmentation_loss(detector(pasted), pasted)
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, list(detector.parameters())))
    with torch.inference_mode():
        scorer = also_without_image(detector.eval(), config.fuses, PREDICT)
        scores = scores_of(score_both_ways(scorer, views), views, cell_BP, PREDICT)
    assert scores.pixel_BHW.shape == (frames, *size)
    assert all(values.isfinite().all() for values in (scores.point_BP, scores.pixel_BHW, scores.frame_B))


@pytest.mark.parametrize("width", range(93, 101))
@pytest.mark.parametrize("stride", [2, 4])
def test_a_projection_reads_its_own_place_of_a_map(stride, width):
    """The map holds the columns of its cells' middles [px], so that what is read is the column asked for."""
    cells = -(-width // stride)
    middles_px = stride * torch.arange(cells) + stride / 2
    features = middles_px.expand(1, 1, 3, cells).contiguous()
    u = torch.arange(stride / 2, middles_px[-1], 0.75)
    uv = torch.stack([u, torch.full_like(u, 5.0)]).view(1, 2, 1, -1)
    found = sample_image(features, uv, torch.ones(1, 1, len(u), dtype=torch.bool), stride)
    torch.testing.assert_close(found.flatten(), u)


@pytest.mark.parametrize("width", range(93, 101))
def test_a_point_falls_into_the_image_cell_that_covers_its_pixel(width):
    u = torch.arange(width) + 0.5
    uv = torch.stack([u, torch.full_like(u, 62.5)]).view(1, 2, 1, -1)
    means = cells_in_image(u.view(1, 1, 1, -1), uv, torch.ones(1, 1, width, dtype=torch.bool), (63, width), 4)
    expected = [torch.arange(first, min(first + 4, width)).add(0.5).mean().item() for first in range(0, width, 4)]
    assert means.shape == (1, 1, 16, len(expected))
    assert means[0, 0, 15].tolist() == expected and not means[0, 0, :15].any()


@pytest.mark.parametrize("width", range(93, 101))
def test_quarter_size_pixels_become_the_pixels_that_they_cover(width):
    middles_px = 4.0 * torch.arange(-(-width // 4)) + 2
    columns = upsampled(middles_px.expand(1, 16, -1), (63, width))[0]
    assert columns.shape == (63, width)
    inside = slice(2, int(middles_px[-1]))
    torch.testing.assert_close(columns[:, inside], (torch.arange(width) + 0.5)[inside].expand(63, -1))


def test_labels_of_quarter_size_pixels_are_those_of_the_pixels_that_there_are():
    classes = torch.full((1, 6, 9), ROAD)
    classes[0, 2, 2], classes[0, 5, 8], classes[0, 2, 8], classes[0, 5, 2] = CAR, SKY, TERRAIN, CAR
    assert quarter_size(classes).tolist() == [[[CAR, ROAD, TERRAIN], [CAR, ROAD, SKY]]]
    marks = torch.zeros(1, 6, 9, dtype=torch.uint8)
    marks[0, :, 8], marks[0, 4:, 4:6], marks[0, 0, 4] = 1, 1, UNSURE
    anomalous, normal = _quarter_targets(marks)
    assert anomalous.tolist() == [[[False, False, True], [False, True, True]]]
    assert normal.tolist() == [[[True, False, False], [True, False, False]]]


@pytest.mark.parametrize("width", range(93, 101))
def test_pixels_judged_in_the_mirror_image_come_back_to_their_place(width):
    views, _ = make_views(street((63, width)), GRID)
    middles_px = 4.0 * torch.arange(-(-width // 4)) + 2

    def scorer(seen):
        """Tell where in the street each place is, also when it is seen in the mirror."""
        flipped = torch.equal(seen.image_B3HW, mirrored(views).image_B3HW)
        place = width - middles_px if flipped else middles_px
        pixels, classes = place.expand(2, 16, -1), place.expand(2, len(NORMAL_IDS), 16, -1)
        return Logits(torch.zeros(2, 32, 80), torch.zeros(2, len(NORMAL_IDS), 32, 80), pixels, classes, torch.zeros(2))

    found = score_both_ways(scorer, views)
    for values in (found.pixel_Bhw, found.pixel_class_BShw):
        expected = middles_px[:-1].expand(*values.shape[:-1], -1)
        torch.testing.assert_close(values[..., :-1], expected)


def test_a_single_value_is_normalized_by_the_running_statistics():
    norm, several = BatchNorm(3), torch.rand(2, 3, 4, 5)
    plain = torch.nn.BatchNorm2d(3)
    assert torch.equal(norm(several), plain(several))
    mean, variance = present(norm.running_mean).clone(), present(norm.running_var).clone()
    one = torch.rand(1, 3, 1, 1, requires_grad=True)
    found = norm(one)
    assert torch.equal(found, norm.eval()(one)) and torch.autograd.grad(found.sum(), one)[0].all()
    assert torch.equal(present(norm.running_mean), mean) and torch.equal(present(norm.running_var), variance)
    assert ConvNorm(3, 4)(one).isfinite().all()
