"""Quick check of a frame's files by name, size and header, without reading them completely."""

from collections.abc import Iterable, Iterator

from lib.anovox.format import files, layout
from lib.anovox.format.clouds import check_semantic_cloud, cloud_size
from lib.anovox.format.files import FileError
from lib.anovox.reading.frames import SkippedFrame, optional_file, required_file
from lib.anovox.reading.scenario import Scenario


def check_frames(scenario: Scenario, frame_ids: Iterable[int]) -> Iterator[SkippedFrame]:
    """Yield the frames that `read_frames` would skip, as far as names, sizes and headers show it.

    One SkippedFrame per tick and camera, as from `read_frames`; nothing for frames whose files pass the check.
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
                    files.check_image(path, view.camera.height_px, view.camera.width_px)
            except FileError as error:
                yield SkippedFrame(frame_id, error.reason, str(error))


def _check_tick(scenario: Scenario, frame_id: int) -> None:
    """Check the files that are common to all cameras; raises FileError."""
    for rig in scenario.lidar_rigs:
        cloud_size(required_file(scenario, rig.folders[layout.LIDAR], layout.LIDAR, frame_id))
        semantic = optional_file(scenario, rig.folders.get(layout.SEMANTIC_LIDAR), frame_id)
        if semantic is not None:
            check_semantic_cloud(semantic)
    voxels = optional_file(scenario, layout.VOXEL_GRID, frame_id)
    if voxels is not None:
        files.check_array(voxels, files.VOXEL_GRID)
    for kind in (layout.ACTION, layout.ANOMALY):
        text = optional_file(scenario, kind, frame_id)
        if text is not None:
            files.check_text(text)
