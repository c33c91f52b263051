"""Figures of drives that brake: what is chosen, what is marked, and tables that cannot be drawn."""

import json

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from lib.common.errors import DataError
from lib.evaluation.braking_report import BRAKING_COLUMNS, DRIVE_COLUMNS
from lib.figures.braking_figure import draw_braking
from lib.figures.drive_figure import choose_drives, draw_drive, read_drives, thresholds_of
from lib.figures.style import house_style
from tests.present import present

THRESHOLDS = {"detector": 0.5, "tracker": 0.5}


def rows_of(name, told, by_tracker=None, known=True):
    """60 frames, labelled from 30 on; `told`: frames in which the detector's score is 1."""
    of_tracker = [] if by_tracker is None else by_tracker
    motion = "20.5,9.8" if known else ","
    return "".join(
        f"{name},{i / 10},{int(30 <= i < 61)},{int(i > 50)},{float(i in told)},{float(i in of_tracker)},{motion}\n"
        for i in range(60)
    )


@pytest.fixture
def drives(tmp_path):
    def read(*texts):
        (tmp_path / "drives.csv").write_text(",".join(DRIVE_COLUMNS) + "\n" + "".join(texts))
        return read_drives(tmp_path / "drives.csv")

    return read


def test_a_table_without_drives_gives_none(drives):
    assert drives() == []


def test_the_best_the_middle_and_the_worst_by_the_detectors_delay_then_the_trackers(drives):
    read = drives(
        rows_of("late", [40]), rows_of("missed", []), rows_of("first", [31]), rows_of("early", [30, 31]),
        rows_of("missed_told", [], [33]), rows_of("second", [33]), rows_of("third", [36]),
    )  # fmt: skip
    names = [(rank, drive.scores.name) for rank, drive in choose_drives(read, THRESHOLDS, 10)]
    assert names == list(enumerate(["first", "second", "third", "late", "missed_told", "early", "missed"], start=1))
    chosen = choose_drives(read, THRESHOLDS, 1)
    assert [(rank, drive.scores.name) for rank, drive in chosen] == [(1, "first"), (4, "late"), (7, "missed")]
    assert [drive.scores.name for _, drive in choose_drives(read, {}, 1)] == ["early", "missed", "third"]


def test_a_drive_shows_truth_threshold_and_what_was_told(drives):
    one, other = drives(rows_of("Scenario_a", [34], [25, 33]), rows_of("Scenario_b", [], known=False))
    with house_style():
        figure = draw_drive(one, 3, 40, THRESHOLDS, 3.0)
        detector, tracker, distance, speed = figure.axes
        assert figure.get_suptitle() == "a: number 3 of 40 by delay"
        assert detector.get_title(loc="left") == "detector: told after 0.3 s"
        assert tracker.get_title(loc="left") == "tracker: an alarm sounded before"
        assert [text.get_text() for text in present(distance.get_legend()).get_texts()] == [
            *("labelled as braking", "braking begins", "contact")
        ]
        dashed = [line for line in detector.lines if line.get_linestyle() == "--"]
        assert [np.asarray(line.get_ydata())[0] for line in dashed] == [0.5]
        marks = [np.asarray(line.get_xdata())[0] for line in speed.lines[2:]]
        assert marks == [pytest.approx(3.1), pytest.approx(5.1)]
        [window] = distance.patches
        assert isinstance(window, Rectangle)
        assert window.get_x() == pytest.approx(2.95) and window.get_width() == pytest.approx(3.0)
        titles = [axes.get_title(loc="left") for axes in draw_drive(other, 1, 1, {}, 3.0).axes]
    assert titles[:2] == ["detector: no threshold", "tracker: no threshold"]
    assert np.isnan(other.range_m).all() and np.isnan(other.speed_mps).all()


def test_a_score_that_is_the_threshold_reaches_it(drives, tmp_path):
    """Scores and thresholds are written with 9 decimals, and a float16 may have more."""
    value = 0.1234130859375
    text = rows_of("a", [33]).replace("1,0,1.0,", f"1,0,{round(value, 9)},")
    (tmp_path / "evaluate.json").write_text(json.dumps({"braking": {"detector": {"threshold": round(value, 9)}}}))
    [one] = drives(text)
    thresholds = thresholds_of(tmp_path / "evaluate.json")
    assert set(thresholds) == {"detector"} and one.delay_s("detector", thresholds) == pytest.approx(0.2)


def braking_table(path, rows):
    lines = [",".join(str(row.get(column, "")) for column in BRAKING_COLUMNS) for row in rows]
    path.write_text("\n".join([",".join(BRAKING_COLUMNS), *lines]) + "\n")


def test_the_overview_has_a_row_for_each_method(tmp_path):
    table, metrics = tmp_path / "braking.csv", tmp_path / "evaluate.json"
    numbers = {f"{name}{end}": 0.8 for name in ("onset", "label_held") for end in ("", "_low", "_high")}
    braking_table(table, [{"method": "detector", **numbers}, {"method": "nearness", **numbers}])
    metrics.write_text(json.dumps({"braking": {"hold_s": 2.5, "drives": 7, "normal_minutes": 0.4}}))
    with house_style():
        figure = draw_braking(table, metrics)
        onset, label, found = figure.axes
    assert [text.get_text() for text in onset.get_yticklabels()] == ["detector", "nearness, own lane"]
    assert label.get_title(loc="left") == "AUROC of the label, held 2.5 s"
    assert [text.get_text() for text in found.texts] == ["not known: too little normal driving"]
    for text, content in ((table, ",".join(BRAKING_COLUMNS) + "\n"), (metrics, "{}")):
        text.write_text(content)
        with pytest.raises(DataError, match=rf"{text.name}: holds no drives that brake; run `dvc repro evaluate`"):
            draw_braking(table, metrics)


def test_a_damaged_table_of_drives(drives):
    with pytest.raises(DataError, match=r"drives\.csv: the column detector has a value that is not a number"):
        drives("a,0.0,0,0,high,1.0,,\n")
    with pytest.raises(DataError, match=r"drives\.csv: the time of drive a does not rise; run `dvc repro`"):
        drives("a,0.0,0,0,1.0,1.0,,\n", "a,0.0,0,0,1.0,1.0,,\n")
