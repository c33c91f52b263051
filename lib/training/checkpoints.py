"""The model file: safetensors with the detector's configuration and a checksum inside."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lib.errors import DataError
from lib.model.detector import Detector, DetectorConfig
from lib.outputs import whole_file

FORMAT = 2


def save_detector(path: Path, detector: Detector) -> None:
    """Write the detector whole or not at all."""
    state = {name: value.detach().cpu().contiguous() for name, value in sorted(detector.state_dict().items())}
    config = asdict(detector.config)
    header = json.dumps({"format": FORMAT, "config": config, "crc32": _checksum(config, state)}, sort_keys=True)
    with whole_file(path) as partial:
        partial.write_bytes(save(state, metadata={"detector": header}))


def load_detector(path: Path) -> Detector:
    """Read a detector on the CPU. Raises DataError for a file that is missing, damaged or not a detector."""
    remedy = "run `dvc repro train`"
    if not path.is_file():
        raise DataError(f"{path}: there is no model file; {remedy}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["detector"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if header["format"] != FORMAT:
            raise DataError(f"{path}: model format {header['format']}, this version reads {FORMAT}; {remedy}")
        if header["crc32"] != _checksum(header["config"], state):
            raise DataError(f"{path}: damaged (the content does not match its checksum); {remedy}")
        detector = Detector(DetectorConfig(**header["config"]))
        detector.load_state_dict(state)
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: not a detector written by this pipeline ({error}); {remedy}") from None
    return detector


def fingerprint(path: Path) -> str:
    """Content hash of a model file, by which predictions know their model."""
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _checksum(config: Mapping[str, object], state: Mapping[str, torch.Tensor]) -> int:
    """CRC-32 of the configuration and of the tensors' names and bytes."""
    checksum = zlib.crc32(json.dumps(config, sort_keys=True).encode())
    for name, value in sorted(state.items()):
        checksum = zlib.crc32(value.numpy().tobytes(), zlib.crc32(name.encode(), checksum))
    return checksum
