"""Limits on what data shows of its labels and calibration, and how each is said when it is broken.

Sound data stays far from the limits (docs/check.md says what was measured).
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
BLUE_PLANTS: Final = -0.25
"""(red - blue) / mean of plants less that of the sky, and BLUE_LEAVES that of plants alone. Sound scenarios: -0.02 and
more, in warm or cold light -0.2; with blue and red exchanged, as much below 0 as they were above.
"""
BLUE_LEAVES: Final = -0.1
MIN_AROUND: Final = 0.9
"""Of the sectors of 10 degrees around a LiDAR. Sound clouds: all."""
MIN_FILLED: Final = 0.9
"""Of the directions below a LiDAR's horizon. Sound clouds: all."""
MIN_PLAUSIBLE: Final = 0.9
"""Of pixels called sky those without a depth, and the other way round; of roads those under the LiDAR. Sound: all."""
MAX_UNKNOWN: Final = 0.2
"""Pixels without a class. Sound images: none."""
MAX_SKY_POINTS: Final = 0.01
MAX_CODED: Final = 0.5
"""Pixels that are coded as in a depth or class image. Sound images: 0.025."""
MIN_ANOMALY_HITS: Final = 0.3
"""Points on anomalies, of those to expect from other pixels of the same rows. Sound scenarios: 0.8 and more."""
MIN_ANOMALY_FIT: Final = 0.5
"""How well edges tell the outlines of anomalies, over a whole data set. Sound ones: 0.63 and more."""
MIN_ANOMALY_PAIRS: Final = 500
MAX_OTHER_TICK: Final = 0.02
"""By how much the edges fit the outlines of the tick before or after better. Sound cameras: -0.026 and less."""
CLIPPED: Final = 0.2
"""Colours at their maximum, by which outlines vanish. Sound images: 0.014."""
MAX_REPEATED: Final = 0.5
"""Images, or clouds, that are just those of the tick before. Sound scenarios: none."""
MIN_REPEATED: Final = 2
MAX_INTENSITY: Final = 1.001
SIGMAS: Final = 3.0


class Level(IntEnum):
    """Over what evidence is summed up for a rule."""

    FRAME = 0
    CAMERA = 1
    SCENARIO = 2
    DATA_SET = 3


@dataclass(frozen=True)
class Rule:
    """`measure` says how far evidence is from right (more is worse; None: right, or too little to judge by); `told`
    says what is so, `remedy` what to do about it. It holds from the level `lowest` on.

    `of_cameras`: it says something of each camera. `needs_cause`: camera and LiDAR disagree, and causes.py can say why.
    """

    name: str
    measure: Callable[[Evidence], float | None]
    told: Callable[[Evidence], str]
    remedy: str
    lowest: Level = Level.FRAME
    of_cameras: bool = True
    needs_cause: bool = False


def _short(part: float, whole: float, limit: float) -> float | None:
    """The share that is lacking, if `part` of `whole` lies below the limit."""
    return 1 - part / whole if whole and part / whole < limit else None


def _over(part: float, whole: float, limit: float) -> float | None:
    """The share, if `part` of `whole` lies above the limit."""
    return part / whole if whole and part / whole > limit else None


def _worst(*wrong: float | None) -> float | None:
    return max((share for share in wrong if share is not None), default=None)


def _too_low(part: int, whole: int, limit: float) -> float | None:
    """The share that is lacking, if `part` of `whole` lies below the limit beyond chance (Wilson, 1927)."""
    if not whole:
        return None
    share, spread = part / whole, SIGMAS**2 / whole
    middle = share + spread / 2
    highest = (middle + float(np.sqrt(spread * (share * (1 - share) + spread / 4)))) / (1 + spread)
    return None if highest >= limit else 1 - share


def _sensors(found: Evidence) -> float | None:
    counts = found.agreement
    if not counts.projected and found.labels.points >= MIN_POINTS:
        return 1.0
    return _worst(
        _too_low(counts.off_outlines_same_depth, counts.off_outlines - counts.hidden, MIN_AGREEMENT),
        _too_low(counts.clear_same, counts.clear, MIN_AGREEMENT),
        _too_low(counts.off_outlines - counts.hidden, counts.off_outlines, 1 - MAX_HIDDEN),
    )


