"""Baselines from the literature on the pipeline's data: a semantic segmentation per set of sensors, with four scores.

The segmentation is the detector's network, trained for the same number of steps on the same frames, but without
pseudo-anomalies and with softmax cross-entropy only. Scores per point, pixel and frame are computed as for the
detector, including averaging over flipped views. The frame score of each method is chosen on validation.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Literal

import torch
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from lib.baselines.distance_scorers import Fit, NormalFeatures, distance_scorer, normal_features
from lib.baselines.references import BANK, mahalanobis, nearest_neighbour
from lib.common.outputs import atomic_folder
from lib.common.params import DataParams, ExecutionParams, Sections
from lib.common.workers import available_cores
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.inputs import opened, scored_scenarios
from lib.evaluation.levels import score_scenario
from lib.evaluation.metrics_report import evaluate
from lib.evaluation.platt_scaling import pasted_truth
from lib.inference.calibration_set import ValidationSet, check_both_kinds, matched_outside, score_validation
from lib.inference.predict_params import PredictParams
from lib.inference.scores import Scorer, also_without_image, for_sensors
from lib.inference.shard_scoring import Scoring, predictions_of
from lib.inference.threads import Threads
from lib.loading.dataset import batches
from lib.model.detector import Detector, build_detector
from lib.model.devices import choose_device, choose_precision, make_deterministic
from lib.model.model_params import ModelParams, Score
from lib.shards.index import SHARD_FILES, read_index
from lib.shards.predictions import Predictions, write_predictions
from lib.shards.shard_reader import read_shard
from lib.shards.split import assign_splits
from lib.shards.split_params import SplitParams
from lib.training.loop import train_detector
from lib.training.process_group import ProcessGroup, run_in_processes
from lib.training.recipe import Recipe, TrainingSet
from lib.training.train_params import TrainParams
from lib.training.training_frames import training_set
from lib.training.training_setup import detector_config, process_count, range_grid

Sensors = Literal["image", "lidar", "concat"]
Method = Literal["nearest_neighbour", "mahalanobis", "max_softmax", "energy"]
MAX_FEATURES: Final = 20_000
LOG = logging.getLogger(__name__)


class BaselineParams(Sections):
    """Sections of params.yaml that the baselines use."""

    data: DataParams
    split: SplitParams
    model: ModelParams
    train: TrainParams
    predict: PredictParams
    evaluate: EvaluateParams
    execution: ExecutionParams


def run_baselines(
    shards: Path, predictions: Path, sensors: Sensors, methods: tuple[Method, ...], params: BaselineParams
) -> dict[Method, Any]:
    """Train the segmentation, score the test scenarios by each method, and return each method's metrics.
    Scores are written to <predictions>/<sensors>-<method>/, one file per shard.
    """
    device = choose_device(params.execution.device)
    processes = process_count(params.train, params.execution.processes, device)
    detector = run_in_processes(partial(_plain_segmentation, shards, sensors, params), processes)
    data = training_set(shards, params.split, params.data.root)
    metrics: dict[Method, Any] = {}
    scorings = _scorings(detector, data, params, device)
    for method in methods:
        folder = predictions / f"{sensors}-{method}"
        scoring = _with_best_frame_score(scorings[method](), data, sensors, params)
        _predict(shards, folder, scoring, params, f"{sensors}-{method} seed {params.train.seed}")
        metrics[method] = _evaluated(shards, folder, params) | {"frame_score": scoring.params.frame_score}
        LOG.info("%s, %s: scored, frames by %s", sensors, method, scoring.params.frame_score)
    return metrics


def _plain_segmentation(shards: Path, sensors: Sensors, params: BaselineParams, group: ProcessGroup) -> Detector:
    device = choose_device(params.execution.device, group.local_rank)
    make_deterministic(params.train.seed)
    data = training_set(shards, params.split, params.data.root)
    config = detector_config(params.model.model_copy(update={"fusion": sensors}), data.shards)
    detector = build_detector(config)
    precision = choose_precision(params.train.precision, device)
    recipe = Recipe(params.train, range_grid(config, data.shards[0]), device, precision, objective="classes")
    train_detector(detector, data, recipe, lambda history: None, group=group)
    return detector.eval()


def _scorings(
    detector: Detector, data: TrainingSet, params: BaselineParams, device: torch.device
) -> dict[Method, Callable[[], Scoring]]:
    """Functions that create each method's Scoring; references are fitted when they are called."""
    grid, precision = detector.config.grid(), choose_precision(params.predict.precision, device)

    def scoring(scorer: Scorer, score: Score) -> Scoring:
        return Scoring(scorer, grid, params.predict.model_copy(update={"score": score}), device, precision)

    as_detector = partial(also_without_image, fuses=detector.config.fuses, params=params.predict)
    seed, per_frame = params.train.seed, math.ceil(MAX_FEATURES / len(data.training))

    @cache
    def normal() -> NormalFeatures:
        frames = batches(data.shards, data.training, params.predict.batch_size, device)
        view = range_grid(detector.config, data.shards[0])
        return normal_features(detector, frames, view, per_frame, seed, precision)

    def by_distance(fit: Fit) -> Scoring:
        return scoring(as_detector(distance_scorer(detector, normal(), fit, device)), "anomaly_logit")

    generator = torch.Generator().manual_seed(seed)
    return {
        "nearest_neighbour": lambda: by_distance(lambda f, _: nearest_neighbour(f, BANK, generator)),
        "mahalanobis": lambda: by_distance(mahalanobis),
        "max_softmax": lambda: scoring(as_detector(detector), "max_softmax"),
        "energy": lambda: scoring(as_detector(detector), "energy"),
    }


