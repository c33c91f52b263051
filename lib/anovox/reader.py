"""Scenario folders -> Frames, one by one; a frame that cannot be used is named and left out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.anovox import files, layout
from lib.anovox.files import FileError, Reason
from lib.anovox.grid import voxel_grid
from lib.anovox.point_labels import PointLabels, transfer_labels
from lib.anovox.scenario import Scenario
from lib.anovox.state import EgoState, anomaly_of, ego_state
from lib.frame import Anomaly, Frame
from lib.geometry.camera import Camera
from lib.labels import UNKNOWN

SECONDS_PER_TICK: Final = 0.1

_MISSING: Final = {
    layout.RGB: Reason.MISSING_IMAGE,
    layout.DEPTH: Reason.MISSING_DEPTH,
    layout.SEMANTIC: Reason.MISSING_PIXEL_LABELS,
    layout.LIDAR: Reason.MISSING_LIDAR,
    layout.SEMANTIC_LIDAR: Reason.MISSING_POINT_LABELS,
}


@dataclass(frozen=True, eq=False)
class ReadFrame:
    """A frame, how its points found their labels, and what its files hold that AnoVox does not define.

    `undefined_ids`: a label file's kind (SEMANTIC-CAM, SEMANTIC-LIDAR, VOXEL_GRID) -> the class ids in it that no table
    knows; in the frame they are 255. Kinds without such ids are absent.
    """

    frame: Frame
    point_labels: PointLabels
    undefined_ids: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class SkippedFrame:
    """A frame that cannot be used: why, for the counts, and the sentence for the log."""

    frame_id: int
    reason: Reason
    message: str


def read_frames(scenario: Scenario) -> Iterator[ReadFrame | SkippedFrame]:
    """Read a scenario's frames in order, one in memory at a time.

    Files are matched by their frame id. A frame that lacks its image, depth, pixel labels, cloud or point labels, or
    one of whose files is damaged, comes as SkippedFrame; without ACTION its pose is unknown, without ANOMALY its
    anomaly, and a missing VOXEL_GRID is computed.
    """
    for frame_id in scenario.frame_ids:
        try:
            yield _read_frame(scenario, frame_id)
        except FileError as error:
            yield SkippedFrame(frame_id, error.reason, str(error))


def _read_frame(scenario: Scenario, frame_id: int) -> ReadFrame:
    height, width = scenario.camera.height_px, scenario.camera.width_px
    folders = {**scenario.camera_rig.folders, **scenario.lidar_rig.folders}
    image_path, depth_path, semantic_path, lidar_path = (
        _required(scenario, folders[kind], kind, frame_id)
        for kind in (layout.RGB, layout.DEPTH, layout.SEMANTIC, layout.LIDAR)
    )
    image = files.read_rgb(image_path, height, width)
    depth_m = files.read_depth(depth_path, height, width)
    pixel_class = files.read_class_image(semantic_path, height, width)
    points = files.read_lidar(lidar_path)
    semantic_path_or_none = _optional(scenario, folders.get(layout.SEMANTIC_LIDAR), frame_id)
    semantic = files.read_semantic_lidar(semantic_path_or_none) if semantic_path_or_none else None
    voxels = _voxels(scenario, frame_id)
    lidar = scenario.lidar_rig
    labels = transfer_labels(points, semantic, voxels, lidar.pose, lidar.args.noise_stddev)
    ego = _ego_state(scenario, frame_id)
    frame = Frame(
        scenario=scenario.config.name,
        frame_id=frame_id,
        scenario_type=scenario.config.type,
        image=image,
        points=points,
        point_class=labels.class_ids,
        pixel_class=pixel_class,
        depth_m=depth_m.astype(np.float32),
        camera=scenario.camera,
        lidar=scenario.lidar,
        camera_SE3_lidar=scenario.camera_SE3_lidar,
        voxels=voxels,
        world_SE3_ego=ego.world_SE3_ego,
        speed_mps=ego.speed_mps,
        time_s=frame_id * SECONDS_PER_TICK,
        anomaly=_anomaly(scenario, frame_id),
    )
    labelled = {
        layout.SEMANTIC: (semantic_path, pixel_class),
        layout.SEMANTIC_LIDAR: (semantic_path_or_none, None if semantic is None else semantic[:, 3]),
        layout.VOXEL_GRID: (_optional(scenario, layout.VOXEL_GRID, frame_id), voxels[:, 3]),
    }
    return ReadFrame(frame, labels, _undefined_ids(labelled))


def _undefined_ids(
    labelled: Mapping[str, tuple[Path | None, npt.NDArray[Any] | None]],
) -> dict[str, tuple[int, ...]]:
    """ReadFrame's `undefined_ids`, from each kind's file and the class ids read of it; opens a file only at need."""
    suspects = {
        kind: path
        for kind, (path, class_ids) in labelled.items()
        if path is not None and class_ids is not None and (class_ids == UNKNOWN).any()
    }
    found = {kind: files.undefined_ids(path) for kind, path in suspects.items()}
    return {kind: ids for kind, ids in found.items() if ids}


def _voxels(scenario: Scenario, frame_id: int) -> npt.NDArray[np.uint16]:
    path = _optional(scenario, layout.VOXEL_GRID, frame_id)
    if path:
        return files.read_voxels(path)
    lidars = []
    for lidar in scenario.setup.lidars:
        if layout.SEMANTIC_LIDAR in lidar.folders:
            cloud = _required(scenario, lidar.folders[layout.SEMANTIC_LIDAR], layout.SEMANTIC_LIDAR, frame_id)
            lidars.append((lidar.pose, files.read_semantic_lidar(cloud)))
    cameras = []
    for rig in scenario.setup.cameras:
        if {layout.DEPTH, layout.SEMANTIC} <= rig.folders.keys() and rig.pose not in [pose for pose, _ in lidars]:
            size = rig.args.image_height, rig.args.image_width
            depth, semantic = (
                _required(scenario, rig.folders[kind], kind, frame_id) for kind in (layout.DEPTH, layout.SEMANTIC)
            )
            camera = Camera.from_fov(rig.args.image_width, rig.args.image_height, rig.args.camera_fov)
            pictures = files.read_depth(depth, *size), files.read_class_image(semantic, *size)
            cameras.append((rig.pose, camera, *pictures))
    return voxel_grid(lidars, cameras)


def _ego_state(scenario: Scenario, frame_id: int) -> EgoState:
    path = _optional(scenario, layout.ACTION, frame_id)
    if path is None:
        return EgoState(None, None)
    values = files.read_key_values(path)
    try:
        return ego_state(values, scenario.vehicle_SE3_lidar)
    except ValueError as error:
        raise FileError(path, Reason.BAD_TEXT, str(error)) from None


def _anomaly(scenario: Scenario, frame_id: int) -> Anomaly | None:
    path = _optional(scenario, layout.ANOMALY, frame_id)
    return anomaly_of(files.read_key_values(path)) if path else None


def _optional(scenario: Scenario, folder: str | None, frame_id: int) -> Path | None:
    return scenario.files.get(folder, {}).get(frame_id) if folder is not None else None


def _required(scenario: Scenario, folder: str, kind: str, frame_id: int) -> Path:
    path = _optional(scenario, folder, frame_id)
    if path is None:
        missing = scenario.path / layout.frame_file(folder, frame_id, layout.FILE_ENDINGS[kind])
        raise FileError(missing, _MISSING[kind], "missing", "unpack the archive again, or go on without this frame")
    return path
