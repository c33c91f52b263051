"""Reading of metrics/*.json."""

import json
from pathlib import Path
from typing import Any

from lib.common.errors import DataError
from lib.common.reading import read_text


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a metrics JSON file; raises DataError if it is missing or damaged."""
    try:
        found = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: cannot be read ({reason}); run `dvc repro`") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds no metrics by name; run `dvc repro`")
    return found
