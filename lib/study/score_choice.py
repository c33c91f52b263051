"""Comparison of scores on validation frames with and without pseudo-anomalies, without any test data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, get_args

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.platt_scaling import pasted_truth
from lib.inference.calibration_set import check_both_kinds, in_view
from lib.inference.frame_scores import frame_scores
from lib.inference.predict_params import FrameScore, PredictParams
from lib.inference.scores import also_without_image, for_sensors
from lib.inference.shard_scoring import Scoring, logits_of
from lib.inference.threads import Threads
from lib.loading.dataset import batches
from lib.metrics.bootstrap import bootstrap, resample_scenarios
from lib.model.class_scores import rescored
from lib.model.detector import Detector
from lib.model.devices import Precision
from lib.model.model_params import Score
from lib.synthesis.families import VALIDATION
from lib.synthesis.pasted_windows import pasted_windows
from lib.synthesis.pseudo_anomalies import Mix
from lib.synthesis.targets import UNSURE
from lib.training.recipe import TrainingSet
from lib.views.frame_batch import FrameBatch

Alternative = tuple[Score, FrameScore]
DEFAULT: Final[Alternative] = ("anomaly_logit", "points_or_pixels")
ALTERNATIVES: Final[tuple[Alternative, ...]] = tuple((s, f) for s in get_args(Score) for f in get_args(FrameScore))
RESAMPLES = 500
SEED = 104_729


@dataclass(frozen=True)
class ScoreRow:
    """One alternative: frame AUROC, its difference to DEFAULT with a 95 % interval over scenarios, point metrics."""

    score: Score
    frame_score: FrameScore
    frame_auroc: float
    change: float
    change_low: float
    change_high: float
    point_auroc: float
    point_ap: float


@dataclass(frozen=True, eq=False)
class ScoredFrames:
    """Frame scores (F,) by alternative, point scores (N,) by score, their truth, and scenario (F,) of each frame."""

    frames: dict[Alternative, npt.NDArray[np.float32]]
    points: dict[Score, npt.NDArray[np.float32]]
    frame_truth: npt.NDArray[np.bool_]
    point_truth: npt.NDArray[np.bool_]
    scenario: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Trial:
    """Configuration: validation frames are scored `repeats` times, each time with other pseudo-anomalies."""

    slots: int
    repeats: int
    predict: PredictParams
    evaluate: EvaluateParams
    device: torch.device
    precision: Precision


def compare_scores(detector: Detector, data: TrainingSet, trial: Trial, threads: Threads) -> list[ScoreRow]:
    """Score the validation frames by all alternatives; raises DataError if all are anomalous or none is."""
    params = trial.predict.model_copy(update={"score": "anomaly_logit"})
    scorer = also_without_image(detector, detector.config.fuses, params)
    scoring = Scoring(scorer, detector.config.grid(), params, trial.device, trial.precision)
    by_frame_score = {
        how: for_sensors(params.model_copy(update={"frame_score": how}), detector.config.fusion)
        for how in get_args(FrameScore)
    }
    results = partial(_score_batch, scoring, by_frame_score, trial)
    parts = list(threads.map(results, _batches(data, trial)))
    together = ScoredFrames(
        frames={a: np.concatenate([part.frames[a] for part in parts]) for a in ALTERNATIVES},
        points={s: np.concatenate([part.points[s] for part in parts]) for s in get_args(Score)},
        frame_truth=np.concatenate([part.frame_truth for part in parts]),
        point_truth=np.concatenate([part.point_truth for part in parts]),
        scenario=np.concatenate([part.scenario for part in parts]),
    )
    check_both_kinds(together.frame_truth, "the number of repeats")
    return rate(together)


def rate(results: ScoredFrames) -> list[ScoreRow]:
    """Rows of all alternatives, the best frame AUROC first."""
    truth, base = results.frame_truth, results.frames[DEFAULT]
    resampled_base = _resampled_auroc(results, base)
    point = {
        score: (float(roc_auc_score(results.point_truth, s)), float(average_precision_score(results.point_truth, s)))
        for score, s in results.points.items()
    }
    rows = []
    for (score, frame_score), values in results.frames.items():
        low, high = np.nanpercentile(_resampled_auroc(results, values) - resampled_base, [2.5, 97.5])
        auroc = float(roc_auc_score(truth, values))
        change = auroc - float(roc_auc_score(truth, base))
        rows.append(ScoreRow(score, frame_score, auroc, change, float(low), float(high), *point[score]))
    return sorted(rows, key=lambda row: -row.frame_auroc)


def _resampled_auroc(results: ScoredFrames, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """AUROC (R,) of the frames' scores (F,) in every resample of the scenarios, the same ones for all scores."""
    _, scenario = np.unique(results.scenario, return_inverse=True)
    values, place = np.unique(scores, return_inverse=True)
    counts = np.zeros((2, int(scenario.max()) + 1, len(values)))
    np.add.at(counts, (results.frame_truth.astype(int), scenario, place), 1)
    weights = resample_scenarios([""] * counts.shape[1], RESAMPLES, np.random.default_rng(SEED))
    return np.asarray(bootstrap(weights, positives=counts[1], negatives=counts[0])[0])


def _batches(data: TrainingSet, trial: Trial) -> Iterator[tuple[FrameBatch, npt.NDArray[np.int64], int]]:
    """Batches of validation frames, the index of each frame's shard, and a seed."""
    size = trial.predict.batch_size
    for repeat in range(trial.repeats):
        for number, batch in enumerate(batches(data.shards, data.validation, size, trial.device, data.windows)):
            refs = data.validation[number * size : (number + 1) * size]
            yield batch, np.array([ref.shard for ref in refs]), SEED * (repeat + 1) + number


@torch.inference_mode()
def _score_batch(
    scoring: Scoring,
    by_frame_score: dict[FrameScore, PredictParams],
    trial: Trial,
    seeded: tuple[FrameBatch, npt.NDArray[np.int64], int],
) -> ScoredFrames:
    batch, scenario, seed = seeded
    generator = torch.Generator(scoring.device).manual_seed(seed)
    mix = Mix(trial.slots, trial.predict.validation_clean_fraction)
    views, targets = pasted_windows(batch, scoring.grid, mix, VALIDATION, generator)
    logits = logits_of(scoring, views)
    image_fraction_B, points_B = (each.cpu().numpy() for each in in_view(views, targets))
    positive, counts = pasted_truth(image_fraction_B, points_B, trial.evaluate)
    scored = views.seen_BRC & (targets.cell_BRC != UNSURE)
    frames, points = {}, {}
    for score in get_args(Score):
        scores = rescored(logits, score)
        points[score] = scores.cell_BRC[scored].cpu().numpy()
        for how, params in by_frame_score.items():
            frames[score, how] = frame_scores(scores, views, params).cpu().numpy()[counts]
    point_truth = (targets.cell_BRC[scored] == 1).cpu().numpy()
    return ScoredFrames(frames, points, positive[counts], point_truth, scenario[counts])


def table(rows: Sequence[ScoreRow]) -> str:
    """The rows as a Markdown table."""
    head = "| predict.score | predict.frame_score | frame AUROC | change [95 %] | point AUROC | point AP |"
    return "\n".join([head, "|---" * 6 + "|", *map(_line, rows)])


def _line(row: ScoreRow) -> str:
    change = f"{row.change:+.3f} [{row.change_low:+.3f}, {row.change_high:+.3f}]"
    point = f"{row.point_auroc:.3f} | {row.point_ap:.3f}"
    return f"| {row.score} | {row.frame_score} | {row.frame_auroc:.3f} | {change} | {point} |"
