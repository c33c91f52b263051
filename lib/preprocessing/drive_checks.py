"""Checks of drives: poses, their time, and what a drive with a braking vehicle ahead must show. None stops the work."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lib.common.labels import AGENT_IDS, ANOMALY_IDS, UNKNOWN
from lib.geometry.frame import ScenarioType
from lib.preprocessing.pose_timing import PoseTiming
from lib.preprocessing.statistics import Statistics

WINDOW_S: Final = 1.0
MIN_TICKS_PER_SECOND: Final = 5.0
MIN_TELLING_POINTS: Final = 300
MIN_CLEAR: Final = 0.6
"""Fraction of the points that tell two ticks apart from which on they are believed. Sound drives: 0.7 and more."""
_WHOLE: Final = 0.9
"""Share of a drive's ticks that must have been read to say that no label comes: `tools.check` reads some of them."""
_NEEDED: Final = (
    "without poses, windows of the past cannot be compensated for the ego's motion, and a vehicle ahead that brakes "
    "cannot be told from an ego that does"
)


@dataclass(frozen=True)
class DriveNote:
    """What is odd about some drives: a stable name, the drives (first the one described), a description, a remedy.

    `severe`: numbers may be wrong because of it.
    """

    name: str
    scenarios: tuple[str, ...]
    what: str
    remedy: str
    severe: bool = True

    @property
    def sentence(self) -> str:
        """The note in one sentence."""
        others = len(self.scenarios) - 1
        more = f" (and {others} more)" if others else ""
        return f"{self.scenarios[0]}{more}: {self.what}; {self.remedy}"


def drive_notes(by_scenario: Mapping[str, Statistics], types: Mapping[str, ScenarioType]) -> list[DriveNote]:
    """All notes on the drives of a data set; `types`: type of each scenario."""
    ordered = sorted(by_scenario.items())
    drives = {name: found for name, found in ordered if is_drive(found)}
    dynamic = {name: found for name, found in ordered if types[name] is ScenarioType.DYNAMIC}
    return [*_pose_notes(drives), *_timing_notes(drives), *_lead_notes(dynamic)]


def is_drive(found: Statistics) -> bool:
    """Whether a recording holds windows of the past: long enough, and frequent enough."""
    drive = found.drive
    return drive.seconds >= WINDOW_S - 1e-6 and drive.ticks - 1 >= MIN_TICKS_PER_SECOND * drive.seconds


def _pose_notes(drives: Mapping[str, Statistics]) -> Iterator[DriveNote]:
    unposed = [name for name, found in drives.items() if not found.drive.posed]
    if unposed:
        remedy = "set preprocess.poses to odometry, which finds them from the clouds, or add the ACTION files"
        yield DriveNote("no_poses", tuple(unposed), f"no frame has a pose: {_NEEDED}", remedy)
    partly = {name: found.drive for name, found in drives.items() if 0 < found.drive.posed < found.drive.ticks}
    if partly:
        first = next(iter(partly.values()))
        what = f"{first.ticks - first.posed} of {first.ticks} ticks have no pose: {_NEEDED}"
        remedy = "they stay unknown there; take ACTION from the archive again"
        yield DriveNote("missing_poses", tuple(partly), what, remedy)
    jumping = {name: found.drive.jumps for name, found in drives.items() if found.drive.jumps}
    if jumping:
        what = f"the pose jumps at {next(iter(jumping.values()))} ticks, farther than a vehicle can move"
        remedy = "its files are of several drives, or numbered wrongly: take ACTION from the archive again"
        yield DriveNote("jumping_poses", tuple(jumping), what, remedy)


def _timing_notes(drives: Mapping[str, Statistics]) -> Iterator[DriveNote]:
    timings = {name: found.drive.timing for name, found in drives.items() if found.drive.posed}
    for side, other in (("before", "late"), ("after", "early")):
        off = [name for name, timing in timings.items() if _clear(*_sides(timing, side)[::-1])]
        if off:
            worse, better = _sides(timings[off[0]], side)
            what = (
                f"the clouds are one tick {other} for the poses: what stands still fits itself better with the poses "
                f"of the tick {side} ({better / (better + worse):.0%} of the points that tell)"
            )
            remedy = (
                "rename ACTION's files by their tick, or set preprocess.poses to odometry; if the camera disagrees "
                "with the clouds as well, it is the clouds that are of another tick"
            )
            yield DriveNote("poses_of_other_tick", tuple(off), what, remedy)
    decided = [all(_clear(*_sides(timing, side)) for side in ("before", "after")) for timing in timings.values()]
    wrong = [any(_clear(*_sides(timing, side)[::-1]) for side in ("before", "after")) for timing in timings.values()]
    if timings and not any(decided) and not any(wrong):
        what = (
            "whether poses and clouds are of the same tick is undecided: in no drive does the ego change its speed or "
            "heading enough beside things that stand still"
        )
        remedy = "nothing: it shows only where the ego starts, brakes or turns"
        yield DriveNote("poses_unjudged", tuple(timings), what, remedy, severe=False)


def _sides(timing: PoseTiming, side: str) -> tuple[int, int]:
    """Points that fit better with the own tick's poses, and with those of the tick `before` or `after`."""
    before = side == "before"
    return (timing.own_over_before, timing.before) if before else (timing.own_over_after, timing.after)


def _clear(most: int, others: int) -> bool:
    return most + others >= MIN_TELLING_POINTS and most >= MIN_CLEAR * (most + others)


def _lead_notes(dynamic: Mapping[str, Statistics]) -> Iterator[DriveNote]:
    absent = [name for name, found in dynamic.items() if not _seen(found, (*ANOMALY_IDS, *AGENT_IDS))]
    if absent:
        what = "no point or pixel is the vehicle ahead (classes 100 and 112 to 119), though it is a braking drive"
        remedy = "its frames count as normal; check SEMANTIC-LIDAR and SEMANTIC-CAM, or leave the drive out"
        yield DriveNote("no_lead", tuple(absent), what, remedy)
    whole = {name: found for name, found in dynamic.items() if found.frames >= _WHOLE * found.drive.ticks}
    calm = [name for name, found in whole.items() if name not in absent and not _seen(found, ANOMALY_IDS)]
    if calm:
        what = "no point or pixel is labelled as braking (class 100), though it is a braking drive"
        remedy = "its frames count as normal, which is right if the vehicle ahead brakes out of sight"
        yield DriveNote("no_braking", tuple(calm), what, remedy)
    short = {name: found.drive.seconds for name, found in dynamic.items() if found.drive.seconds < WINDOW_S - 1e-6}
    if short:
        what = f"it lasts {next(iter(short.values())):.1f} s, less than a window of the past ({WINDOW_S:g} s)"
        remedy = "its frames are judged with what there is of the past, or not at all; leave it out if it was cut"
        yield DriveNote("short_drive", tuple(short), what, remedy)


def _seen(found: Statistics, class_ids: Sequence[int]) -> bool:
    counts = found.point_classes + found.pixel_classes
    return bool(counts[[class_id for class_id in class_ids if class_id != UNKNOWN]].any())
