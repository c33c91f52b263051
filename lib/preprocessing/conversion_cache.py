"""Cache of converted scenarios between runs: its entries, their keys, and when a scenario may be cached."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib.anovox.format.files import Reason
from lib.anovox.reading.frames import SkippedFrame
from lib.common.cache import Cache, fingerprint
from lib.geometry.frame import ScenarioType
from lib.preprocessing.evidence import Evidence
from lib.preprocessing.statistics import BadFrame, Statistics
from lib.shards.index import ShardEntry

_DECIDED_BY_NAMES: Final = {
    Reason.MISSING_IMAGE,
    Reason.MISSING_DEPTH,
    Reason.MISSING_PIXEL_LABELS,
    Reason.MISSING_LIDAR,
    Reason.MISSING_POINT_LABELS,
    Reason.DUPLICATE_FRAME,
}
"""Reasons that depend only on file names, so that reading again would give the same result."""


@dataclass(frozen=True, eq=False)
class ConvertedScenario:
    """A scenario's shards, one per camera, its statistics and skipped frames; no `entries` if no frame is usable.

    `reused`: taken from the cache.
    """

    name: str
    entries: tuple[ShardEntry, ...]
    statistics: Statistics
    skipped: tuple[SkippedFrame, ...]
    reused: bool = False


@dataclass(frozen=True)
class Place:
    """A scenario's place in the cache: `key` is a hash of the params, the code and `state`, the state of its files."""

    cache: Cache
    key: str
    state: str


def files_state(scenario: Path) -> str | None:
    """Fingerprint of the names, sizes, modification times and inodes of a scenario's files; None if unreadable."""
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
    """Copy a scenario's cached shards into a folder; None if there are none or they are damaged."""
    note = place.cache.take(place.key, folder)
    return None if note is None else _from_json(note)


def keep(place: Place, converted: ConvertedScenario, scenario: Path, folder: Path) -> None:
    """Store the shards of a scenario, unless its files have changed since or one of them could not be read.

    An unreadable file may become readable without a change of its size or time.
    """
    if all(frame.reason in _DECIDED_BY_NAMES for frame in converted.skipped) and files_state(scenario) == place.state:
        place.cache.put(place.key, [folder / entry.file for entry in converted.entries], _to_json(converted))


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    with os.scandir(folder) as entries:
        return [(Path(entry.path), entry.stat()) for entry in entries if not entry.is_dir()]


def _to_json(converted: ConvertedScenario) -> dict[str, Any]:
    """Everything but the shards, as JSON types."""
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


def _from_json(note: Mapping[str, Any]) -> ConvertedScenario:
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
