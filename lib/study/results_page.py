"""docs/results.md: tables between two marks, generated from the rows; the text around them is written by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

from lib.common.errors import DataError
from lib.common.outputs import write_text
from lib.common.reading import read_text
from lib.study.comparisons import Comparison, comparison_table
from lib.study.result_rows import EVENTS, Row
from lib.study.study_plan import BASELINES, VARIANTS, Run, Scale, command, plan, row_id, row_names, variants

BEGIN: Final = "<!-- tables made by `python -m tools.study`; do not edit -->"
END: Final = "<!-- end of tables -->"
COLUMNS: Final = (("frame", "auroc"), ("point", "ap"), ("point", "auroc"), ("voxel", "auroc"), ("voxel", "ap"))
WITH_INTERVAL: Final = COLUMNS[:2]
HEADS: Final = ("frame AUROC", "point AP", "point AUROC", "voxel AUROC", "voxel AP")
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
    how = f"`python -m tools.study {scale}`; one row of it, by hand: `{command(first)}`"
    if not rows:
        return f"{title}\nNot run. {how}"
    head = ["method", "seeds", *(h for h in _heads())]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    planned = [name for variant in variants(scale) for name in row_names(variant)]
    planned += BASELINES if scale != "apart" else ()
    by_name = {name: [row for row in rows if row.name == name] for name in planned}
    lines += [_line(name, found) for name, found in by_name.items() if found]
    lacking = [name for name, found in by_name.items() if not found]
    not_run = f"Not run: {', '.join(lacking)}." if lacking else ""
    parts = f"{title}\n{how}", _what(rows), "\n".join(lines), not_run, _trivial(rows), _events(rows)
    return "\n\n".join(filter(None, (*parts, comparison_table(comparisons))))


def _heads() -> list[str]:
    pairs = zip(COLUMNS, HEADS, strict=True)
    return [h for column, head in pairs for h in ((head, "95 %") if column in WITH_INTERVAL else (head,))]


def _line(name: str, rows: Sequence[Row]) -> str:
    cells = [name, str(len(rows))]
    for column in COLUMNS:
        level, number = column
        blocks = [row.metrics[level] for row in rows if level in row.metrics]
        cells.append(_mean_and_spread([block[number] for block in blocks]))
        if column in WITH_INTERVAL:
            ends = [(block[f"{number}_low"], block[f"{number}_high"]) for block in blocks]
            cells.append(
                f"{fmean(low for low, _ in ends):.3f} to {fmean(high for _, high in ends):.3f}" if ends else ""
            )
    return "| " + " | ".join(cells) + " |"


def _mean_and_spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _what(rows: Sequence[Row]) -> str:
    block, revisions = rows[0].metrics, sorted({row.revision[:7] for row in rows})
    counts = ", ".join(
        f"{block[level]['positives']} of {block[level]['positives'] + block[level]['negatives']} {level}s anomalous"
        for level in ("frame", "point", "voxel")
        if level in block
    )
    changes = [key for key in rows[0].changes if key not in ROW_PARAMS]
    changed = ", ".join(f"{key}={rows[0].changes[key]}" for key in changes)
    longest = max(row.minutes for row in rows if row.name in VARIANTS) if _any_detector(rows) else None
    took = f" The longest run of the pipeline took {longest:g} minutes." if longest is not None else ""
    return f"{rows[0].scenarios} test scenarios; {counts}. Params: {changed}. Commit {', '.join(revisions)}.{took}"


def _any_detector(rows: Sequence[Row]) -> bool:
    return any(row.name in VARIANTS for row in rows)


def _trivial(rows: Sequence[Row]) -> str:
    """Sentence with the frame AUROC of the trivial scores."""
    known = next((row.trivial for row in rows if row.trivial), {})
    if not known:
        return ""
    return "Trivial scores, frame AUROC: " + ", ".join(f"{name} {value:.3f}" for name, value in known.items()) + "."


def _events(rows: Sequence[Row]) -> str:
    """Sentence with the detection rate of each variant at one false alarm a minute."""
    sentences = []
    for name in VARIANTS:
        blocks = [row.events for row in rows if row.name == name and row.events]
        rates, lows, highs, distances_m = (_known(blocks, key) for key in EVENTS[1:])
        if rates:
            rate = f"{_mean_and_spread(rates)} [{fmean(lows):.3f}, {fmean(highs):.3f}]"
            first = f", first at {fmean(distances_m):.1f} m" if distances_m else ""
            sentences.append(f"{name} {rate} of {blocks[0]['objects']} objects{first}")
    return f"Detection rate at one false alarm a minute: {'; '.join(sentences)}." if sentences else ""


def _known(blocks: Sequence[Mapping[str, float]], key: str) -> list[float]:
    return [block[key] for block in blocks if key in block]


def missing(runs: Sequence[Run], rows: Sequence[Row]) -> list[Run]:
    """Runs with a row that is missing or was made with other params, in their order."""
    done = {row.id: _texts(row.changes) for row in rows}
    return [
        run
        for run in runs
        if any(done.get(row_id(run.scale, name, run.seed)) != _texts(run.changes_of(name)) for name in run.names)
    ]


def _texts(changes: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in changes.items()}
