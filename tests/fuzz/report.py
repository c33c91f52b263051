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
    "record": "safetensors: what is exported with the model",
    "tar_gz": "archives: .tar.gz",
    "zip": "archives: .zip",
}
COLUMNS: Final = ("files", "inputs", "refused", "read", "unclear", "crashes", "hangs", "worst s", "memory MB")
INTRODUCTION: Final = """# Fuzzing

<!-- Written by `python -m tests.fuzz`; do not edit. -->

Real files of every kind that the pipeline reads are damaged, and then read. The simulator and the stages write the
files. The inputs are:
- **damaged bytes**: bits flipped, blocks lost, doubled, blanked or swapped between files, truncated ends, and numbers
  and words that are difficult to parse
- **false contents**: impossible sizes with correct checksums, decompression bombs, shapes of terabytes, other types,
  missing fields, paths that lead outside
- **other things instead of a file**: FIFOs, devices, sockets, folders, links, files of a terabyte

Each input is read in a process that may use 1 GiB more memory than at its start, and one minute. A warning of a library
counts as an error. So does a message that is not one readable line.
"""
LEGEND: Final = """| column | meaning |
|---|---|
| refused | an error of this project: one sentence with file, problem and remedy |
| read | accepted: a flipped bit in a pixel or coordinate looks like data. Changes that a checksum covers are refused |
| unclear | any other exception |
| crashes, hangs | the process died; it took more than a minute |
| worst s | longest processor time of an input, in seconds |
| memory MB | most memory that one input took beyond what the process had |"""


def campaign_page(records: Sequence[Record], inputs: int, seed: int, took: str, versions: str) -> str:
    """The Markdown page: method, one row per kind of file, and failures."""
    bad = [(record, failure) for record in records for failure in record.failures]
    lines = [
        INTRODUCTION,
        f"`python -m tests.fuzz --inputs {inputs} --seed {seed} --record docs/fuzzing.md`, {took} on two cores;",
        f"{versions}.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" + "|---:" * (len(COLUMNS) - 1) + "|",
        *(_row(WHAT[record.target], record) for record in records),
        _row("**all**", _total(records)),
        "",
        LEGEND,
    ]
    lines += [
        "",
        "Failures, which must not occur:",
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
