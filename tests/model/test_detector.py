from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from lib.inference.scores import also_without_image, score_both_ways, scores_of
from lib.model.detector import DetectorConfig, build_detector
from lib.model.lidar_encoder import range_view_inputs
from lib.model.sampling import cells_in_image, sample_image
from lib.shards.shard_reader import Shard
from lib.training.training_setup import detector_config
from lib.views.mirror import mirrored
from lib.views.range_view import make_views
from lib.views.sensor_dropout import without_image, without_lidar
from tests.all_params import all_params
from tests.views.streets import GRID, HEIGHT_PX, WIDTH_PX, flat_street

FUSIONS = ["image", "lidar", "concat", "cross_attention"]
POINTS_ALONE = all_params().predict.model_copy(update={"frame_score": "top_points"})


def config(fusion, encoding="none"):
    return DetectorConfig(fusion, 4, 4, 8, GRID.rows, GRID.columns, GRID.upper_fov_deg, GRID.lower_fov_deg, encoding)


def judged(fusion, batch, encoding="none"):
    torch.manual_seed(0)
    detector = build_detector(config(fusion, encoding)).eval()
    views, cell = make_views(batch, GRID)
    with torch.no_grad():
        detections = detector(views)
    return detections, scores_of(detections, views, cell, POINTS_ALONE)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_variant_scores_every_point_pixel_and_frame(fusion):
    batch = flat_street(2)
    detections, scores = judged(fusion, batch)
    assert detections.cell_BRC.shape == (2, GRID.rows, GRID.visible_columns)
    assert scores.point_BP.shape == batch.point_class_BP.shape
    assert scores.pixel_BHW.shape == (2, HEIGHT_PX, WIDTH_PX)
    for values in (scores.point_BP, scores.pixel_BHW, scores.frame_B):
        assert values.dtype == torch.float32 and torch.isfinite(values).all()


