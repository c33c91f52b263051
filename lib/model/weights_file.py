"""What model files hold: weights, and in JSON all that goes with them. safetensors with a checksum over everything."""

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lib.common.cache import file_digest
from lib.common.errors import DataError, refused
from lib.common.outputs import atomic_file
from lib.common.reading import open_file
from lib.common.terminal import readable
from lib.sensors.sensor_statistics import SensorStatistics

FORMAT: Final = 6
REMEDY: Final = "run `dvc repro export`, or copy it anew"
_KEYS: Final = {"format", "config", "trained_on", "record", "crc32"}
_Arrays = Mapping[str, npt.NDArray[Any]]

# Whatever safetensors, NumPy and json raise over a damaged file.
_UNREADABLE: Final = (
    *(SafetensorError, OSError, LookupError, TypeError, ValueError, AttributeError),
    *(RuntimeError, OverflowError, MemoryError),
)


@dataclass(frozen=True)
class TrainedOn:
    """The data of a training: its scenarios, validation included, sorted; a fingerprint of the shards; its sensors.

    torch: the version that trained.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    scenarios: tuple[str, ...]
    shards: str
    sensors: SensorStatistics
    torch: str


@dataclass(frozen=True, eq=False)
class ModelContent:
    """A model file: the detector's configuration and weights; record: what `export` adds to them, None before."""

    config: dict[str, Any]
    weights: _Arrays
    trained_on: TrainedOn | None = None
    record: dict[str, Any] | None = None


_TRAINED_ON: Final = TypeAdapter(TrainedOn | None)


def write_model(path: Path, content: ModelContent) -> None:
    """Write a model file, whole or not at all, the same bytes for the same content."""
    header: dict[str, Any] = {"format": FORMAT, "config": content.config, "record": content.record}
    header["trained_on"] = None if content.trained_on is None else asdict(content.trained_on)
    header["crc32"] = _checksum(header, content.weights)
    # In rows, as safetensors takes arrays to be.
    arrays = {name: np.asarray(value, order="C") for name, value in content.weights.items()}
    data = save(arrays, metadata={"detector": json.dumps(header, sort_keys=True, allow_nan=False)})
    with atomic_file(path) as partial, partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_model(path: Path) -> ModelContent:
    """Read a model file; raises DataError if it is missing, damaged, of another format or no model file."""
    if not path.is_file():
        problem = "not a file" if os.path.lexists(path) else "there is no model file"
        raise DataError(f"{path}: {problem}; {REMEDY}")
    try:
        open_file(path).close()  # safetensors calls whatever the system refuses a missing file
        with safe_open(path, framework="numpy") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            header = json.loads((file.metadata() or {})["detector"])
        found, crc32 = header["format"], header.get("crc32")
    except _UNREADABLE as error:
        raise refused(path, error) or not_ours(path, error) from None
    if found != FORMAT:
        raise DataError(f"{path}: model format {readable(str(found)[:60])}, this version reads {FORMAT}; {REMEDY}")
    if crc32 != _checksum(header, weights):
        raise DataError(f"{path}: damaged (the content does not match its checksum); {REMEDY}")
    config, record = header.get("config"), header.get("record")
    if set(header) != _KEYS or not isinstance(config, dict) or not isinstance(record, dict | None):
        raise not_ours(path, "its header has other parts")
    try:
        trained_on = _TRAINED_ON.validate_json(json.dumps(header["trained_on"]))
    except ValidationError as error:
        raise not_ours(path, f"its training data: {error.errors()[0]['msg']}") from None
    return ModelContent(config, weights, trained_on, record)


def model_fingerprint(path: Path) -> str:
    """Content hash of a file of weights, which is stored with its predictions."""
    return file_digest(path)[:32]


def not_ours(path: Path, problem: object) -> DataError:
    """Return the error for a file that is none of this pipeline's."""
    text = readable(" ".join(str(problem).split())[:300])
    return DataError(f"{path}: not a detector written by this pipeline ({text}); {REMEDY}")


def _checksum(header: Mapping[str, Any], weights: _Arrays) -> int:
    """CRC-32 of all of a header but the checksum itself, and of the weights' names and bytes."""
    text = json.dumps({key: value for key, value in header.items() if key != "crc32"}, sort_keys=True)
    found = zlib.crc32(text.encode())
    for name, value in sorted(weights.items()):
        found = zlib.crc32(value.tobytes(), zlib.crc32(name.encode(), found))
    return found
