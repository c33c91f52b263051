"""Whether a data set's labels and calibration can be right: limits on the agreements, and what breaks them.

Sound data stays far from the limits (docs/check.md says what was measured). Each scenario is judged by itself where it
holds enough to judge, and all together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from lib.anovox.point_labels import LabelSource
from lib.anovox.recording import ScenarioConfig
from lib.anovox.scenario import Sensors
from lib.shards.causes import cause_in
from lib.shards.cloud_facts import MIN_POINTS, SECTORS
from lib.shards.pictures import PictureCounts
from lib.shards.statistics import Statistics

MIN_AGREEMENT: Final = 0.97
"""Of what has to agree: depths, classes, semantic points and voxels. Sound scenarios: 0.988 and more."""
MAX_HIDDEN: Final = 0.3
"""Points behind what the camera sees, where the sensors stand apart. Sound scenarios: 0.13 and less."""
MIN_ANOMALY_AGREEMENT: Final = 0.2
"""Points that both sensors call an anomaly, of those that either does: anomalies are small, and mostly outline. Sound
scenarios, beyond chance: 0.32 and more.
"""
MIN_VOXEL_CLASSES: Final = 0.85
"""Semantic points whose voxel has a fitting class, where other sensors fill the grid, too. Sound scenarios: 0.94."""
MIN_IMAGE_AGREEMENT: Final = 0.06
"""By how much the image's edges must fit the outlines better than elsewhere. Sound scenarios: 0.12 and more."""
MIRRORED_IMAGE: Final = 0.1
"""By how much edges fit mirrored outlines better than the true ones in mirrored images. Mirrored sound ones: 0.12."""
MIN_OUTLINE_PAIRS: Final = 300
FAINT_STEP: Final = 12
"""Colours that hardly ever differ by more hide the outlines: dense fog, a dark night. Fog as simulated: 20."""
DARK: Final = 25.0
"""Mean colour of an image in which outlines cannot be seen. Nights as simulated: 42."""
ONE_COLOR_STEP: Final = 1
BLUE_PLANTS: Final = -0.25
"""(red - blue) / mean of plants less that of the sky, and BLUE_LEAVES that of plants alone. Sound scenarios: -0.02 and
more, in warm or cold light -0.2; with blue and red exchanged, as much below 0 as they were above.
"""
BLUE_LEAVES: Final = -0.1
MIN_AROUND: Final = 0.9
"""Of the sectors of 10 degrees around a LiDAR. Sound clouds: all."""
MAX_INTENSITY: Final = 1.001
SIGMAS: Final = 3.0
SCENARIOS_TOGETHER: Final = 4

Source = tuple[Path, ScenarioConfig | None]
"""A scenario's folder and configuration."""


@dataclass(frozen=True)
class Objection:
    """Why data cannot be right: a stable name, the scenarios (the worst first; none: all together), what is so, and
    what to do about it. `needs_cause`: camera and LiDAR disagree, and lib.shards.causes can say why.
    """

    name: str
    scenarios: tuple[str, ...]
    what: str
    remedy: str
    needs_cause: bool = False


@dataclass(frozen=True)
class Unjudged:
    """Scenarios of which something cannot be judged, and why."""

    name: str
    scenarios: tuple[str, ...]
    what: str


@dataclass(frozen=True)
class _Rule:
    """`measure` says how far statistics are from right (more is worse; None: right, or too little to judge by)."""

    name: str
    measure: Callable[[Statistics], float | None]
    sentence: Callable[[Statistics], str]
    remedy: str
    needs_cause: bool = False


def objections(by_scenario: Mapping[str, Statistics]) -> list[Objection]:
    """All that speaks against a data set's labels and calibration."""
    total = sum(by_scenario.values(), Statistics())
    found = [_applied(rule, by_scenario, total) for rule in _RULES]
    return [objection for objection in (*found, _copies(by_scenario)) if objection is not None]


def explained(objection: Objection, sources: Mapping[str, Source], sensors: Sensors) -> Objection:
    """The objection with the likeliest cause, sought in the worst scenario, or in a few where all together are bad."""
    if not objection.needs_cause:
        return objection
    chosen = objection.scenarios[:1] or tuple(sources)[:SCENARIOS_TOGETHER]
    cause = cause_in([sources[name] for name in chosen], sensors)
    if cause is None:
        return objection
    return replace(objection, name=cause.name, what=f"{objection.what}: {cause.what}", remedy=cause.remedy)


def unjudged(by_scenario: Mapping[str, Statistics]) -> list[Unjudged]:
    """What the data leave open."""
    names = tuple(name for name, found in sorted(by_scenario.items()) if _hides_outlines(found.pictures))
    what = "night or fog hides the outlines: whether the images belong to these labels cannot be judged"
    return [Unjudged("image_unjudged", names, what)] if names else []


