"""Check an AnoVox folder: its contents, whether its labels are right, and whether it can be trained on."""

import argparse
import json
import sys
from pathlib import Path

from lib.common.errors import ParamsError, run_stage
from lib.common.params import load_params
from lib.doctor.checkup import check_up, document, page
from lib.doctor.estimate import PlannedParams

FRAMES_PER_SCENARIO = 10


def main() -> None:
    """Check, print, and exit with status 1 if the data cannot be trained on."""
    args = _arguments()
    params = load_params(PlannedParams)
    if args.workers is not None:
        execution = params.execution.model_copy(update={"workers": args.workers})
        params = params.model_copy(update={"execution": execution})
    if args.data_root is None and params.data.format != "anovox":
        raise ParamsError(
            f"params.yaml: data.format: got {params.data.format!r}, but only AnoVox has labels to check; "
            "`dvc repro preprocess` names what is wrong with other data"
        )
    root = Path(params.data.root) if args.data_root is None else args.data_root
    checkup = check_up(root, params, args.frames)
    print(json.dumps(document(checkup), indent=1, allow_nan=False) if args.json else page(checkup))
    if not checkup.trainable:
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.check", description=__doc__)
    parser.add_argument(
        "data_root", type=Path, nargs="?", metavar="DATA_ROOT", help="default: data.root of params.yaml"
    )
    parser.add_argument(
        "--frames",
        type=_not_negative,
        default=FRAMES_PER_SCENARIO,
        metavar="N",
        help=f"ticks of each scenario to read completely, evenly spread; 0 = all ({FRAMES_PER_SCENARIO})",
    )
    parser.add_argument("--workers", type=_not_negative, metavar="N", help="processes; default: execution.workers")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    return parser.parse_args()


def _not_negative(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


if __name__ == "__main__":
    run_stage(main)
