"""The check of a data set: survey, diagnoses and estimate."""

from pathlib import Path

from lib.common.errors import TrainingError
from lib.doctor.checkup_report import Checkup
from lib.doctor.diagnoses import Diagnosis, Severity, diagnose, splits_of
from lib.doctor.estimate import PlannedParams, estimate
from lib.doctor.survey import survey


def check_up(root: Path, params: PlannedParams, frames_per_scenario: int) -> Checkup:
    """Check a data set against the params it would be used with.

    `frames_per_scenario`: number of ticks per scenario whose frames are read completely (0 = all). Raises DataError if
    `root` has no scenario, ParamsError if execution.device is not available.
    """
    found = survey(root, params.preprocess.sensors, frames_per_scenario, params.execution.workers)
    metrics = found.metrics()
    diagnoses = diagnose(found, metrics, params.preprocess, params.split)
    if any(diagnosis.severity is Severity.ERROR for diagnosis in diagnoses):
        return Checkup(found, metrics, diagnoses, {}, None, frames_per_scenario)
    splits = splits_of(found, params.split)
    try:
        cost = estimate(found, splits, params)
    except TrainingError as error:
        what, _, remedy = str(error).rpartition("; ")
        too_large = Diagnosis(Severity.ERROR, "too_large_to_train", what, remedy)
        return Checkup(found, metrics, (too_large, *diagnoses), splits, None, frames_per_scenario)
    return Checkup(found, metrics, diagnoses, splits, cost, frames_per_scenario)
