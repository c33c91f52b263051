"""The figure of events: operating points lie on the curve, and rates are of what the driving can support."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.figures.events_figure import Outcome, draw_events, staircase
from lib.figures.style import house_style

HEAD = "threshold,false_alarms_per_minute,detection_rate,detection_rate_low,detection_rate_high,first_detection_m\n"
FIRST = (
    "threshold,distance_m,in_view_fraction,detection_rate\n"
    "the test's own,0,1,0.4\nthe test's own,9,0.5,0\nfrom validation,0,1,0.6\nfrom validation,9,0.5,0.2\n"
)
TABLE = [(5.0, 0.0, 0.2), (4.0, 1.0, 0.4), (3.0, 2.0, 0.5), (1.0, 4.0, 0.8), (0.0, 6.0, 1.0)]
OWN = (4.5, 0.0, 0.4)


def metrics_of(point):
    threshold, rate, detection_rate = point
    return {
        **{"threshold": threshold, "false_alarms_per_minute": rate, "detection_rate": detection_rate},
        **{"detection_rate_low": detection_rate, "detection_rate_high": detection_rate, "first_detection_m": 5.0},
    }


@pytest.fixture
def draw(tmp_path):
    def drawn(own=OWN, validation=None, minutes=1.0, table=TABLE):
        """The figure of a table of (threshold, rate, share), and its two panels."""
        rows = "".join(
            f"{threshold},{rate},{detection_rate},{detection_rate},{detection_rate},5.0\n"
            for threshold, rate, detection_rate in table
        )
        block = {"objects": 10, "normal_minutes": minutes, **(metrics_of(own) if own else {})}
        if validation:
            block["at_validation_threshold"] = metrics_of(validation)
        paths = [tmp_path / name for name in ("events.csv", "first.csv", "evaluate.json")]
        for path, text in zip(paths, (HEAD + rows, FIRST, json.dumps({"events": block})), strict=True):
            path.write_text(text)
        figure = draw_events(*paths)
        return figure, *figure.axes

    with house_style():
        yield drawn


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def curve_and_points(axes):
    curve = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    points = [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    return [tuple(place) for place in curve.get_xydata()], points


@pytest.mark.parametrize(
    ("validation", "place"),
    [
        ((3.0, 2.0, 0.5), (2.0, 0.5)),  # a row of the table
        ((2.0, 3.0, 0.6), (3.0, 0.6)),  # a threshold between two rows
        ((2.0, 1.0, 0.7), (2.0, 0.7)),  # alarms joined: a higher threshold had more
    ],
)
def test_operating_points_lie_on_the_curve(draw, validation, place):
    _, axes, _ = draw(validation=validation)
    curve, (own, chosen) = curve_and_points(axes)
    assert chosen == pytest.approx(place) and own[1] == 0.4
    assert own in curve and chosen in curve
    assert curve == sorted(curve) and [detection_rate for _, detection_rate in curve] == sorted(
        detection_rate for _, detection_rate in curve
    )


def test_a_rate_that_the_table_rounds_up_is_no_higher_one(draw):
    _, axes, _ = draw(table=[*TABLE[:3], (2.5, 2.068966, 0.5)], validation=(2.2, 2.0689655, 0.6))
    assert legend(axes)[-1] == "threshold set on validation: 60 % found at 2.1 a minute"


def test_a_threshold_just_above_the_highest_normal_score_comes_before_it(draw):
    """In six decimals both are equal, and so are the objects found; the false alarm is the lower threshold's."""
    _, axes, _ = draw(table=[(5.0, 0.0, 0.2), (2.753906, 1.0, 0.4), (1.0, 2.0, 0.5)], own=(2.75390626, 0.0, 0.4))
    curve, (own,) = curve_and_points(axes)
    assert own in curve and own[0] < 1.0
    assert legend(axes)[-1] == "threshold set on this test set: 40 % found without a false alarm"


def test_a_point_whose_alarms_joined_says_so(draw):
    _, axes, _ = draw(validation=(2.0, 1.0, 0.7))
    assert (
        legend(axes)[-1] == "threshold set on validation: 70 % found at 1 a minute\n(2 a minute at a higher threshold)"
    )
    assert legend(axes)[-2] == "threshold set on this test set: 40 % found without a false alarm"


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 99)), min_size=1, max_size=30, unique_by=lambda pair: pair[0]))
def test_a_staircase_rises_and_keeps_every_outcome(drawn):
    outcomes = [Outcome(threshold, rate, -threshold, 0.0, 1.0) for threshold, rate in drawn]
    steps = staircase(outcomes)
    assert [step.threshold for step in steps] == sorted((o.threshold for o in outcomes), reverse=True)
    assert [step.detection_rate for step in steps] == sorted(o.detection_rate for o in outcomes)
    for step in steps:
        assert step.rate == max(o.rate for o in outcomes if o.threshold >= step.threshold)


@pytest.mark.parametrize(("minutes", "one_a_minute"), [(0.5, False), (0.97, False), (1.0, True), (200.0, True)])
def test_no_rate_below_one_alarm_in_the_driving(draw, minutes, one_a_minute):
    _, axes, _ = draw(minutes=minutes)
    rates = [float(text.get_text()) for text in axes.get_xticklabels() if text.get_text() != "none"]
    assert rates and min(rates) >= 1 / minutes
    assert ("one false alarm a minute" in legend(axes)) == one_a_minute
    curve, (own,) = curve_and_points(axes)
    low, high = axes.get_xlim()
    assert low < own[0] < 1 / minutes and high > curve[-1][0]  # none seen: left of the lowest rate


def test_says_what_it_is_drawn_from(draw):
    _, axes, _ = draw(minutes=58 / 60)
    assert axes.get_legend().get_title().get_text() == "drawn from 10 objects and 58 s of normal driving"
    assert {"no false alarm in 58 s", "fewer than 10 false alarms in 58 s: a rough rate"} <= set(legend(axes))
    _, axes, _ = draw(minutes=12.345)
    assert axes.get_legend().get_title().get_text() == "drawn from 10 objects and 12.3 minutes of normal driving"


def test_an_operating_point_that_evaluation_leaves_out_is_not_drawn(draw):
    _, axes, _ = draw(own=None, validation=(3.0, 2.0, 0.5))
    _, points = curve_and_points(axes)
    assert points == [(2.0, 0.5)]
    _, axes, _ = draw(own=None)
    assert curve_and_points(axes)[1] == []


def test_legends_cover_no_curve(draw):
    figure, left, right = draw(validation=(2.0, 1.0, 0.7))
    figure.canvas.draw()
    for axes in (left, right):
        box = axes.get_legend().get_window_extent()
        assert not any(box.overlaps(other.get_window_extent()) for other in (left, right))
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1
    assert not left.get_legend().get_window_extent().overlaps(right.get_legend().get_window_extent())


def test_without_events_both_panels_say_so(draw):
    for axes in draw(table=[])[1:]:
        assert [text.get_text() for text in axes.texts] == [
            "no events: the test set lacks times, objects in view or negative frames"
        ]
