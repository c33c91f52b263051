import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.model.detector import DetectorConfig, build_detector
from lib.synthesis.targets import no_targets
from lib.training.losses import balanced_bce, detection_loss, object_weights
from lib.training.train_params import TrainParams
from lib.views.range_view import make_views
from tests.all_params import all_params
from tests.views.streets import GRID, flat_street

TRAIN = all_params().train


def changed(**changes):
    return TRAIN.model_copy(update=changes)


def test_small_objects_weigh_more_within_the_clip():
    objects = torch.full((1, 1, 2000), -1)
    objects[0, 0, :1] = 0
    objects[0, 0, 1:26] = 1
    objects[0, 0, 26:1800] = 2
    weight = object_weights(objects, TRAIN)[0, 0]
    assert weight[0] == 4.0
    assert weight[1] == pytest.approx(1.0)
    assert weight[26] == pytest.approx(0.2)
    assert (weight[1800:] == 1).all()


def test_the_most_slots_that_params_allow_and_a_misfit_have_weights():
    TrainParams.model_validate(TRAIN.model_dump() | {"pseudo_anomalies_per_frame": 16})
    objects = torch.arange(17).view(1, 1, 17)  # 16 slots, and the misfit after them
    assert (object_weights(objects, TRAIN) == 4.0).all()


def test_without_balance_all_points_weigh_the_same():
    objects = torch.tensor([[[0, 0, 1, -1]]])
    assert (object_weights(objects, changed(object_balance=0.0)) == 1).all()


@given(st.floats(-4, 4), st.floats(0.1, 5))
def test_raising_a_positive_and_lowering_a_negative_both_help(logit, step):
    logits = torch.tensor([[[logit, logit]]])
    positive = torch.tensor([[[True, False]]])
    ones, params = torch.ones_like(logits), changed(hard_negative_fraction=0.5)

    def loss(change):
        return balanced_bce(logits + torch.tensor(change), positive, ~positive, ones, params).item()

    assert loss([step, 0.0]) < loss([0.0, 0.0])
    assert loss([0.0, -step]) < loss([0.0, 0.0])


def test_the_hardest_negatives_count_once_more():
    logits = torch.tensor([[[-5.0, -5.0, -5.0, 5.0]]])
    negative = torch.ones(1, 1, 4, dtype=torch.bool)
    ones = torch.ones_like(logits)
    few = balanced_bce(logits, ~negative, negative, ones, changed(hard_negative_fraction=0.25))
    all_of_them = balanced_bce(logits, ~negative, negative, ones, changed(hard_negative_fraction=1.0))
    assert few > all_of_them


def test_unsure_cells_and_empty_cells_have_no_part():
    views, _ = make_views(flat_street(1), GRID)
    torch.manual_seed(0)
    detector = build_detector(DetectorConfig("lidar", 4, 4, 8, GRID.rows, GRID.columns, 15.0, -25.0)).eval()
    weights = changed(hard_negative_fraction=0.0)
    targets = no_targets(views)
    with torch.no_grad():
        detections = detector(views)
        before = detection_loss(detections, views, targets, weights)
        row, column = (~views.has_return_BRC[0]).nonzero()[0]
        detections.cell_BRC[0, row, column] += 100
        empty = detection_loss(detections, views, targets, weights)
        returned = views.has_return_BRC[0].nonzero()
        detections.cell_BRC[0, returned[0, 0], returned[0, 1]] += 100
        seen = detection_loss(detections, views, targets, weights)
        targets.cell_BRC[0, returned[0, 0], returned[0, 1]] = 255
        unsure = detection_loss(detections, views, targets, weights)
    assert empty == before
    assert seen > before + 0.01
    assert unsure == pytest.approx(before.item(), rel=1e-2)
