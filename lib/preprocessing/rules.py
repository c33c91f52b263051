"""Rules for evidence on labels and calibration: their limits, and their messages when broken.

Sound data stays far from the limits; docs/check.md has the measurements.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from lib.preprocessing.cloud_facts import MIN_POINTS, SECTORS
from lib.preprocessing.evidence import Evidence
from lib.preprocessing.pictures import PictureCounts

MIN_AGREEMENT: Final = 0.97
"""Minimum agreement of depths, classes, and semantic points with voxels. Sound scenarios: 0.988 and more."""
MAX_HIDDEN: Final = 0.3
"""Points hidden from the camera, if LiDAR and camera are at different places. Sound scenarios: 0.17 and less."""
MIN_ANOMALY_AGREEMENT: Final = 0.2
"""Points that both sensors label as an anomaly, of those that either does: mostly outline. Sound scenarios: 0.32."""
MIN_VOXEL_CLASSES: Final = 0.85
"""Semantic points whose voxel has a fitting class, if other sensors contribute to the grid. Sound scenarios: 0.94."""
MIN_IMAGE_AGREEMENT: Final = 0.06
"""Minimum of PictureCounts.gap. Sound scenarios: 0.107 and more."""
MIRRORED_IMAGE: Final = 0.1
"""By which mirrored outlines fit a mirrored image's edges better than true ones. Mirrored sound images: 0.12."""
MIN_OUTLINE_PAIRS: Final = 300
MIN_STRONG_STEP: Final = 12
"""Below this strong step, outlines are invisible, as in dense fog or a dark night. Simulated fog: 20."""
MIN_BRIGHTNESS: Final = 25.0
"""Below this mean colour, outlines are invisible. Simulated nights: 42."""
MIN_PLANTS_LESS_SKY: Final = -0.25
"""Minimum redness of plants minus that of the sky. Sound scenarios: -0.02 and more, in warm or cold light -0.2."""
MIN_PLANTS_REDNESS: Final = -0.1
MIN_PIXELS: Final = 100
"""Of plants and of the sky, for their redness."""
MIN_AROUND: Final = 0.9
"""Fraction of the 10-degree sectors around a LiDAR that have a point. Sound clouds: all."""
MIN_FILLED: Final = 0.9
"""Fraction of the cells below a LiDAR's horizon that have a point. Sound clouds: all."""
MIN_PLAUSIBLE: Final = 0.9
"""Fraction of sky pixels with infinite depth, the reverse, and clouds with the road at its height. Sound: all."""
MAX_UNKNOWN: Final = 0.2
"""Fraction of pixels without a class. Sound images: none."""
MAX_SKY_POINTS: Final = 0.01
MAX_CODED: Final = 0.5
"""Fraction of pixels coded as in a depth or class image. Sound images: 0.025."""
MIN_ANOMALY_HITS: Final = 0.3
"""Points on anomalies, relative to the number expected from other pixels of these rows. Sound scenarios: 0.8."""
MIN_ANOMALY_FIT: Final = 0.5
"""Minimum fit of anomalies' outlines over a whole data set. Sound data sets: 0.63 and more."""
MIN_ANOMALY_PAIRS: Final = 500
MAX_OTHER_TICK: Final = 0.02
"""Maximum by which outlines of another tick may fit better. Sound cameras: -0.026 and less."""
MIN_TELLING_POINTS: Final = 300
MAX_OTHER_CLOUD: Final = 0.6
"""Fraction of other tick's points, of those that tell two ticks apart (neighbour_ticks). Sound drives: 0.2 and less."""
MAX_CLIPPED: Final = 0.2
"""Above this fraction of channels at 255, outlines are invisible. Sound images: 0.014."""
MAX_REPEATED: Final = 0.5
"""Fraction of images or clouds identical to those of the previous tick. Sound scenarios: none."""
MIN_REPEATED: Final = 2
MAX_INTENSITY: Final = 1.001
SIGMAS: Final = 3.0


class Level(IntEnum):
    """The unit over which evidence is summed for a rule."""

    FRAME = 0
    CAMERA = 1
    SCENARIO = 2
    DATA_SET = 3


