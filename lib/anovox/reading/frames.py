"""Scenario folders -> Frames, one by one; a frame that cannot be used is reported and skipped."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format import files, layout
from lib.anovox.format.class_images import read_class_image
from lib.anovox.format.clouds import read_lidar, read_semantic_lidar
from lib.anovox.format.ego_state import LIDAR_MATRIX, EgoState, anomaly_of, ego_state
from lib.anovox.format.grid import voxel_grid
from lib.anovox.reading.point_labels import merged_labels, transfer_labels
from lib.anovox.reading.scenario import CameraView, Scenario
from lib.geometry.frame import Anomaly, Frame
from lib.geometry.merged import merge_clouds
from lib.geometry.voxels import VOXEL_SIZE_M
from lib.reading.file_errors import FileError, Reason
from lib.reading.recorded_frames import LidarClouds, PointLabels, ReadFrame, SkippedFrame, unlabelled_frame

_MISSING: Final = {
    layout.RGB: Reason.MISSING_IMAGE,
    layout.DEPTH: Reason.MISSING_DEPTH,
    layout.SEMANTIC: Reason.MISSING_PIXEL_LABELS,
    layout.LIDAR: Reason.MISSING_LIDAR,
    layout.SEMANTIC_LIDAR: Reason.MISSING_POINT_LABELS,
}


@dataclass(frozen=True, eq=False)
class _Tick:
    """Data common to all cameras at a tick: points (N, 4), merged if there are several LiDARs, and the ego's state."""

    points: npt.NDArray[np.float32]
    cloud_sizes: tuple[int, ...]
    labels: PointLabels
    voxels: npt.NDArray[np.uint16]
    ego: EgoState
    anomaly: Anomaly | None
    undefined_ids: Mapping[str, tuple[int, ...]]
    clouds: tuple[LidarClouds, ...]


def read_frames(scenario: Scenario, frame_ids: Sequence[int] | None = None) -> Iterator[ReadFrame | SkippedFrame]:
    """Iterate over a scenario's frames, one in memory at a time: by tick, then by camera.

    Files are matched by their frame id; `frame_ids` selects some of the scenario's ticks. A frame is a SkippedFrame if
    its image, depth, pixel labels, cloud or point labels are missing, damaged or duplicate. Without ACTION its pose is
    None, without ANOMALY its anomaly; a missing VOXEL_GRID is computed. A scenario that was opened without labels needs
    only images and clouds, and reads but ACTION besides.
    """
    if not scenario.labelled:
        yield from _unlabelled_frames(scenario, scenario.frame_ids if frame_ids is None else frame_ids)
        return
    for frame_id in scenario.frame_ids if frame_ids is None else frame_ids:
        try:
            tick = _read_tick(scenario, frame_id)
        except FileError as error:
            yield from [SkippedFrame(frame_id, error.reason, str(error))] * len(scenario.views)
            continue
        shares_cloud = False
        for view in scenario.views:
            try:
                yield _read_frame(scenario, view, frame_id, tick, shares_cloud)
                shares_cloud = True
            except FileError as error:
                yield SkippedFrame(frame_id, error.reason, str(error))


def _unlabelled_frames(scenario: Scenario, frame_ids: Sequence[int]) -> Iterator[ReadFrame | SkippedFrame]:
    for frame_id in frame_ids:
        try:
            folders = [rig.folders[layout.LIDAR] for rig in scenario.lidar_rigs]
            clouds = [read_lidar(required_file(scenario, folder, layout.LIDAR, frame_id)) for folder in folders]
        except FileError as error:
            yield from [SkippedFrame(frame_id, error.reason, str(error))] * len(scenario.views)
            continue
        try:
            ego = read_ego_state(scenario, frame_id)
        except FileError:  # only a detector with a past needs it, and takes the pose as unknown
            ego = EgoState(None, None)
        points, sizes = _merged(scenario, clouds)
        for view in scenario.views:
            height, width = view.camera.height_px, view.camera.width_px
            try:
                image_path = required_file(scenario, view.rig.folders[layout.RGB], layout.RGB, frame_id)
                image = files.read_rgb(image_path, height, width)
            except FileError as error:
                yield SkippedFrame(frame_id, error.reason, str(error))
                continue
            time_s = frame_id * scenario.seconds_per_tick
            of_frame = scenario.config.name, frame_id, image, points, view.calibration, scenario.lidars, time_s
            read = unlabelled_frame(*of_frame, camera_name=view.name, cloud_sizes=sizes)
            yield replace(read, frame=replace(read.frame, world_SE3_ego=ego.world_SE3_ego, speed_mps=ego.speed_mps))


