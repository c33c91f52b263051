"""Each baseline's frames are judged by the frame score that validation prefers, whichever of the two that is."""

import pytest
import torch

from lib.baselines.baseline_runs import BaselineParams, _with_best_frame_score
from lib.common.labels import UNKNOWN
from lib.inference.shard_scoring import Scoring
from lib.model.backbones import PIXEL_STRIDE
from lib.model.detector import DetectorConfig, Logits, no_lead
from lib.training.training_frames import training_set
from tests.all_params import all_params
from tests.shard_data import write_street_shards
from tests.views.streets import GRID

CPU = torch.device("cpu")


def logits(views, cells, pixels):
    B = len(cells)
    classes, pixel_classes = (of.new_zeros(B, 1, *of.shape[1:]) for of in (cells, pixels))
    return Logits(cells, classes, pixels, pixel_classes, no_lead(cells))


def sees_cells_alone(views):
    """Knows which cells hold something pasted, and shouts outside the image; so do the pixels in frames without it."""
    pasted = (views.point_class_BRC == UNKNOWN) & views.has_return_BRC
    quiet = ~pasted.flatten(1).any(1)
    small = views.depth_m_BHW[:, ::PIXEL_STRIDE, ::PIXEL_STRIDE]
    cells = 8 * pasted.float() - 4 + 3 * ~views.seen_BRC
    return logits(views, cells, quiet[:, None, None] * 20 - 10 + torch.zeros_like(small))


def sees_pixels_alone(views):
    pasted = views.pixel_class_BHW[:, ::PIXEL_STRIDE, ::PIXEL_STRIDE] == UNKNOWN
    return logits(views, torch.full_like(views.range_m_BRC, -4.0), 8 * pasted.float() - 4)


@pytest.mark.parametrize(
    ("scorer", "wanted"), [(sees_cells_alone, "top_points"), (sees_pixels_alone, "points_or_pixels")]
)
def test_validation_chooses(tmp_path, scorer, wanted):
    params = all_params()
    write_street_shards(tmp_path, normality=8)
    data = training_set(tmp_path, params.split.model_copy(update={"validation_fraction": 0.4}), "data/sample")
    grid = DetectorConfig("concat", 4, 4, 8, GRID.rows, GRID.columns, GRID.upper_fov_deg, GRID.lower_fov_deg).grid()
    own = BaselineParams(**dict(params))
    method = params.predict.model_copy(update={"score": "combined"})
    scoring = Scoring(scorer, grid, method, CPU, "float32")
    suited = _with_best_frame_score(scoring, data, "concat", own)
    assert suited.params == method.model_copy(update={"frame_score": wanted})
    assert suited.outside_shift == pytest.approx(-3 if scorer is sees_cells_alone else 0, abs=0.01)
    assert _with_best_frame_score(scoring, data, "lidar", own).params.frame_score == "top_points"
