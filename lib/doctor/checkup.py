"""The check of a data set: survey, diagnoses and estimate; as a JSON object for programs, as a page for users."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from lib.common.errors import TrainingError
from lib.common.labels import ANOMALY_IDS, LABELS
from lib.common.terminal import readable
from lib.doctor.diagnoses import Diagnosis, Severity, diagnose, splits_of
from lib.doctor.estimate import Estimate, PlannedParams, estimate
from lib.doctor.survey import Metrics, Survey, survey
from lib.geometry.frame import ScenarioType
from lib.preprocessing.drive_facts import DriveFacts
from lib.preprocessing.label_report import scenario_rows
from lib.preprocessing.statistics import Statistics, class_fractions
from lib.shards.split import Split

WIDTH: Final = 110
INDENT: Final = 16
CLASSES_SHOWN: Final = 8
_ANOMALIES: Final = {label.name for label in LABELS if label.id in ANOMALY_IDS}


@dataclass(frozen=True, eq=False)
class Checkup:
    """Result of a check; `splits` is empty and `estimate` None if the data cannot be trained on."""

    survey: Survey
    metrics: Metrics
    diagnoses: tuple[Diagnosis, ...]
    splits: Mapping[str, Split]
    estimate: Estimate | None
    frames_per_scenario: int

    @property
    def trainable(self) -> bool:
        """Return whether the data can be trained on: no diagnosis is an error."""
        return all(diagnosis.severity is not Severity.ERROR for diagnosis in self.diagnoses)


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
    splits, cost = splits_of(found, params.split), None
    try:
        cost = estimate(found, splits, params)
    except TrainingError as error:
        diagnoses = (Diagnosis.of(Severity.ERROR, "too_large_to_train", str(error)), *diagnoses)
    return Checkup(found, metrics, diagnoses, splits, cost, frames_per_scenario)


def document(checkup: Checkup) -> dict[str, Any]:
    """The checkup as a JSON object; `metrics` has the keys of metrics/data.json, for the frames read completely."""
    survey = checkup.survey
    return {
        "data_root": str(survey.root),
        "trainable": checkup.trainable,
        "frames": _frames(survey),
        "metrics": checkup.metrics,
        "towns": _counted(s.config.town for s in survey.scenarios),
        "weather": _counted(s.config.weather_preset for s in survey.scenarios),
        "sensor_sets": _counted(s.sensors for s in survey.scenarios),
        "pixel_class_fraction": _pixel_fractions(survey),
        "splits": _split_frames(checkup),
        "findings": [asdict(diagnosis) for diagnosis in checkup.diagnoses],
        "estimate": None if checkup.estimate is None else asdict(checkup.estimate),
        "scenarios": scenario_rows([s.entry() for s in survey.scenarios], survey.statistics),
    }


def page(checkup: Checkup) -> str:
    """The checkup as text for a terminal."""
    lines = [f"Checkup of {checkup.survey.root}", ""]
    if checkup.survey.scenarios:
        lines += _rows([*_contents(checkup), *_label_rows(checkup.metrics)])
        lines += [*_class_lines(checkup), *_rows(_estimate_rows(checkup))]
    lines += ["", *_finding_lines(checkup.diagnoses), _verdict(checkup)]
    return "\n".join(map(readable, lines))


def _contents(checkup: Checkup) -> list[tuple[str, str]]:
    survey, metrics = checkup.survey, checkup.metrics
    frames, points = _frames(survey), metrics["points"]
    sets = _counted(s.sensors for s in survey.scenarios)
    sensors = [f"{words} ({count:,} scenario{'s' * (count != 1)})" for words, count in sets.items()]
    limit = f"up to {checkup.frames_per_scenario} ticks per scenario"
    sampled = f"{frames['read']:,} ({limit}), the others by name, size and header"
    every_tick = frames["read"] + frames["skipped"] >= frames["total"]
    types = ", ".join(f"{count} {name}" for name, count in metrics["scenarios"].items())
    left_out, largest = sum(metrics["skipped_scenarios"].values()), f"{points['largest_cloud']:,} points"
    return [
        ("scenarios", f"{len(survey.scenarios):,} ({types}); {left_out:,} left out"),
        *[("" if number else "drives", words) for number, words in enumerate(_drives(survey))],
        ("frames", f"{frames['usable']:,}; {frames['skipped']:,} left out"),
        ("", f"read in full: {'all' if every_tick else sampled}"),
        *[("" if number else "sensors", words) for number, words in enumerate(sensors)],
        ("towns", _shown(_counted(s.config.town for s in survey.scenarios))),
        ("weather", _shown(_counted(s.config.weather_preset for s in survey.scenarios))),
        ("clouds", f"{points['smallest_cloud']:,} to {largest}, farthest {points['farthest_m']:.0f} m"),
        ("anomalies", f"in {metrics['frames']['with_anomaly']:,} of the frames read"),
        ("  by size", _shown(metrics["anomaly_frames"])),
        ("  by distance", _shown({k.replace("_", " "): v for k, v in metrics["anomaly_distance"].items()})),
    ]


def _drives(survey: Survey) -> list[str]:
    """A line for each type of scenario: `2 dynamic, 180 ticks, 18 s, 10 a second, poses in all`."""
    lines = []
    for kind in ScenarioType:
        found = [s.statistics.drive for s in survey.scenarios if s.type is kind]
        if not found:
            continue
        total = sum(found, DriveFacts())
        name = "dynamic" if kind is ScenarioType.DYNAMIC else kind.value.lower()
        rate = f", {(total.ticks - len(found)) / total.seconds:.3g} a second" if total.seconds > 0 else ""
        posed = {0: "no poses", total.ticks: "poses in all"}.get(total.posed, f"poses in {total.posed:,}")
        lines.append(f"{len(found):,} {name}: {total.ticks:,} ticks, {total.seconds:.1f} s{rate}, {posed}")
    return lines


def _label_rows(metrics: Metrics) -> list[tuple[str, str]]:
    labels = metrics["labels"]

    def percent(key: str) -> str:
        return f"{labels[key]:.2%}" if key in labels else "unknown"

    rows, directions, voxels = (percent(f"{by}_fraction") for by in ("row_match", "direction_match", "voxel_label"))
    depths, classes = (percent(f"{what}_agreement_off_outlines") for what in ("depth", "class"))
    held, fitting = percent("in_voxel_fraction"), percent("voxel_agreement")
    none = percent("unlabelled_fraction")
    return [
        ("point labels", f"by row {rows}, by direction {directions}, by voxel {voxels}, none {none}"),
        ("agreement", f"LiDAR and camera, away from outlines: depth {depths}, classes {classes}"),
        ("", f"points in voxels {held}, of a fitting class {fitting}"),
        ("", f"image and outlines {labels.get('image_agreement', 'unknown')} (sound: above 0.12)"),
    ]


def _class_lines(checkup: Checkup) -> list[str]:
    """The most frequent classes and all anomalies, as fractions of points and pixels."""
    points, pixels = checkup.metrics["point_class_fraction"], _pixel_fractions(checkup.survey)
    names = sorted({*points, *pixels}, key=lambda name: -max(points.get(name, 0), pixels.get(name, 0)))
    shown = [name for name in names if name not in _ANOMALIES][:CLASSES_SHOWN] + [n for n in names if n in _ANOMALIES]
    rest = [name for name in names if name not in shown]
    groups = {**{name: [name] for name in shown}, **({f"{len(rest)} others": rest} if rest else {})}
    rows = [
        f"{name.replace('_', ' '):20}{_total(points, members):8.2%}{_total(pixels, members):9.2%}"
        for name, members in groups.items()
    ]
    first, *others = [f"{'':20}{'points':>8}{'pixels':>9}", *rows]
    return [f"{'classes':{INDENT}}{first}", *(" " * INDENT + row for row in others)]


def _estimate_rows(checkup: Checkup) -> list[tuple[str, str]]:
    cost = checkup.estimate
    if cost is None:
        return [("will take", "not estimated: see the findings")]
    memory = "" if cost.memory_measured else "at least "
    how = "as CUDA counts it" if cost.memory_measured else "what the backward pass keeps, before working memory"
    return [
        (
            "preprocess",
            f"{_bytes(cost.shards_bytes)} of shards, {_hours(cost.preprocess_hours)} with {cost.workers} workers",
        ),
        (
            "train",
            f"{_hours(cost.train_hours)} on this {cost.device} in {cost.precision}: {cost.epochs} epochs of "
            f"{cost.train_frames:,} frames; memory {memory}{_bytes(cost.train_memory_bytes)} ({how})",
        ),
        (
            "",
            f"estimated from reading {_frames(checkup.survey)['read']:,} frames, and from writing and training on "
            f"{cost.trial_frames} of them with the current params",
        ),
    ]


def _finding_lines(diagnoses: Sequence[Diagnosis]) -> list[str]:
    lines = []
    for diagnosis in diagnoses:
        lines += _wrapped(f"{diagnosis.severity.value.upper():9}", 9, diagnosis.what)
        lines += _wrapped(" " * 9 + "-> ", 12, diagnosis.remedy)
    return [*lines, ""] if lines else []


def _verdict(checkup: Checkup) -> str:
    if not checkup.trainable:
        return "These data cannot be trained on as they are: see ERROR above."
    parts = _split_frames(checkup)
    return (
        f"These data can be trained on: {parts['train']:,} frames to train, {parts['validation']:,} to validate, "
        f"{parts['test']:,} to test."
    )


def _frames(survey: Survey) -> dict[str, int]:
    return {
        "total": sum(s.frames for s in (*survey.scenarios, *survey.unusable)),
        "usable": sum(s.usable_frames for s in survey.scenarios),
        "skipped": len(survey.skipped),
        "read": sum(statistics.frames for statistics in survey.statistics.values()),
    }


def _split_frames(checkup: Checkup) -> dict[str, int]:
    usable = {s.config.name: s.usable_frames for s in checkup.survey.scenarios}
    frames = {part: sum(usable[n] for n, p in checkup.splits.items() if p == part) for part in ("validation", "test")}
    cost = checkup.estimate
    train = cost.train_frames if cost else sum(usable[n] for n, p in checkup.splits.items() if p == "train")
    return {"train": train, **frames}


def _pixel_fractions(survey: Survey) -> dict[str, float]:
    return class_fractions(sum(survey.statistics.values(), Statistics()).pixel_classes)


def _total(fractions: Mapping[str, float], names: Sequence[str]) -> float:
    return sum(fractions.get(name, 0.0) for name in names)


def _counted(values: Any) -> dict[str, int]:
    return dict(Counter(value or "unknown" for value in values).most_common())


def _shown(counts: Mapping[str, int | float]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in counts.items() if count) or "none"


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [line for title, text in rows for line in _wrapped(f"{title:{INDENT}}", INDENT, text)]


def _wrapped(start: str, indent: int, text: str) -> list[str]:
    wrapper = textwrap.TextWrapper(WIDTH, start, " " * indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(text)


def _bytes(number: int) -> str:
    size, units = float(number), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def _hours(hours: float) -> str:
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.1f} h"