def _applied(rule: _Rule, by_scenario: Mapping[str, Statistics], total: Statistics) -> Objection | None:
    broken = {name: wrong for name, found in by_scenario.items() if (wrong := rule.measure(found)) is not None}
    worst = tuple(sorted(broken, key=lambda name: (-broken[name], name)))
    if worst:
        where = f"in {worst[0]}" + (f" and {len(worst) - 1} more of {len(by_scenario)} scenarios" if worst[1:] else "")
        return Objection(
            rule.name, worst, f"{where}, {rule.sentence(by_scenario[worst[0]])}", rule.remedy, rule.needs_cause
        )
    if rule.measure(total) is None:
        return None
    what = f"in the {len(by_scenario)} scenarios together, {rule.sentence(total)}"
    return Objection(rule.name, (), what, rule.remedy, rule.needs_cause)


def _copies(by_scenario: Mapping[str, Statistics]) -> Objection | None:
    """Scenarios that hold the same image or cloud: they count twice, or train and test on the same."""
    holder: dict[int, str] = {}
    copies: dict[str, str] = {}
    for name, found in sorted(by_scenario.items()):
        for content in sorted(found.contents):
            first = holder.setdefault(content, name)
            if first != name:
                copies[name] = first
    if not copies:
        return None
    name, first = next(iter(copies.items()))
    more = f" (and {len(copies) - 1} more copies)" if len(copies) > 1 else ""
    what = f"{name} holds the same image or cloud as {first}{more}: a recording must be there only once"
    return Objection("copied_scenario", tuple(copies), what, "remove one of the two from data.root")


def _too_low(part: int, whole: int, limit: float) -> float | None:
    """The share that is lacking, if `part` of `whole` lies below the limit beyond chance (Wilson, 1927)."""
    if not whole:
        return None
    share, spread = part / whole, SIGMAS**2 / whole
    middle = share + spread / 2
    highest = (middle + float(np.sqrt(spread * (share * (1 - share) + spread / 4)))) / (1 + spread)
    return None if highest >= limit else 1 - share


def _sensors(found: Statistics) -> float | None:
    counts = found.agreement
    if not counts.projected and int(found.label_sources.sum()) >= MIN_POINTS:
        return 1.0
    wrong = (
        _too_low(counts.off_outlines_same_depth, counts.off_outlines - counts.hidden, MIN_AGREEMENT),
        _too_low(counts.clear_same, counts.clear, MIN_AGREEMENT),
        _too_low(counts.off_outlines - counts.hidden, counts.off_outlines, 1 - MAX_HIDDEN),
    )
    return max((share for share in wrong if share is not None), default=None)


def _sensors_told(found: Statistics) -> str:
    counts = found.agreement
    if not counts.projected:
        return "no point of the clouds lies in the camera's view"
    depth = counts.off_outlines_same_depth / max(1, counts.off_outlines - counts.hidden)
    classes = counts.clear_same / max(1, counts.clear)
    hidden = f", {counts.hidden / max(1, counts.off_outlines):.1%} lie behind it" if counts.hidden else ""
    return (
        f"LiDAR and camera disagree: away from outlines, the depth image confirms {depth:.1%} of the points in "
        f"view{hidden}, and {classes:.1%} have their pixel's class"
    )


def _anomalies(found: Statistics) -> float | None:
    return _too_low(found.agreement.anomalous_same, found.agreement.anomalous, MIN_ANOMALY_AGREEMENT)


def _anomalies_told(found: Statistics) -> str:
    counts = found.agreement
    return (
        f"camera and LiDAR label different anomalies: of {counts.anomalous} points in view that either calls one, "
        f"{counts.anomalous_same} are one for both"
    )


def _twins(found: Statistics) -> float | None:
    if not found.agreement.labelled:
        return None
    return _too_low(_by_lidar(found), int(found.label_sources.sum()), MIN_AGREEMENT)


def _by_lidar(found: Statistics) -> int:
    return int(found.label_sources[LabelSource.ROW] + found.label_sources[LabelSource.DIRECTION])


def _twins_told(found: Statistics) -> str:
    share = _by_lidar(found) / max(1, int(found.label_sources.sum()))
    return f"only {share:.1%} of LIDAR's points have a point of SEMANTIC-LIDAR in their direction and range"


def _voxels(found: Statistics) -> float | None:
    counts = found.agreement
    wrong = (
        _too_low(counts.in_voxel, counts.labelled, MIN_AGREEMENT),
        _too_low(counts.same_voxel, counts.in_voxel, MIN_VOXEL_CLASSES),
    )
    return max((share for share in wrong if share is not None), default=None)