@dataclass(frozen=True)
class Rule:
    """A rule, which applies from the level `lowest` on.

    `measure`: how far evidence is from right (larger is worse; None: right, or too little evidence); `describe`: a
    description for messages; `remedy`: what to do. `of_cameras`: whether it applies to single cameras. `needs_cause`:
    camera and LiDAR disagree, and causes.py can find out why.
    """

    name: str
    measure: Callable[[Evidence], float | None]
    describe: Callable[[Evidence], str]
    remedy: str
    lowest: Level = Level.FRAME
    of_cameras: bool = True
    needs_cause: bool = False


def _shortfall(part: float, whole: float, limit: float) -> float | None:
    """The missing fraction, if `part` / `whole` is below the limit."""
    return 1 - part / whole if whole and part / whole < limit else None


def _excess(part: float, whole: float, limit: float) -> float | None:
    """The fraction `part` / `whole`, if it is above the limit."""
    return part / whole if whole and part / whole > limit else None


def _worst(*wrong: float | None) -> float | None:
    return max((fraction for fraction in wrong if fraction is not None), default=None)


def _significant_shortfall(part: int, whole: int, limit: float) -> float | None:
    """The missing fraction, if `part` / `whole` is significantly below the limit (Wilson score interval, 1927)."""
    if not whole:
        return None
    fraction, spread = part / whole, SIGMAS**2 / whole
    middle = fraction + spread / 2
    highest = (middle + float(np.sqrt(spread * (fraction * (1 - fraction) + spread / 4)))) / (1 + spread)
    return None if highest >= limit else 1 - fraction


def _sensors(found: Evidence) -> float | None:
    counts = found.agreement
    if not counts.projected and found.labels.points >= MIN_POINTS:
        return 1.0
    return _worst(
        _significant_shortfall(counts.off_outlines_same_depth, counts.off_outlines - counts.hidden, MIN_AGREEMENT),
        _significant_shortfall(counts.clear_same, counts.clear, MIN_AGREEMENT),
        _significant_shortfall(counts.off_outlines - counts.hidden, counts.off_outlines, 1 - MAX_HIDDEN),
    )


def _sensors_text(found: Evidence) -> str:
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


def _anomalies(found: Evidence) -> float | None:
    return _significant_shortfall(found.agreement.anomalous_same, found.agreement.anomalous, MIN_ANOMALY_AGREEMENT)


def _anomalies_text(found: Evidence) -> str:
    counts = found.agreement
    return (
        f"camera and LiDAR label different anomalies: of {counts.anomalous} points in view that either calls one, "
        f"{counts.anomalous_same} are one for both"
    )


def _unseen_anomalies(found: Evidence) -> float | None:
    counts = found.agreement
    highest = (np.sqrt(counts.anomaly_hit + 3 / 8) + SIGMAS / 2) ** 2  # of a count, by Anscombe's transformation
    return _shortfall(float(highest), counts.anomaly_expected, MIN_ANOMALY_HITS)


def _unseen_anomalies_text(found: Evidence) -> str:
    counts = found.agreement
    return (
        f"the clouds lack the anomalies that SEMANTIC-CAM shows: {counts.anomaly_hit:.0f} points lie on them, where "
        f"their size lets expect {counts.anomaly_expected:.0f}"
    )


def _unshown_anomalies(found: Evidence) -> float | None:
    fit, pairs = found.pictures.anomaly_fit, found.pictures.anomaly_pairs
    return _shortfall(fit, pairs, MIN_ANOMALY_FIT) if pairs >= MIN_ANOMALY_PAIRS else None


def _classes(found: Evidence) -> float | None:
    counts, clouds = found.agreement, found.clouds
    return _worst(
        _shortfall(counts.far_sky_pixels, counts.sky_pixels, MIN_PLAUSIBLE),
        _shortfall(counts.far_sky_pixels, counts.far_pixels, MIN_PLAUSIBLE),
        _shortfall(clouds.level_roads, clouds.roads, MIN_PLAUSIBLE),
        _excess(clouds.sky_points, clouds.points, MAX_SKY_POINTS),
    )


