"""Converted scenarios kept from run to run: what is kept, by what it was made from, and when it may be."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib.anovox.format.files import Reason
from lib.anovox.reading.frames import SkippedFrame
from lib.common.scratch import Cache, fingerprint
from lib.geometry.frame import ScenarioType
from lib.preprocessing.evidence import Evidence
from lib.preprocessing.statistics import BadFrame, Statistics
from lib.shards.index import ShardEntry

_BY_NAMES: Final = {
    Reason.MISSING_IMAGE,
    Reason.MISSING_DEPTH,
    Reason.MISSING_PIXEL_LABELS,
    Reason.MISSING_LIDAR,
    Reason.MISSING_POINT_LABELS,
    Reason.DUPLICATE_FRAME,
}
"""What the names of the files alone decide: read again, they would say the same."""


@dataclass(frozen=True, eq=False)
class ConvertedScenario:
    """A scenario's shards, one per camera, its counts and skipped frames; no `entries` when no frame could be used.

    `reused`: taken from what an earlier run has kept.
    """

    name: str
    entries: tuple[ShardEntry, ...]
    statistics: Statistics
    skipped: tuple[SkippedFrame, ...]
    reused: bool = False


@dataclass(frozen=True)
class Place:
    """Where a scenario's shards are kept: `key` is made from the params, the code and `state`, that of its files."""

    cache: Cache
    key: str
    state: str


def files_state(scenario: Path) -> str | None:
    """Fingerprint of the names, sizes, times of change and inodes of a scenario's files; None where they are not to be
    had.
    """
    try:
        folders = [scenario, *(path for path in scenario.iterdir() if path.is_dir())]
        files = [
            [str(path.relative_to(scenario)), stat.st_size, stat.st_mtime_ns, stat.st_ino]
            for folder in folders
            for path, stat in _files(folder)
        ]
    except OSError:
        return None
    return fingerprint(sorted(files))


def take(place: Place, folder: Path) -> ConvertedScenario | None:
    """Put a scenario's kept shards into a folder; None where there are none, or damaged ones."""
    note = place.cache.take(place.key, folder)
    return None if note is None else _from_note(note)


def keep(place: Place, converted: ConvertedScenario, scenario: Path, folder: Path) -> None:
    """Keep the shards of a scenario, unless its files have changed meanwhile or one of them could not be read.

    What cannot be read may be whole at the next try, which times and sizes do not show.
    """
    if all(frame.reason in _BY_NAMES for frame in converted.skipped) and files_state(scenario) == place.state:
        place.cache.put(place.key, [folder / entry.file for entry in converted.entries], _note(converted))


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    with os.scandir(folder) as entries:
        return [(Path(entry.path), entry.stat()) for entry in entries if not entry.is_dir()]


def _note(converted: ConvertedScenario) -> dict[str, Any]:
    """All of it but the shards, in JSON's terms."""
    counts = converted.statistics
    return {
        "name": converted.name,
        "entries": [asdict(entry) for entry in converted.entries],
        "skipped": [asdict(frame) for frame in converted.skipped],
        "statistics": {
            **vars(counts),
            "point_classes": counts.point_classes.tolist(),
            "pixel_classes": counts.pixel_classes.tolist(),
            "undefined_ids": [[*key, count] for key, count in sorted(counts.undefined_ids.items())],
            "by_camera": {camera: asdict(evidence) for camera, evidence in counts.by_camera.items()},
            "bad_frames": [asdict(frame) for frame in counts.bad_frames],
            "contents": sorted(counts.contents),
            "label_contents": sorted(counts.label_contents),
        },
    }


def _from_note(note: Mapping[str, Any]) -> ConvertedScenario:
    counts = note["statistics"]
    return ConvertedScenario(
        note["name"],
        tuple(ShardEntry(**{**entry, "type": ScenarioType(entry["type"])}) for entry in note["entries"]),
        Statistics(
            frames=counts["frames"],
            frames_with_anomaly=counts["frames_with_anomaly"],
            anomaly_sizes=Counter(counts["anomaly_sizes"]),
            anomaly_distances=Counter(counts["anomaly_distances"]),
            point_classes=np.array(counts["point_classes"], dtype=np.int64),
            pixel_classes=np.array(counts["pixel_classes"], dtype=np.int64),
            undefined_ids=Counter({(kind, class_id): count for kind, class_id, count in counts["undefined_ids"]}),
            frames_with_undefined_ids=counts["frames_with_undefined_ids"],
            cloud_sizes=tuple(counts["cloud_sizes"]),
            farthest_m=counts["farthest_m"],
            by_camera={camera: Evidence.from_dict(found) for camera, found in counts["by_camera"].items()},
            bad_frames=tuple(
                BadFrame(**{**frame, "evidence": Evidence.from_dict(frame["evidence"])})
                for frame in counts["bad_frames"]
            ),
            contents=frozenset(counts["contents"]),
            label_contents=frozenset(counts["label_contents"]),
        ),
        tuple(SkippedFrame(**{**frame, "reason": Reason(frame["reason"])}) for frame in note["skipped"]),
        reused=True,
    )
