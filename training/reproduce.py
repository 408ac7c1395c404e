"""Reproduce: train a run anew from the data folder, and tell whether the same bytes come out or what differs. Registers nothing."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from riskmodel.contract.dataset import Dataset, load_dataset, part_fingerprints
from riskmodel.contract.definition import read_definition
from riskmodel.errors import DataFault, ModelFault, RiskModelError
from riskmodel.families.recipe import read_recipe
from riskmodel.landmarks import landmark_frames
from riskmodel.measuring import measure
from riskmodel.model import MODEL_FILE, RiskModel, with_measured
from riskmodel.policy import Policy, read_policy
from riskmodel.progress import Progress, silent
from riskmodel.tables import TARGETS
from riskmodel.workspace import Workspace
from training.environment import MADE_FROM, differences, environment
from training.left_out import students_of, told_of_rights
from training.registry import find_version
from training.tracking import RUN_BY, flat, load_version, open_tracking, registered_name
from training.train import fit_targets

_RUN_ID = re.compile(r"^[0-9a-f]{32}$")
_REFERENCE = re.compile(r"^(?:riskmodel-)?([a-z]+)@([A-Za-z0-9_-]+)$")
_PARTS = {
    "recipe": "the recipe",
    "measured": "the measured figures",
    "catalogue": "the catalogue of features",
    "design": "how features become columns",
    "members": "coefficients, calibration or background",
    "contexts": "what was usual in the programmes",
}


@dataclass(frozen=True)
class Reproduced:
    """What came of it.

    Attributes
    ----------
    name, run_id, by : str
        Which model of which run, and who trained it.
    folder : Path
        The data folder.
    same : bool
        Whether the same bytes came out.
    data, parts : tuple of str
        What differs in the data, and in the model; with other data nothing is trained.
    rights : str
        How many of the run's students objected or were erased since, where that is why it can't be reproduced, in a sentence.
    notes : tuple of str
        What else differs from then: libraries, Python, processor, threads, files that were not used.
    """

    name: str
    run_id: str
    by: str
    folder: Path
    same: bool
    data: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rights: str = ""


def reproduce(workspace: Workspace, reference: str, folder: Path | None = None, *, progress: Progress = silent) -> Reproduced:
    """Train a run anew by what it kept, and compare the model with the one that it logged, byte by byte.

    Parameters
    ----------
    workspace : Workspace
    reference : str
        A run's id, or `leave@champion`, `leave@3`.
    folder : Path, optional
        The data folder; the one that the run names by default.
    progress : Progress

    Raises
    ------
    ModelFault
        There is no such run, it registered no model, or the model's files are damaged.
    DataFault
        The data folder is gone or can't be used.
    """
    mlflow = open_tracking(workspace)
    version = _version(mlflow, reference)
    run = mlflow.get_run(version.run_id)
    recorded = replace(load_version(mlflow, version), version="")
    kept = _kept(mlflow, run)
    place = folder or Path(run.data.tags.get("data_folder", ""))
    if not place.is_dir() or place == Path():
        raise DataFault("the data folder is not there.", place=str(place), remedy="Name it: riskmodel reproduce RUN FOLDER.")
    told = Reproduced(f"{recorded.target}@{version.version}", version.run_id, run.data.tags.get(RUN_BY, ""), place, same=False)
    notes = _notes(recorded, kept, place)
    definition = read_definition(place)
    changed = _changed(kept.get("data", {}), part_fingerprints(place, definition))
    if changed:
        return replace(told, data=tuple(changed), notes=tuple(notes), rights=_rights_in_other_files(place, recorded, kept, progress))
    dataset = load_dataset(place, progress=progress)
    if dataset.fingerprint != recorded.facts.fingerprint:
        what = "the data differ; this run kept no fingerprint for each table, so it can't be told in which"
        return replace(told, data=(what,), notes=tuple(notes), rights=_rights(dataset, recorded, kept, same_files=False))
    now, rights = students_of(dataset, _cohorts(recorded)), _rights(dataset, recorded, kept, same_files=True)
    if kept.get("students", now) != now:
        return replace(told, data=("not the same students",), notes=tuple(notes), rights=rights)
    champion = "challenger_run" in run.data.tags
    anew = _train(dataset, recorded, None if champion else _capacity(kept, run), progress)
    parts = _parts(recorded, anew)
    return replace(told, same=not parts, parts=tuple(parts), notes=tuple(notes), rights=rights if parts else "")


def _cohorts(recorded: RiskModel) -> tuple[str, ...]:
    return tuple(sorted({*recorded.facts.trained_on, recorded.facts.tested_on} - {""}))


def _rights(dataset: Dataset, recorded: RiskModel, kept: Mapping[str, Any], *, same_files: bool) -> str:
    now = students_of(dataset, _cohorts(recorded))
    return told_of_rights(kept.get("students", {}), now, same_files=same_files, erased_nowhere=dataset.erased_nowhere)


def _rights_in_other_files(folder: Path, recorded: RiskModel, kept: Mapping[str, Any], progress: Progress) -> str:
    try:
        dataset = load_dataset(folder, progress=progress)
    except RiskModelError:  # what is wrong with other data is not the question; that they are others was told
        return ""
    return _rights(dataset, recorded, kept, same_files=False)


def _version(mlflow: Any, reference: str) -> Any:
    by_name = _REFERENCE.match(reference)
    if by_name is not None:
        target, which = by_name.groups()
        version = find_version(mlflow, target, which) if target in TARGETS else None
        if version is None:
            raise ModelFault(f"there is no model '{reference}'.", remedy="'riskmodel models' lists what there is.")
        return version
    if not _RUN_ID.match(reference):
        raise ModelFault(f"'{reference}' names no run.", remedy="Give a run's id, or a model as leave@champion or leave@3.")
    client = mlflow.MlflowClient()
    for target in TARGETS:
        found = client.search_model_versions(f"name='{registered_name(target)}' and run_id='{reference}'")
        if found:
            return found[0]
    raise ModelFault(f"no run '{reference}' registered a model here.", remedy="'riskmodel models --json' tells the runs' ids.")


def _kept(mlflow: Any, run: Any) -> dict[str, Any]:
    """Give what the run kept of its making; runs from before this was kept give nothing."""
    from mlflow.exceptions import MlflowException

    try:
        told: dict[str, Any] = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/{MADE_FROM}")
    except (MlflowException, OSError):
        return {}
    return told


def _notes(recorded: RiskModel, kept: Mapping[str, Any], folder: Path) -> list[str]:
    now = environment()
    then = kept.get("environment")
    if then is None:
        then = {"libraries": recorded.facts.versions}
        notes = ["this run kept its libraries' versions alone, and nothing of Python, processor and threads"]
    else:
        notes = []
    notes += differences(then, now)
    try:
        theirs = read_recipe(recorded.recipe.family)
    except RiskModelError:
        theirs = None
    if theirs is not None:
        own, there = (flat(recipe.model_dump(mode="json", exclude={"search"})) for recipe in (recorded.recipe, theirs))
        other = [f"{name} {value}, not {there[name]}" for name, value in own.items() if name in there and there[name] != value]
        if other:
            notes.append(
                f"the recipe is another than in models/{recorded.recipe.family}.toml now ({'; '.join(other)}); the run's own was used"
            )
    if "policy" in kept and Policy.model_validate(kept["policy"]) != read_policy(folder):
        notes.append("policy.toml says something else now; the run's own was used")
    return notes


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    if not then:
        return []
    changed = [f"{name} changed" for name, digest in now.items() if then.get(name, digest) != digest]
    changed += [f"{name} was added" for name in now if name not in then]
    return changed + [f"{name} is gone" for name in then if name not in now]


def _capacity(kept: Mapping[str, Any], run: Any) -> float:
    policy = kept.get("policy", {})
    return float(policy["capacity_share"] if "capacity_share" in policy else run.data.params["policy.capacity_share"])


def _train(dataset: Dataset, recorded: RiskModel, capacity: float | None, progress: Progress) -> RiskModel:
    """Fit as the run did; a champion keeps the figures that its challenger was measured at."""
    dataset = dataset.with_recent(recorded.recipe.recent_days)
    labelled = landmark_frames(dataset, progress=progress)
    facts, target = recorded.facts, recorded.target
    fitted = fit_targets(dataset, labelled, recorded.recipe, facts.trained_on, facts.tested_on, targets=(target,), progress=progress)[
        target
    ]
    if capacity is None:
        return with_measured(fitted, recorded.measured)
    if not facts.tested_on:
        return fitted
    progress(0, 1, f"measuring {target}")
    test = {day: frame[frame["cohort"] == facts.tested_on] for day, frame in labelled.frames.items()}
    return with_measured(fitted, {str(day): told for day, frame in test.items() if (told := measure(fitted, frame, day, capacity))})


def _parts(recorded: RiskModel, anew: RiskModel) -> list[str]:
    """Name the parts in which two models differ, as they are saved."""
    if recorded.checksums() == anew.checksums():
        return []
    before, after = _saved(recorded), _saved(anew)
    parts = [words for name, words in _PARTS.items() if before[name] != after[name]]
    then, now = before["facts"], after["facts"]
    parts += [f"what it keeps of its making: {name}" for name in now if then.get(name) != now[name]]
    trees = [name for name in sorted(set(recorded.checksums()) | set(anew.checksums())) if name != MODEL_FILE]
    return parts + [f"the trees in {name}" for name in trees if recorded.checksums().get(name) != anew.checksums().get(name)]


def _saved(model: RiskModel) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="riskmodel-") as scratch:
        model.save(Path(scratch) / "model")
        told: dict[str, Any] = json.loads((Path(scratch) / "model" / MODEL_FILE).read_text(encoding="utf-8"))
    return told