def _sensors_told(found: Evidence) -> str:
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
    return _too_low(found.agreement.anomalous_same, found.agreement.anomalous, MIN_ANOMALY_AGREEMENT)


def _anomalies_told(found: Evidence) -> str:
    counts = found.agreement
    return (
        f"camera and LiDAR label different anomalies: of {counts.anomalous} points in view that either calls one, "
        f"{counts.anomalous_same} are one for both"
    )


def _unseen(found: Evidence) -> float | None:
    counts = found.agreement
    highest = (np.sqrt(counts.anomaly_hit + 3 / 8) + SIGMAS / 2) ** 2  # of a count, by Anscombe's transformation
    return _short(float(highest), counts.anomaly_expected, MIN_ANOMALY_HITS)


def _unseen_told(found: Evidence) -> str:
    counts = found.agreement
    return (
        f"the clouds lack the anomalies that SEMANTIC-CAM shows: {counts.anomaly_hit:.0f} points lie on them, where "
        f"their size lets expect {counts.anomaly_expected:.0f}"
    )


def _unshown(found: Evidence) -> float | None:
    pictures = found.pictures
    return _short(
        pictures.anomaly_fit,
        pictures.anomaly_pairs if pictures.anomaly_pairs >= MIN_ANOMALY_PAIRS else 0,
        MIN_ANOMALY_FIT,
    )


def _classes(found: Evidence) -> float | None:
    counts, clouds = found.agreement, found.clouds
    return _worst(
        _short(counts.far_sky_pixels, counts.sky_pixels, MIN_PLAUSIBLE),
        _short(counts.far_sky_pixels, counts.far_pixels, MIN_PLAUSIBLE),
        _short(clouds.level_roads, clouds.roads, MIN_PLAUSIBLE),
        _over(clouds.sky_points, clouds.points, MAX_SKY_POINTS),
    )


def _classes_told(found: Evidence) -> str:
    counts, clouds = found.agreement, found.clouds
    if _short(counts.far_sky_pixels, counts.sky_pixels, MIN_PLAUSIBLE) is not None:
        return f"{1 - counts.far_sky_pixels / counts.sky_pixels:.1%} of the pixels called sky have a finite depth"
    if _short(counts.far_sky_pixels, counts.far_pixels, MIN_PLAUSIBLE) is not None:
        return f"{1 - counts.far_sky_pixels / counts.far_pixels:.1%} of the pixels without a depth are not called sky"
    if _over(clouds.sky_points, clouds.points, MAX_SKY_POINTS) is not None:
        return f"{clouds.sky_points / clouds.points:.1%} of the points are called sky"
    return f"what is called road lies at the LiDAR's height below it in {clouds.level_roads} of {clouds.roads} clouds"


def _unknown(found: Evidence) -> float | None:
    return _over(found.agreement.unknown_pixels, found.agreement.pixels, MAX_UNKNOWN)


def _twins(found: Evidence) -> float | None:
    if not found.agreement.labelled:
        return None
    return _too_low(found.labels.by_row + found.labels.by_direction, found.labels.points, MIN_AGREEMENT)


def _twins_told(found: Evidence) -> str:
    share = (found.labels.by_row + found.labels.by_direction) / max(1, found.labels.points)
    return f"only {share:.1%} of LIDAR's points have a point of SEMANTIC-LIDAR in their direction and range"


def _voxels(found: Evidence) -> float | None:
    counts = found.agreement
    return _worst(
        _too_low(counts.in_voxel, counts.labelled, MIN_AGREEMENT),
        _too_low(counts.same_voxel, counts.in_voxel, MIN_VOXEL_CLASSES),
        _too_low(counts.filled_voxels, counts.voxels, MIN_AGREEMENT),
    )


def _voxels_told(found: Evidence) -> str:
    counts = found.agreement
    held, same = counts.in_voxel / max(1, counts.labelled), counts.same_voxel / max(1, counts.in_voxel)
    filled = f", and {counts.filled_voxels / counts.voxels:.1%} of the voxels hold a point" if counts.voxels else ""
    return (
        f"VOXEL_GRID does not fit SEMANTIC-LIDAR: {held:.1%} of its points lie in an occupied voxel, {same:.1%} of "
        f"these in one of a fitting class{filled}"
    )


