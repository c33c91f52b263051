"""Rows of plots/roc.csv, pr.csv, scores.csv and breakdown.csv."""

from collections.abc import Mapping
from typing import Final

from lib.evaluation.levels import Level
from lib.evaluation.platt_scaling import Bins, CalibratedLevel, ScoreCalibration
from lib.evaluation.pools import Pool, level_metrics
from lib.evaluation.truth import GROUP_ORDER
from lib.metrics.curves import precision_recall_curve, roc_curve

Row = dict[str, str | int | float]
MAX_CURVE_ROWS: Final = 200
BREAKDOWN_LEVELS: Final[tuple[Level, ...]] = ("frame", "point")
ROC_COLUMNS: Final = ("level", "false_positive_rate", "true_positive_rate")
PRECISION_RECALL_COLUMNS: Final = ("level", "recall", "precision")
SCORE_COLUMNS: Final = ("level", "group", "score", "share")
_NUMBERS: Final = ("auroc", "auroc_low", "auroc_high", "ap", "ap_low", "ap_high", "positives", "negatives")
RELIABILITY_COLUMNS: Final = ("level", "split", "predicted", "observed", "items")
BREAKDOWN_COLUMNS: Final = ("level", "group", "value", *_NUMBERS)


def roc_rows(level: Level, pool: Pool) -> list[Row]:
    """The level's ROC curve, at most MAX_CURVE_ROWS rows, both ends exact."""
    curve = zip(*roc_curve(pool.ranking(), MAX_CURVE_ROWS), strict=True)
    return [{"level": level, "false_positive_rate": float(x), "true_positive_rate": float(y)} for x, y in curve]


def precision_recall_rows(level: Level, pool: Pool) -> list[Row]:
    """The level's precision over recall, at most MAX_CURVE_ROWS rows, both ends exact."""
    curve = zip(*precision_recall_curve(pool.ranking(), MAX_CURVE_ROWS), strict=True)
    return [{"level": level, "recall": float(x), "precision": float(y)} for x, y in curve]


def score_rows(level: Level, pool: Pool) -> list[Row]:
    """Histograms of the level's normal and anomalous scores: a bin's middle, and the share of its group in it."""
    edges, normal, anomalous = pool.histograms()
    middles = (edges[:-1] + edges[1:]) / 2
    return [
        {"level": level, "group": group, "score": float(middle), "share": int(count) / int(counts.sum())}
        for group, counts in (("normal", normal), ("anomalous", anomalous))
        for middle, count in zip(middles, counts, strict=True)
    ]


def breakdown_rows(pools: Mapping[str, Pool]) -> list[Row]:
    """Metrics of the positives of one group (of frames) against all negatives; groups without a positive are absent."""
    rows: list[Row] = []
    for level in (level for level in BREAKDOWN_LEVELS if level in pools):
        groups = pools[level].positives
        for name, order in GROUP_ORDER.items():
            found = {value for group, value in groups if group == name}
            for value in (v for v in order + tuple(sorted(found - set(order))) if v in found):
                numbers = level_metrics(pools[level], (name, value))
                row: Row = {"level": level, "group": name, "value": value}
                rows.append(row | {column: numbers[column] for column in _NUMBERS})
    return rows


def reliability_rows(
    test: Mapping[CalibratedLevel, Bins], calibrations: Mapping[CalibratedLevel, ScoreCalibration]
) -> list[Row]:
    """Of each bin that is not empty: the mean predicted probability, the share observed, and how many items."""
    rows: list[Row] = []
    for level, bins in test.items():
        promised = calibrations[level].promised
        parts = {"validation": promised, "test": bins, "test, its share known": bins.at_fraction(promised.share)}
        for split, part in parts.items():
            columns = part.predicted.tolist(), part.positives.tolist(), part.items.tolist()
            for predicted, positives, items in (row for row in zip(*columns, strict=True) if row[2]):
                row: Row = {"level": level, "split": split, "items": items}
                rows.append(row | {"predicted": predicted / items, "observed": positives / items})
    return rows
