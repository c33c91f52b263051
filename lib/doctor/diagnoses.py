"""Diagnoses from a survey: problems, their severity, and remedies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from lib.anovox.reading.anovox_recordings import open_anovox
from lib.common.errors import DataError
from lib.doctor.survey import Metrics, Survey
from lib.geometry.frame import ScenarioType
from lib.preprocessing.drive_checks import drive_notes
from lib.preprocessing.label_checks import explained, objections, undecided
from lib.preprocessing.label_report import class_text
from lib.preprocessing.preprocess_params import PreprocessParams
from lib.preprocessing.statistics import worst_scenarios
from lib.reading.file_errors import Reason
from lib.reading.findings import Notice, ScenarioReason
from lib.reading.recorded_frames import Opener
from lib.shards.split import Split, assign_splits
from lib.shards.split_params import SplitParams

WARN_UNLABELLED: Final = 0.02
MAX_UNLABELLED: Final = 0.5


class Severity(StrEnum):
    """`ERROR`: the data cannot be trained on; `WARNING`: they can, but check them; `NOTE`: for information."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Diagnosis:
    """One finding: a stable name for programs, a description and a remedy."""

    severity: Severity
    name: str
    what: str
    remedy: str

    @classmethod
    def of(cls, severity: Severity, name: str, sentence: str, before: str = "", after: str = "") -> "Diagnosis":
        """A diagnosis from `problem; remedy`; `before` and `after`: what else to say of the problem."""
        what, _, remedy = sentence.rpartition("; ")
        return cls(severity, name, f"{before}{what}{after}", remedy)


def diagnose(
    survey: Survey, metrics: Metrics, preprocess: PreprocessParams, split: SplitParams
) -> tuple[Diagnosis, ...]:
    """All diagnoses of a data set, the worst first. `metrics`: `survey.metrics()`."""
    found = [
        *_trainability(survey, preprocess, split),
        *_agreement(survey, preprocess),
        *_labels(survey, metrics),
        *_drives(survey),
        *_skipped(survey),
        *_anomalies(survey, metrics),
    ]
    return tuple(sorted(found, key=lambda diagnosis: list(Severity).index(diagnosis.severity)))


def splits_of(survey: Survey, params: SplitParams) -> Mapping[str, Split]:
    """Split of each scenario, as in training; raises DataError if no split is possible."""
    return assign_splits([scenario.entry() for scenario in survey.scenarios], params)


def _trainability(survey: Survey, preprocess: PreprocessParams, split: SplitParams) -> Iterator[Diagnosis]:
    if not survey.scenarios:
        what = f"{survey.root}: no scenario holds a frame that can be used"
        yield Diagnosis(Severity.ERROR, "nothing_usable", what, "see the other findings, or choose another data.root")
        return
    sizes = {size for scenario in survey.scenarios for size in scenario.image_sizes}
    shown = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
    resized = {(preprocess.image_height or height, preprocess.image_width or width) for height, width in sizes}
    if len(resized) > 1:
        remedy = "set preprocess.image_height and preprocess.image_width"
        yield Diagnosis(Severity.ERROR, "several_image_sizes", f"the images differ in size ({shown})", remedy)
    try:
        splits = splits_of(survey, split)
    except DataError as error:
        yield Diagnosis.of(Severity.ERROR, "nothing_to_train_on", str(error))
        return
    if "validation" not in splits.values():
        what = f"no scenario is left to validate on (split.validation_fraction={split.validation_fraction})"
        remedy = "raise split.validation_fraction, or add scenarios that training may use"
        yield Diagnosis(Severity.ERROR, "nothing_to_validate_on", what, remedy)


def _agreement(survey: Survey, preprocess: PreprocessParams) -> Iterator[Diagnosis]:
    """Diagnoses of the checks of labels and calibration that preprocess applies."""
    severity = Severity.WARNING if preprocess.trust_labels else Severity.ERROR
    sources: dict[str, Opener] = {
        scenario.config.name: partial(open_anovox, scenario.path, scenario.config, preprocess.sensors)
        for scenario in survey.scenarios
    }
    for objection in objections(survey.statistics):
        found = explained(objection, sources)
        yield Diagnosis(severity, found.name, found.what, found.remedy)
    for left_open in undecided(survey.statistics):
        what = f"{_counted(len(left_open.scenarios), 'scenario')}, first {left_open.scenarios[0]}: {left_open.what}"
        yield Diagnosis(Severity.NOTE, left_open.name, what, "check plots/labels, or other scenarios with more light")


