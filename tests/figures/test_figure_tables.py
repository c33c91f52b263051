import json

import numpy as np
import pytest

from lib.common.errors import DataError
from lib.evaluation.metrics_files import read_metrics
from lib.figures.breakdown_figure import draw_breakdown
from lib.figures.curves_figure import draw_precision_recall, draw_roc
from lib.figures.read_tables import read_table
from lib.figures.reliability_figure import draw_reliability
from lib.figures.scored_test_set import score_edges
from lib.figures.scores_figure import Histogram, draw_scores
from lib.figures.style import house_style
from lib.figures.training_figure import draw_training
from tests.present import present

TRAINING = "epoch,train_loss,normal_score,learning_rate\n1,2.0,-1.0,0.003\n2,1.0,-2.0,0.001\n"


@pytest.fixture
def write(tmp_path):
    def to(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return to


def texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_training_draws_the_columns_there_are(write):
    with house_style():
        figure = draw_training(write("training.csv", TRAINING))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Mean score on validation", "Learning rate"]
    assert texts(figure.axes[0]) == ["training: 1"]
    assert np.asarray(figure.axes[0].lines[0].get_xydata()).tolist() == [[1, 2], [2, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column epoch"),
        ("epoch,what\n1,2\n", "holds no training curve"),
        ("epoch,train_loss\n1,high\n", "the column train_loss has a value that is not a number"),
        ("epoch,train_loss\n1\n", "the column train_loss has a value that is not a number"),
    ],
)
def test_a_training_table_that_cannot_be_drawn(write, text, message):
    with house_style(), pytest.raises(DataError, match=f"training.csv: .*{message}.*run `dvc repro`"):
        draw_training(write("training.csv", text))


def test_missing_or_damaged_files(write, tmp_path):
    with pytest.raises(DataError, match=r"roc.csv: cannot be read \(No such file or directory\); run `dvc repro`"):
        read_table(tmp_path / "roc.csv", ["level"])
    with pytest.raises(DataError, match=r"cannot be read \(Expecting"):
        read_metrics(write("evaluate.json", "{"))
    with pytest.raises(DataError, match="holds no metrics by name"):
        read_metrics(write("evaluate.json", "[1]"))


BLOCK = '{"auroc": 0.75, "auroc_low": 0.7, "auroc_high": 0.8, "ap": 0.5, "ap_low": 0.4, "ap_high": 0.6,'
METRICS = '{"point": ' + BLOCK + ' "positives": 10, "negatives": 90}}'


def test_curves_carry_numbers_intervals_and_chance(write):
    metrics = write("evaluate.json", METRICS)
    roc = write("roc.csv", "level,false_positive_rate,true_positive_rate\npoint,0,0\npoint,0.5,1\npoint,1,1\n")
    pr = write("pr.csv", "level,recall,precision\npoint,0,0.5\npoint,1,0.1\n")
    with house_style():
        figure = draw_roc(roc, metrics)
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["point in view: 0.750 [0.700, 0.800]", "chance: 0.500"]
        figure = draw_precision_recall(pr, metrics)
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["point in view: 0.500 [0.400, 0.600], chance 0.1", "chance: the fraction of anomalous"]
    assert [0.1, 0.1] in [np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines]


def test_curves_without_their_metrics(write):
    roc = write("roc.csv", "level,false_positive_rate,true_positive_rate\npixel,0,0\npixel,1,1\n")
    with house_style(), pytest.raises(DataError, match="lacks the level pixel"):
        draw_roc(roc, write("evaluate.json", METRICS))
    empty = write("roc.csv", "level,false_positive_rate,true_positive_rate\n")
    with house_style(), pytest.raises(DataError, match="holds no curve"):
        draw_roc(empty, write("evaluate.json", METRICS))


def test_breakdown_says_where_a_level_has_nothing(write):
    rows = "level,group,value,auroc,auroc_low,auroc_high,ap,positives,negatives\n"
    one = write("breakdown.csv", rows + "point,distance,0-8 m,0.9,0.3,0.95,0.4,1234,99\n")
    with house_style():
        frames, points = draw_breakdown(one).axes
        assert [text.get_text() for text in frames.texts][:1] == ["no anomalous frame in the test set"]
        assert {"0.900", "n = 1,234"} <= {text.get_text() for text in points.texts}
        assert points.get_xlim()[0] < 0.3
        draw_breakdown(write("breakdown.csv", rows))


def test_score_edges_span_the_table(write):
    text = "level,group,score,share\n" + "".join(f"point,normal,{s},0.5\n" for s in (1.0, 2.0, 3.0))
    edges = score_edges(write("scores.csv", text), bins=6)
    assert list(edges) == ["point"]
    assert edges["point"].tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]


def panels_are_wide_and_explained_below(figure):
    """Whether each panel takes its share of the width, and its legend lies below it and within the figure."""
    figure.canvas.draw()
    legends = [axes.get_legend().get_window_extent() for axes in figure.axes]
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert all(box.width > 0.35 * figure.bbox.width for box in boxes)
    assert not any(legend.overlaps(box) for legend in legends for box in boxes)
    assert not legends[0].overlaps(legends[1])
    return all(legend.x0 >= 0 and legend.y0 >= 0 and legend.x1 <= figure.bbox.x1 for legend in legends)


def test_scores_are_drawn_wide_and_explained_below(write):
    metrics = {level: {"auroc": 0.878, "fpr95": 0.466} for level in ("frame", "point")}
    edges, counts = np.linspace(-3, 9, 5), (np.array([900_000, 9, 0, 1]), np.array([0, 5, 7, 400_000]))
    histograms = [
        Histogram("frame", "frames", False, edges, *counts),
        Histogram("point", "points in view", True, edges, *counts),
    ]
    with house_style():
        figure = draw_scores(histograms, write("evaluate.json", json.dumps(metrics)))
        assert panels_are_wide_and_explained_below(figure)
    assert present(figure.axes[1].get_legend()).get_title().get_text() == "AUROC 0.878, FPR95 0.466"
    assert texts(figure.axes[0]) == ["normal (900,010 frames)", "anomalous (400,012 frames)"]


def test_reliability_is_drawn_wide_and_explained_below(write):
    splits = ("validation", "test", "test, its share known")
    rows = "".join(
        f'{level},"{split}",{p},{p},9\n' for level in ("frame", "point") for split in splits for p in (0.1, 0.9)
    )
    errors = {"validation_error": 0.01, "test_error": 0.02, "error_at_fraction": 0.03}
    block = {**errors, "positive_fraction": 0.38, "validation_positive_fraction": 0.27}
    with house_style():
        figure = draw_reliability(
            write("reliability.csv", "level,split,predicted,observed,items\n" + rows),
            write("evaluate.json", json.dumps({"calibration": {"frame": block, "point": block}})),
        )
        assert panels_are_wide_and_explained_below(figure)
    assert texts(figure.axes[0])[1] == "test: ECE 0.02"
