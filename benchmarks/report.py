"""results.json, merged by subject, and docs/benchmarks.md, rendered from it."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.subject import Measure, Spread, Subject, Table
from lib.common.errors import DataError
from lib.common.outputs import write_json, write_text
from lib.common.workers import available_cores

Results = dict[str, Any]

INTRODUCTION = """# Benchmarks
`make bench` writes this page from benchmarks/results.json; do not edit it. One subject: `python -m benchmarks NAME`.

- `4.1 [4.0, 4.3]` is a median with its quartiles. A number without brackets was measured once.
- The ways of a table were measured in turns, in the same run. A ratio is the median of the ratios of all turns.
- Expect similar ratios on other machines, but other absolute numbers.
"""


def merge(path: Path, name: str, subject: Subject, seconds: float) -> Results:
    """Replace one subject in results.json and return all subjects."""
    results = read_results(path)
    results[name] = {
        "title": subject.title,
        "setting": subject.setting,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seconds": round(seconds),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in subject.packages}},
        "measures": {measure.name: _measure_values(measure) for measure in subject.measures},
        "tables": [asdict(table) for table in subject.tables],
        "reading": subject.reading,
    }
    write_json(path, results)
    return read_results(path)


def read_results(path: Path) -> Results:
    """All subjects measured so far; raises DataError if the file is damaged."""
    try:
        results: Results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: damaged ({error}); remove it and run `make bench`") from None
    return results


def write_page(path: Path, results: Results, order: Sequence[str]) -> None:
    """Draw docs/benchmarks.md: the targets of all subjects first, then each subject's tables."""
    measured = [name for name in order if name in results]
    parts = [INTRODUCTION, _overview(results, measured)]
    parts += [_section(results[name]) for name in measured]
    write_text(path, "\n".join(parts))


def terminal_text(subject: Subject) -> str:
    """The tables, and the measures with their limits, as text for a terminal."""
    measures = [_measure_row(asdict(measure) | {"met": measure.met}) for measure in subject.measures]
    tables = [*subject.tables]
    tables += [Table("measures", ("measure", "value", "limit", "met"), tuple(measures))] if measures else []
    return "\n\n".join(
        f"{table.title}\n{_aligned(table)}" + (f"\n{table.note}" if table.note else "") for table in tables
    )


def machine() -> dict[str, str | int | float]:
    """The machine: processor, cores, memory, system, and the GPU if torch is loaded and finds one."""
    found: dict[str, str | int | float] = {
        "processor": _processor(),
        "cores": available_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.platform(terse=True),
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _measure_values(measure: Measure) -> dict[str, Any]:
    values = {key: value for key, value in asdict(measure).items() if key != "name" and value is not None}
    return values | ({} if measure.met is None else {"met": measure.met})


def _measure_row(measure: Results) -> tuple[str, str, str, str]:
    unit = "" if measure["unit"] == "x" else f" {measure['unit']}"
    low, high = measure.get("at_least"), measure.get("at_most")
    limits = [f"≥ {low:,g}{unit}"] if low is not None else []
    limits += [f"≤ {high:,g}{unit}"] if high is not None else []
    met = {True: "yes", False: "**no**", None: ""}[measure.get("met")]
    return measure["meaning"], Spread(**measure["value"]).text() + unit, ", ".join(limits), met


def _overview(results: Results, names: Sequence[str]) -> str:
    rows = [(name, *_measure_row(measure)) for name in names for measure in results[name]["measures"].values()]
    table = Table("Targets", ("subject", "measure", "value", "target", "met"), tuple(rows))
    return f"## {table.title}\n{_markdown(table)}\n"


def _section(result: Results) -> str:
    machine = ", ".join(str(value) for value in _machine_words(result["machine"]))
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    lines = [f"## {result['title']}", result["setting"], "", f"{result['date']}; {machine}; {versions}.", ""]
    for table in result["tables"]:
        shown = Table(table["title"], tuple(table["columns"]), tuple(map(tuple, table["rows"])), table["note"])
        lines += [f"**{shown.title}**", "", _markdown(shown), ""]
        lines += [shown.note, ""] if shown.note else []
    lines += [result["reading"], ""] if result["reading"] else []
    return "\n".join(lines)


def _machine_words(machine: Results) -> list[str]:
    words = [machine["processor"], f"{machine['cores']} cores", f"{machine['memory_gb']} GB", machine["system"]]
    return words + ([machine["gpu"]] if "gpu" in machine else [])


def _markdown(table: Table) -> str:
    rules = ["---", *["---:"] * (len(table.columns) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (table.columns, rules, *table.rows))


def _aligned(table: Table) -> str:
    rows = [table.columns, *table.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
