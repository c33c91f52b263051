from dataclasses import replace

import torch

from lib.model.detector import build_detector
from lib.views.range_view import by_field, make_views
from lib.views.sensor_dropout import drop_modality, without_image, without_lidar
from tests.model.test_detector import config
from tests.views.streets import GRID, flat_street


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_fraction_of_the_frames_loses_one_sensor_and_never_both():
    views, _ = make_views(flat_street(1), GRID)
    many = by_field(lambda here: here.expand(400, *here.shape[1:]), views)
    dropped = drop_modality(many, 0.4, generator())
    black, deaf = dropped.image_B3HW.flatten(1).amax(1) == 0, ~dropped.has_lidar_B
    assert not (black & deaf).any()
    assert 0.14 < black.float().mean() < 0.26 and 0.14 < deaf.float().mean() < 0.26
    kept = ~black
    assert torch.equal(dropped.image_B3HW[kept], many.image_B3HW[kept])


def test_without_dropout_nothing_is_drawn():
    views, _ = make_views(flat_street(2), GRID)
    state = generator()
    assert drop_modality(views, 0.0, state) is views
    assert torch.equal(state.get_state(), generator().get_state())


def test_a_detector_whose_lidar_does_not_work_sees_the_image_alone():
    torch.manual_seed(0)
    detector = build_detector(config("concat")).eval()
    views, _ = make_views(flat_street(2), GRID)
    louder = replace(views, intensity_BRC=views.intensity_BRC + 0.3)
    everywhere = torch.ones(2, dtype=torch.bool)

    def logits(some):
        with torch.no_grad():
            return detector(some).cell_BRC

    assert not torch.equal(logits(views), logits(louder))
    assert torch.equal(logits(without_lidar(views, everywhere)), logits(without_lidar(louder, everywhere)))
    assert not torch.equal(logits(views), logits(without_image(views, everywhere)))


def test_without_an_image_cells_are_judged_as_those_that_the_camera_does_not_see():
    torch.manual_seed(0)
    detector = build_detector(config("concat")).eval()
    views, _ = make_views(flat_street(2), GRID)
    everywhere = torch.ones(2, dtype=torch.bool)
    aside = replace(views, intrinsics_B4=views.intrinsics_B4 * torch.tensor([1.0, 1.0, 1000.0, 1.0]))
    assert views.seen_BRC.any() and not aside.seen_BRC.any()
    with torch.no_grad():
        lost, unseen = (detector(some).cell_BRC for some in (without_image(views, everywhere), aside))
    assert torch.equal(lost, unseen)