def _one_color(found: Evidence) -> float | None:
    return _over(found.pictures.one_color, found.pictures.images, MAX_REPEATED)


def _judged_gap(pictures: PictureCounts) -> float | None:
    """By how much the edges fit the outlines better than elsewhere; None with too few outlines."""
    return pictures.gap if pictures.outline_pairs >= MIN_OUTLINE_PAIRS else None


def hides_outlines(found: Evidence) -> bool:
    """Whether night, fog or glare keeps images from showing that they belong to their labels."""
    pictures = found.pictures
    gap = _judged_gap(pictures)
    if gap is None or gap >= MIN_IMAGE_AGREEMENT or _mirrored_image(found) is not None or _one_color(found) is not None:
        return False
    faint = pictures.strong_step < FAINT_STEP * pictures.images or pictures.mean_color < DARK
    return faint or pictures.clipped > CLIPPED * 3 * pictures.pixels


def _mirrored_image(found: Evidence) -> float | None:
    gap = _judged_gap(found.pictures)
    return -gap if gap is not None and gap <= -MIRRORED_IMAGE and found.pictures.looks_mirrored else None


def _coded_image(found: Evidence) -> float | None:
    pictures = found.pictures
    return _over(max(pictures.as_depth, pictures.as_class), pictures.pixels, MAX_CODED)


def _other_tick(found: Evidence) -> float | None:
    pictures = found.pictures
    if pictures.sequel_pairs < MIN_OUTLINE_PAIRS or _frozen(found) is not None:
        return None
    return _over(max(pictures.late_fit, pictures.early_fit), pictures.sequel_pairs, MAX_OTHER_TICK)


def _other_tick_told(found: Evidence) -> str:
    pictures = found.pictures
    side = "before" if pictures.late_fit > pictures.early_fit else "after"
    return f"RGB-CAM shows another time than its labels: its edges fit the outlines of the tick {side} better"


def _other_image(found: Evidence) -> float | None:
    gap = _judged_gap(found.pictures)
    if gap is None or gap >= MIN_IMAGE_AGREEMENT or hides_outlines(found):
        return None
    named = _mirrored_image, _one_color, _coded_image, _other_tick, _frozen
    return None if any(rule(found) is not None for rule in named) else MIN_IMAGE_AGREEMENT - gap


def _exchanged_colors(found: Evidence) -> float | None:
    redness = found.pictures.redness
    if redness is None or _coded_image(found) is not None:
        return None
    plants, sky = redness
    return sky - plants if plants - sky < BLUE_PLANTS and plants < BLUE_LEAVES else None


def _frozen(found: Evidence) -> float | None:
    repeats = found.repeats
    if max(repeats.images, repeats.clouds) < MIN_REPEATED or _one_color(found) is not None:
        return None
    return _over(max(repeats.images, repeats.clouds), repeats.sequels, MAX_REPEATED)


def _frozen_told(found: Evidence) -> str:
    repeats = found.repeats
    kind, number = ("images", repeats.images) if repeats.images >= repeats.clouds else ("clouds", repeats.clouds)
    return f"{number} of {repeats.sequels} {kind} are just the ones of the tick before"


def _intensity(found: Evidence) -> float | None:
    lowest, highest = found.clouds.lowest_intensity, found.clouds.highest_intensity
    out_of_range = max(highest, -lowest) if highest > MAX_INTENSITY or lowest < 0 else None
    return _worst(out_of_range, _over(found.clouds.one_intensity, found.clouds.clouds, MAX_REPEATED))


def _intensity_told(found: Evidence) -> str:
    lowest, highest = found.clouds.lowest_intensity, found.clouds.highest_intensity
    if lowest < 0 or highest > MAX_INTENSITY:
        return f"LIDAR's intensities reach from {lowest:g} to {highest:g}, where AnoVox has 0 to 1"
    return "all points of a LIDAR cloud have the same intensity, where AnoVox's fall with the range"


