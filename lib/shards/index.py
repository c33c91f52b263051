"""index.csv: one line per shard, what a split needs to know without opening it, and a checksum of the whole table."""

import csv
import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import TypeAdapter

from lib.common.errors import DataError, refused
from lib.common.labels import is_anomaly
from lib.common.outputs import write_csv
from lib.common.reading import read_text
from lib.geometry.frame import ScenarioType
from lib.shards.schema import SHARD_KIND
from lib.shards.shard_reader import Shard, read_shard

SHARD_FILES: Final = "Scenario_*.h5"
"""The names of shards and of their predictions, as a pattern."""
INDEX_FILE: Final = "index.csv"
CHECKSUM: Final = "crc32"


@dataclass(frozen=True)
class ShardEntry:
    """One shard's line. `frames_with_anomaly`: frames with any point or pixel labelled as an anomaly;
    `frames_before_anomaly`: those before the first of them, all if there is none.

    A scenario has one shard, or with preprocess.sensors=all one per `camera`, which is empty otherwise.
    """

    scenario: str
    type: ScenarioType
    file: str
    frames: int
    frames_with_anomaly: int
    frames_before_anomaly: int
    image_height: int
    image_width: int
    max_points: int
    lidar_channels: int
    town: str
    weather: str
    camera: str = ""


_ENTRY: Final = TypeAdapter(ShardEntry)
_COLUMNS: Final = [field.name for field in fields(ShardEntry)]


def frames_with_anomaly(shard: Shard) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say which frames (F,) hold any point or pixel labelled as an anomaly."""
    labels = zip(shard.point_class, shard.pixel_class, strict=True)
    return np.array([is_anomaly(points).any() or is_anomaly(pixels).any() for points, pixels in labels], dtype=bool)


def open_entry(folder: Path, entry: ShardEntry, verify: bool = True) -> Shard:
    """Open the shard of an index line; raises DataError as `read_shard`, and when it is another's."""
    shard = read_shard(folder / entry.file, verify)
    told = entry.scenario, entry.type, entry.camera, entry.frames
    if told != (shard.scenario, shard.scenario_type, shard.camera_name, len(shard)):
        raise DataError(f"{shard.path}: is not the shard that {folder / INDEX_FILE} tells of; {SHARD_KIND.remedy}")
    return shard


def write_index(folder: Path, entries: Iterable[ShardEntry]) -> None:
    """Write index.csv, sorted by scenario; a scenario's cameras stay in their order."""
    rows = [asdict(entry) | {"type": entry.type.value} for entry in sorted(entries, key=lambda entry: entry.scenario)]
    checksum = _checksum(rows)
    write_csv(folder / INDEX_FILE, [*_COLUMNS, CHECKSUM], [row | {CHECKSUM: checksum} for row in rows])


def read_index(folder: Path) -> tuple[ShardEntry, ...]:
    """Read index.csv; raises DataError when it is missing or not as written."""
    path = folder / INDEX_FILE
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path)), strict=True))
        if {row[CHECKSUM] for row in rows} != {_checksum(rows)}:
            raise ValueError("its lines do not match their checksum")
        return tuple(_entry(row) for row in rows)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no index of shards; {SHARD_KIND.remedy}") from None
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        damaged = DataError(f"{path}: damaged ({' '.join(str(error).split())[:300]}); {SHARD_KIND.remedy}")
        raise refused(path, error) or damaged from None


def _checksum(rows: Sequence[Mapping[str, object]]) -> str:
    """CRC-32 of all values of the table, for each line: so it shows lines that are gone, too."""
    return f"{zlib.crc32(repr([[str(row[name]) for name in _COLUMNS] for row in rows]).encode()):08x}"


def _entry(row: dict[str, str]) -> ShardEntry:
    entry = _ENTRY.validate_python(row)
    if entry.file in ("", ".", "..") or Path(entry.file).name != entry.file or not entry.file.isprintable():
        raise ValueError(f"{entry.file[:100]!r} is not the name of a file in this folder")
    within = min(entry.frames_with_anomaly, entry.frames_before_anomaly) >= 0
    within &= entry.frames_with_anomaly + entry.frames_before_anomaly <= entry.frames
    if not entry.scenario or not within or entry.frames < 1:
        raise ValueError(f"the line of {entry.file[:100]!r} cannot be right")
    if min(entry.image_height, entry.image_width, entry.max_points, entry.lidar_channels) < 1:
        raise ValueError(f"the sizes of {entry.file[:100]!r} cannot be right")
    return entry
