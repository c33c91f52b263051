"""Reading the tables of other stages."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from lib.common.errors import DataError
from lib.common.reading import read_text

Row = dict[str, str]


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """Rows of a CSV file, as text; raises DataError if it is missing or lacks one of the columns."""
    try:
        reader = csv.DictReader(io.StringIO(read_text(path)), strict=True)
        rows = list(reader)
        found = list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: cannot be read ({reason}); run `dvc repro`") from None
    if lacking := [column for column in columns if column not in found]:
        raise DataError(f"{path}: lacks the column {lacking[0]} (it has: {', '.join(found)}); run `dvc repro`")
    return rows


def numbers(path: Path, rows: Sequence[Row], column: str) -> list[float]:
    """A column as numbers; raises DataError if a cell is not a number."""
    try:
        return [float(row[column]) for row in rows]
    except (TypeError, ValueError):
        raise DataError(f"{path}: the column {column} has a value that is not a number; run `dvc repro`") from None