def _merged(
    scenario: Scenario, clouds: Sequence[npt.NDArray[np.float32]]
) -> tuple[npt.NDArray[np.float32], tuple[int, ...]]:
    """The points of a frame, and the number per LiDAR if there are several."""
    if len(clouds) == 1:
        return clouds[0], ()
    merged = merge_clouds(list(clouds), [rig.pose for rig in scenario.lidar_rigs])
    return merged, tuple(len(cloud) for cloud in clouds)


def _read_frame(scenario: Scenario, view: CameraView, frame_id: int, tick: _Tick, shares_cloud: bool) -> ReadFrame:
    height, width = view.camera.height_px, view.camera.width_px
    image_path, depth_path, semantic_path = (
        required_file(scenario, view.rig.folders[kind], kind, frame_id)
        for kind in (layout.RGB, layout.DEPTH, layout.SEMANTIC)
    )
    undefined: set[int] = set()
    frame = Frame(
        scenario=scenario.config.name,
        frame_id=frame_id,
        scenario_type=scenario.config.type,
        image=files.read_rgb(image_path, height, width),
        points=tick.points,
        point_class=tick.labels.class_ids,
        pixel_class=read_class_image(semantic_path, height, width, scenario.anomaly_id, undefined),
        depth_m=files.read_depth(depth_path, height, width).astype(np.float32),
        calibration=view.calibration,
        lidars=scenario.lidars,
        voxels=tick.voxels,
        world_SE3_ego=tick.ego.world_SE3_ego,
        speed_mps=tick.ego.speed_mps,
        time_s=frame_id * scenario.seconds_per_tick,
        anomaly=tick.anomaly,
        camera_name=view.name,
        cloud_sizes=tick.cloud_sizes,
    )
    undefined_ids = {layout.kind_of(semantic_path.parent.name): tuple(sorted(undefined))} if undefined else {}
    undefined_ids |= tick.undefined_ids
    return ReadFrame(frame, tick.labels, undefined_ids, shares_cloud, tick.clouds, _fills_grid(scenario))


def _fills_grid(scenario: Scenario) -> bool:
    read = {rig.pose for rig in scenario.lidar_rigs if layout.SEMANTIC_LIDAR in rig.folders}
    return {sensor.pose for sensor in scenario.setup.sensors if sensor.saved} <= read


def _read_tick(scenario: Scenario, frame_id: int) -> _Tick:
    rigs, clouds, undefined = scenario.lidar_rigs, list[LidarClouds](), defaultdict[str, set[int]](set)
    paths = [
        (
            required_file(scenario, rig.folders[layout.LIDAR], layout.LIDAR, frame_id),
            optional_file(scenario, rig.folders.get(layout.SEMANTIC_LIDAR), frame_id),
        )
        for rig in rigs
    ]
    for path, semantic_path in paths:
        points, semantic = read_lidar(path), None
        if semantic_path is not None:
            kind = layout.kind_of(semantic_path.parent.name)
            semantic = read_semantic_lidar(semantic_path, scenario.anomaly_id, undefined[kind])
        clouds.append(LidarClouds(points, semantic))
    voxel_path = optional_file(scenario, layout.VOXEL_GRID, frame_id)
    if voxel_path is None:
        voxels = compute_voxels(scenario, frame_id)
    else:
        voxels = files.read_voxels(voxel_path, undefined[layout.VOXEL_GRID])
    labels = [
        transfer_labels(cloud.points, cloud.semantic_points, voxels, rig.pose, rig.args.noise_stddev)
        for rig, cloud in zip(rigs, clouds, strict=True)
    ]
    merged, sizes = _merged(scenario, [cloud.points for cloud in clouds])
    return _Tick(
        points=merged,
        cloud_sizes=sizes,
        labels=merged_labels(labels),
        voxels=voxels,
        ego=read_ego_state(scenario, frame_id),
        anomaly=_anomaly(scenario, frame_id),
        undefined_ids={kind: tuple(sorted(ids)) for kind, ids in undefined.items() if ids},
        clouds=tuple(clouds),
    )


