"""What the models are worth on real data: the Open University's, beside a yardstick, what schools do by hand, and plain learners.

Trained on presentations 2013B and 2013J, tested on 2014B, at days 28, 56 and 100; and on the daily set, module BBB, from 2013B to 2013J.
Choices of features and recipes were made on 2013B to 2013J; 2014B is for reporting.

    python benchmarks/quality.py [--validation] [--family blend] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from riskmodel.baselines import prior_education_rates
from riskmodel.contract.dataset import Dataset, load_dataset
from riskmodel.design import Design
from riskmodel.families.recipe import Recipe, read_recipe
from riskmodel.features import catalogue
from riskmodel.landmarks import landmark_frames
from riskmodel.measuring import measure
from riskmodel.metrics import roc_auc
from riskmodel.model import ModelFacts, fit_model
from riskmodel.oulad import import_oulad

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ("students", "base_rate", "roc_auc", "roc_auc_low", "roc_auc_high", "average_precision", "precision_at_10_percent")
NAMES = {"leave": "Withdrawn or Fail", "dropout": "Withdrawn"}


@dataclass(frozen=True)
class Setting:
    """One comparison: which data, trained on what, tested on what; the yardstick's ROC AUC and average precision; and ROC AUC as aimed at and as cited."""

    name: str
    variable: str
    folder: str
    programme: str | None
    learnt: tuple[str, ...]
    tested: str
    yardstick: Mapping[tuple[str, int], tuple[float, float | None]]
    goal: Mapping[tuple[str, int], float] = field(default_factory=dict)
    autogluon: Mapping[tuple[str, int], float] = field(default_factory=dict)

    @property
    def days(self) -> tuple[int, ...]:
        """Landmarks compared."""
        return tuple(sorted({day for _, day in self.yardstick}))


FORTNIGHTS = Setting(
    "oulad, 2013B and 2013J to 2014B", "RISKMODEL_OULAD", "oulad", None, ("2013B", "2013J"), "2014B",
    {
        ("leave", 28): (0.777, 0.761), ("leave", 56): (0.821, 0.799), ("leave", 100): (0.860, 0.839),
        ("dropout", 28): (0.687, 0.303), ("dropout", 56): (0.689, 0.249), ("dropout", 100): (0.700, 0.189),
    },
    goal={("leave", 56): 0.835, ("leave", 100): 0.875, ("dropout", 56): 0.715, ("dropout", 100): 0.74},
    # Cited, not fitted here: AutoGluon 1.6, good_quality, 150 s, on the yardstick's features.
    autogluon={("leave", 56): 0.808, ("leave", 100): 0.857, ("dropout", 56): 0.680, ("dropout", 100): 0.694},
)  # fmt: skip
DAILY = Setting(
    "oulad-daily, module BBB, 2013B to 2013J", "RISKMODEL_OULAD_DAILY", "oulad-daily", "BBB", ("2013B",), "2013J",
    {
        ("leave", 14): (0.713, 0.632), ("leave", 28): (0.767, 0.708), ("leave", 56): (0.824, 0.781), ("leave", 100): (0.866, 0.825),
        ("dropout", 14): (0.599, None), ("dropout", 28): (0.638, None), ("dropout", 56): (0.655, None), ("dropout", 100): (0.669, None),
    },
)  # fmt: skip
# Where choices are made: nothing of 2014B is looked at.
VALIDATION = Setting(
    "oulad, 2013B to 2013J (validation)",
    "RISKMODEL_OULAD",
    "oulad",
    None,
    ("2013B",),
    "2013J",
    {key: (float("nan"), None) for key in FORTNIGHTS.yardstick},
)


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    setting: str
    target: str
    day: int
    students: int
    base_rate: float
    roc_auc: float
    roc_auc_low: float
    roc_auc_high: float
    average_precision: float
    precision_at_10_percent: float
    yardstick: float
    yardstick_precision: float | None
    reached: bool
    goal: float | None
    autogluon: float | None
    others: dict[str, float | None]


def source(setting: Setting) -> Path:
    """Give the folder of a setting's tables; SystemExit where it is absent."""
    folder = Path(os.environ.get(setting.variable, ROOT.parent / "shared" / "data" / setting.folder))
    if not (folder / "studentInfo.csv").exists():
        sys.exit(f"the OULAD tables are not in {folder}: name their folder in {setting.variable}")
    return folder


def measure_setting(setting: Setting, folder: Path, recipe: Recipe, *, compare: bool = True) -> list[Line]:
    """Import, fit and measure one setting.

    Parameters
    ----------
    setting : Setting
    folder : Path
        The official tables.
    recipe : Recipe
    compare : bool
        Whether to fit plain learners beside the product's model.
    """
    with tempfile.TemporaryDirectory(prefix="riskmodel-quality-") as scratch:
        target_folder = Path(scratch) / "contract"
        import_oulad(folder, target_folder)
        dataset = load_dataset(target_folder)
        frames = {
            day: frame if setting.programme is None else frame[frame["programme"] == setting.programme]
            for day, frame in landmark_frames(dataset, setting.days, (*setting.learnt, setting.tested)).frames.items()
        }
        return [line for target in NAMES for line in _measure_target(setting, dataset, frames, target, recipe, compare)]


