"""The data doctor: survey, findings and estimate in one go."""

from pathlib import Path

from lib.doctor.estimate import estimate
from lib.doctor.findings import Severity, diagnose, splits_of
from lib.doctor.report import Checkup
from lib.doctor.survey import survey
from lib.params import ExecutionParams, ModelParams, PreprocessParams, SplitParams, TrainParams


def check_up(
    root: Path,
    frames_per_scenario: int,
    preprocess: PreprocessParams,
    split: SplitParams,
    model: ModelParams,
    train: TrainParams,
    execution: ExecutionParams,
) -> Checkup:
    """Check a data set against the params it would be used with.

    `frames_per_scenario`: ticks of each scenario whose frames are read in full (0 = all). Raises DataError when `root`
    holds no scenario, ParamsError when execution.device is not there.
    """
    found = survey(root, preprocess.sensors, frames_per_scenario, execution.workers)
    metrics = found.metrics()
    diagnoses = diagnose(found, metrics, preprocess, split)
    if any(diagnosis.severity is Severity.ERROR for diagnosis in diagnoses):
        return Checkup(found, metrics, diagnoses, {}, None, frames_per_scenario)
    splits = dict(splits_of(found, split))
    cost = estimate(found, splits, preprocess, split, model, train, execution)
    return Checkup(found, metrics, diagnoses, splits, cost, frames_per_scenario)
