"""Whether a data set's labels and calibration can be right: the rules of rules.py, by frame, camera, scenario and
all together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lib.anovox.format.recording import ScenarioConfig
from lib.anovox.reading.scenario import Sensors
from lib.preprocessing.causes import cause_in
from lib.preprocessing.evidence import Evidence
from lib.preprocessing.rules import RULES, Level, Rule, hides_outlines
from lib.preprocessing.statistics import BadFrame, Statistics

MAX_BAD_FRAMES: Final = 0.05
"""Of a camera's frames: so many may be bad by themselves before that stops the work; they are named in any case."""
SCENARIOS_TOGETHER: Final = 4
SAME_LABELS: Final = 0.5
"""Of a scenario's frames: so many with the depths and classes of another one's make it a copy."""

Source = tuple[Path, ScenarioConfig | None]
"""A scenario's folder and configuration."""


@dataclass(frozen=True)
class Objection:
    """Why data cannot be right: a stable name, the scenarios (the worst first; none: all together), what is so, and
    what to do about it. `needs_cause`: camera and LiDAR disagree, and lib.preprocessing.causes can say why; it shows in
    `frame_ids` of the first scenario, where that are some of its frames.
    """

    name: str
    scenarios: tuple[str, ...]
    what: str
    remedy: str
    needs_cause: bool = False
    frame_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Unjudged:
    """Scenarios of which something cannot be judged, or of which so few frames are bad that the work goes on."""

    name: str
    scenarios: tuple[str, ...]
    what: str


@dataclass(frozen=True)
class _Broken:
    """A part of a scenario that breaks a rule: by how much, which part in words, and the frames where it is some."""

    wrong: float
    scenario: str
    what: str
    frame_ids: tuple[int, ...] = ()


def objections(by_scenario: Mapping[str, Statistics]) -> list[Objection]:
    """All that speaks against a data set's labels and calibration."""
    found = [_applied(rule, by_scenario) for rule in RULES]
    return [objection for objection in (*found, _copies(by_scenario)) if objection is not None]


def explained(objection: Objection, sources: Mapping[str, Source], sensors: Sensors) -> Objection:
    """The objection with the likeliest cause, sought in the worst scenario, or in a few where all together are bad."""
    if not objection.needs_cause:
        return objection
    chosen = objection.scenarios[:1] or tuple(sources)[:SCENARIOS_TOGETHER]
    cause = cause_in([sources[name] for name in chosen], sensors, objection.frame_ids)
    if cause is None:
        return objection
    return replace(objection, name=cause.name, what=f"{objection.what}: {cause.what}", remedy=cause.remedy)


def unjudged(by_scenario: Mapping[str, Statistics]) -> list[Unjudged]:
    """What the data leave open."""
    hidden = [name for name, found in sorted(by_scenario.items()) if hides_outlines(found.evidence)]
    what = "night, fog or glare hides the outlines: whether the images belong to these labels cannot be judged"
    left_open = [Unjudged("image_unjudged", tuple(hidden), what)] if hidden else []
    for rule in RULES:
        few = {
            name: f"{_frames_told(bad)}, {rule.told(Evidence.total(frame.evidence for frame in bad))}"
            for name, found in sorted(by_scenario.items())
            for bad in _bad_by_camera(rule, found).values()
            if not _many(bad, found)
        }
        if few:
            left_open.append(Unjudged(rule.name, tuple(few), f"in {next(iter(few.values()))}"))
    return left_open


def _applied(rule: Rule, by_scenario: Mapping[str, Statistics]) -> Objection | None:
    """The rule at the highest level at which it is broken, below that of all scenarios together."""
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
    together = Evidence.total(found.evidence for found in by_scenario.values())
    if rule.measure(together) is None:
        return None
    what = f"in the {len(by_scenario)} scenarios together, {rule.told(together)}"
    return Objection(rule.name, (), what, rule.remedy, rule.needs_cause)


def _broken_parts(rule: Rule, name: str, found: Statistics) -> list[_Broken]:
    """Many of a camera's frames but not all, where that breaks the rule; else cameras; else the whole scenario."""
    some = [
        bad
        for bad in _bad_by_camera(rule, found).values()
        if _many(bad, found) and len(bad) < found.by_camera[bad[0].camera].pictures.images
    ]
    if some:
        parts = [(Evidence.total(frame.evidence for frame in bad), bad) for bad in some]
        return [
            _Broken(
                rule.measure(evidence) or 0.0,
                name,
                f" ({_frames_told(bad)}), {rule.told(evidence)}",
                tuple(frame.frame_id for frame in bad),
            )
            for evidence, bad in parts
        ]
    measured = {camera: rule.measure(evidence) for camera, evidence in found.by_camera.items()}
    broken = {camera: wrong for camera, wrong in measured.items() if wrong is not None}
    wrong = rule.measure(found.evidence) if rule.lowest <= Level.SCENARIO else None
    some_cameras = broken and (wrong is None or len(broken) < len(measured))
    if rule.lowest <= Level.CAMERA and rule.of_cameras and some_cameras:
        return [
            _Broken(wrong, name, f" (camera {camera}), {rule.told(found.by_camera[camera])}")
            for camera, wrong in broken.items()
        ]
    return [] if wrong is None else [_Broken(wrong, name, f", {rule.told(found.evidence)}")]


def _bad_by_camera(rule: Rule, found: Statistics) -> dict[str, list[BadFrame]]:
    bad: dict[str, list[BadFrame]] = {}
    for frame in found.bad_frames:
        if frame.rule == rule.name:
            bad.setdefault(frame.camera, []).append(frame)
    return bad


def _many(bad: list[BadFrame], found: Statistics) -> bool:
    return len(bad) > MAX_BAD_FRAMES * found.by_camera[bad[0].camera].pictures.images


def _frames_told(bad: list[BadFrame]) -> str:
    first = bad[0]
    more = f" and {len(bad) - 1} more" if bad[1:] else ""
    camera = f" of camera {first.camera}" if first.camera else ""
    return f"frame {first.frame_id}{more}{camera}"


def _copies(by_scenario: Mapping[str, Statistics]) -> Objection | None:
    """Scenarios that hold the same image or cloud, or mostly the same labels: they count twice, or train and test on
    the same.
    """
    copies: dict[str, str] = {}
    for contents, enough in (("contents", 0.0), ("label_contents", SAME_LABELS)):
        holder: dict[int, str] = {}
        for name, found in sorted(by_scenario.items()):
            shared: dict[str, int] = {}
            for content in sorted(getattr(found, contents)):
                first = holder.setdefault(content, name)
                if first != name:
                    shared[first] = shared.get(first, 0) + 1
            for first, number in shared.items():
                if number > enough * found.frames:
                    copies.setdefault(name, first)
    if not copies:
        return None
    name, first = min(copies.items())
    more = f" (and {len(copies) - 1} more copies)" if len(copies) > 1 else ""
    what = f"{name} holds the same recording as {first}, or parts of it{more}: a recording must be there only once"
    return Objection("copied_scenario", tuple(sorted(copies)), what, "remove one of the two from data.root")
