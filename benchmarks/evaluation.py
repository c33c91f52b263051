"""Speed of evaluation: voxel metrics against AnoVox's loop, curves against scikit-learn, and the bootstrap."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, precision_score, roc_auc_score

from benchmarks.subject import Measure, Spread, Subject, Table, number_text
from benchmarks.timing import alternate
from lib.common.ranking import rank
from lib.evaluation.anovox_protocol import AnovoxMetrics, anovox_metrics, shared_voxels
from lib.evaluation.levels import LevelScores
from lib.evaluation.pools import LevelCounter, level_metrics
from lib.geometry.voxels import voxel_keys
from lib.metrics.bootstrap import bootstrap, interval, resample_scenarios

VOXELS: Final = (1_000, 3_000, 8_000)
ROUNDS: Final = {1_000: 5, 3_000: 3, 8_000: 2}
EXPONENTS: Final = (6, 7, 8)
FRACTIONS: Final = (0.01, 0.5)
SKLEARN_EXPONENT, SAMPLING_ERROR = 7, 2e-3  # how far 10^7 scores may lie from 10^8 others of the same distribution
IN_SCENARIOS = 100
RESAMPLES, SCENARIOS, CELLS = 1_000, 200, 1_001
OURS, LOOP, SKLEARN = "ours", "AnoVox's loop", "scikit-learn"
PACKAGES: Final = ("numpy", "scikit-learn")
SCORES_NOTE: Final = (
    "Each was measured once. scikit-learn takes minutes for 10^8 scores and is left out; there, ours is compared with "
    "its result for 10^7 scores of the same distribution."
)
Rows = npt.NDArray[np.float64]


def measure(folder: Path) -> Subject:
    """Time all three; nothing is written."""
    voxels, at_8000 = _voxels()
    scores, seconds, peak_gb = _scores()
    resampling = _bootstrap()
    return Subject(
        title="Evaluation",
        setting=(
            "Made scores, anomalous ones a standard deviation higher. Voxels: predicted and true grids of so many "
            "voxels, nine in ten of them shared. Scores: N float16 scores of 100 scenarios; ours: AUROC, average "
            "precision, FPR95 and their intervals, scikit-learn: AUROC and average precision; each in a process of its "
            "own, peak memory with NumPy and the scores themselves."
        ),
        packages=PACKAGES,
        tables=(voxels, scores, resampling[0]),
        measures=(
            Measure("voxels_vs_anovox", "speed relative to AnoVox's loop, 8,000 voxels", at_8000, at_least=1_000),
            Measure("seconds_1e8", "time for 10^8 scores, 1 % anomalous", seconds, at_most=10, unit="s"),
            Measure("peak_gb_1e8", "peak memory for 10^8 scores", peak_gb, at_most=2, unit="GB"),
            Measure(
                "bootstrap_seconds",
                f"time for {RESAMPLES:,} resamples over {SCENARIOS} scenarios",
                resampling[1],
                at_most=2,
                unit="s",
            ),
        ),
        reading="Sorting 16-bit integers bounds the scores; calls of NumPy, not the voxels, bound the voxels.",
    )


def anovox_loop(predicted: Rows, true: Rows) -> AnovoxMetrics:
    """Reimplementation of AnoVox's evaluation: compare all pairs, then look up each common voxel in both arrays."""
    places, true_places = predicted[:, :3], true[:, :3]
    shared = true_places[(places[:, None] == true_places).all(axis=-1).any(axis=0)]
    scores, labels = [], []
    for place in shared:
        scores.append(predicted[np.isclose(places, place).all(axis=1), 3][0])
        labels.append(true[np.isclose(true_places, place).all(axis=1), 3][0] == 33)
    return plain_metrics(np.array(scores), np.array(labels))


def plain_metrics(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_]) -> AnovoxMetrics:
    """AnoVox's six metrics with scikit-learn, for each threshold."""
    thresholds = np.arange(0.25, 0.75, 0.05)
    precision, recall, cuts = precision_recall_curve(labels, scores)
    meeting = cuts[np.argmin(np.abs(precision - recall)[:-1])]
    first = next(t for t in np.arange(1, -0.01, -0.01) if (scores > t)[labels].mean() >= 0.95)
    return AnovoxMetrics(
        auroc=float(roc_auc_score(labels, scores)),
        aupr=float(average_precision_score(labels, scores)),
        fpr95=float((scores > first)[~labels].mean()),
        specificity=float((scores <= meeting)[~labels].mean()),
        f1_score=float(np.mean([f1_score(labels, scores > t, zero_division=0) for t in thresholds])),
        ppv=float(np.mean([precision_score(labels, scores > t, zero_division=0) for t in thresholds])),
    )


def ours(predicted: Rows, true: Rows) -> AnovoxMetrics:
    """The same metrics with lib.evaluation."""
    keys = [voxel_keys(rows[:, :3].astype(np.int64)) for rows in (predicted, true)]
    rows, true_rows = shared_voxels(*keys)
    scores, labels = predicted[rows, 3], true[true_rows, 3] == 33
    return anovox_metrics(rank(scores[labels], scores[~labels]))