def _voxels_told(found: Statistics) -> str:
    counts = found.agreement
    held, same = counts.in_voxel / max(1, counts.labelled), counts.same_voxel / max(1, counts.in_voxel)
    return (
        f"VOXEL_GRID does not fit SEMANTIC-LIDAR: {held:.1%} of its points lie in an occupied voxel, {same:.1%} of "
        "these in one of a fitting class"
    )


def _gap(pictures: PictureCounts) -> float | None:
    """By how much the edges fit the outlines better than elsewhere; None with too few outlines."""
    edges = pictures.edges
    if edges is None or pictures.steps[0, 1].sum() < MIN_OUTLINE_PAIRS:
        return None
    return edges[0] - edges[1]


def _one_color(found: Statistics) -> float | None:
    return 1.0 if found.pictures.values and found.pictures.strong_step <= ONE_COLOR_STEP else None


def _hides_outlines(pictures: PictureCounts) -> bool:
    gap = _gap(pictures)
    faint = pictures.strong_step < FAINT_STEP or pictures.mean_color < DARK
    return gap is not None and gap < MIN_IMAGE_AGREEMENT and faint and _mirrored(pictures) is None


def _mirrored(pictures: PictureCounts) -> float | None:
    gap = _gap(pictures)
    return -gap if gap is not None and gap <= -MIRRORED_IMAGE and pictures.looks_mirrored else None


def _mirrored_image(found: Statistics) -> float | None:
    return _mirrored(found.pictures)


def _other_image(found: Statistics) -> float | None:
    gap = _gap(found.pictures)
    if gap is None or gap >= MIN_IMAGE_AGREEMENT or _hides_outlines(found.pictures):
        return None
    return None if _mirrored_image(found) is not None or _one_color(found) is not None else MIN_IMAGE_AGREEMENT - gap


def _exchanged_colors(found: Statistics) -> float | None:
    redness = found.pictures.redness
    if redness is None:
        return None
    plants, sky = redness
    return sky - plants if plants - sky < BLUE_PLANTS and plants < BLUE_LEAVES else None


def _intensity(found: Statistics) -> float | None:
    lowest, highest = found.clouds.lowest_intensity, found.clouds.highest_intensity
    return max(highest, -lowest) if highest > MAX_INTENSITY or lowest < 0 else None


def _intensity_told(found: Statistics) -> str:
    lowest, highest = found.clouds.lowest_intensity, found.clouds.highest_intensity
    return f"LIDAR's intensities reach from {lowest:g} to {highest:g}, where AnoVox has 0 to 1"


def _around(found: Statistics) -> float | None:
    return _too_low(found.clouds.sectors, SECTORS * found.clouds.clouds, MIN_AROUND)


def _around_told(found: Statistics) -> str:
    share = found.clouds.sectors / max(1, SECTORS * found.clouds.clouds)
    return f"the clouds reach only {share:.0%} of the way around the LiDAR, where AnoVox's reach all around"


_AGAIN: Final = "take {} from the archive again, or leave these scenarios out"
_RULES: Final = (
    _Rule("sensors_disagree", _sensors, _sensors_told, _AGAIN.format("camera and LiDAR folders"), needs_cause=True),
    _Rule("anomalies_disagree", _anomalies, _anomalies_told, _AGAIN.format("SEMANTIC-CAM and SEMANTIC-LIDAR")),
    _Rule("other_semantic_lidar", _twins, _twins_told, _AGAIN.format("LIDAR and SEMANTIC-LIDAR")),
    _Rule(
        "voxels_disagree",
        _voxels,
        _voxels_told,
        "it is of another scenario or cell size, or the LiDAR stands elsewhere than sensor_setup.json says: compare "
        "that first; then delete VOXEL_GRID there, and it is computed",
    ),
    _Rule("one_color", _one_color, lambda _: "RGB-CAM shows one colour everywhere", _AGAIN.format("RGB-CAM")),
    _Rule(
        "mirrored_image",
        _mirrored_image,
        lambda _: "RGB-CAM is mirrored: its edges lie where outlines would be from right to left",
        _AGAIN.format("RGB-CAM"),
    ),
    _Rule(
        "other_image",
        _other_image,
        lambda _: "RGB-CAM does not belong to these labels: its edges are not where classes and depth change",
        "it is of another scenario or other frames, or moved: " + _AGAIN.format("RGB-CAM"),
    ),
    _Rule(
        "exchanged_colors",
        _exchanged_colors,
        lambda _: "RGB-CAM has red and blue exchanged (BGR): plants are bluer than the sky",
        "exchange the channels, or take the archive's own files",
    ),
    _Rule("intensity_range", _intensity, _intensity_told, "scale them to 0 to 1, or take LIDAR from the archive again"),
    _Rule("half_clouds", _around, _around_told, _AGAIN.format("LIDAR")),
)
