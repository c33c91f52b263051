"""simulator.json: facts about the simulator's scenarios for which AnoVox's files have no place.

It is next to the scenarios: `{"Scenario_<uuid>": {"anomaly_kind": "both", "absent_frames": [903, 908]}}`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from lib.anovox.format import files
from lib.anovox.format.safe_names import plain
from lib.common.errors import DataError
from lib.common.outputs import write_text

SIMULATOR_NOTES: Final = "simulator.json"


@dataclass(frozen=True)
class SimulatorNote:
    """A scenario's anomaly: how it differs from normal objects, and the ids of the frames in which it is absent."""

    anomaly_kind: str
    absent_frames: tuple[int, ...] = ()


def write_simulator_notes(root: Path, notes: Mapping[str, SimulatorNote]) -> None:
    """Write simulator.json into `root`: one note per anomaly scenario, by the name of its folder."""
    document = {name: asdict(note) for name, note in sorted(notes.items())}
    write_text(root / SIMULATOR_NOTES, json.dumps(document, indent=1) + "\n")


def read_simulator_notes(path: Path) -> dict[str, SimulatorNote]:
    """Read simulator.json; raises DataError if it is damaged."""
    document = files.read_json(path)
    try:
        return {str(name): _note(entry) for name, entry in document.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"not the simulator's notes ({type(error).__name__}: {str(error)[:200]})"
        remedy = "run the stage `simulate` again, or delete it: the anomalies' kinds are then unknown"
        raise DataError(f"{path}: {problem}; {remedy}") from None


def _note(entry: Any) -> SimulatorNote:
    kind, absent = entry["anomaly_kind"], entry["absent_frames"]
    if not isinstance(kind, str):
        raise ValueError("anomaly_kind is not a text")
    if not isinstance(absent, list) or not all(type(frame_id) is int for frame_id in absent):
        raise ValueError("absent_frames is not a list of frame ids")
    return SimulatorNote(plain(kind), tuple(absent))