def made_voxels(count: int, generator: np.random.Generator) -> tuple[Rows, Rows]:
    """Random voxels: predicted (count, 4) ix, iy, iz, score in [0, 1], and true (count, 4) ix, iy, iz, class id.

    The rows are in different orders.
    """
    places = generator.choice(200 * 200 * 20, size=count + count // 10, replace=False)
    voxels = np.stack([places % 200 + 400, places // 200 % 200 + 400, places // 40_000 + 20], axis=1).astype(np.float64)
    classes = np.where(generator.random(len(voxels)) < 0.02, 33.0, 1.0)
    scores = 1 / (1 + np.exp(-generator.normal(size=len(voxels)) - (classes == 33)))
    true = np.column_stack([voxels, classes])[:count]
    predicted = np.column_stack([voxels, scores])[-count:]
    return generator.permutation(predicted), generator.permutation(true)


def _voxels() -> tuple[Table, Spread]:
    rows, last = [], Spread.once(0)
    for count in VOXELS:
        predicted, true = made_voxels(count, np.random.default_rng(count))
        expected, found = anovox_loop(predicted, true), ours(predicted, true)
        assert found is not None and np.allclose(list(vars(found).values()), list(vars(expected).values()), atol=1e-9)
        ways = {OURS: lambda p=predicted, t=true: ours(p, t), LOOP: lambda p=predicted, t=true: anovox_loop(p, t)}
        warm_up = int(count < VOXELS[-1])  # the comparison above was one, and the loop takes long
        times = alternate(ways, ROUNDS[count], warm_up=warm_up, at_least_s=0.2)
        last = times.speedup(OURS, LOOP)
        shown = [Spread.of(1e3 * times.seconds[way]).text() for way in (OURS, LOOP)]
        rows.append((f"{count:,}", *shown, last.text()))
    return Table("A pair of voxel grids, ms", ("voxels", OURS, LOOP, "times as fast"), tuple(rows)), last


def made_scores(exponent: int, fraction: float) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.bool_]]:
    """Scores and labels (10 ** exponent,), a fraction of them anomalous; made in parts to save memory."""
    count, generator = 10**exponent, np.random.default_rng(exponent)
    scores, labels = np.empty(count, dtype=np.float16), np.empty(count, dtype=bool)
    for start in range(0, count, 10**6):
        part = slice(start, start + 10**6)
        labels[part] = generator.random(10**6, dtype=np.float32) < fraction
        scores[part] = generator.standard_normal(10**6, dtype=np.float32) + labels[part]
    return scores, labels


def _scores() -> tuple[Table, Spread, Spread]:
    rows, ends = [], {}
    for exponent in EXPONENTS:
        for fraction in FRACTIONS:
            one = ends[exponent, fraction] = _in_its_own_process(OURS, exponent, fraction)
            other = _in_its_own_process(SKLEARN, exponent, fraction) if exponent <= SKLEARN_EXPONENT else {}
            expected, within = (other, 1e-9) if other else (ends[SKLEARN_EXPONENT, fraction], SAMPLING_ERROR)
            for key in ("auroc", "ap"):
                assert abs(one[key] - expected[key]) <= within, (one, expected)
            cells = [number_text(each[k]) if each else "" for k in ("seconds", "peak_gb") for each in (one, other)]
            rows.append((f"10^{exponent}", f"{fraction:.0%}", *cells))
    last = ends[EXPONENTS[-1], FRACTIONS[0]]
    columns = ("scores", "anomalous", "ours, s", "scikit-learn, s", "ours, GB", "scikit-learn, GB")
    seconds, peak = (Spread.once(last[key]) for key in ("seconds", "peak_gb"))
    return Table("Metrics of a level", columns, tuple(rows), SCORES_NOTE), seconds, peak


def _in_its_own_process(way: str, exponent: int, fraction: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.evaluation", way, str(exponent), str(fraction)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def score(way: str, exponent: int, fraction: float) -> dict[str, float]:
    """Seconds, peak memory and results of one way."""
    scores, labels = made_scores(exponent, fraction)
    start = time.perf_counter()
    if way == OURS:
        counter, none = LevelCounter(broken_down=False), np.zeros(0, dtype=np.int64)
        parts = zip(np.split(scores, IN_SCENARIOS), np.split(labels, IN_SCENARIOS), strict=True)
        for number, (part, positive) in enumerate(parts):
            counter.add(number, LevelScores(part[positive], none, part[~positive]), ())
        pool = counter.finish(resample_scenarios(["a"] * IN_SCENARIOS, RESAMPLES, np.random.default_rng(2)))
        assert pool is not None
        block = level_metrics(pool)
        found = block["auroc"], block["ap"]
    else:
        found = float(roc_auc_score(labels, scores)), float(average_precision_score(labels, scores))
    seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"auroc": found[0], "ap": found[1], "seconds": seconds, "peak_gb": peak}


def _bootstrap() -> tuple[Table, Spread]:
    generator = np.random.default_rng(1)
    positives = generator.poisson(0.1, (SCENARIOS, CELLS)).astype(np.float64)
    negatives = generator.poisson(5.0, (SCENARIOS, CELLS)).astype(np.float64)

    def resample() -> object:
        weights = resample_scenarios(["a"] * SCENARIOS, RESAMPLES, np.random.default_rng(2))
        return interval(bootstrap(weights, positives, negatives))

    seconds = alternate({OURS: resample}, 5).duration(OURS)
    title = f"AUROC and AP intervals, {RESAMPLES:,} resamples over {SCENARIOS} scenarios"
    return Table(title, ("", "s"), ((OURS, seconds.text()),)), seconds


if __name__ == "__main__":
    print(json.dumps(score(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