def compute_voxels(scenario: Scenario, frame_id: int, voxel_size_m: float = VOXEL_SIZE_M) -> npt.NDArray[np.uint16]:
    """Voxel grid (M, 4) uint16 of a tick from its semantic LiDARs and, at poses without one, depth cameras.

    Class ids that AnoVox does not define become 255. Raises FileError if a required file is missing or damaged.
    """
    lidars = []
    for lidar in scenario.setup.lidars:
        if layout.SEMANTIC_LIDAR in lidar.folders:
            cloud = required_file(scenario, lidar.folders[layout.SEMANTIC_LIDAR], layout.SEMANTIC_LIDAR, frame_id)
            lidars.append((lidar.pose, read_semantic_lidar(cloud, scenario.anomaly_id)))
    cameras = []
    for rig in scenario.setup.cameras:
        if {layout.DEPTH, layout.SEMANTIC} <= rig.folders.keys() and rig.pose not in [pose for pose, _ in lidars]:
            size = rig.args.image_height, rig.args.image_width
            depth, semantic = (
                required_file(scenario, rig.folders[kind], kind, frame_id) for kind in (layout.DEPTH, layout.SEMANTIC)
            )
            pictures = files.read_depth(depth, *size), read_class_image(semantic, *size, scenario.anomaly_id)
            cameras.append((rig.pose, rig.args.intrinsics(), *pictures))
    return voxel_grid(lidars, cameras, voxel_size_m)


def read_ego_state(scenario: Scenario, frame_id: int) -> EgoState:
    """The ego's pose and speed of a tick from ACTION, both None without the file; raises FileError if it is damaged."""
    path = optional_file(scenario, layout.ACTION, frame_id)
    if path is None:
        return EgoState(None, None)
    values = files.read_key_values(path, last_key=LIDAR_MATRIX)
    try:
        return ego_state(values, scenario.vehicle_SE3_action)
    except ValueError as error:
        raise FileError(path, Reason.BAD_TEXT, str(error)) from None


def _anomaly(scenario: Scenario, frame_id: int) -> Anomaly | None:
    path = optional_file(scenario, layout.ANOMALY, frame_id)
    return replace(anomaly_of(files.read_key_values(path)), kind=scenario.config.anomaly_kind) if path else None


def optional_file(scenario: Scenario, folder: str | None, frame_id: int) -> Path | None:
    """File of a frame in one of its scenario's folders, or None; raises FileError if there are several."""
    found = scenario.files.get(folder) if folder is not None else None
    if found is None:
        return None
    if frame_id in found.duplicates:
        first, *others = found.duplicates[frame_id]
        names = ", ".join(other.name for other in others)
        problem = f"frame {frame_id} exists more than once, also as {names}"
        raise FileError(first, Reason.DUPLICATE_FRAME, problem, "keep only the right file")
    return found.paths.get(frame_id)


def required_file(scenario: Scenario, folder: str, kind: str, frame_id: int) -> Path:
    """File of a frame; raises FileError if it is missing or there are several. `kind`: sensor type such as RGB-CAM."""
    path = optional_file(scenario, folder, frame_id)
    if path is None:
        missing = scenario.path / layout.frame_file(folder, frame_id, layout.ending_of(folder))
        remedy = "unpack it from the archive if the archive has it, or continue without this frame"
        raise FileError(missing, _MISSING[kind], "missing", remedy)
    return path