def _classes_text(found: Evidence) -> str:
    counts, clouds = found.agreement, found.clouds
    if near := _shortfall(counts.far_sky_pixels, counts.sky_pixels, MIN_PLAUSIBLE):
        return f"{near:.1%} of the pixels called sky have a finite depth"
    if other := _shortfall(counts.far_sky_pixels, counts.far_pixels, MIN_PLAUSIBLE):
        return f"{other:.1%} of the pixels without a depth are not called sky"
    if sky := _excess(clouds.sky_points, clouds.points, MAX_SKY_POINTS):
        return f"{sky:.1%} of the points are called sky"
    return f"points labelled as road lie level with the ground in only {clouds.level_roads} of {clouds.roads} clouds"


def _unknown(found: Evidence) -> float | None:
    return _excess(found.agreement.unknown_pixels, found.agreement.pixels, MAX_UNKNOWN)


def _semantic_lidar(found: Evidence) -> float | None:
    if not found.agreement.labelled:
        return None
    return _significant_shortfall(found.labels.by_row + found.labels.by_direction, found.labels.points, MIN_AGREEMENT)


def _semantic_lidar_text(found: Evidence) -> str:
    fraction = (found.labels.by_row + found.labels.by_direction) / max(1, found.labels.points)
    return f"only {fraction:.1%} of LIDAR's points have a point of SEMANTIC-LIDAR in their direction and range"


def _voxels(found: Evidence) -> float | None:
    counts = found.agreement
    return _worst(
        _significant_shortfall(counts.in_voxel, counts.labelled, MIN_AGREEMENT),
        _significant_shortfall(counts.same_voxel, counts.in_voxel, MIN_VOXEL_CLASSES),
        _significant_shortfall(counts.filled_voxels, counts.voxels, MIN_AGREEMENT),
    )


def _voxels_text(found: Evidence) -> str:
    counts = found.agreement
    held, same = counts.in_voxel / max(1, counts.labelled), counts.same_voxel / max(1, counts.in_voxel)
    filled = f", and {counts.filled_voxels / counts.voxels:.1%} of the voxels hold a point" if counts.voxels else ""
    return (
        f"VOXEL_GRID does not fit SEMANTIC-LIDAR: {held:.1%} of its points lie in an occupied voxel, {same:.1%} of "
        f"these in one of a fitting class{filled}"
    )


def _one_color(found: Evidence) -> float | None:
    return _excess(found.pictures.one_color, found.pictures.images, MAX_REPEATED)


def _reliable_gap(pictures: PictureCounts) -> float | None:
    """PictureCounts.gap; None with too few outlines."""
    return pictures.gap if pictures.outline_pairs >= MIN_OUTLINE_PAIRS else None


def hides_outlines(found: Evidence) -> bool:
    """Whether night, fog or glare hides the outlines, so that images cannot be compared with their labels."""
    pictures = found.pictures
    gap = _reliable_gap(pictures)
    if gap is None or gap >= MIN_IMAGE_AGREEMENT or _mirrored_image(found) is not None or _one_color(found) is not None:
        return False
    faint = pictures.strong_step < MIN_STRONG_STEP * pictures.images or pictures.mean_color < MIN_BRIGHTNESS
    return faint or pictures.clipped > MAX_CLIPPED * 3 * pictures.pixels


def _mirrored_image(found: Evidence) -> float | None:
    gap = _reliable_gap(found.pictures)
    return -gap if gap is not None and gap <= -MIRRORED_IMAGE and found.pictures.looks_mirrored else None


def _coded_image(found: Evidence) -> float | None:
    pictures = found.pictures
    return _excess(max(pictures.as_depth, pictures.as_class), pictures.pixels, MAX_CODED)


def _other_tick(found: Evidence) -> float | None:
    pictures = found.pictures
    if pictures.sequel_pairs < MIN_OUTLINE_PAIRS or _frozen(found) is not None:
        return None
    return _excess(max(pictures.late_fit, pictures.early_fit), pictures.sequel_pairs, MAX_OTHER_TICK)


