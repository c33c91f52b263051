"""All of params.yaml, by default the repository's own."""

from pathlib import Path

from lib.common.params import load_params
from stages.check import Params

OWN = Path(__file__).parents[1] / "params.yaml"


def all_params(path: Path = OWN) -> Params:
    """Read and check all sections, as the check stage does."""
    return load_params(Params, path)
