"""AnoVox scenarios as recordings: the interface that all formats share."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from lib.anovox.format.configurations import read_configurations
from lib.anovox.format.folders import find_scenarios
from lib.anovox.format.recording import ScenarioConfig
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import Sensors, cloud_sizes, open_scenario, times_s
from lib.reading.findings import Report
from lib.reading.recorded_frames import Opener, ReadFrame, Recording, SkippedFrame


def find_anovox(root: Path, sensors: Sensors, report: Report, labelled: bool = True) -> list[Opener]:
    """Find all scenarios below a folder, at any depth; raises DataError if there is none."""
    paths = find_scenarios(root, report)
    configs = read_configurations(root, report)
    return [partial(open_anovox, path, configs.get(path.name), sensors, labelled) for path in paths]


def open_anovox(path: Path, config: ScenarioConfig | None, sensors: Sensors, labelled: bool = True) -> Recording:
    """A scenario as a recording; arguments and errors as of `open_scenario`."""
    scenario = open_scenario(path, config, sensors, labelled)
    return Recording(
        name=scenario.config.name,
        path=path,
        folders=(path, *sorted(folder for folder in path.iterdir() if folder.is_dir())),
        settings={"config": config and asdict(config), "sensors": sensors},
        image_sizes=tuple((view.camera.height_px, view.camera.width_px) for view in scenario.views),
        cloud_sizes=cloud_sizes(scenario),
        findings=scenario.findings,
        frames=partial(_frames, path, config, sensors, labelled),
        town=scenario.config.town,
        weather=scenario.config.weather_preset,
        times_s=times_s(scenario),
    )


def _frames(
    path: Path, config: ScenarioConfig | None, sensors: Sensors, labelled: bool, frame_ids: Sequence[int] | None
) -> Iterator[ReadFrame | SkippedFrame]:
    return read_frames(open_scenario(path, config, sensors, labelled), frame_ids)
