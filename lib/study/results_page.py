"""docs/results.md: tables between two marks, generated from the rows; the text around them is written by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

from lib.common.errors import DataError
from lib.common.outputs import write_text
from lib.common.reading import read_text
from lib.study.comparisons import Comparison, comparison_table
from lib.study.result_rows import Row
from lib.study.study_plan import DATA, METHODS, VARIANTS, Run, Scale, command, plan, row_id, row_names

BEGIN: Final = "<!-- tables made by `python -m tools.study`; do not edit -->"
END: Final = "<!-- end of tables -->"
COLUMNS: Final = (("frame", "auroc"), ("point", "ap"), ("point", "auroc"), ("voxel", "auroc"), ("voxel", "ap"))
WITH_INTERVAL: Final = COLUMNS[:2]
HEADS: Final = ("frame AUROC", "point AP", "point AUROC", "voxel AUROC", "voxel AP", "detection rate")
SHOWN: Final = (*row_names("concat"), "lidar", "image", "cross_attention", *(f"concat {name}" for name in METHODS))
"""Rows of the page. docs/results.json has all."""
ROW_PARAMS: Final = ("train.seed", "model.fusion", "predict.blackout")
TITLES: Final[dict[Scale, str]] = {
    "default": "### Default scale",
    "large": "### Large scale",
    "apart": "### Sensors apart, at the default scale",
}


def put_tables(path: Path, rows: Sequence[Row], comparisons: Sequence[Comparison]) -> None:
    """Replace the text between the marks of the page; raises DataError if it has no marks."""
    try:
        text = read_text(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); restore it from Git") from None
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise DataError(f"{path}: must hold the lines {BEGIN} and {END} once each; restore them from Git")
    before, rest = text.split(BEGIN)
    write_text(path, f"{before}{BEGIN}\n{tables(rows, comparisons)}\n{END}{rest.split(END)[1]}")


def tables(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> str:
    """All scales' tables as Markdown."""
    return "\n\n".join(
        _scale(scale, [r for r in rows if r.scale == scale], [c for c in comparisons if c.scale == scale])
        for scale in TITLES
    )


def _scale(scale: Scale, rows: Sequence[Row], comparisons: Sequence[Comparison]) -> str:
    title = TITLES[scale]
    first = plan(scale, {})[0]
    how = f"`python -m tools.study {scale}`. The first run by hand: `{command(first)}`"
    if not rows:
        return f"{title}\nNot run. {how}"
    planned = {name for run in plan(scale, {}) for name in run.names}
    by_name = {name: [row for row in rows if row.name == name] for name in SHOWN if name in planned}
    lacking = [name for name, found in by_name.items() if not found]
    head = ("method", "seeds", *HEADS)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [_line(name, found) for name, found in by_name.items() if found]
    not_run = f"Not run: {', '.join(lacking)}." if lacking else ""
    parts = f"{title}\n{how}", _what(scale, rows), "\n".join(lines), not_run, _trivial(rows)
    return "\n\n".join(filter(None, (*parts, comparison_table(comparisons))))


def _line(name: str, rows: Sequence[Row]) -> str:
    cells = [name, str(len(rows))]
    for column in COLUMNS:
        level, number = column
        blocks = [row.metrics[level] for row in rows if level in row.metrics]
        cells.append(_cell(blocks, number, column in WITH_INTERVAL))
    cells.append(_cell([row.events for row in rows if "detection_rate" in row.events], "detection_rate", True))
    return "| " + " | ".join(cells) + " |"


def _cell(blocks: Sequence[Mapping[str, float]], number: str, with_interval: bool) -> str:
    """Mean and standard deviation over the training seeds; each end of the interval is the mean over them."""
    if not blocks:
        return ""
    values = [block[number] for block in blocks]
    text = f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")
    if not with_interval:
        return text
    low, high = (fmean(block[f"{number}_{end}"] for block in blocks) for end in ("low", "high"))
    return f"{text} [{low:.3f}, {high:.3f}]"


def _what(scale: Scale, rows: Sequence[Row]) -> str:
    block, revisions = rows[0].metrics, sorted({row.revision[:7] for row in rows})
    counts = [
        f"{block[level]['positives']} of {block[level]['positives'] + block[level]['negatives']} {level}s anomalous"
        for level in ("frame", "point", "voxel")
        if level in block
    ]
    objects = next((row.events["objects"] for row in rows if "objects" in row.events), None)
    counts += [f"{objects} objects"] if objects is not None else []
    usual = _texts(DATA[scale])
    changed = [f"{k}={v}" for k, v in _texts(rows[0].changes).items() if k not in ROW_PARAMS and usual.get(k) != v]
    params = f" Other params: {', '.join(changed)}." if changed else ""
    detectors = [row.minutes for row in rows if row.name in VARIANTS]
    longest = f" The longest run of the pipeline took {max(detectors):g} minutes." if detectors else ""
    return f"{rows[0].scenarios} test scenarios; {', '.join(counts)}.{params} Commit {', '.join(revisions)}.{longest}"


def _trivial(rows: Sequence[Row]) -> str:
    """Sentence with the frame AUROC of the trivial scores."""
    known = next((row.trivial for row in rows if row.trivial), {})
    if not known:
        return ""
    return "Trivial scores, frame AUROC: " + ", ".join(f"{name} {value:.3f}" for name, value in known.items()) + "."


def missing(runs: Sequence[Run], rows: Sequence[Row]) -> list[Run]:
    """Runs with a row that is missing or was made with other params, in their order."""
    done = {row.id: _texts(row.changes) for row in rows}
    return [
        run
        for run in runs
        if any(done.get(row_id(run.scale, name, run.seed)) != _texts(run.changes_of(name)) for name in run.names)
    ]


def _texts(changes: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in changes.items()}
