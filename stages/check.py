"""Check all of params.yaml first, before DVC removes the outputs of a stage that would fail on a wrong value."""

import os
from pathlib import Path

from lib.common.errors import ParamsError, run_stage
from lib.common.outputs import write_text
from lib.common.params import DataParams, ExecutionParams, Section, load_params
from lib.common.paths import PARAMS_CHECKED, SAMPLE
from lib.evaluation.evaluate_params import EvaluateParams
from lib.figures.plot_params import PlotParams
from lib.inference.predict_params import PredictParams
from lib.model.model_params import ModelParams
from lib.preprocessing.preprocess_params import PreprocessParams
from lib.shards.split_params import SplitParams
from lib.simulator.simulate_params import SimulateParams
from lib.tracking.track_params import TrackParams
from lib.training.train_params import TrainParams

WORDS = "params.yaml has passed. These words never change, so that no stage runs again for them.\n"


class Params(Section):
    """All sections of params.yaml; any other is an error."""

    data: DataParams
    simulate: SimulateParams
    preprocess: PreprocessParams
    split: SplitParams
    track: TrackParams
    model: ModelParams
    train: TrainParams
    predict: PredictParams
    evaluate: EvaluateParams
    plot: PlotParams
    execution: ExecutionParams


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    _check_root(Path(params.data.root))
    write_text(PARAMS_CHECKED, WORDS)


def _check_root(root: Path) -> None:
    """Raise ParamsError if the folder does not exist, unless `simulate` creates it or DVC can check it out."""
    place = Path(os.path.normpath(root))
    to_come = [SAMPLE, *(each for each in (place, *place.parents) if os.path.isfile(f"{each}.dvc"))]  # noqa: PTH113
    made = place == SAMPLE or any(place.is_relative_to(each) and not os.path.isdir(each) for each in to_come)  # noqa: PTH112
    if not made and not os.path.isdir(root):  # noqa: PTH112 (pathlib raises an error for too long names)
        raise ParamsError(
            f"params.yaml: data.root: got {str(root)!r}, and there is no such folder; set it to one with data "
            "in the format of data.format (`python -m tools.check FOLDER` checks a folder of AnoVox)"
        )


if __name__ == "__main__":
    run_stage(main)
