"""docs/results.json: one row per finished run and method."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from lib.common.errors import DataError
from lib.common.outputs import write_json
from lib.common.reading import read_text
from lib.study.study_plan import Run, row_id

LEVELS: Final = ("frame", "point", "point_all", "pixel", "voxel")
EVENTS: Final = ("objects", "detection_rate", "detection_rate_low", "detection_rate_high", "first_detection_m")
NUMBERS: Final = ("auroc", "auroc_low", "auroc_high", "ap", "ap_low", "ap_high", "positives", "negatives")


@dataclass(frozen=True)
class Row:
    """A finished run: its commit, changes of params.yaml, metrics (level -> name -> value) and wall time.

    trivial: frame AUROC of the trivial scores. events: event metrics at one false alarm a minute.
    """

    scale: str
    name: str
    seed: int
    revision: str
    changes: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    trivial: dict[str, float]
    scenarios: int
    minutes: float
    events: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Identifier, unique in the file."""
        return row_id(self.scale, self.name, self.seed)


def row_of(run: Run, name: str, revision: str, evaluated: dict[str, Any], minutes: float) -> Row:
    """Make a row from the content of metrics/evaluate.json."""
    events = evaluated.get("events", {})
    return Row(
        scale=run.scale,
        name=name,
        seed=run.seed,
        revision=revision,
        changes=run.changes_of(name),
        metrics={level: {n: evaluated[level][n] for n in NUMBERS} for level in LEVELS if level in evaluated},
        trivial={n: block["auroc"] for n, block in evaluated.get("baselines", {}).get("frame", {}).items()},
        scenarios=sum(evaluated["scenarios"].values()),
        minutes=round(minutes, 1),
        events={name: events[name] for name in EVENTS if name in events},
    )


def read_rows(path: Path) -> list[Row]:
    """Rows in a file; none if there is no file. Raises DataError if the file is damaged."""
    if not path.exists():
        return []
    try:
        return [Row(**values) for values in json.loads(read_text(path))]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a table of results ({error}); restore it from Git or remove it") from None


def add_rows(path: Path, new: list[Row]) -> list[Row]:
    """Add rows to the file, replacing those of the same identifier; returns all."""
    fresh = {row.id for row in new}
    rows = [row for row in read_rows(path) if row.id not in fresh] + new
    write_json(path, [asdict(row) for row in rows])
    return rows