def _other_tick_text(found: Evidence) -> str:
    pictures = found.pictures
    side = "before" if pictures.late_fit > pictures.early_fit else "after"
    return f"RGB-CAM shows another time than its labels: its edges fit the outlines of the tick {side} better"


def _other_cloud(found: Evidence) -> float | None:
    late, early = _other_cloud_fractions(found)
    return None if _frozen(found) is not None else _excess(max(late, early), 1.0, MAX_OTHER_CLOUD)


def _other_cloud_fractions(found: Evidence) -> tuple[float, float]:
    """Of the points that tell two ticks apart, those of clouds that are late, and early; 0 with few such points."""
    ticks = found.ticks
    sides = (ticks.late, ticks.own_now), (ticks.early, ticks.own_before)
    late, early = (other / (other + own) if other + own >= MIN_TELLING_POINTS else 0.0 for other, own in sides)
    return late, early


def _other_cloud_text(found: Evidence) -> str:
    late, early = _other_cloud_fractions(found)
    side, other = ("before", "after") if late > early else ("after", "before")
    return (
        f"LIDAR shows another time than the camera: of the points that tell two ticks apart, {max(late, early):.0%} "
        f"fit the depth image of the tick {side}: the clouds are those of the tick {side}, or the camera's files those "
        f"of the tick {other}"
    )


def _other_image(found: Evidence) -> float | None:
    gap = _reliable_gap(found.pictures)
    if gap is None or gap >= MIN_IMAGE_AGREEMENT or hides_outlines(found):
        return None
    named = _mirrored_image, _one_color, _coded_image, _other_tick, _frozen
    return None if any(rule(found) is not None for rule in named) else MIN_IMAGE_AGREEMENT - gap


def _exchanged_colors(found: Evidence) -> float | None:
    plants, sky = found.pictures.plants, found.pictures.sky
    if min(plants.pixels, sky.pixels) < MIN_PIXELS or _coded_image(found) is not None:
        return None
    difference = plants.redness - sky.redness
    return -difference if difference < MIN_PLANTS_LESS_SKY and plants.redness < MIN_PLANTS_REDNESS else None


def _frozen(found: Evidence) -> float | None:
    repeats = found.repeats
    if max(repeats.images, repeats.clouds) < MIN_REPEATED or _one_color(found) is not None:
        return None
    return _excess(max(repeats.images, repeats.clouds), repeats.sequels, MAX_REPEATED)


def _frozen_text(found: Evidence) -> str:
    repeats = found.repeats
    kind, number = ("images", repeats.images) if repeats.images >= repeats.clouds else ("clouds", repeats.clouds)
    return f"{number} of {repeats.sequels} {kind} are just the ones of the tick before"


def _intensity(found: Evidence) -> float | None:
    lowest, highest = found.clouds.lowest_intensity, found.clouds.highest_intensity
    out_of_range = max(highest, -lowest) if highest > MAX_INTENSITY or lowest < 0 else None
    return _worst(out_of_range, _excess(found.clouds.one_intensity, found.clouds.clouds, MAX_REPEATED))


def _intensity_text(found: Evidence) -> str:
    lowest, highest = found.clouds.lowest_intensity, found.clouds.highest_intensity
    if lowest < 0 or highest > MAX_INTENSITY:
        return f"LIDAR's intensities reach from {lowest:g} to {highest:g}, where AnoVox has 0 to 1"
    return "all points of a LIDAR cloud have the same intensity, where AnoVox's fall with the range"


def _around(found: Evidence) -> float | None:
    return _worst(
        _significant_shortfall(found.clouds.sectors, SECTORS * found.clouds.clouds, MIN_AROUND),
        _shortfall(found.clouds.filled, found.clouds.cells, MIN_FILLED),
    )


