"""Which image belongs to which cloud: by equal names, or by the nearest time."""

import os
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from lib.reading.findings import Finding, Notice, ScenarioError, ScenarioReason

NUMBER: Final = re.compile(r"\d{1,19}")
TIME: Final = re.compile(r"\d+\.\d+|[1-9]\d{9,18}")
"""A timestamp: with a decimal point in seconds, or by its length in s (10 digits), ms (13), us (16) or ns (19)."""
UNITS_NS: Final = ((11, 10**9), (14, 10**6), (17, 10**3), (20, 1))
"""Numbers of fewer digits than the first are in a unit of the second [ns]."""
NAMES_SHOWN: Final = 3

Files = Mapping[str, Path]
"""Files by their names without the ending."""


@dataclass(frozen=True)
class Pair:
    """A frame's files; `time_s`: of its image, None if names are no timestamps."""

    frame_id: int
    image: Path
    cloud: Path
    time_s: float | None = None


def listed(folder: Path, endings: Sequence[str]) -> Files:
    """The files of a folder with one of some endings, by name, in order; raises ScenarioError for two of one name."""
    found: dict[str, Path] = {}
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        message = f"{folder}: cannot be listed ({error.strerror}); it must be a folder"
        raise ScenarioError(ScenarioReason.UNREADABLE_SCENARIO, message) from None
    for name in names:
        path = folder / name
        if path.suffix.lower() in endings and not name.startswith("."):
            if path.stem in found:
                message = f"{folder}: holds {found[path.stem].name} and {name}; keep one of the two"
                raise ScenarioError(ScenarioReason.NO_SENSOR_PAIR, message)
            found[path.stem] = path
    return found


def paired(
    place: Path, images: Files, clouds: Files, max_time_apart_s: float
) -> tuple[tuple[Pair, ...], tuple[Finding, ...]]:
    """The frames, in order, and a finding if some files belong to none.

    If all names are timestamps, an image and a cloud are paired that are each other's nearest, and not farther apart
    than `max_time_apart_s`; else those with equal names. A frame's id is its image's number, or its place in the order
    if names are no numbers. `place`: for messages. Raises ScenarioError if nothing is paired.
    """
    timed = bool(images) and bool(clouds) and all(TIME.fullmatch(name) for name in (*images, *clouds))
    names = _by_time(images, clouds, max_time_apart_s) if timed else [(name, name) for name in images if name in clouds]
    if not names:
        apart = f"no two are at most {max_time_apart_s:g} s apart" if timed else "no two have the same name"
        message = (
            f"{place}: {len(images)} images ({_some(list(images))}) and {len(clouds)} clouds ({_some(list(clouds))}) "
            f"do not pair: {apart}; name the files of a frame alike, or by timestamps"
        )
        raise ScenarioError(ScenarioReason.NO_SENSOR_PAIR, message)
    numbers = [int(image) if NUMBER.fullmatch(image) else -1 for image, _ in names]
    numbered = min(numbers) >= 0 and len(set(numbers)) == len(numbers) and max(numbers) < 2**63
    ids = numbers if numbered else list(range(len(names)))
    pairs = [
        Pair(frame_id, images[image], clouds[cloud], _nanoseconds(image) / 1e9 if timed else None)
        for frame_id, (image, cloud) in zip(ids, names, strict=True)
    ]
    pairs.sort(key=lambda pair: pair.frame_id)
    lonely = [name for name in images if name not in {image for image, _ in names}]
    lonely += [name for name in clouds if name not in {cloud for _, cloud in names}]
    if not lonely:
        return tuple(pairs), ()
    message = f"{place}: {len(lonely)} images or clouds have no partner and are left out ({_some(lonely)})"
    return tuple(pairs), (Finding(Notice.UNPAIRED_FILES, message),)


def _by_time(images: Files, clouds: Files, max_time_apart_s: float) -> list[tuple[str, str]]:
    """Names of images and clouds that are each other's nearest in time."""
    (image_names, image_ns), (cloud_names, cloud_ns) = _in_time(images), _in_time(clouds)
    cloud_of, image_of = _nearest(image_ns, cloud_ns), _nearest(cloud_ns, image_ns)
    return [
        (name, cloud_names[cloud])
        for place, (name, cloud) in enumerate(zip(image_names, cloud_of, strict=True))
        if image_of[cloud] == place and abs(image_ns[place] - cloud_ns[cloud]) <= max_time_apart_s * 1e9
    ]


def _in_time(files: Files) -> tuple[list[str], list[int]]:
    names = sorted(files, key=_nanoseconds)
    return names, [_nanoseconds(name) for name in names]


def _nearest(times: Sequence[int], others: Sequence[int]) -> list[int]:
    """For each time, the place of the nearest of others, which ascend."""
    after = [bisect_left(others, time) for time in times]
    return [
        min((max(place - 1, 0), min(place, len(others) - 1)), key=lambda other: abs(others[other] - time))
        for time, place in zip(times, after, strict=True)
    ]


def _nanoseconds(name: str) -> int:
    if "." in name:
        return int(Decimal(name) * 10**9)
    return int(name) * next(unit for digits, unit in UNITS_NS if len(name) < digits)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (" ..." if len(names) > NAMES_SHOWN else "")
