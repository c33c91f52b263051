"""The model file: safetensors with the detector's configuration, the scenarios it has seen, and a checksum."""

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from lib.common.cache import file_digest
from lib.common.errors import DataError, refused
from lib.common.outputs import atomic_file
from lib.common.reading import open_file
from lib.common.terminal import readable
from lib.model.detector import Detector, DetectorConfig, build_detector

FORMAT: Final = 5
MAX_ROWS: Final = 4_096
MAX_CHANNELS: Final = 65_536
MAX_COLUMNS: Final = 65_536
REMEDY: Final = "run `dvc repro train`"
_CONFIG: Final = TypeAdapter(DetectorConfig)
_Arrays = Mapping[str, npt.NDArray[Any]]

# Whatever safetensors, NumPy, torch and json raise over a damaged file.
_UNREADABLE: Final = (
    *(SafetensorError, OSError, LookupError, TypeError, ValueError, AttributeError),
    *(RuntimeError, OverflowError, MemoryError),
)


def save_detector(path: Path, detector: Detector, seen: Iterable[str] = ()) -> None:
    """Write the detector atomically; `seen`: scenarios that were used for training or validation."""
    state = detector.state_dict()
    # Rows first, as safetensors takes them to be.
    arrays = {name: np.asarray(value.detach().cpu().numpy(), order="C") for name, value in state.items()}
    about = {"config": asdict(detector.config), "seen": sorted(set(seen))}
    header = {"format": FORMAT, **about, "crc32": _checksum(_text(about), arrays)}
    content = save(arrays, metadata={"detector": _text(header)})
    with atomic_file(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def load_detector(path: Path) -> Detector:
    """Read a detector onto the CPU. Raises DataError if the file is missing, damaged or not a detector."""
    header, state = _read(path)
    config = _config(path, header)
    with torch.device("meta"):  # allocates no memory, in case the configuration is damaged
        expected = {name: value.shape for name, value in build_detector(config).state_dict().items()}
    if expected != {name: value.shape for name, value in state.items()}:
        raise _damaged(path, "its weights are not those of its configuration")
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise DataError(f"{path}: holds weights that are NaN or infinite; {REMEDY} anew")
    detector = build_detector(config)
    detector.load_state_dict(state)
    return detector


def scenarios_seen(path: Path) -> frozenset[str]:
    """Scenarios that were used for training or validation of a detector; raises DataError as `load_detector`."""
    return frozenset(_read(path)[0]["seen"])


def check_unseen(path: Path, scenarios: Iterable[str]) -> None:
    """Raise DataError if a detector has seen one of these test scenarios."""
    seen = sorted(scenarios_seen(path) & set(scenarios))
    if seen:
        more = f" and {len(seen) - 1} more" if seen[1:] else ""
        raise DataError(
            f"{path}: was trained on {seen[0]}{more}, which the split now uses for testing, so that metrics would be "
            f"too good; {REMEDY} with these params"
        )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header (with `format`, `config` and `seen`) and tensors of a model file."""
    if not path.is_file():
        problem = "not a file" if os.path.lexists(path) else "there is no model file"
        raise DataError(f"{path}: {problem}; {REMEDY}")
    try:
        open_file(path).close()  # safetensors calls whatever the system refuses a missing file
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            header = json.loads((file.metadata() or {})["detector"])
        found, seen = header["format"], header.get("seen")
        state = {name: torch.from_numpy(value) for name, value in arrays.items()}
    except _UNREADABLE as error:
        raise refused(path, error) or _damaged(path, error) from None
    if found != FORMAT:
        raise DataError(f"{path}: model format {readable(str(found)[:60])}, this version reads {FORMAT}; {REMEDY}")
    if header.get("crc32") != _checksum(_text({"config": header.get("config"), "seen": seen}), arrays):
        raise DataError(f"{path}: damaged (the content does not match its checksum); {REMEDY}")
    if not isinstance(seen, list) or not all(isinstance(name, str) for name in seen):
        raise _damaged(path, "it does not say which scenarios it has seen")
    return header, state


def _config(path: Path, header: Mapping[str, Any]) -> DetectorConfig:
    try:
        config = _CONFIG.validate_python(header.get("config"))
    except ValidationError as error:
        raise _damaged(path, f"its configuration: {error.errors()[0]['msg']}") from None
    channels = config.image_channels, config.lidar_channels, config.fusion_channels
    fits = (
        asdict(config) == header["config"],
        1 <= config.range_view_rows <= MAX_ROWS,
        1 <= config.range_view_columns <= MAX_COLUMNS,
        1 <= min(channels) <= max(channels) <= MAX_CHANNELS,
        -90 <= config.lower_fov_deg < config.upper_fov_deg <= 90,
    )
    if not all(fits):
        raise _damaged(path, "its configuration is impossible for a detector")
    return config


def _damaged(path: Path, problem: object) -> DataError:
    text = readable(" ".join(str(problem).split())[:300])
    return DataError(f"{path}: not a detector written by this pipeline ({text}); {REMEDY}")


def _text(header: Mapping[str, object]) -> str:
    return json.dumps(header, sort_keys=True)


def model_fingerprint(path: Path) -> str:
    """Content hash of a model file, which is stored with its predictions."""
    return file_digest(path)[:32]


def _checksum(text: str, arrays: _Arrays) -> int:
    """CRC-32 of a text, and of the arrays' names and bytes."""
    found = zlib.crc32(text.encode())
    for name, value in sorted(arrays.items()):
        found = zlib.crc32(value.tobytes(), zlib.crc32(name.encode(), found))
    return found
