"""Whether a frame's files are there and whole, by name, size and header: much quicker than reading them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from lib.anovox import files, layout
from lib.anovox.files import FileError
from lib.anovox.reader import SkippedFrame, optional_file, required_file
from lib.anovox.scenario import Scenario

_DTYPES: Final = {layout.LIDAR: "<f4", layout.SEMANTIC_LIDAR: "<f8", layout.VOXEL_GRID: "<u2"}


def check_frames(scenario: Scenario, frame_ids: Iterable[int]) -> Iterator[SkippedFrame]:
    """What is wrong with these frames, as `read_frames` would say it; damage inside a file goes unnoticed.

    A frame per camera, as there; nothing comes for frames whose files look whole.
    """
    for frame_id in frame_ids:
        try:
            _check_tick(scenario, frame_id)
        except FileError as error:
            yield from [SkippedFrame(frame_id, error.reason, str(error))] * len(scenario.views)
            continue
        for view in scenario.views:
            try:
                for kind in (layout.RGB, layout.DEPTH, layout.SEMANTIC):
                    path = required_file(scenario, view.rig.folders[kind], kind, frame_id)
                    _check_file(path, kind, view.camera.height_px, view.camera.width_px)
            except FileError as error:
                yield SkippedFrame(frame_id, error.reason, str(error))


def _check_tick(scenario: Scenario, frame_id: int) -> None:
    """The files that all cameras share."""
    for rig in scenario.lidar_rigs:
        _check_file(required_file(scenario, rig.folders[layout.LIDAR], layout.LIDAR, frame_id), layout.LIDAR)
        semantic = optional_file(scenario, rig.folders.get(layout.SEMANTIC_LIDAR), frame_id)
        if semantic is not None:
            _check_file(semantic, layout.SEMANTIC_LIDAR)
    for kind in (layout.VOXEL_GRID, layout.ACTION, layout.ANOMALY):
        path = optional_file(scenario, kind, frame_id)
        if path is not None:
            _check_file(path, kind)


def _check_file(path: Path, kind: str, height: int = 0, width: int = 0) -> None:
    if path.suffix == ".png":
        files.check_image(path, height, width)
    elif path.suffix == ".npy":
        files.check_array(path, _DTYPES[kind])
    else:
        files.check_text(path)
