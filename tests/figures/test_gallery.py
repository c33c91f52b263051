import numpy as np
import pytest

from lib.figures.cases import NormalScores
from lib.figures.gallery import TRUTH, draw_case, draw_sheet, make_case
from lib.figures.style import house_style
from lib.geometry.frame import Anomaly
from lib.shards.shard_reader import read_shard
from tests.present import present
from tests.scored_sample import Ball, made_up_scores, write_scenario

YARDSTICK = NormalScores(np.sort(np.random.default_rng(1).normal(size=10_000)).astype(np.float32))
CAPTION = ("a, frame 0", "animal, 8.2 m", "score 1.00")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    path = write_scenario(folder, "Scenario_x", [Ball(8.0, 2.0, 0.5), None], Anomaly("Small"))
    shard, predictions = read_shard(path), made_up_scores(path, skill=9.0)
    return [make_case(shard, predictions, index, YARDSTICK, YARDSTICK, CAPTION) for index in (0, 1)]


@pytest.fixture(autouse=True)
def styled():
    with house_style():
        yield


def circles(axes):
    return [patch for patch in axes.patches if TRUTH in str(patch.get_label()) or patch.get_linewidth() == 1.5]


def test_truth_is_circled_where_it_is_and_left_is_left(cases):
    _, _, plan, _ = draw_case(cases[0]).axes
    (circle,) = circles(plan)
    right_m, ahead_m = circle.center
    assert (right_m, ahead_m) == pytest.approx((-2.0, 8.0), abs=0.3)
    assert 0.8 < circle.radius < 1.8
    highest = np.asarray(plan.lines[-1].get_xydata())[0]
    assert np.hypot(highest[0] + 2.0, highest[1] - 8.0) < 0.6
    low, high = plan.get_ylim()
    assert low < 0 and high >= 20 and plan.get_xlim()[0] == -plan.get_xlim()[1]


def test_image_holds_overlay_and_outline(cases):
    _, picture, _, _ = draw_case(cases[0]).axes
    base, overlay = picture.images
    assert present(base.get_array()).shape == (48, 72, 3)
    alpha = np.asarray(overlay.get_array())[..., 3]
    anomalous = cases[0].pixel_anomalous
    assert alpha[anomalous].min() > 0.8 and np.median(alpha[~anomalous]) == 0.0
    u, v = np.asarray(picture.lines[-1].get_xydata())[0]
    assert anomalous[int(v), int(u)]


def test_beside_it_the_image_is_plain_and_of_the_same_extent(cases):
    plain, picture, _, _ = draw_case(cases[0]).axes
    (image,) = plain.images
    np.testing.assert_array_equal(image.get_array(), cases[0].image)
    assert not plain.lines and not plain.collections
    assert image.get_extent() == picture.images[0].get_extent() == picture.images[1].get_extent()
    assert (plain.get_xlim(), plain.get_ylim()) == (picture.get_xlim(), picture.get_ylim())
    assert plain.get_window_extent().size == pytest.approx(picture.get_window_extent().size)


def test_nothing_true_nothing_circled(cases):
    _, picture, plan, _ = draw_case(cases[1]).axes
    assert circles(plan) == [] and len(picture.collections) == 0


def test_the_caption_tells_a_hit_from_a_lucky_one(cases):
    def caption(case):
        return [text.get_text() for text in draw_case(case).texts]

    assert "score 1.00, highest point on the anomaly" in caption(cases[0])
    assert "score 1.00" in caption(cases[1])


def test_sheet_holds_all_cases_or_says_that_there_is_none(cases):
    sheet = draw_sheet("misses", [cases[0], cases[1], cases[0]])
    assert len(sheet.axes) == 3 * 3 + 1
    assert sheet.texts[0].get_text().startswith("Worst misses")
    empty = draw_sheet("hits", [])
    assert [text.get_text() for text in empty.texts][1] == "The test set holds no such frame."
    assert not empty.axes


def test_everything_lies_within_the_picture(cases):
    for figure in (draw_case(cases[0]), draw_sheet("hits", cases * 3), draw_sheet("hits", cases[:1])):
        width, height = figure.get_size_inches()
        box = figure.get_tightbbox()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        writing = [text.get_window_extent() for text in figure.texts] + [figure.legends[0].get_window_extent()]
        assert not [1 for i, a in enumerate(writing) for b in writing[:i] if a.overlaps(b)]
