"""Checks of labels and calibration: the rules of rules.py for frames, cameras, scenarios and the whole data set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from lib.preprocessing.causes import cause_in
from lib.preprocessing.evidence import Evidence
from lib.preprocessing.rules import RULES, Level, Rule, hides_outlines
from lib.preprocessing.statistics import BadFrame, Statistics
from lib.reading.recorded_frames import Opener

MAX_BAD_FRAMES: Final = 0.05
"""Fraction of a camera's frames that may be bad without stopping preprocess. Bad frames are always reported."""
SCENARIOS_TOGETHER: Final = 4
SAME_LABELS: Final = 0.5
"""Fraction of a scenario's frames with the same depths and classes as another one's, above which it is a copy."""


@dataclass(frozen=True)
class Objection:
    """Why data cannot be right: a stable name, the scenarios (worst first; empty: the whole data set), a description
    and a remedy.

    `needs_cause`: camera and LiDAR disagree, and lib.preprocessing.causes can find out why. `frame_ids`: affected
    frames of the first scenario, if not all are.
    """

    name: str
    scenarios: tuple[str, ...]
    what: str
    remedy: str
    needs_cause: bool = False
    frame_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Undecided:
    """Scenarios for which a check is impossible, or of which too few frames are bad to stop preprocess."""

    name: str
    scenarios: tuple[str, ...]
    what: str


@dataclass(frozen=True)
class _Broken:
    """A part of a scenario that breaks a rule: by how much, its description, and its frames if not all."""

    wrong: float
    scenario: str
    what: str
    frame_ids: tuple[int, ...] = ()


def objections(by_scenario: Mapping[str, Statistics]) -> list[Objection]:
    """All objections to a data set's labels and calibration."""
    found = [_applied(rule, by_scenario) for rule in RULES]
    return [objection for objection in (*found, _copies(by_scenario)) if objection is not None]


def explained(objection: Objection, sources: Mapping[str, Opener]) -> Objection:
    """Add the likeliest cause, searched in the worst scenario, or in a few for an objection to the whole data set.

    `sources`: what opens each scenario.
    """
    if not objection.needs_cause:
        return objection
    chosen = objection.scenarios[:1] or tuple(sources)[:SCENARIOS_TOGETHER]
    cause = cause_in([sources[name] for name in chosen], objection.frame_ids)
    if cause is None:
        return objection
    return replace(objection, name=cause.name, what=f"{objection.what}: {cause.what}", remedy=cause.remedy)


def undecided(by_scenario: Mapping[str, Statistics]) -> list[Undecided]:
    """Checks that the data leave undecided."""
    hidden = [name for name, found in sorted(by_scenario.items()) if hides_outlines(found.evidence)]
    what = "night, fog or glare hides the outlines: whether the images belong to these labels cannot be checked"
    left_open = [Undecided("image_unjudged", tuple(hidden), what)] if hidden else []
    for rule in RULES:
        few = {
            name: f"{_frames_text(bad)}, {rule.describe(_together(bad))}"
            for name, found in sorted(by_scenario.items())
            for bad in _bad_by_camera(rule, found).values()
            if not _many(bad, found)
        }
        if few:
            left_open.append(Undecided(rule.name, tuple(few), f"in {next(iter(few.values()))}"))
    return left_open


def _applied(rule: Rule, by_scenario: Mapping[str, Statistics]) -> Objection | None:
    """Apply a rule to each scenario and, if none breaks it, to the whole data set."""
    broken: dict[str, _Broken] = {}
    for name, found in sorted(by_scenario.items()):
        parts = _broken_parts(rule, name, found)
        if parts:
            broken[name] = max(parts, key=lambda part: part.wrong)
    if broken:
        first, *others = sorted(broken.values(), key=lambda part: (-part.wrong, part.scenario))
        more = f" and {len(others)} more of {len(by_scenario)} scenarios" if others else ""
        worst = tuple(part.scenario for part in (first, *others))
        what = f"in {first.scenario}{more}{first.what}"
        return Objection(rule.name, worst, what, rule.remedy, rule.needs_cause, first.frame_ids)
    together = sum((found.evidence for found in by_scenario.values()), Evidence())
    if rule.measure(together) is None:
        return None
    what = f"in the {len(by_scenario)} scenarios together, {rule.describe(together)}"
    return Objection(rule.name, (), what, rule.remedy, rule.needs_cause)


def _broken_parts(rule: Rule, name: str, found: Statistics) -> list[_Broken]:
    """Parts that break the rule: many but not all frames of a camera; else cameras; else the whole scenario."""
    some = [
        bad
        for bad in _bad_by_camera(rule, found).values()
        if _many(bad, found) and len(bad) < found.by_camera[bad[0].camera].pictures.images
    ]
    if some:
        wheres = [f" ({_frames_text(bad)}), {rule.describe(_together(bad))}" for bad in some]
        return [
            _Broken(rule.measure(_together(bad)) or 0.0, name, where, tuple(frame.frame_id for frame in bad))
            for where, bad in zip(wheres, some, strict=True)
        ]
    measured = {camera: rule.measure(evidence) for camera, evidence in found.by_camera.items()}
    broken = {camera: wrong for camera, wrong in measured.items() if wrong is not None}
    wrong = rule.measure(found.evidence) if rule.lowest <= Level.SCENARIO else None
    some_cameras = broken and (wrong is None or len(broken) < len(measured))
    if rule.lowest <= Level.CAMERA and rule.of_cameras and some_cameras:
        return [
            _Broken(wrong, name, f" (camera {camera}), {rule.describe(found.by_camera[camera])}")
            for camera, wrong in broken.items()
        ]
    return [] if wrong is None else [_Broken(wrong, name, f", {rule.describe(found.evidence)}")]


def _bad_by_camera(rule: Rule, found: Statistics) -> dict[str, list[BadFrame]]:
    bad: dict[str, list[BadFrame]] = {}
    for frame in found.bad_frames:
        if frame.rule == rule.name:
            bad.setdefault(frame.camera, []).append(frame)
    return bad


def _together(bad: list[BadFrame]) -> Evidence:
    return sum((frame.evidence for frame in bad), Evidence())


def _many(bad: list[BadFrame], found: Statistics) -> bool:
    return len(bad) > MAX_BAD_FRAMES * found.by_camera[bad[0].camera].pictures.images


def _frames_text(bad: list[BadFrame]) -> str:
    first = bad[0]
    more = f" and {len(bad) - 1} more" if bad[1:] else ""
    camera = f" of camera {first.camera}" if first.camera else ""
    return f"frame {first.frame_id}{more}{camera}"


def _copies(by_scenario: Mapping[str, Statistics]) -> Objection | None:
    """Scenarios with an identical image or cloud, or mostly identical labels: they would leak, or count twice."""
    copies: dict[str, str] = {}
    for contents, min_fraction in (("contents", 0.0), ("label_contents", SAME_LABELS)):
        holder: dict[int, str] = {}
        for name, found in sorted(by_scenario.items()):
            shared: dict[str, int] = {}
            for content in sorted(getattr(found, contents)):
                first = holder.setdefault(content, name)
                if first != name:
                    shared[first] = shared.get(first, 0) + 1
            for first, number in shared.items():
                if number > min_fraction * found.frames:
                    copies.setdefault(name, first)
    if not copies:
        return None
    name, first = min(copies.items())
    more = f" (and {len(copies) - 1} more copies)" if len(copies) > 1 else ""
    what = f"{name} holds the same recording as {first}, or parts of it{more}: each recording must occur only once"
    return Objection("copied_scenario", tuple(sorted(copies)), what, "remove one of the two from data.root")
