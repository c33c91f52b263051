"""Causes of disagreement between camera and LiDAR: the change of a scenario's frames that makes them agree best."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations, product
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format.files import DEPTH_MAX_M, DEPTH_STEPS
from lib.anovox.format.recording import SensorPose
from lib.anovox.reading.point_labels import transfer_labels
from lib.common.labels import ROAD, ROAD_LINE
from lib.geometry.frame import Frame, Lidar
from lib.geometry.merged import merge_clouds
from lib.geometry.rigid import rotation_about
from lib.preprocessing.agreement import Agreement, camera_agreement
from lib.reading.recorded_frames import LidarClouds, Opener, ReadFrame

MAX_POINTS: Final = 8_000
"""Points per LiDAR that candidates are scored on, evenly subsampled."""
TICKS: Final = 2
MIN_ROAD_POINTS: Final = 20
MIN_SEEN: Final = 0.25
MIN_SCORE: Final = 0.95
MIN_CLASS_SCORE: Final = 0.85
"""Minimum agreement of classes when depth is ignored, so that hidden points count too."""
NOISE_M: Final = 0.1
"""A LiDAR's typical noise."""
SCALES: Final = (0.001, 0.01, 0.1, 0.2, 0.3048, 0.5, 0.8, 0.9, 1.1, 1.25, 2.0, 3.2808, 5.0, 10.0, 100.0, 1000.0)
SAME_SCALE: Final = 1.05
TURNS_DEG: Final = (180.0, 90.0, -90.0, *(sign * float(turn) for turn in range(1, 46) for sign in (1, -1)))
TILTS_DEG: Final = tuple(sign * tilt for tilt in (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 90.0) for sign in (1, -1))
SHIFTS_M: Final = tuple(
    sign * move for move in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.8, 2.0, 2.4, 3.0, 3.6) for sign in (1, -1)
)
FOCAL_SCALES: Final = tuple(np.round(np.geomspace(0.4, 2.5, 61), 4).tolist())
IMAGE_SHIFTS: Final = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.16, 0.2, 0.25)
"""Fractions of the image's width or height."""

Points = npt.NDArray[np.float32]
Change = Callable[[ReadFrame], Frame]
_AGAIN: Final = "take {} from the archive again"


@dataclass(frozen=True)
class Cause:
    """A likely cause of disagreement: a stable name for programs, a description, and a remedy."""

    name: str
    what: str
    remedy: str


def likeliest_cause(reads: Sequence[ReadFrame], neighbours: Sequence[ReadFrame] = ()) -> Cause:
    """Find the single change with which depths and classes of some frames of a scenario (at least one) agree best.

    `neighbours`: frames of the previous and next ticks, in case a sensor is delayed. If only some LiDARs disagree with
    the cameras, one of these is examined. If no change helps, the cause describes what disagrees.
    """
    if all(np.ptp(read.frame.depth_m) == 0 for read in reads):
        return Cause("wrong_depth", "DEPTH_CAM shows one depth everywhere", "take it from the archive again")
    subsampled, others = [_subsampled(read) for read in reads], [_subsampled(read) for read in neighbours]
    lidars = {lidar: [_single_lidar(read, lidar) for read in subsampled] for lidar in subsampled[0].frame.lidars}
    agree = {lidar: _score(single, lambda read: read.frame) >= MIN_SCORE for lidar, single in lidars.items()}
    if len(set(agree.values())) < 2:
        return _cause(subsampled, others)
    wrong = next(lidar for lidar in lidars if not agree[lidar])
    cause = _cause(lidars[wrong], [_single_lidar(read, wrong) for read in others])
    x, y, z = wrong.location
    at = f"of the LiDAR at ({x:g}, {y:g}, {z:g}), yaw {wrong.rotation[2]:g}, alone"
    return replace(cause, what=f"{at}: {cause.what}")


def _cause(subsampled: Sequence[ReadFrame], neighbours: Sequence[ReadFrame]) -> Cause:
    before = _score(subsampled, lambda read: read.frame)
    best, found = before, None
    for change, cause in (*_other_ticks(subsampled, neighbours), *_candidates(subsampled)):
        score = _score(subsampled, change)
        # Only changes that remove at least half of the disagreement: small improvements must not hide the right one.
        if score > best + 0.002 and 1 - score <= 0.5 * (1 - before):
            best, found = score, cause
    return found or _unexplained(subsampled)


