"""What a fuzzing campaign found, as a page for docs/."""

from collections.abc import Sequence
from typing import Final

from tests.fuzz.campaign import Record

WHAT: Final = {
    "png": "PNG: camera, depth and class images of both layouts",
    "npy": ".npy: LIDAR, SEMANTIC-LIDAR, VOXEL_GRID",
    "voxel_scores": ".npy: voxels for AnoVox's protocol",
    "pcd": ".pcd: ascii, binary, compressed",
    "ply": ".ply: ascii, binary",
    "sensor_setup": "JSON: sensor_setup.json",
    "configuration": "JSON: scenario configurations",
    "simulator_notes": "JSON: simulator.json",
    "frame_table": "JSON: frames.json of `tools.score_voxels`",
    "key_values": "CSV: ACTION, ANOMALY",
    "params": "YAML: params.yaml",
    "names": "names of folders and files",
    "index": "CSV: index.csv of the shards",
    "shard": "HDF5: shards",
    "predictions": "HDF5: predictions",
    "model": "safetensors: the model",
    "tar_gz": "archives: .tar.gz",
    "zip": "archives: .zip",
}
COLUMNS: Final = ("files", "inputs", "refused", "read", "unclear", "crashes", "hangs", "worst s", "memory MB")


def campaign_page(records: Sequence[Record], inputs: int, seed: int, took: str, versions: str) -> str:
    """The Markdown page: how it was done, one line per kind of file, and what must never come, in words."""
    bad = [(record, failure) for record in records for failure in record.failures]
    lines = [
        "# Bad input, by fuzzing",
        "",
        "<!-- Written by `python -m tests.fuzz`; do not edit. -->",
        "",
        "Real files of every kind that the pipeline reads, made by the simulator and its own stages, are damaged and",
        "shown to their readers: bits turned, blocks lost, doubled, blanked or swapped between files, ends cut off,",
        "numbers and words put in that parsers stumble over; and lies in the format itself: right checksums over",
        "impossible sizes, decompression bombs, shapes of terabytes, other types, missing fields, paths that lead out;",
        "and FIFOs, devices, sockets, folders, links and files of a terabyte in a file's place.",
        "Each input is read in a process that may hold 1 GiB more than at its start, and may not take a minute; every",
        "warning of a library counts as an error, and so does a message that is not one readable line.",
        "",
        f"`python -m tests.fuzz --inputs {inputs} --seed {seed} --record docs/fuzzing.md`, {took} on two cores;",
        f"{versions}.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" + "|---:" * (len(COLUMNS) - 1) + "|",
        *(_row(WHAT[record.target], record) for record in records),
        _row("**all**", _total(records)),
        "",
        "*refused*: an error of ours, one sentence with file, problem and remedy. *read*: taken for sound; a bit that",
        "is turned in a pixel or a coordinate cannot be told from data. HDF5 files and archives carry checksums: what",
        "is *read* there was not changed where it counts. *unclear*: any other exception; *crashes*: the process died;",
        "*hangs*: more than a minute. *worst s*: of processor time. *memory*: the most that one input took beyond what",
        "the process held.",
    ]
    lines += [
        "",
        "What came out that must not:",
        "",
        *(f"- {record.target}, {failure}" for record, failure in bad),
    ] * bool(bad)
    return "\n".join(lines) + "\n"


def _row(name: str, record: Record) -> str:
    counts = record.inputs, record.refused, record.read, record.unclear, record.crashes, record.hangs
    numbers = [f"{count:,}" for count in counts] + [f"{record.worst_seconds:.2f}", f"{record.peak_bytes / 1e6:.0f}"]
    return f"| {name} | " + " | ".join(numbers) + " |"


def _total(records: Sequence[Record]) -> Record:
    return Record(
        target="all",
        inputs=sum(record.inputs for record in records),
        refused=sum(record.refused for record in records),
        read=sum(record.read for record in records),
        unclear=sum(record.unclear for record in records),
        crashes=sum(record.crashes for record in records),
        hangs=sum(record.hangs for record in records),
        worst_seconds=max(record.worst_seconds for record in records),
        peak_bytes=max(record.peak_bytes for record in records),
    )