def _around(found: Evidence) -> float | None:
    return _worst(
        _too_low(found.clouds.sectors, SECTORS * found.clouds.clouds, MIN_AROUND),
        _short(found.clouds.filled, found.clouds.cells, MIN_FILLED),
    )


def _around_told(found: Evidence) -> str:
    clouds = found.clouds
    share = clouds.sectors / max(1, SECTORS * clouds.clouds)
    if share >= MIN_AROUND:
        filled = clouds.filled / clouds.cells
        return f"the clouds hold points in only {filled:.0%} of the directions below the LiDAR's horizon"
    return f"the clouds reach only {share:.0%} of the way around the LiDAR, where AnoVox's reach all around"


_AGAIN: Final = "take {} from the archive again, or leave these scenarios out"
RULES: Final = (
    Rule("sensors_disagree", _sensors, _sensors_told, _AGAIN.format("camera and LiDAR folders"), needs_cause=True),
    Rule(
        "anomalies_disagree",
        _anomalies,
        _anomalies_told,
        _AGAIN.format("SEMANTIC-CAM and SEMANTIC-LIDAR"),
        lowest=Level.SCENARIO,
    ),
    Rule(
        "anomalies_unseen",
        _unseen,
        _unseen_told,
        _AGAIN.format("LIDAR and SEMANTIC-LIDAR"),
        lowest=Level.SCENARIO,
    ),
    Rule(
        "anomalies_unshown",
        _unshown,
        lambda _: "RGB-CAM does not show the anomalies: its edges are not where SEMANTIC-CAM has their outlines",
        _AGAIN.format("RGB-CAM"),
        lowest=Level.DATA_SET,
    ),
    Rule(
        "wrong_class_ids",
        _classes,
        _classes_told,
        "the class ids are not those of AnoVox's tables: take SEMANTIC-CAM and SEMANTIC-LIDAR from the archive again",
    ),
    Rule(
        "unlabelled_pixels",
        _unknown,
        lambda found: f"{found.agreement.unknown_pixels / found.agreement.pixels:.1%} of SEMANTIC-CAM has no class",
        _AGAIN.format("SEMANTIC-CAM"),
    ),
    Rule("other_semantic_lidar", _twins, _twins_told, _AGAIN.format("LIDAR and SEMANTIC-LIDAR"), of_cameras=False),
    Rule(
        "voxels_disagree",
        _voxels,
        _voxels_told,
        "it is of another scenario or cell size, or the LiDAR stands elsewhere than sensor_setup.json says: compare "
        "that first; then delete VOXEL_GRID there, and it is computed",
        of_cameras=False,
    ),
    Rule("one_color", _one_color, lambda _: "RGB-CAM shows one colour everywhere", _AGAIN.format("RGB-CAM")),
    Rule(
        "coded_image",
        _coded_image,
        lambda found: (
            "RGB-CAM holds the files of "
            + ("DEPTH_CAM" if found.pictures.as_depth > found.pictures.as_class else "SEMANTIC-CAM or INSTANCE-CAM")
        ),
        _AGAIN.format("RGB-CAM"),
    ),
    Rule(
        "mirrored_image",
        _mirrored_image,
        lambda _: "RGB-CAM is mirrored: its edges lie where outlines would be from right to left",
        _AGAIN.format("RGB-CAM"),
    ),
    Rule("other_tick", _other_tick, _other_tick_told, _AGAIN.format("RGB-CAM"), lowest=Level.CAMERA),
    Rule("frozen", _frozen, _frozen_told, _AGAIN.format("RGB-CAM and LIDAR"), lowest=Level.CAMERA),
    Rule(
        "other_image",
        _other_image,
        lambda _: "RGB-CAM does not belong to these labels: its edges are not where classes and depth change",
        "it is of another scenario or other frames, or moved: " + _AGAIN.format("RGB-CAM"),
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
        _intensity_told,
        "scale them to 0 to 1, or take LIDAR from the archive again",
        of_cameras=False,
    ),
    Rule("partial_clouds", _around, _around_told, _AGAIN.format("LIDAR"), of_cameras=False),
)