def _labels(survey: Survey, metrics: Metrics) -> Iterator[Diagnosis]:
    worst = worst_scenarios(survey.statistics)
    name, fraction = worst.get("unlabelled_fraction", ("", 0.0))
    if fraction > WARN_UNLABELLED:
        total = metrics["labels"]["unlabelled_fraction"]
        severity = Severity.ERROR if total > MAX_UNLABELLED else Severity.WARNING
        what = f"{total:.1%} of the points have no label; most in {name} ({fraction:.1%})"
        remedy = "see whether SEMANTIC-LIDAR is there and belongs to these frames; points without a label are ignored"
        yield Diagnosis(severity, "unlabelled_points", what, remedy)
    undefined = {found for statistics in survey.statistics.values() for found in statistics.undefined_ids}
    if undefined:
        shown = ", ".join(f"{class_text(kind, class_id)} ({kind})" for kind, class_id in sorted(undefined)[:6])
        what = f"class ids or colours that AnoVox does not define: {shown}{' ...' if len(undefined) > 6 else ''}"
        remedy = "they count as unknown (255) and are ignored; another generator's labels need a translation"
        yield Diagnosis(Severity.WARNING, "undefined_class_ids", what, remedy)


def _drives(survey: Survey) -> Iterator[Diagnosis]:
    types = {scenario.config.name: scenario.type for scenario in survey.scenarios}
    for note in drive_notes(survey.statistics, types):
        yield Diagnosis.of(Severity.WARNING if note.severe else Severity.NOTE, note.name, note.sentence)


def _skipped(survey: Survey) -> Iterator[Diagnosis]:
    messages: dict[ScenarioReason | Notice, list[str]] = {}
    for finding in survey.findings:
        messages.setdefault(finding.reason, []).append(finding.message)
    for problem, found in sorted(messages.items()):
        more = f" (and {len(found) - 1} more of this kind)" if len(found) > 1 else ""
        start = "a scenario is left out: " if isinstance(problem, ScenarioReason) else ""
        yield Diagnosis.of(Severity.WARNING, problem.value, found[0], start, more)
    for scenario in survey.unusable:
        start, name = f"{scenario.path.name} has no usable frame: ", ScenarioReason.NO_USABLE_FRAME.value
        yield Diagnosis.of(Severity.WARNING, name, scenario.skipped[0].message, start)
    skipped: dict[Reason, list[tuple[str, str]]] = {}
    for scenario in survey.scenarios:
        for frame in scenario.skipped:
            skipped.setdefault(frame.reason, []).append((scenario.path.name, frame.message))
    for reason, frames in sorted(skipped.items()):
        scenarios = len({name for name, _ in frames})
        where = f"{_counted(len(frames), 'frame')} of {_counted(scenarios, 'scenario')} cannot be used; first "
        yield Diagnosis.of(Severity.WARNING, reason.value, frames[0][1], where)


def _anomalies(survey: Survey, metrics: Metrics) -> Iterator[Diagnosis]:
    if not survey.scenarios:
        return
    for scenario in survey.scenarios:
        if scenario.type is not scenario.config.type:
            what = f"{scenario.path.name} is called normality, but labels show an anomaly in it"
            yield Diagnosis(Severity.WARNING, "false_normality", what, "nothing: it counts as an anomaly scenario")
    if metrics["frames"]["with_anomaly"] == 0:
        what = "no sensor sees an anomaly in any frame that was read: training works, evaluation has nothing to find"
        yield Diagnosis(Severity.WARNING, "no_anomaly", what, "add an archive with anomalies (Static or Dynamic)")
    else:
        normal = ScenarioType.NORMALITY
        unseen = [s for s in survey.scenarios if s.type is not normal and not s.statistics.frames_with_anomaly]
        if unseen:
            what = f"no sensor sees the anomaly in the frames read of {_counted(len(unseen), 'anomaly scenario')}"
            remedy = f"nothing: such frames count as normal (the first: {unseen[0].path.name})"
            yield Diagnosis(Severity.NOTE, "anomaly_unseen", what, remedy)
    if not survey.has_configurations:
        what = "there is no Scenario_Configuration_Files folder: towns and weather are unknown, types read from files"
        remedy = "unpack that folder of the archive beside the scenarios, if you want results by weather"
        yield Diagnosis(Severity.NOTE, "no_configurations", what, remedy)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
