"""Frames that are in training and in the test: the same picture or the same cloud, under whatever name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.common.errors import DataError
from lib.shards.digests import NO_CONTENT
from lib.shards.index import ShardEntry, open_entry
from lib.shards.split import Split


def check_no_leak(folder: Path, entries: Sequence[ShardEntry], splits: Mapping[str, Split]) -> None:
    """Raise DataError where a frame of a test scenario is, to the byte, in a scenario that trains or validates.

    A frame is its image or its cloud: copies of a recording with other labels, names or weather are found as well.
    """
    seen: dict[tuple[int, int], tuple[str, int]] = {}
    for entry in entries:
        if splits[entry.scenario] != "test":
            for place, name, frame_id in _digests(folder, entry):
                seen.setdefault(place, (name, frame_id))
    found = [
        (name, frame_id, *seen[place])
        for entry in entries
        if splits[entry.scenario] == "test"
        for place, name, frame_id in _digests(folder, entry)
        if place in seen
    ]
    if found:
        name, frame_id, other, other_id = found[0]
        scenarios = len({name for name, *_ in found})
        raise DataError(
            f"{folder}: frame {frame_id} of {name}, which the split tests, is byte for byte frame {other_id} of "
            f"{other}, which it trains on ({scenarios} test scenario{'s' * (scenarios != 1)} with such frames); the "
            "test would measure memory: remove one of the two from data.root"
        )


def _digests(folder: Path, entry: ShardEntry) -> list[tuple[tuple[int, int], str, int]]:
    """(which array, its digest), scenario and frame id of all that a shard's frames hold."""
    shard = open_entry(folder, entry, verify=False)
    return [
        ((kind, int(value)), shard.scenario, int(frame_id))
        for frame_id, digests in zip(shard.frame_id, shard.frame_digest, strict=True)
        for kind, value in enumerate(digests)
        if value != NO_CONTENT
    ]
