"""Draw the results: curves, histograms and breakdown in plots/figures, the gallery in plots/detections."""

from pathlib import Path

from lib.errors import run_stage
from lib.evaluation.inputs import ScoredScenario, scored_scenarios
from lib.figures.breakdown import draw_breakdown
from lib.figures.cases import CATEGORIES, Category, choose_cases, describe, standing
from lib.figures.curves import draw_precision_recall, draw_roc
from lib.figures.events import draw_events
from lib.figures.evidence import Evidence, gather_evidence, score_edges
from lib.figures.gallery import Case, draw_case, draw_sheet, make_case
from lib.figures.reliability import draw_reliability
from lib.figures.scores import draw_scores
from lib.figures.style import house_style, save
from lib.figures.training import draw_training
from lib.outputs import whole_folder
from lib.params import PlotParams, load_params

SHARDS = Path("data/shards")
PREDICTIONS = Path("data/predictions")
METRICS = Path("metrics/evaluate.json")
TABLES = Path("plots")
FIGURES = Path("plots/figures")
DETECTIONS = Path("plots/detections")


def main() -> None:
    """Run the stage."""
    params = load_params()
    scenarios = scored_scenarios(SHARDS, PREDICTIONS, params.split)
    edges = score_edges(TABLES / "scores.csv", params.plot.score_bins)
    evidence = gather_evidence((s.read() for s in scenarios), len(scenarios), edges, params.evaluate)
    with whole_folder(FIGURES) as figures, whole_folder(DETECTIONS) as detections, house_style():
        _draw_figures(figures, evidence, params.plot)
        for category in CATEGORIES:
            _draw_gallery(detections, category, scenarios, evidence, params.plot)


def _draw_figures(folder: Path, evidence: Evidence, params: PlotParams) -> None:
    save(draw_training(TABLES / "training.csv"), folder / "training.png", params.dpi)
    save(draw_roc(TABLES / "roc.csv", METRICS), folder / "roc.png", params.dpi)
    save(draw_precision_recall(TABLES / "pr.csv", METRICS), folder / "precision_recall.png", params.dpi)
    save(draw_scores(evidence.histograms, METRICS), folder / "scores.png", params.dpi)
    save(draw_breakdown(TABLES / "breakdown.csv"), folder / "breakdown.png", params.dpi)
    save(draw_reliability(TABLES / "reliability.csv", METRICS), folder / "reliability.png", params.dpi)
    events = draw_events(TABLES / "events.csv", TABLES / "first_detections.csv", METRICS)
    save(events, folder / "events.png", params.dpi)


def _draw_gallery(
    folder: Path, category: Category, scenarios: tuple[ScoredScenario, ...], evidence: Evidence, params: PlotParams
) -> None:
    files = {(scored.scenario, scored.camera): scored for scored in scenarios}
    cases: list[Case] = []
    for frame in choose_cases(evidence.frames, category, params.gallery_frames):
        shard, predictions = files[frame.scenario, frame.camera].reread()
        caption = (*describe(frame), standing(frame, evidence.frames))
        cases.append(
            make_case(shard, predictions, frame.index, evidence.normal_pixels, evidence.normal_points, caption)
        )
    save(draw_sheet(category, cases), folder / f"{category}.png", params.dpi)
    for number, case in enumerate(cases, start=1):
        save(draw_case(case), folder / f"{category}_{number:02}.png", params.dpi)


if __name__ == "__main__":
    run_stage(main)
