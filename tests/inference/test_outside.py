"""Scores outside the image: no more false alarms of validation's normal points there than inside."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.common.errors import DataError
from lib.common.labels import IGNORED_IDS, NORMAL_IDS
from lib.geometry.frame import ScenarioType
from lib.inference.calibration_set import matched_outside, score_validation, validation_set
from lib.inference.shard_scoring import Scoring, score_shard
from lib.inference.threads import Threads
from lib.loading.dataset import FrameRef, batches
from lib.model.detector import DetectorConfig, Logits, no_lead
from lib.shards.index import write_index
from lib.shards.shard_writer import padded_length, write_shard
from lib.views.range_view import make_views
from tests.all_params import all_params
from tests.shard_data import street_frame, write_street_shards
from tests.views.streets import GRID

CPU = torch.device("cpu")
EGO = 214
assert EGO in IGNORED_IDS
PARAMS = all_params()
PREDICT = PARAMS.predict.model_copy(update={"outside_false_alarms": 0.01})
SPLIT = PARAMS.split.model_copy(update={"validation_fraction": 0.5})
WHOLE = DetectorConfig("concat", 4, 4, 8, GRID.rows, GRID.columns, GRID.upper_fov_deg, GRID.lower_fov_deg).grid()


def louder_outside(by):
    """A scorer that draws its logits, the same for a frame each time, and adds a number outside the image."""

    def scorer(views):
        drawn = (views.xyz_B3RC.square().sum(1) * 7919).sin() + (views.intensity_BRC * 104_729).sin()
        seen = views.seen_BRC
        small = views.depth_m_BHW[:, ::4, ::4] * 0
        classes = torch.zeros(len(drawn), len(NORMAL_IDS), *drawn.shape[1:])
        small_classes = torch.zeros(len(drawn), len(NORMAL_IDS), *small.shape[1:])
        return Logits(drawn + by * ~seen, classes, small, small_classes, no_lead(drawn))

    return scorer


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_street_shards(folder, normality=8, frames=4)
    return validation_set(folder, SPLIT)


def scoring_of(by, predict=PREDICT):
    return Scoring(louder_outside(by), WHOLE, predict, CPU, "float32")


def matched(scoring, data):
    with Threads(2) as threads:
        return matched_outside(scoring, data, threads)


def logits_of(scorer, data):
    """Logits of the points of validation's frames, inside the image and outside."""
    inside, outside = [], []
    for batch in batches(data.shards, data.frames, 8, CPU):
        views, _ = make_views(batch, WHOLE)
        seen = views.seen_BRC
        logit = scorer(views).cell_BRC
        inside.append(logit[seen])
        outside.append(logit[views.has_return_BRC & ~seen])
    return torch.cat(inside).numpy(), torch.cat(outside).numpy()


@pytest.mark.parametrize("by", [0.7, 3.0])
def test_as_few_normal_points_pass_outside_as_inside(data, by):
    shift = matched(scoring_of(by), data).outside_shift
    assert shift == pytest.approx(-by, abs=0.05)
    inside, outside = logits_of(louder_outside(by), data)
    assert (outside + shift > np.quantile(inside, 0.99)).mean() == pytest.approx(0.01, abs=0.005)


def test_quiet_points_outside_are_not_raised(data):
    assert matched(scoring_of(-2.0), data).outside_shift == 0


def test_null_leaves_scores_as_they_are(data):
    scoring = scoring_of(2.0, PREDICT.model_copy(update={"outside_false_alarms": None}))
    assert matched(scoring, data) is scoring


def test_without_points_outside_nothing_changes(data):
    narrow = replace(scoring_of(2.0), grid=replace(WHOLE, visible_columns=40))
    assert matched(narrow, data) is narrow


@pytest.mark.parametrize("value", [7.77, 2.5, 30.0])
def test_equal_scores_outside_do_not_pass(data, value):
    """As those of a detector that looks at the image alone."""

    def scorer(views):
        found = louder_outside(0.0)(views)
        return replace(found, cell_BRC=torch.where(views.seen_BRC, found.cell_BRC, value))

    shift = matched(replace(scoring_of(0.0), scorer=scorer), data).outside_shift
    inside, outside = logits_of(scorer, data)
    assert ((outside + np.float32(shift)) < np.quantile(inside, 0.99, method="higher")).all()


def test_what_is_no_normal_class_has_no_say(tmp_path):
    """As the ego's own body, which is mostly outside and unlike all else."""
    entries = []
    for n in range(4):
        frame = street_frame(f"Scenario_{n:08d}", 900, ScenarioType.NORMALITY, False, n)
        near = np.linalg.norm(frame.points[:, :3], axis=1) < 6.0
        frame = replace(frame, point_class=np.where(near, np.uint8(EGO), frame.point_class))
        entries.append(write_shard(tmp_path / f"{frame.scenario}.h5", [frame], padded_length(len(frame.points))))
    write_index(tmp_path, entries)
    data = validation_set(tmp_path, SPLIT)

    def scorer(views):
        found = louder_outside(0.0)(views)
        return replace(found, cell_BRC=found.cell_BRC + 9.0 * (views.point_class_BRC == EGO))

    assert (logits_of(scorer, data)[1] > 5).mean() > 0.1
    assert matched(replace(scoring_of(0.0), scorer=scorer), data).outside_shift > -0.2


def test_only_points_outside_the_image_change(data):
    shard = data.shards[0]
    of_all_cells = scoring_of(
        0.0, PREDICT.model_copy(update={"frame_top_points": 100_000, "frame_score": "top_points"})
    )
    for scoring in (scoring_of(0.0), of_all_cells):
        raw, lowered = score_shard(scoring, shard), score_shard(replace(scoring, outside_shift=-1.5), shard)
        refs = [FrameRef(0, n) for n in range(len(shard.frame_id))]
        [batch] = batches([shard], refs, len(refs), CPU)
        views, cell_BP = make_views(batch, WHOLE)
        seen_BP = views.seen_BRC.flatten(1).gather(1, cell_BP.clamp(min=0))
        change_BP = lowered.point_BP - raw.point_BP
        assert seen_BP.any() and (change_BP[seen_BP & (cell_BP >= 0)] == 0).all()
        assert torch.allclose(change_BP[~seen_BP & (cell_BP >= 0)], torch.tensor(-1.5))
        assert torch.equal(raw.frame_B, lowered.frame_B) and torch.equal(raw.pixel_BHW, lowered.pixel_BHW)


def test_validation_tells_the_shift_and_has_no_part_in_it(data):
    with Threads(1) as threads:
        raw = score_validation(scoring_of(0.0), data, "", threads)
        lowered = score_validation(replace(scoring_of(0.0), outside_shift=-9.0), data, "", threads)
    assert (raw.outside_shift, lowered.outside_shift) == (0.0, -9.0)
    assert np.array_equal(raw.point_score, lowered.point_score)
    assert np.array_equal(raw.frame_score, lowered.frame_score)


def test_scores_that_are_not_finite_are_a_sentence(data):
    def scorer(views):
        return replace(louder_outside(0.0)(views), cell_BRC=torch.full_like(views.range_m_BRC, torch.nan))

    with pytest.raises(DataError, match="not finite; train it again"):
        matched(replace(scoring_of(0.0), scorer=scorer), data)
