"""Scores outside the image: no more false alarms of validation's normal points there than inside."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.batches.frames import FrameRef
from lib.batches.loader import batches
from lib.batches.views import make_views, project
from lib.labels import NORMAL_IDS
from lib.model.detector import Detections, DetectorConfig
from lib.params import load_params
from lib.training.inference import Scoring, score_shard
from lib.training.parallel import Threads
from lib.training.validation import matched_outside, score_validation, validation_frames
from tests.batches.streets import GRID
from tests.shard_data import write_street_shards

CPU = torch.device("cpu")
PARAMS = load_params()
PREDICT = PARAMS.predict.model_copy(update={"outside_false_alarms": 0.01})
SPLIT = PARAMS.split.model_copy(update={"validation_fraction": 0.5})
WHOLE = DetectorConfig("concat", 4, 4, 8, GRID.rows, GRID.columns, GRID.upper_fov_deg, GRID.lower_fov_deg).grid()


def louder_outside(by):
    """A judge that draws its logits, the same for a frame each time, and adds a number outside the image."""

    def judge(views):
        drawn = (views.xyz_B3RC.square().sum(1) * 7919).sin() + (views.intensity_BRC * 104_729).sin()
        _, seen = project(views)
        small = views.depth_m_BHW[:, ::4, ::4] * 0
        classes = torch.zeros(len(drawn), len(NORMAL_IDS), *drawn.shape[1:])
        return Detections(
            drawn + by * ~seen, classes, small, torch.zeros(len(drawn), len(NORMAL_IDS), *small.shape[1:])
        )

    return judge


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_street_shards(folder, normality=8, frames=4)
    return validation_frames(folder, SPLIT)


def scoring_of(by, predict=PREDICT):
    return Scoring(louder_outside(by), WHOLE, "anomaly_logit", predict, CPU, "float32")


@pytest.mark.parametrize("by", [0.7, 3.0])
def test_as_few_normal_points_pass_outside_as_inside(data, by):
    with Threads(2) as threads:
        matched = matched_outside(scoring_of(by), *data, threads)
    assert matched.outside == pytest.approx(-by, abs=0.05)
    shards, refs = data
    inside, outside = [], []
    for batch in batches(shards, refs, 8, CPU):
        views, _ = make_views(batch, WHOLE)
        seen = project(views)[1]
        logit = louder_outside(by)(views).cell_BRC
        inside.append(logit[seen])
        outside.append(logit[views.has_return_BRC & ~seen] + matched.outside)
    threshold = np.quantile(torch.cat(inside), 0.99)
    assert (torch.cat(outside) > threshold).float().mean() == pytest.approx(0.01, abs=0.005)


def test_quiet_points_outside_are_not_raised(data):
    with Threads(1) as threads:
        assert matched_outside(scoring_of(-2.0), *data, threads).outside == 0


def test_null_leaves_scores_as_they_are(data):
    scoring = scoring_of(2.0, PREDICT.model_copy(update={"outside_false_alarms": None}))
    with Threads(1) as threads:
        assert matched_outside(scoring, *data, threads) is scoring


def test_only_points_outside_the_image_change(data):
    shard = data[0][0]
    scoring = scoring_of(0.0)
    raw, lowered = score_shard(scoring, shard), score_shard(replace(scoring, outside=-1.5), shard)
    refs = [FrameRef(0, n) for n in range(len(shard.frame_id))]
    [batch] = batches([shard], refs, len(refs), CPU)
    views, cell_BP = make_views(batch, WHOLE)
    seen_BP = project(views)[1].flatten(1).gather(1, cell_BP.clamp(min=0))
    change_BP = lowered.point_BP - raw.point_BP
    assert seen_BP.any() and (change_BP[seen_BP & (cell_BP >= 0)] == 0).all()
    assert torch.allclose(change_BP[~seen_BP & (cell_BP >= 0)], torch.tensor(-1.5))
    assert torch.equal(raw.frame_B, lowered.frame_B) and torch.equal(raw.pixel_BHW, lowered.pixel_BHW)


def test_what_validation_calibrates_by_lies_inside(data):
    with Threads(1) as threads:
        raw = score_validation(scoring_of(0.0), *data, "", threads)
        lowered = score_validation(replace(scoring_of(0.0), outside=-9.0), *data, "", threads)
    scored = raw.point_label < 2
    assert scored.any() and np.array_equal(raw.point_score[scored], lowered.point_score[scored])
    assert np.array_equal(raw.frame_score, lowered.frame_score)