def cause_in(scenarios: Sequence[Opener], frame_ids: Sequence[int] = ()) -> Cause | None:
    """Likeliest cause in some scenarios, from a few ticks of each; None if none of these frames can be read.

    `frame_ids`: ids of the affected frames; empty: all.
    """
    reads, neighbours = [], []
    for opener in scenarios:
        scenario = opener()
        ids = tuple(scenario.cloud_sizes)
        bad = [frame_id for frame_id in ids if not frame_ids or frame_id in frame_ids]
        inner = [frame_id for frame_id in bad if frame_id in ids[1:-1]] or bad
        chosen = inner[len(inner) // (2 * TICKS) :: max(1, len(inner) // TICKS)][:TICKS]
        places = [ids.index(frame_id) for frame_id in chosen]
        beside = {place + step for place in places for step in (-1, 1)} - {-1, len(ids)}
        reads += [read for read in scenario.frames(chosen) if isinstance(read, ReadFrame)]
        others = [ids[place] for place in sorted(beside)]
        neighbours += [read for read in scenario.frames(others) if isinstance(read, ReadFrame)]
    return likeliest_cause(reads, neighbours) if reads else None


def _other_ticks(reads: Sequence[ReadFrame], neighbours: Sequence[ReadFrame]) -> Iterator[tuple[Change, Cause]]:
    """Candidates: sensors whose files are those of the previous or next tick."""
    by_camera: dict[tuple[str, str], dict[int, ReadFrame]] = {}
    for each in (*neighbours, *reads):
        by_camera.setdefault((each.frame.scenario, each.frame.camera_name), {})[each.frame.frame_id] = each

    def beside(step: int, read: ReadFrame) -> ReadFrame | None:
        frames = by_camera[read.frame.scenario, read.frame.camera_name]
        ticks = sorted(frames)
        place = ticks.index(read.frame.frame_id) + step
        return frames[ticks[place]] if 0 <= place < len(ticks) else None

    def clouds(step: int, read: ReadFrame) -> Frame:
        found = beside(step, read)
        return _with_clouds(read.frame, found) if found else read.frame

    def lidar_alone(step: int, read: ReadFrame) -> Frame:
        found = beside(step, read)
        return _with_clouds(read.frame, _relabelled(found, read)) if found else read.frame

    remedy = "take them from the archive again, or rename them by their tick"
    for step, side in ((1, "before"), (-1, "after")):
        if any(beside(step, read) for read in reads):
            what = f"the clouds are those of the tick {side}, or the camera's files of the other one"
            yield partial(clouds, step), Cause("other_tick", what, remedy)
            what = f"LIDAR's files are those of the tick {side}, SEMANTIC-LIDAR's not"
            yield partial(lidar_alone, step), Cause("other_tick", what, remedy)


def _with_clouds(frame: Frame, other: ReadFrame) -> Frame:
    cloud = other.frame
    return replace(frame, points=cloud.points, point_class=cloud.point_class, cloud_sizes=cloud.cloud_sizes)


def _relabelled(read: ReadFrame, labelling: ReadFrame) -> ReadFrame:
    """Relabel the frame's points by another frame's SEMANTIC-LIDAR."""
    class_ids = []
    for cloud, other, lidar in zip(read.clouds, labelling.clouds, read.frame.lidars, strict=True):
        pose = SensorPose(lidar.location, lidar.rotation)
        class_ids.append(transfer_labels(cloud.points, other.semantic_points, None, pose, NOISE_M).class_ids)
    return replace(read, frame=replace(read.frame, point_class=np.concatenate(class_ids)))


def _score(reads: Sequence[ReadFrame], change: Change) -> float:
    """Fraction of points off outlines whose depths agree, or whose classes agree: the lower of the two."""
    total = sum((camera_agreement(change(read)) for read in reads), Agreement())
    seen = total.off_outlines - total.hidden
    if seen < MIN_SEEN * total.off_outlines or not seen:
        return 0.0  # most points are hidden, or none is in view
    depth = total.off_outlines_same_depth / seen
    # Clouds at a wrong scale get no labels from SEMANTIC-LIDAR; then only depth can be compared.
    return min(depth, total.clear_same / total.clear) if total.clear >= MIN_SEEN * seen else depth


def _candidates(reads: Sequence[ReadFrame]) -> Iterator[tuple[Change, Cause]]:
    yield from _wrong_scale(reads)
    what, remedy = "DEPTH_CAM has its red and blue channels exchanged", "exchange them, or take the archive's own files"
    yield _with_depth(_swap_red_blue), Cause("wrong_depth", what, remedy)
    what = "the clouds are mirrored, with y to the right (or the images are)"
    remedy = "AnoVox's clouds are x forward, y left, z up: negate y, or take the archive's own files"
    yield _transformed(np.diag([1.0, -1.0, 1.0])), Cause("mirrored_clouds", what, remedy)
    x, y, z = np.eye(3)
    remedy = "turn them back, or correct the LiDAR's rotation in sensor_setup.json"
    for turn_deg in TURNS_DEG:
        side = "left" if turn_deg > 0 else "right"
        amount = "half a turn" if turn_deg == 180 else f"{abs(turn_deg):g} degrees to the {side}"
        what = f"the clouds are turned by about {amount}"
        yield _transformed(rotation_about(z, -np.deg2rad(turn_deg))), Cause("turned_clouds", what, remedy)
    for name, axis in (("pitch", y), ("roll", x)):
        for tilt_deg in TILTS_DEG:
            what = f"the clouds have a {name} of about {tilt_deg:g} degrees"
            remedy = "turn them back; the pipeline reads LiDARs that stand upright"
            yield _transformed(rotation_about(axis, -np.deg2rad(tilt_deg))), Cause("tilted_clouds", what, remedy)
    for axis, positive, negative in ((x, "ahead", "back"), (y, "to the left", "to the right"), (z, "up", "down")):
        for move_m in SHIFTS_M:
            what = f"the clouds lie about {abs(move_m):g} m too far {positive if move_m > 0 else negative}"
            remedy = "move them back, or correct the LiDAR's location in sensor_setup.json"
            yield _transformed(np.eye(3), axis * -move_m), Cause("moved_clouds", what, remedy)
    yield from _other_axes()
    yield from _wrong_camera(reads[0].frame)


def _wrong_scale(reads: Sequence[ReadFrame]) -> Iterator[tuple[Change, Cause]]:
    """Candidates: clouds or depth images in another unit. Only scaled clouds have the road at a wrong height."""
    scale = _ground_scale(reads)
    of_clouds = scale is None or not 1 / SAME_SCALE < scale < SAME_SCALE
    remedy = "write LIDAR and SEMANTIC-LIDAR in metres" if of_clouds else _AGAIN.format("DEPTH_CAM")
    for factor in SCALES:
        if of_clouds:
            what = f"the clouds are {factor:g} times as large as they should be"
            yield _transformed(np.eye(3) / factor), Cause("scaled_clouds", what, remedy)
        else:
            what = f"DEPTH_CAM shows {factor:g} times the true depth"
            yield _with_depth(partial(np.multiply, np.float32(1 / factor))), Cause("wrong_depth", what, remedy)


def _other_axes() -> Iterator[tuple[Change, Cause]]:
    """Candidates: clouds with permuted or negated axes. Rotations about one axis are tried earlier."""
    remedy = "write x forward, y left, z up, or take the archive's own files"
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            placed = list(zip(order, signs, strict=True))
            names = ", ".join(f"{'-' if sign < 0 else ''}{'xyz'[axis]}" for axis, sign in placed)
            axes = np.zeros((3, 3))
            for row, (axis, sign) in enumerate(placed):
                axes[axis, row] = sign
            what = f"the clouds have other axes: their columns are {names}, where AnoVox has x, y, z"
            yield _transformed(axes), Cause("other_axes", what, remedy)


def _ground_scale(reads: Sequence[ReadFrame]) -> float | None:
    """Measured height of the LiDAR above the road, relative to its stated height; None without road points."""
    found = []
    for read in reads:
        for cloud, lidar, classes in zip(read.clouds, read.frame.lidars, read.class_ids_by_lidar, strict=True):
            road_z_m = cloud.points[(classes == ROAD) | (classes == ROAD_LINE), 2]
            if len(road_z_m) >= MIN_ROAD_POINTS and lidar.location[2] > 0:
                found.append(-float(np.median(road_z_m)) / lidar.location[2])
    return float(np.median(found)) if found else None


def _wrong_camera(frame: Frame) -> Iterator[tuple[Change, Cause]]:
    camera = frame.camera
    for scale in FOCAL_SCALES:
        stated, fitting = (
            float(np.rad2deg(2 * np.arctan(camera.width_px / 2 / fx))) for fx in (camera.fx_px, camera.fx_px * scale)
        )
        what = f"the camera's field of view is about {fitting:.0f} degrees, where sensor_setup.json has {stated:.0f}"
        yield partial(_zoomed, scale), Cause("wrong_field_of_view", what, "correct camera_fov in sensor_setup.json")
    sides = ((1, camera.width_px, ("right", "left")), (0, camera.height_px, ("down", "up")))
    remedy = _AGAIN.format("the camera's folders")
    moves = sorted({(axis, round(fraction * size), names) for axis, size, names in sides for fraction in IMAGE_SHIFTS})
    for axis, move_px, (positive, negative) in moves:
        for sign, side in ((1, positive), (-1, negative)):
            what = f"DEPTH_CAM and SEMANTIC-CAM lie about {move_px} pixels too far {side}"
            yield partial(_shifted, axis, -sign * move_px), Cause("moved_images", what, remedy)


def _zoomed(scale: float, read: ReadFrame) -> Frame:
    calibration, camera = read.frame.calibration, read.frame.camera
    zoomed = replace(camera, fx_px=camera.fx_px * scale, fy_px=camera.fy_px * scale)
    return replace(read.frame, calibration=replace(calibration, camera=zoomed))


def _shifted(axis: int, move_px: int, read: ReadFrame) -> Frame:
    depth_m = np.roll(read.frame.depth_m, move_px, axis)
    return replace(read.frame, depth_m=depth_m, pixel_class=np.roll(read.frame.pixel_class, move_px, axis))


def _unexplained(reads: Sequence[ReadFrame]) -> Cause:
    total = sum((camera_agreement(read.frame) for read in reads), Agreement())
    depth = total.off_outlines_same_depth / max(1, total.off_outlines - total.hidden)
    # At the largest depth no point is hidden, so that all classes are compared.
    endless = _with_depth(lambda depth_m: np.full_like(depth_m, DEPTH_MAX_M))
    classes_alone = sum((camera_agreement(endless(read)) for read in reads), Agreement())
    classes = classes_alone.clear_same / max(1, classes_alone.clear)
    if depth >= MIN_SCORE:
        what = "SEMANTIC-CAM and SEMANTIC-LIDAR name different classes where their depths agree"
        remedy = "one of them is of other frames or has other class ids: take both from the archive again"
        return Cause("wrong_classes", what, remedy)
    if classes >= MIN_CLASS_SCORE:
        return Cause("wrong_depth", "DEPTH_CAM does not fit, though classes do", _AGAIN.format("DEPTH_CAM"))
    what = "neither depth nor classes agree, and no turn, scale or move of the clouds mends it"
    remedy = f"camera and LiDAR are of different frames or scenarios, or both were moved: {_AGAIN.format('them')}"
    return Cause("other_frames", what, remedy)


def _subsampled(read: ReadFrame) -> ReadFrame:
    """The frame with at most about MAX_POINTS points per LiDAR."""
    steps = [max(1, len(cloud.points) // MAX_POINTS) for cloud in read.clouds]
    clouds = tuple(replace(cloud, points=cloud.points[::step]) for cloud, step in zip(read.clouds, steps, strict=True))
    class_ids = [ids[::step] for ids, step in zip(read.class_ids_by_lidar, steps, strict=True)]
    return _rebuilt(read, read.frame.lidars, clouds, class_ids)


def _single_lidar(read: ReadFrame, lidar: Lidar) -> ReadFrame:
    """The frame with the cloud of a single LiDAR."""
    number = read.frame.lidars.index(lidar)
    return _rebuilt(read, (lidar,), read.clouds[number : number + 1], [read.class_ids_by_lidar[number]])


def _rebuilt(
    read: ReadFrame, lidars: tuple[Lidar, ...], clouds: tuple[LidarClouds, ...], class_ids: list[npt.NDArray[np.uint8]]
) -> ReadFrame:
    """The frame with these clouds."""
    points, sizes = [cloud.points for cloud in clouds], tuple(len(cloud.points) for cloud in clouds)
    frame = replace(
        read.frame,
        lidars=lidars,
        points=_merged(read.frame, lidars, points),
        point_class=np.concatenate(class_ids),
        cloud_sizes=sizes if read.frame.cloud_sizes else (),
    )
    return replace(read, frame=frame, clouds=clouds)


def _merged(frame: Frame, lidars: Sequence[Lidar], clouds: Sequence[Points]) -> Points:
    """Clouds of some of the frame's LiDARs in the coordinates of the frame's points."""
    if not frame.cloud_sizes:
        return clouds[0]  # a single LiDAR's cloud stays in its own frame
    return merge_clouds(clouds, [(lidar.location, lidar.rotation) for lidar in lidars])


def _transformed(turn: npt.NDArray[np.float64], offset_m: npt.NDArray[np.float64] | None = None) -> Change:
    """Change that maps each LiDAR's points p to turn p + offset_m, in its own frame."""

    def change(read: ReadFrame) -> Frame:
        clouds = []
        for cloud in read.clouds:
            points = cloud.points.copy()
            points[:, :3] = cloud.points[:, :3] @ turn.T + (0.0 if offset_m is None else offset_m)
            clouds.append(points)
        return replace(read.frame, points=_merged(read.frame, read.frame.lidars, clouds))

    return change


def _with_depth(change: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]) -> Change:
    return lambda read: replace(read.frame, depth_m=change(read.frame.depth_m).astype(np.float32))


def _swap_red_blue(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Depth (H, W) [m] after swapping the red and blue channels of its image."""
    steps = np.rint(depth_m.astype(np.float64) / DEPTH_MAX_M * DEPTH_STEPS).astype(np.int64)
    exchanged = (steps & 255) << 16 | steps & 0xFF00 | steps >> 16
    return np.asarray(DEPTH_MAX_M * exchanged / DEPTH_STEPS, dtype=np.float32)
