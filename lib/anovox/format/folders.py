"""Folders of a download: its scenarios, and the files of each scenario by frame.

Folders that cannot be listed are reported and skipped, so that one folder never stops the others.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.anovox.format import layout
from lib.common.errors import DataError
from lib.reading.findings import Finding, Notice, Report, ScenarioError, ScenarioReason
from lib.reading.safe_names import is_plain


@dataclass(frozen=True, eq=False)
class FrameFiles:
    """A folder's files by frame id, ascending; `duplicates`: ids with several files, which are not in `paths`."""

    paths: Mapping[int, Path]
    duplicates: Mapping[int, tuple[Path, ...]]


def find_scenarios(root: Path, report: Report) -> tuple[Path, ...]:
    """All `Scenario_*` folders below `root`, at any depth, sorted by name.

    Symbolic links are followed, but no folder is visited twice. Folders that cannot be listed, and scenarios with a
    duplicate name or forbidden characters, go to `report`. Raises DataError if `root` is missing or has no scenario.
    """
    remedy = "set data.root to a folder that holds Scenario_* folders"
    if not root.is_dir():
        problem = "not a folder" if root.exists() else "there is no such folder"
        raise DataError(f"{root}: {problem}; {remedy} (or run the stage `simulate` for the built-in sample)")
    found: dict[str, Path] = {}
    for folder in walk(root, report):
        if layout.is_scenario_name(folder.name) and not is_plain(folder.name):
            problem = "its name is too long or has characters with a meaning in web pages, tables or shells"
            message = f"{folder}: left out, since {problem}; rename the folder"
            report(Finding(ScenarioReason.STRANGE_NAME, message))
        elif layout.is_scenario_name(folder.name):
            first = found.setdefault(folder.name, folder)
            if first != folder:
                message = f"{folder}: left out, since {first} has the same name; remove one of them from data.root"
                report(Finding(ScenarioReason.DUPLICATE_SCENARIO, message))
    if not found:
        raise DataError(f"{root}: holds no Scenario_* folder at any depth; {remedy}")
    return tuple(found[name] for name in sorted(found))


def walk(root: Path, report: Report) -> Iterator[Path]:
    """Folders at and below `root`, ordered by path; hidden folders and those inside scenarios are skipped."""
    waiting, seen = [root], set[Path]()
    while waiting:
        folder = waiting.pop()
        place = folder.resolve()
        if place in seen:
            continue
        seen.add(place)
        is_scenario = layout.is_scenario_name(folder.name) and folder != root
        inside = [] if is_scenario else _subfolders(folder, report)
        if inside is not None:
            yield folder
            waiting += reversed(inside)


def _subfolders(folder: Path, report: Report) -> list[Path] | None:
    """Subfolders by name, including links to folders; None, after a report, if the folder cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        message = f"{folder}: cannot be listed ({error.strerror}); check its permissions"
        report(Finding(Notice.UNREADABLE_FOLDER, message))
        return None
    return [folder / entry.name for entry in found if _is_folder(entry, report)]


def _is_folder(entry: os.DirEntry[str], report: Report) -> bool:
    """Return whether to descend into an entry; links to themselves or to a parent folder are reported."""
    try:
        is_folder, place = entry.is_dir(), Path(entry.path)
        loops = is_folder and entry.is_symlink() and place.parent.resolve().is_relative_to(place.resolve())
    except OSError as error:
        loops, is_folder = error.errno == errno.ELOOP, False
        if not loops:
            message = f"{entry.path}: cannot be read ({error.strerror}); check its permissions"
            report(Finding(Notice.UNREADABLE_FOLDER, message))
    if loops:
        message = f"{entry.path}: a symbolic link that leads back to itself, left out; remove it"
        report(Finding(Notice.SYMLINK_LOOP, message))
    return is_folder and not loops


def list_files(scenario: Path) -> dict[str, FrameFiles]:
    """Files of a scenario's sensor, VOXEL_GRID, ANOMALY and ACTION folders, by folder name.

    Raises ScenarioError if the scenario's folder or one of these cannot be listed.
    """
    try:
        folders = sorted(folder for folder in scenario.iterdir() if layout.ending_of(folder.name) and folder.is_dir())
        return {folder.name: _files_by_frame(folder) for folder in folders}
    except OSError as error:
        message = f"{error.filename}: cannot be listed ({error.strerror}); check its permissions or remove the scenario"
        raise ScenarioError(ScenarioReason.UNREADABLE_SCENARIO, message) from None


def _files_by_frame(folder: Path) -> FrameFiles:
    claimed: dict[int, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        frame_id = layout.frame_id_of(file)
        if frame_id is not None and file.suffix in layout.endings_of(folder.name):
            claimed.setdefault(frame_id, []).append(file)
    return FrameFiles(
        paths={frame_id: claimed[frame_id][0] for frame_id in sorted(claimed) if len(claimed[frame_id]) == 1},
        duplicates={frame_id: tuple(paths) for frame_id, paths in sorted(claimed.items()) if len(paths) > 1},
    )