def _with_best_frame_score(scoring: Scoring, data: TrainingSet, sensors: Sensors, params: BaselineParams) -> Scoring:
    """Choose the frame score with the best validation AUROC; match false alarms outside the image to those inside."""
    found: list[tuple[float, Scoring]] = []
    validation = ValidationSet(data.shards, data.validation, data.windows)
    with Threads(_threads(params, scoring.device)) as threads:
        for changed in _frame_score_params(sensors, scoring.params):
            candidate = replace(scoring, params=changed)
            scores = score_validation(candidate, validation, "", threads)
            truth, counts = pasted_truth(scores.pasted_image_fraction, scores.pasted_points, params.evaluate)
            check_both_kinds(truth[counts], "predict.validation_frames")
            found.append((float(roc_auc_score(truth[counts], scores.pasted_score[counts])), candidate))
        best = max(found, key=lambda pair: pair[0])[1]
        return matched_outside(best, validation, threads)


def _frame_score_params(sensors: Sensors, params: PredictParams) -> list[PredictParams]:
    """Params with each candidate frame score; a single one if both candidates are equal for these sensors."""
    points, pixels = (params.model_copy(update={"frame_score": score}) for score in ("top_points", "points_or_pixels"))
    pixels = for_sensors(pixels, sensors)
    return [points] if pixels == points else [points, pixels]


def _threads(params: BaselineParams, device: torch.device) -> int:
    return params.execution.workers or available_cores() if device.type == "cpu" else 1


def _predict(shards: Path, folder: Path, scoring: Scoring, params: BaselineParams, fingerprint: str) -> None:
    entries = read_index(shards)
    splits = assign_splits(entries, params.split)
    test = [entry for entry in entries if splits[entry.scenario] == "test"]

    def predict(path: Path) -> Predictions:
        return predictions_of(scoring, read_shard(path), fingerprint)

    with (
        atomic_folder(folder, (SHARD_FILES,)) as partial_folder,
        Threads(_threads(params, scoring.device)) as threads,
        tqdm(total=sum(entry.frames for entry in test), unit="frame", desc=folder.name) as progress,
    ):
        for entry, predictions in zip(test, threads.map(predict, (shards / e.file for e in test)), strict=True):
            write_predictions(partial_folder / entry.file, predictions)
            progress.update(entry.frames)


def _evaluated(shards: Path, predictions: Path, params: BaselineParams) -> Any:
    read = opened(scored_scenarios(shards, predictions, params.split))
    return evaluate((score_scenario(*pair, params.evaluate) for pair in read), params.evaluate).metrics