def _measure_target(
    setting: Setting, dataset: Dataset, frames: Mapping[int, pd.DataFrame], target: str, recipe: Recipe, compare: bool
) -> list[Line]:
    training = {day: frame[frame["cohort"].isin(setting.learnt)] for day, frame in frames.items()}
    programmes = tuple(sorted({name for frame in training.values() for name in frame["programme"]}))
    features = catalogue(dataset.definition, programmes if recipe.programme else ())
    rates = {str(day): prior_education_rates(frame, target) for day, frame in training.items()}
    model = fit_model(training, target, features, recipe, facts=ModelFacts(prior_education_rates=rates), intervals=False)
    design = Design.of(features)
    lines = []
    for day, frame in frames.items():
        test = frame[(frame["cohort"] == setting.tested) & frame[target].notna()]
        figures = measure(model, test, day, 0.1)
        assert figures is not None
        yardstick, precision = setting.yardstick[target, day]
        others: dict[str, float | None] = {name: None if told is None else told["roc_auc"] for name, told in figures["baselines"].items()}
        if compare:
            learnt = training[day][training[day][target].notna()]
            others |= _plain_learners(design, learnt, test, target)
        reached = round(figures["roc_auc"], 3) >= yardstick
        told = {name: figures[name] for name in FIGURES}
        lines.append(
            Line(
                setting.name, target, day, **told, yardstick=yardstick, yardstick_precision=precision, reached=reached,
                goal=setting.goal.get((target, day)), autogluon=setting.autogluon.get((target, day)), others=others,
            )
        )  # fmt: skip
    return lines


def _plain_learners(design: Design, learnt: pd.DataFrame, test: pd.DataFrame, target: str) -> dict[str, float | None]:
    """Give the ROC AUC of a random forest and of LightGBM as they come, on the same features."""
    X, y = design.matrix(learnt), learnt[target].to_numpy()
    forest = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        RandomForestClassifier(500, min_samples_leaf=5, n_jobs=2, random_state=20),
    )
    forest.fit(X, y)
    trees = lightgbm.LGBMClassifier(random_state=20, n_jobs=2, verbosity=-1).fit(X, y)
    X_test, y_test = design.matrix(test), test[target].to_numpy(dtype=float)
    scores = {"random_forest": forest.predict_proba(X_test)[:, 1], "plain_lightgbm": np.asarray(trees.predict_proba(X_test))[:, 1]}
    return {name: roc_auc(y_test, score) for name, score in scores.items()}


def table(lines: Sequence[Line]) -> str:
    """Give the lines as a Markdown table."""
    head = "| label | day | students | ROC AUC (95 %) | yardstick | reached | goal | AutoGluon, cited | AP (yardstick) | precision in top 10 % | first test | prior education | random forest | plain LightGBM |"
    rows = [head, "|" + " --- |" * (head.count("|") - 1)]
    for line in lines:
        figures = {**line.others, "goal": line.goal, "autogluon": line.autogluon}
        told = {name: "-" if value is None else f"{value:.3f}" for name, value in figures.items()}
        yardstick = "- | -" if np.isnan(line.yardstick) else f"{line.yardstick:.3f} | {'yes' if line.reached else 'no'}"
        precision = f"{line.average_precision:.3f}" + ("" if line.yardstick_precision is None else f" ({line.yardstick_precision:.3f})")
        rows.append(
            f"| {NAMES[line.target]} | {line.day} | {line.students} | {line.roc_auc:.3f} ({line.roc_auc_low:.3f}-{line.roc_auc_high:.3f}) | "
            f"{yardstick} | {told['goal']} | {told['autogluon']} | {precision} | {line.precision_at_10_percent:.2f} | {told['first_test']} | "
            f"{told['prior_education']} | {told.get('random_forest', '-')} | {told.get('plain_lightgbm', '-')} |"
        )
    return "\n".join(rows)


def main() -> int:
    """Measure and print; 1 where a yardstick is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="blend", help="a family or the path of a recipe")
    parser.add_argument("--validation", action="store_true", help="2013B to 2013J alone, to make choices on")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    told = parser.parse_args()
    recipe = read_recipe(told.family)
    lines: list[Line] = []
    for setting in (VALIDATION, DAILY) if told.validation else (FORTNIGHTS, DAILY):
        found = measure_setting(setting, source(setting), recipe)
        print(f"\n{setting.name}, recipe {told.family}\n\n{table(found)}", flush=True)
        lines += found
    if told.json:
        told.json.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n", encoding="utf-8")
    missed = [line for line in lines if not line.reached and not np.isnan(line.yardstick)]
    print(f"\n{len(lines) - len(missed)} of {len(lines)} at or above the yardstick." if not told.validation else "")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
