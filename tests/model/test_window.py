"""Detectors that look at a short past: any size, any sensor lost, and the single-frame detector as it was."""

import hashlib
from dataclasses import replace

import pytest
import torch

from lib.common.errors import DataError
from lib.common.ticks import HISTORY_TICKS
from lib.inference.scores import also_without_image, score_both_ways, scores_of
from lib.model.detector import DetectorConfig, build_detector
from lib.model.lidar_encoder import motion_inputs
from lib.model.model_file import load_detector, save_detector
from lib.model.track_head import INPUTS, track_inputs
from lib.model.weights_file import ModelContent, read_model, write_model
from lib.synthesis.targets import no_targets
from lib.training.losses import detection_loss, segmentation_loss
from lib.views.mirror import mirrored
from lib.views.past_views import half_size
from lib.views.range_view import Motion, make_views
from lib.views.sensor_dropout import without_image, without_lidar
from tests.all_params import all_params
from tests.model.test_image_sizes import ODD_GRID, street
from tests.present import present
from tests.views.streets import GRID

WINDOWS = [(0, 1), (0, 2, 5), (0, 2, 5, 10)]
VARIANTS = ["image", "lidar", "concat", "cross_attention"]
WINDOW = (0, 2, 5)
PREDICT, TRAIN = all_params().predict, all_params().train
AS_BEFORE = {
    "image": (173, "5f37d07791bdec99", 3508.8701937344204),
    "lidar": (112, "53a3d3029feed5b0", 2648.947039414884),
    "concat": (197, "cc71ee94add12186", 3592.9470855443124),
    "cross_attention": (207, "5bc34ed7cb9c3b5d", 3656.0802771845883),
}
"""Of each fusion's detector before there was a window, with seed 0: how many weights, the digest of their names and
shapes, and the sum of their magnitudes."""


def config(fusion, window=WINDOW, grid=GRID):
    fov = grid.upper_fov_deg, grid.lower_fov_deg
    return DetectorConfig(fusion, 4, 4, 8, grid.rows, grid.columns, *fov, window=window)


def detector_of(fusion, window=WINDOW, grid=GRID):
    torch.manual_seed(0)
    return build_detector(config(fusion, window, grid)).eval()


