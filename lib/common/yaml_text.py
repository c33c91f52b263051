"""YAML 1.2, read by ruamel.yaml as DVC does. PyYAML reads version 1.1, where 1e-05 is a text and off is false."""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError


def read_yaml(text: str) -> Any:
    """The value that a YAML text holds; None if it holds none.

    Raises ValueError with the line for a text that is not valid YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(text.removeprefix("\ufeff"))
    except MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise ValueError(f"{line}not valid YAML: {_one_line(error.problem or error.context)}") from None
    except (YAMLError, ValueError) as error:
        raise ValueError(f"not valid YAML: {_one_line(error)}") from None
    except RecursionError:
        raise ValueError("values are nested too deep; no parameter is") from None


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300]
