"""Read the tables and metrics that other stages wrote, for drawing."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.errors import DataError

Row = dict[str, str]


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """Rows of a CSV file, as text; raises DataError when it is missing or lacks one of the columns."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            found = list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: cannot be read ({reason}); run `dvc repro`") from None
    if lacking := [column for column in columns if column not in found]:
        raise DataError(f"{path}: lacks the column {lacking[0]} (it has: {', '.join(found)}); run `dvc repro`")
    return rows


def numbers(path: Path, rows: Sequence[Row], column: str) -> list[float]:
    """A column as numbers; raises DataError when a cell is none."""
    try:
        return [float(row[column]) for row in rows]
    except (TypeError, ValueError):
        raise DataError(f"{path}: the column {column} holds what is no number; run `dvc repro`") from None


def read_metrics(path: Path) -> dict[str, Any]:
    """A metrics JSON file; raises DataError when it is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: cannot be read ({reason}); run `dvc repro`") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds no metrics by name; run `dvc repro`")
    return found