def moving(size, window=WINDOW, grid=GRID, frames=2, missing=()):
    """Views of a flat street with random motion; some lags are missing in the first frame, as with_motion says it."""
    views, cell_BP = make_views(street(size, frames), grid)
    generator = torch.Generator().manual_seed(1)
    B, R, C = views.range_m_BRC.shape
    lags = len(window) - 1
    lead = torch.zeros(B, R, C, dtype=torch.bool)
    lead[:, R // 2 : R // 2 + 3, C // 2 - 2 : C // 2 + 2] = True
    exists = torch.ones(B, lags, dtype=torch.bool)
    exists[0, list(missing)] = False
    small = half_size(views.image_B3HW)
    images = small.repeat(1, lags, 1, 1) + 0.2 * torch.randn(B, 3 * lags, *small.shape[2:], generator=generator)
    places = -0.5 * torch.arange(HISTORY_TICKS + 1.0).expand(B, -1).clone()
    places[:, 7:] = torch.nan
    motion = Motion(
        channels_BMRC=torch.randn(B, motion_inputs(window), R, C, generator=generator),
        lead_BRC=lead & views.has_return_BRC,
        places_m_BT=places,
        images_BLhw=images * exists.repeat_interleave(3, dim=1)[..., None, None],
        exists_BL=exists,
    )
    return replace(views, motion=motion), cell_BP


def changed(views, **changes):
    return replace(views, motion=replace(present(views.motion), **changes))


def cells(detector, views):
    with torch.no_grad():
        return detector(views).cell_BRC


@pytest.mark.parametrize("fusion", VARIANTS)
def test_without_a_window_the_weights_are_those_of_before(fusion):
    torch.manual_seed(0)
    state = build_detector(config(fusion, (0,))).state_dict()
    text = "\n".join(f"{name} {tuple(value.shape)}" for name, value in state.items())
    total = sum(float(value.double().abs().sum()) for value in state.values())
    count, digest, expected = AS_BEFORE[fusion]
    assert (len(state), hashlib.sha256(text.encode()).hexdigest()[:16]) == (count, digest)
    assert total == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("size", [(64, 96), (63, 97), (5, 7), (2, 2)], ids=str)
@pytest.mark.parametrize("fusion", VARIANTS)
def test_every_variant_trains_and_scores_images_of_any_size(fusion, size):
    grid = ODD_GRID if size[1] % 2 else GRID
    frames = 1 if size == (2, 2) else 2
    views, cell_BP = moving(size, grid=grid, frames=frames, missing=[1])
    detector = detector_of(fusion, grid=grid)
    logits = detector(views)
    loss = detection_loss(logits, views, no_targets(views), TRAIN) + segmentation_loss(logits, views)
    loss = loss + (logits.lead_B.sum() if fusion != "image" else 0)
    gradients = torch.autograd.grad(loss, list(detector.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    with torch.inference_mode():
        scorer = also_without_image(detector, detector.config.fuses, PREDICT)
        scores = scores_of(score_both_ways(scorer, views), views, cell_BP, PREDICT)
    assert scores.pixel_BHW.shape == (frames, *size)
    assert all(values.isfinite().all() for values in (scores.point_BP, scores.pixel_BHW, scores.frame_B))


@pytest.mark.parametrize("window", WINDOWS)
def test_each_part_of_the_past_is_read(window):
    views, _ = moving((64, 96), window)
    detector = detector_of("concat", window)
    plain = cells(detector, views)
    motion = present(views.motion)
    for changes in (
        {"channels_BMRC": motion.channels_BMRC + 1},
        {"images_BLhw": motion.images_BLhw.flip(2)},
        {"exists_BL": ~motion.exists_BL},
    ):
        assert not torch.equal(cells(detector, changed(views, **changes)), plain), changes.keys()


@pytest.mark.parametrize("fusion", VARIANTS)
def test_the_vehicle_ahead_is_judged_by_its_track_alone(fusion):
    views, _ = moving((64, 96))
    detector, motion = detector_of(fusion), present(views.motion)

    def lead(views):
        with torch.no_grad():
            return detector(views).lead_B

    unknown = torch.full((2,), -torch.inf)
    if fusion == "image":
        assert torch.equal(lead(views), unknown)
        return
    plain, everywhere = lead(views), torch.ones(2, dtype=torch.bool)
    assert plain.isfinite().all()
    assert not torch.equal(lead(changed(views, places_m_BT=motion.places_m_BT * 2)), plain)
    assert not torch.equal(lead(replace(views, range_m_BRC=views.range_m_BRC * 2)), plain)
    assert torch.equal(lead(changed(views, channels_BMRC=motion.channels_BMRC + 1)), plain)
    assert torch.equal(lead(without_image(views, everywhere)), plain)
    assert torch.equal(lead(without_lidar(views, everywhere)), unknown)
    assert torch.equal(lead(changed(views, lead_BRC=torch.zeros_like(motion.lead_BRC))), unknown)
    assert torch.equal(lead(changed(views, places_m_BT=torch.full_like(motion.places_m_BT, torch.nan))), unknown)


def test_a_missing_earlier_image_is_as_one_that_shows_no_change():
    views, _ = moving((64, 96), missing=[0])
    detector = detector_of("concat")
    noise = torch.rand_like(present(views.motion).images_BLhw)
    images = torch.where(present(views.motion).exists_BL.repeat_interleave(3, dim=1)[..., None, None], 0.5, noise)
    shown = torch.where(images == 0.5, present(views.motion).images_BLhw, noise)
    assert torch.equal(cells(detector, changed(views, images_BLhw=shown)), cells(detector, views))


@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
def test_without_the_lidar_cells_depend_on_the_images_alone(fusion):
    """Not on the channels of motion, which are the LiDAR's; the earlier images still count."""
    views, _ = moving((64, 96))
    detector, everywhere = detector_of(fusion), torch.ones(2, dtype=torch.bool)
    lost = without_lidar(views, everywhere)
    plain, motion = cells(detector, lost), present(views.motion)
    assert plain.isfinite().all() and not torch.equal(plain, cells(detector, views))
    assert torch.equal(cells(detector, changed(lost, channels_BMRC=motion.channels_BMRC + 1)), plain)
    assert not torch.equal(cells(detector, changed(lost, images_BLhw=motion.images_BLhw.flip(2))), plain)


@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
def test_without_the_image_cells_depend_on_the_lidar_alone(fusion):
    views, _ = moving((64, 96))
    detector, everywhere = detector_of(fusion), torch.ones(2, dtype=torch.bool)
    lost = without_image(views, everywhere)
    plain, motion = cells(detector, lost), present(views.motion)
    assert plain.isfinite().all() and not present(lost.motion).images_BLhw.any()
    other = changed(replace(views, image_B3HW=1 - views.image_B3HW), images_BLhw=motion.images_BLhw.flip(2))
    assert torch.equal(cells(detector, without_image(other, everywhere)), plain)
    assert not torch.equal(cells(detector, changed(lost, channels_BMRC=motion.channels_BMRC + 1)), plain)


def test_a_fraction_without_a_sensor_leaves_the_others_as_they_are():
    views, _ = moving((64, 96))
    second = torch.tensor([False, True])
    for lose in (without_image, without_lidar):
        lost = lose(views, second)
        assert torch.equal(present(lost.motion).images_BLhw[0], present(views.motion).images_BLhw[0])
        torch.testing.assert_close(cells(detector_of("concat"), lost)[0], cells(detector_of("concat"), views)[0])


def test_a_track_that_is_not_known_gives_finite_inputs_and_its_speed_is_read():
    places = torch.full((3, HISTORY_TICKS + 1), torch.nan)
    ago_s = torch.arange(HISTORY_TICKS + 1) / 10
    places[1] = -(8 * ago_s + 6 * ago_s**2 / 2)  # brakes by 6 m/s2, to 8 m/s
    places[2, :4] = places[1, :4]
    inputs = track_inputs(places, torch.tensor([torch.inf, 12.0, 12.0]))
    assert inputs.shape == (3, INPUTS) and inputs.isfinite().all() and not inputs[0].any()
    speeds, known, changes = inputs[1].split([HISTORY_TICKS, HISTORY_TICKS, 2 * HISTORY_TICKS])
    torch.testing.assert_close(10 * speeds, 8 + 6 * ago_s[1:] / 2)
    assert known.all()
    torch.testing.assert_close(
        20 * changes[: HISTORY_TICKS - 1], torch.full((HISTORY_TICKS - 1,), -6.0), atol=1e-3, rtol=0
    )
    assert torch.equal(inputs[2, :3], inputs[1, :3]) and not inputs[2, 3:HISTORY_TICKS].any()


def test_a_street_and_its_mirror_image_get_the_same_scores():
    views, _ = moving((64, 96))
    detector = detector_of("concat")
    with torch.no_grad():
        here, there = score_both_ways(detector, views), score_both_ways(detector, mirrored(views))
    torch.testing.assert_close(here.cell_BRC, there.cell_BRC.flip(-1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("window", [(0,), *WINDOWS])
def test_the_file_alone_gives_the_detector_back(tmp_path, window):
    detector = detector_of("concat", window)
    save_detector(tmp_path / "detector.safetensors", detector)
    again = load_detector(tmp_path / "detector.safetensors")
    assert again.config == detector.config and again.config.window == window
    assert ("window" in read_model(tmp_path / "detector.safetensors").config) == (window != (0,))
    state = again.state_dict()
    assert all(torch.equal(state[name], value) for name, value in detector.state_dict().items())
    views, _ = moving((64, 96), window) if window != (0,) else make_views(street((64, 96)), GRID)
    assert torch.equal(cells(again.eval(), views), cells(detector, views))


@pytest.mark.parametrize("window", [[], [2, 5], [0, 5, 2], [0, 2, 2], [0, -1], [0, 11], [0, 2, 1000], [0]], ids=str)
def test_a_file_with_an_impossible_window_is_a_sentence(tmp_path, window):
    """[0] is impossible in a file, too: such a detector's file has no window, so that one model has one file."""
    path = tmp_path / "detector.safetensors"
    save_detector(path, detector_of("concat"))
    content = read_model(path)
    write_model(path, ModelContent(content.config | {"window": window}, content.weights, content.trained_on))
    with pytest.raises(DataError, match=r"detector\.safetensors: not a detector written by this pipeline"):
        load_detector(path)


@pytest.mark.parametrize("window", [(0,), (0, 1)])
def test_weights_of_another_window_are_a_sentence(tmp_path, window):
    path = tmp_path / "detector.safetensors"
    save_detector(path, detector_of("concat"))
    content = read_model(path)
    named = {name: value for name, value in content.config.items() if name != "window"}
    named |= {} if window == (0,) else {"window": list(window)}
    write_model(path, ModelContent(named, content.weights, content.trained_on))
    with pytest.raises(DataError, match="its weights are not those of its configuration"):
        load_detector(path)
