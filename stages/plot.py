"""Draw the results: curves, histograms, breakdown and drives in plots/figures, the gallery in plots/detections."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from lib.common.errors import run_stage
from lib.common.outputs import atomic_folder
from lib.common.params import ExecutionParams, Sections, load_params
from lib.common.paths import DETECTIONS, EVALUATE_METRICS, FIGURES, PREDICTIONS, SHARDS, TABLES
from lib.common.workers import processes_or_here, run_tasks
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.inputs import ScoredScenario, opened, scored_scenarios
from lib.figures.braking_figure import draw_braking
from lib.figures.breakdown_figure import draw_breakdown
from lib.figures.cases import CATEGORIES, Category, choose_cases, describe, standing
from lib.figures.curves_figure import draw_precision_recall, draw_roc
from lib.figures.drive_figure import choose_drives, draw_drive, read_drives, thresholds_of
from lib.figures.events_figure import draw_events
from lib.figures.gallery import Case, draw_case, draw_sheet, make_case
from lib.figures.plot_params import PlotParams
from lib.figures.reliability_figure import draw_reliability
from lib.figures.scored_test_set import Evidence, gather_evidence, score_edges
from lib.figures.scores_figure import draw_scores
from lib.figures.style import house_style, save
from lib.figures.training_figure import draw_training
from lib.shards.split_params import SplitParams

_NAMES = "training", "roc", "precision_recall", "breakdown", "reliability", "events", "scores"
FIGURE_FILES = [*(f"{name}.png" for name in (*_NAMES, "braking")), "drive_[0-9]*.png"]
DETECTION_FILES = [f"{category}{number}.png" for category in CATEGORIES for number in ("", "_[0-9]*")]


class Params(Sections):
    """Sections of params.yaml that the stage reads."""

    split: SplitParams
    evaluate: EvaluateParams
    plot: PlotParams
    execution: ExecutionParams


@dataclass(frozen=True)
class PlannedFigure:
    """A figure to draw in any process: the file to write, and the function that draws it."""

    path: Path
    draw: Callable[[], Figure]
    dpi: int


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    scenarios = scored_scenarios(SHARDS, PREDICTIONS, params.split)
    edges = score_edges(TABLES / "scores.csv", params.plot.score_bins)
    with (
        atomic_folder(FIGURES, FIGURE_FILES) as figures,
        atomic_folder(DETECTIONS, DETECTION_FILES) as detections,
        processes_or_here(params.execution.workers, len(CATEGORIES)) as pool,
    ):
        first = [pool.submit(draw_and_save, each) for each in _figures_of_tables(figures, params.plot.dpi)]
        evidence = gather_evidence(opened(scenarios), len(scenarios), edges, params.evaluate)
        histograms = partial(draw_scores, evidence.histograms, EVALUATE_METRICS)
        rest = [PlannedFigure(figures / "scores.png", histograms, params.plot.dpi)]
        rest += _figures_of_drives(figures, params)
        for category in CATEGORIES:
            rest += _gallery(detections, category, scenarios, evidence, params.plot)
        run_tasks(pool, draw_and_save, rest, "plot", "picture")
        for drawn in first:
            drawn.result()


def draw_and_save(planned: PlannedFigure) -> None:
    """Draw and write one figure."""
    with house_style():
        save(planned.draw(), planned.path, planned.dpi)


def _figures_of_tables(folder: Path, dpi: int) -> list[PlannedFigure]:
    draw: dict[str, Callable[[], Figure]] = {
        "training": partial(draw_training, TABLES / "training.csv"),
        "roc": partial(draw_roc, TABLES / "roc.csv", EVALUATE_METRICS),
        "precision_recall": partial(draw_precision_recall, TABLES / "pr.csv", EVALUATE_METRICS),
        "breakdown": partial(draw_breakdown, TABLES / "breakdown.csv"),
        "reliability": partial(draw_reliability, TABLES / "reliability.csv", EVALUATE_METRICS),
        "events": partial(draw_events, TABLES / "events.csv", TABLES / "first_detections.csv", EVALUATE_METRICS),
    }
    return [PlannedFigure(folder / f"{name}.png", function, dpi) for name, function in draw.items()]


def _figures_of_drives(folder: Path, params: Params) -> list[PlannedFigure]:
    """Of drives in which the vehicle ahead brakes; none where the test set has none."""
    drives = read_drives(TABLES / "drives.csv")
    if not drives:
        return []
    overview = partial(draw_braking, TABLES / "braking.csv", EVALUATE_METRICS)
    planned_figures = [PlannedFigure(folder / "braking.png", overview, params.plot.dpi)]
    thresholds, hold_s = thresholds_of(EVALUATE_METRICS), params.evaluate.hold_s
    for number, (rank, drive) in enumerate(choose_drives(drives, thresholds, params.plot.gallery_frames), start=1):
        draw = partial(draw_drive, drive, rank, len(drives), thresholds, hold_s)
        planned_figures.append(PlannedFigure(folder / f"drive_{number:02}.png", draw, params.plot.dpi))
    return planned_figures


def _gallery(
    folder: Path, category: Category, scenarios: tuple[ScoredScenario, ...], evidence: Evidence, params: PlotParams
) -> list[PlannedFigure]:
    files = {(scored.scenario, scored.camera): scored for scored in scenarios}
    cases: list[Case] = []
    for frame in choose_cases(evidence.frames, category, params.gallery_frames):
        shard, predictions = files[frame.scenario, frame.camera].reread()
        caption = (*describe(frame), standing(frame, evidence.frames))
        cases.append(
            make_case(shard, predictions, frame.index, evidence.normal_pixels, evidence.normal_points, caption)
        )
    planned_figures = [PlannedFigure(folder / f"{category}.png", partial(draw_sheet, category, cases), params.dpi)]
    for number, case in enumerate(cases, start=1):
        planned_figures.append(
            PlannedFigure(folder / f"{category}_{number:02}.png", partial(draw_case, case), params.dpi)
        )
    return planned_figures


if __name__ == "__main__":
    run_stage(main)
