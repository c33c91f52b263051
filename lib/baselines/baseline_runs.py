"""The field's baselines on the pipeline's own data: a plain segmentation per choice of sensors, judged in four ways.

The segmentation is the detector's own network, trained for as many steps on the same frames, without pseudo-anomalies
and with softmax cross-entropy alone. Scores are made as the detector's are: mirror images averaged, one per point,
pixel and frame. Which frame score suits a method is asked of validation, as it was for the detector.
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

from lib.baselines.distance_scorers import NormalFeatures, distance_scorer, normal_features
from lib.baselines.references import BANK, mahalanobis, nearest_neighbour
from lib.common.outputs import atomic_folder
from lib.common.params import DataParams, ExecutionParams, Sections
from lib.common.workers import available_cores
from lib.evaluation.calibration import pasted_truth
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.inputs import opened, scored_scenarios
from lib.evaluation.levels import score_scenario
from lib.evaluation.metrics_report import evaluate
from lib.inference.calibration_set import check_both_kinds, matched_outside, score_validation
from lib.inference.predict_params import PredictParams
from lib.inference.scores import Scorer, also_without_image, for_sensors
from lib.inference.shard_scoring import Scoring, predictions_of
from lib.loading.loader import batches
from lib.model.detector import Detector, build_detector
from lib.model.devices import choose_device, choose_precision, make_deterministic
from lib.model.model_params import ModelParams, Score
from lib.model.parallel import Threads
from lib.shards.index import SHARD_FILES, read_index
from lib.shards.predictions import Predictions, write_predictions
from lib.shards.shard_reader import read_shard
from lib.shards.split import assign_splits
from lib.shards.split_params import SplitParams
from lib.training.loop import Recipe, TrainingSet, train_detector
from lib.training.train_params import TrainParams
from lib.training.training_frames import training_set
from lib.training.training_setup import batch_parts, detector_config, range_grid

Sensors = Literal["image", "lidar", "concat"]
Method = Literal["nearest_neighbour", "mahalanobis", "max_softmax", "energy"]
POOL: Final = 20_000
LOG = logging.getLogger(__name__)


class BaselineParams(Sections):
    """What the pipeline's params say to the baselines."""

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
    """Train the plain segmentation, judge the test scenarios by each method, return each one's metrics.

    Scores are written to <predictions>/<sensors>-<method>/, one file per shard.
    """
    device = choose_device(params.execution.device)
    make_deterministic(params.train.seed)
    data = training_set(shards, params.split, params.data.root)
    detector = _plain_segmentation(data, sensors, params, device)
    metrics: dict[Method, Any] = {}
    scorings = _scorings(detector, data, params, device)
    for method in methods:
        folder = predictions / f"{sensors}-{method}"
        scoring = _suited_to_validation(scorings[method](), data, sensors, params)
        _predict(shards, folder, scoring, params, f"{sensors}-{method} seed {params.train.seed}")
        metrics[method] = _evaluated(shards, folder, params) | {"frame_score": scoring.params.frame_score}
        LOG.info("%s, %s: scored, frames by %s", sensors, method, scoring.params.frame_score)
    return metrics


def _plain_segmentation(data: TrainingSet, sensors: Sensors, params: BaselineParams, device: torch.device) -> Detector:
    config = detector_config(params.model.model_copy(update={"fusion": sensors}), data.shards)
    detector = build_detector(config)
    precision = choose_precision(params.train.precision, device)
    grid, parts = range_grid(config, data.shards[0]), batch_parts(params.train, device)
    data_location = params.execution.data_location
    recipe = Recipe(params.train, grid, device, precision, parts, "classes", data_location, processes=True)
    train_detector(detector, data, recipe, lambda history: None)
    return detector.eval()


def _scorings(
    detector: Detector, data: TrainingSet, params: BaselineParams, device: torch.device
) -> dict[Method, Callable[[], Scoring]]:
    """How each method scores; what has to be fitted is fitted when asked for."""
    grid, precision = detector.config.grid(), choose_precision(params.predict.precision, device)

    def scoring(scorer: Scorer, score: Score) -> Scoring:
        return Scoring(scorer, grid, params.predict.model_copy(update={"score": score}), device, precision)

    as_detector = partial(also_without_image, fuses=detector.config.fuses, params=params.predict)
    seed, per_frame = params.train.seed, math.ceil(POOL / len(data.training))

    @cache
    def normal() -> NormalFeatures:
        frames = batches(data.shards, data.training, params.predict.batch_size, device)
        view = range_grid(detector.config, data.shards[0])
        return normal_features(detector, frames, view, per_frame, seed, precision)

    def by_neighbour() -> Scoring:
        generator = torch.Generator().manual_seed(seed)
        scorer = distance_scorer(detector, normal(), lambda f, _: nearest_neighbour(f, BANK, generator), device)
        return scoring(scorer=as_detector(scorer), score="anomaly_logit")

    def by_class_means() -> Scoring:
        scorer = distance_scorer(detector, normal(), mahalanobis, device)
        return scoring(scorer=as_detector(scorer), score="anomaly_logit")

    return {
        "nearest_neighbour": by_neighbour,
        "mahalanobis": by_class_means,
        "max_softmax": lambda: scoring(scorer=as_detector(detector), score="max_softmax"),
        "energy": lambda: scoring(scorer=as_detector(detector), score="energy"),
    }


def _suited_to_validation(scoring: Scoring, data: TrainingSet, sensors: Sensors, params: BaselineParams) -> Scoring:
    """The same with the frame score that tells pseudo-anomalies in validation's frames best, of points alone or not;
    and with as few false alarms outside the image as inside.
    """
    found: list[tuple[float, Scoring]] = []
    with Threads(_threads(params, scoring.device)) as threads:
        for changed in _frame_score_params(sensors, scoring.params):
            candidate = replace(scoring, params=changed)
            scores = score_validation(candidate, data.shards, data.validation, "", threads)
            truth, counts = pasted_truth(scores.pasted_image_fraction, scores.pasted_points, params.evaluate)
            check_both_kinds(truth[counts], "predict.validation_frames")
            found.append((float(roc_auc_score(truth[counts], scores.pasted_score[counts])), candidate))
        best = max(found, key=lambda pair: pair[0])[1]
        return matched_outside(best, data.shards, data.validation, threads)


def _frame_score_params(sensors: Sensors, params: PredictParams) -> list[PredictParams]:
    """The params with each frame score to choose from; one where both come to the same."""
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