def _around_text(found: Evidence) -> str:
    clouds = found.clouds
    fraction = clouds.sectors / max(1, SECTORS * clouds.clouds)
    if fraction >= MIN_AROUND:
        filled = clouds.filled / clouds.cells
        return f"the clouds hold points in only {filled:.0%} of the directions below the LiDAR's horizon"
    return f"the clouds reach only {fraction:.0%} of the way around the LiDAR, where AnoVox's reach all around"


def _again(folders: str) -> str:
    return f"take {folders} from the archive again, or leave these scenarios out"


def _coded_image_text(found: Evidence) -> str:
    depth = found.pictures.as_depth > found.pictures.as_class
    return f"RGB-CAM holds the files of {'DEPTH_CAM' if depth else 'SEMANTIC-CAM or INSTANCE-CAM'}"


_CAMERA, _LIDARS, _BOTH = _again("RGB-CAM"), _again("LIDAR and SEMANTIC-LIDAR"), _again("camera and LiDAR folders")
_LABELS: Final = _again("SEMANTIC-CAM and SEMANTIC-LIDAR")
RULES: Final = (
    Rule("sensors_disagree", _sensors, _sensors_text, _BOTH, needs_cause=True),
    Rule("anomalies_disagree", _anomalies, _anomalies_text, _LABELS, Level.SCENARIO),
    Rule("anomalies_unseen", _unseen_anomalies, _unseen_anomalies_text, _LIDARS, Level.SCENARIO),
    Rule(
        "anomalies_unshown",
        _unshown_anomalies,
        lambda _: "RGB-CAM does not show the anomalies: its edges are not where SEMANTIC-CAM has their outlines",
        _CAMERA,
        Level.DATA_SET,
    ),
    Rule(
        "wrong_class_ids",
        _classes,
        _classes_text,
        "the class ids are not those of AnoVox's tables: take SEMANTIC-CAM and SEMANTIC-LIDAR from the archive again",
    ),
    Rule(
        "unlabelled_pixels",
        _unknown,
        lambda found: f"{found.agreement.unknown_pixels / found.agreement.pixels:.1%} of SEMANTIC-CAM has no class",
        _again("SEMANTIC-CAM"),
    ),
    Rule("other_semantic_lidar", _semantic_lidar, _semantic_lidar_text, _LIDARS, of_cameras=False),
    Rule(
        "voxels_disagree",
        _voxels,
        _voxels_text,
        "it is of another scenario or cell size, or the LiDAR stands elsewhere than sensor_setup.json says: compare "
        "that first; then delete VOXEL_GRID there, and it is computed",
        of_cameras=False,
    ),
    Rule("one_color", _one_color, lambda _: "RGB-CAM shows one colour everywhere", _CAMERA),
    Rule("coded_image", _coded_image, _coded_image_text, _CAMERA),
    Rule(
        "mirrored_image",
        _mirrored_image,
        lambda _: "RGB-CAM is mirrored: its edges lie where outlines would be from right to left",
        _CAMERA,
    ),
    Rule("other_tick", _other_tick, _other_tick_text, _CAMERA, Level.CAMERA),
    Rule(
        "clouds_of_other_tick",
        _other_cloud,
        _other_cloud_text,
        "compare both with the poses (see the line on poses), then rename the folder that is off, or take it from the "
        "archive again",
        Level.CAMERA,
    ),
    Rule("frozen", _frozen, _frozen_text, _again("RGB-CAM and LIDAR"), Level.CAMERA),
    Rule(
        "other_image",
        _other_image,
        lambda _: "RGB-CAM does not belong to these labels: its edges are not where classes and depth change",
        f"it is of another scenario or other frames, or moved: {_CAMERA}",
    ),
    Rule(
        "exchanged_colors",
        _exchanged_colors,
        lambda _: "RGB-CAM has red and blue exchanged (BGR): plants are bluer than the sky",
        "exchange the channels, or take the archive's own files",
    ),
    Rule(
        "intensities",
        _intensity,
        _intensity_text,
        "scale them to 0 to 1, or take LIDAR from the archive again",
        of_cameras=False,
    ),
    Rule("partial_clouds", _around, _around_text, _again("LIDAR"), of_cameras=False),
)
