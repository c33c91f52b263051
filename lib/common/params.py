"""Read params.yaml. Each section is a frozen class that lies in the folder of lib that it belongs to."""

import reprlib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lib.common.errors import ParamsError
from lib.common.reading import UnfitFileError, read_text
from lib.common.terminal import readable
from lib.common.yaml_text import read_yaml

MAX_BYTES: Final = 100_000
MAX_PATH_CHARACTERS: Final = 1_000
MISTAKES_SHOWN: Final = 6
MOVED: Final = {"model.score": "predict.score", "train.cpu_threads": "execution.processes"}
"""Keys of earlier versions, and what they are called now."""

# Bounds are where a value stops to make sense: far beyond the data and machines that there are, and well before numbers
# overflow. What fits them, but not this machine's memory, ends in a sentence as well (lib.common.errors.run_stage).
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Metres = Annotated[float, Field(ge=0.01, le=1_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
ImageSize = Annotated[int, Field(ge=16, le=4_096)]
BatchSize = Annotated[int, Field(ge=1, le=4_096)]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sections(Section):
    """Base of what a stage or tool reads: some sections of params.yaml. The others are not looked at."""

    model_config = ConfigDict(extra="ignore")


DataFormat = Literal["anovox", "kitti", "folder"]


class DataParams(Section):
    """Where the data lies, and in which format: for AnoVox a folder that holds Scenario_* folders at any depth."""

    format: DataFormat
    root: Annotated[str, Field(min_length=1, max_length=MAX_PATH_CHARACTERS)]

    @field_validator("root")
    @classmethod
    def _check_root(cls, root: str) -> str:
        if not root.isprintable():
            raise ValueError("holds characters that cannot be printed; rename the folder, or link to it")
        return root


class ExecutionParams(Section):
    """What changes only speed; no stage tracks it. workers, processes: 0 = as the hardware and the work allow."""

    device: Literal["auto", "cpu", "cuda"]
    compile: Literal["auto", "off"]
    workers: Annotated[int, Field(ge=0, le=128)]
    processes: Annotated[int, Field(ge=0, le=1024)]
    checkpoint_seconds: Annotated[float, Field(ge=0, le=86_400)]


AnySections = TypeVar("AnySections", bound=Section)


def load_params(sections: type[AnySections], path: Path = Path("params.yaml")) -> AnySections:
    """Read params.yaml and check the sections that a class has as its fields.

    Raises ParamsError that names the key, the value and what would be accepted.
    """
    return read_sections(
        sections, path, "the repository's own params.yaml shows a value", "run from the repository's root"
    )


def read_sections(sections: type[AnySections], path: Path, example: str, remedy: str) -> AnySections:
    """Read a YAML file and check it: `sections` has its keys as fields.

    `example`: says where a missing key is shown; `remedy`: what helps if the file cannot be read. Raises ParamsError.
    """
    try:
        values = read_yaml(read_text(path, MAX_BYTES))
    except ParamsError:
        raise
    except UnicodeError:
        raise ParamsError(f"{path}: not valid YAML: not text in UTF-8; save it as such") from None
    except UnfitFileError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); put a file of parameters there") from None
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except ValueError as error:
        raise ParamsError(f"{path}: {readable(str(error))}") from None
    try:
        return sections.model_validate(values)
    except ValidationError as error:
        details = error.errors()
        sentences = [_sentence(path, sections, detail, example) for detail in details[:MISTAKES_SHOWN]]
        more = len(details) - len(sentences)
        raise ParamsError("; ".join([*sentences, *([f"and {more} more mistakes"] if more else [])])) from None


def _sentence(path: Path, sections: type[Section], detail: Any, example: str) -> str:
    key = ".".join(readable(str(part)[:60]) for part in detail["loc"]) or "the file"
    if detail["type"] == "extra_forbidden":
        section: Any = sections
        for part in detail["loc"][:-1]:
            section = section.model_fields[part].annotation
        accepted = ", ".join(section.model_fields)
        moved = f"; it is {MOVED[key]} now" if key in MOVED else ""
        return f"{path}: {key}: unknown key{moved}; accepted here: {accepted}"
    if detail["type"] == "missing":
        return f"{path}: {key}: missing; add it ({example})"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if detail["type"] == "value_error" and isinstance(detail["input"], dict):
        return f"{path}: {message}"
    return f"{path}: {key}: got {_shown(detail['input'])}, which {message}"


def _shown(value: Any) -> str:
    """A value for the eye; never all of a large one."""
    text = reprlib.repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"