@pytest.mark.parametrize(
    ("fusion", "image_matters", "cloud_matters"),
    [("image", True, False), ("lidar", False, True), ("concat", True, True), ("cross_attention", True, True)],
)
def test_each_variant_uses_its_sensors_and_no_other(fusion, image_matters, cloud_matters):
    batch = flat_street(1)
    dark = type(batch)(**{**vars(batch), "image_BHW3": batch.image_BHW3 // 3})
    dim = batch.points_BP4.clone()
    dim[..., 3] = 0.9
    shiny = type(batch)(**{**vars(batch), "points_BP4": dim})
    plain = judged(fusion, batch)[1].point_BP
    assert (judged(fusion, dark)[1].point_BP != plain).any().item() == image_matters
    assert (judged(fusion, shiny)[1].point_BP != plain).any().item() == cloud_matters


def test_sampling_reads_the_pixel_under_the_projection():
    ramp = torch.arange(12, dtype=torch.float32).expand(1, 1, 8, 12).contiguous()
    uv = torch.tensor([[0.5, 5.5, 11.5], [4.0, 4.0, 4.0]]).view(1, 2, 1, 3)
    seen = torch.tensor([[[True, True, False]]])
    assert sample_image(ramp, uv, seen, 1).flatten().tolist() == [0.0, 5.0, 0.0]


@pytest.mark.parametrize("seed", range(3))
def test_sampling_and_its_gradient_are_those_of_grid_sample(seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(2, 3, 8, 12, generator=generator, requires_grad=True)
    uv = torch.rand(2, 2, 4, 5, generator=generator) * torch.tensor([60.0, 40.0])[:, None, None] - 6
    seen = torch.rand(2, 4, 5, generator=generator) < 0.7
    weight = torch.rand(2, 3, 4, 5, generator=generator)
    ours = sample_image(features, uv, seen, 4)
    grid = (uv.permute(0, 2, 3, 1) * torch.tensor([2 / 48, 2 / 32]) - 1).clamp(-1, 1)
    theirs = torch.nn.functional.grid_sample(features, grid, padding_mode="border", align_corners=False)
    theirs = theirs * seen[:, None]
    assert torch.allclose(ours, theirs, atol=1e-5)
    found, expected = (torch.autograd.grad((values * weight).sum(), features)[0] for values in (ours, theirs))
    assert torch.allclose(found, expected, atol=1e-5)


def test_an_image_cell_holds_the_mean_of_what_falls_into_it():
    features = torch.tensor([[[[1.0, 3.0, 7.0, 100.0]]]]).repeat(2, 1, 1, 1)
    uv = torch.tensor([[1.0, 2.0, 9.0, 9.0], [1.0, 1.0, 5.0, 5.0]]).view(1, 2, 1, 4).repeat(2, 1, 1, 1)
    seen = torch.tensor([[[True, True, True, False]], [[False, False, False, False]]])
    means = cells_in_image(features, uv, seen, (8, 12), 4)
    assert means[:, 0].tolist() == [[[2.0, 0, 0], [0, 0, 7.0]], [[0.0, 0, 0], [0, 0, 0]]]


def test_the_frame_score_is_the_mean_of_the_highest_seen_cells():
    batch = flat_street(1)
    views, cell = make_views(batch, GRID)
    detections, _ = judged("lidar", batch)
    detections.cell_BRC.fill_(-1.0)
    returned = views.has_return_BRC[0].nonzero()
    middle = returned[(returned[:, 1] - GRID.visible_columns // 2).abs() < 2]
    for row, column in middle[:5]:
        detections.cell_BRC[0, row, column] = 4.0
    hidden = (~views.has_return_BRC[0]).nonzero()[0]
    detections.cell_BRC[0, hidden[0], hidden[1]] = 1000.0
    scores = scores_of(detections, views, cell, POINTS_ALONE)
    assert scores.frame_B.item() == pytest.approx((5 * 4.0 - 5 * 1.0) / 10)


@pytest.mark.parametrize("encoding", ["none", "sine", "learned"])
def test_variants_have_as_many_parameters_within_a_tenth(encoding):
    params = all_params().model
    sizes = {}
    for fusion in FUSIONS:
        change = {"fusion": fusion, "positional_encoding": encoding, "range_view_columns": 512}
        lidar = SimpleNamespace(channels=32, upper_fov_deg=15.0, lower_fov_deg=-25.0)
        shard = cast(Shard, SimpleNamespace(lidars=[lidar]))  # all of a shard that is asked for
        detector = build_detector(detector_config(params.model_copy(update=change), [shard]))
        sizes[fusion] = sum(p.numel() for p in detector.parameters())
    assert max(sizes.values()) <= 1.1 * min(sizes.values()), sizes


@pytest.mark.parametrize("encoding", ["sine", "learned"])
def test_attention_looks_elsewhere_for_a_cell_at_another_place_and_knows_no_place_of_a_dead_lidar(encoding):
    batch = flat_street(1)
    views, _ = make_views(batch, GRID)
    torch.manual_seed(0)
    detector = build_detector(config("cross_attention", encoding)).eval()
    assert (
        judged("cross_attention", batch, encoding)[1].point_BP != judged("cross_attention", batch)[1].point_BP
    ).any()
    dead = without_lidar(views, torch.tensor([True]))
    asked: list[torch.Tensor] = []
    encoding_of_places = detector.get_submodule("backbone.fusion.attention.encoding")
    encoding_of_places.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[0]))
    with torch.no_grad():
        detector(views), detector(dead)
    assert asked[0].any() and not asked[1].any()


@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
def test_cells_are_judged_without_the_image_as_well_and_pixels_are_not(fusion):
    views, _ = make_views(flat_street(2), GRID)
    torch.manual_seed(0)
    detector = build_detector(config(fusion)).eval()
    params = all_params().predict.model_copy(update={"without_image_weight": 0.25})
    with torch.no_grad():
        mean = also_without_image(detector, detector.config.fuses, params)(views)
        seeing, blind = detector(views), detector(without_image(views, torch.ones(2, dtype=torch.bool)))
    assert not torch.allclose(seeing.cell_BRC, blind.cell_BRC)
    torch.testing.assert_close(mean.cell_BRC, 0.75 * seeing.cell_BRC + 0.25 * blind.cell_BRC)
    torch.testing.assert_close(mean.cell_class_BSRC, 0.75 * seeing.cell_class_BSRC + 0.25 * blind.cell_class_BSRC)
    assert torch.equal(mean.pixel_Bhw, seeing.pixel_Bhw) and torch.equal(mean.pixel_class_BShw, seeing.pixel_class_BShw)


def test_a_detector_of_one_sensor_judges_once():
    params = all_params().predict.model_copy(update={"without_image_weight": 0.25})
    for fusion, changes in (
        ("image", {}),
        ("lidar", {}),
        ("concat", {"blackout": "lidar"}),
        ("concat", {"without_image_weight": 0.0}),
    ):
        detector = build_detector(config(fusion))
        scorer = also_without_image(detector, detector.config.fuses, params.model_copy(update=changes))
        assert scorer is detector


def test_a_street_and_its_mirror_image_get_the_same_scores():
    views, _ = make_views(flat_street(2), GRID)
    torch.manual_seed(0)
    detector = build_detector(config("concat")).eval()
    with torch.no_grad():
        here, there = score_both_ways(detector, views), score_both_ways(detector, mirrored(views))
        alone = detector(views)
    assert torch.allclose(here.cell_BRC, there.cell_BRC.flip(-1), atol=1e-4)
    assert torch.allclose(here.pixel_Bhw, there.pixel_Bhw.flip(-1), atol=1e-4)
    assert not torch.allclose(here.cell_BRC, alone.cell_BRC, atol=1e-4)


def test_what_lies_behind_is_told_as_what_lies_ahead():
    """Training looks ahead only, and a street goes on behind much as it does ahead."""
    views, _ = make_views(flat_street(2), GRID)
    behind = replace(views, xyz_B3RC=views.xyz_B3RC * torch.tensor([-1.0, 1.0, 1.0])[:, None, None])
    assert torch.equal(range_view_inputs(behind), range_view_inputs(views))
