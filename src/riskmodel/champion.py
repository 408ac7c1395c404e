"""The champion folder: which model serves each target, as text files that a promotion writes and the service watches.

`CURRENT` names one model folder per target and is replaced in one step; model folders are never changed after they were written.
`HISTORY` tells who let which of them serve, and when; a step is noted there first, and counts once `CURRENT` has turned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from riskmodel.errors import ModelFault, RollbackRefused
from riskmodel.files import atomic_file
from riskmodel.history import Step, happened, line, read_history, write_history
from riskmodel.model import RiskModel, load_model, shared_recent_days

POINTER = "CURRENT"


def current(folder: Path) -> dict[str, str]:
    """Give the name of the model folder that serves each target; empty where nothing was promoted yet.

    Raises
    ------
    ModelFault
        The pointer is damaged.
    """
    try:
        told = json.loads((folder / POINTER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelFault(
            f"the champion's pointer can't be read ({error}).", place=str(folder / POINTER), remedy="Promote once more."
        ) from None
    if not isinstance(told, dict) or not all(isinstance(name, str) and _is_plain(name) for name in told.values()):
        raise ModelFault("the champion's pointer names no model folders.", place=str(folder / POINTER), remedy="Promote once more.")
    return {str(target): name for target, name in told.items()}


def _is_plain(name: str) -> bool:
    return Path(name).name == name and name not in ("", "..")


def read_champions(folder: Path) -> dict[str, RiskModel]:
    """Load the models that serve now.

    Raises
    ------
    ModelFault
        Nothing was promoted yet, a folder is damaged, or the models can't share their features.
    """
    names = current(folder)
    if not names:
        raise ModelFault(
            "no model was promoted yet.",
            place=str(folder),
            remedy="Run 'riskmodel train' and 'riskmodel promote' first, or list by the first-test rule: 'riskmodel score' with --rule first-test.",
        )
    models = {target: load_model(folder / name) for target, name in names.items()}
    shared_recent_days(models.values())
    return models


def publish_champion(folder: Path, models: Mapping[str, RiskModel], *, by: str = "", at: str = "") -> dict[str, str]:
    """Write models beside the ones that serve and let them serve, all in one step.

    Parameters
    ----------
    folder : Path
        The champion folder; made where it is missing.
    models : mapping of target to RiskModel
        Each with a version of its own. Targets that are not in it keep the model that they have.
    by, at : str
        Who does it and when, for the history.

    Returns
    -------
    dict of target to str
        What serves now.

    Raises
    ------
    ModelFault
        Another model stands there under the same version (versions are never written over), or the models can't share their features with one that
        goes on serving.
    RiskModelError
        The folder can't be written; what served goes on serving.
    """
    serving = current(folder)
    _shared(folder, {target: name for target, name in serving.items() if target not in models}, models.values())
    for target, model in models.items():
        name = f"{target}-{model.version}"
        if (folder / name).exists():
            _refuse_another(load_model(folder / name), model, folder / name)
        else:
            model.save(folder / name)
        serving[target] = name
    _turn(folder, serving, [Step(target, serving[target], "promoted", by, at) for target in models])
    return serving


def roll_back(folder: Path, targets: Sequence[str], *, by: str = "", at: str = "") -> dict[str, str]:
    """Let each target's previous champion serve again, all in one step.

    Parameters
    ----------
    folder : Path
        The champion folder.
    targets : sequence of str
    by, at : str
        Who does it and when, for the history.

    Returns
    -------
    dict of target to str
        What serves each of these targets now. A next call goes one further back.

    Raises
    ------
    RollbackRefused
        A target has no earlier champion; nothing was changed.
    ModelFault
        The previous champion's folder is missing or damaged; nothing was changed.
    """
    back = {target: previous(folder, target) for target in targets}
    serving = {**current(folder), **back}
    _shared(folder, serving)
    _turn(folder, serving, [Step(target, name, "rolled_back", by, at) for target, name in back.items()])
    return back


def previous(folder: Path, target: str) -> str:
    """Give the name of the model folder that served a target before the one that serves it now.

    Raises
    ------
    RollbackRefused
        Nothing serves this target, or nothing did before.
    """
    serving = current(folder)
    if target not in serving:
        raise RollbackRefused(
            f"no model serves '{target}', so there is no way back.", place=str(folder), remedy="See 'riskmodel models' for what there is."
        )
    names = line(happened(read_history(folder), serving), target)
    if len(names) < 2:
        raise RollbackRefused(
            f"{names[-1]} serves '{target}', and no earlier champion is known to go back to.",
            place=str(folder),
            remedy="Train and promote another model, or name another target with --target.",
        )
    return names[-2]


def _shared(folder: Path, names: Mapping[str, str], models: Iterable[RiskModel] = ()) -> None:
    """Refuse champions of which one would be given the other's features."""
    shared_recent_days([*(load_model(folder / name) for name in names.values()), *models])


def _turn(folder: Path, serving: Mapping[str, str], steps: Sequence[Step]) -> None:
    """Note the steps, then turn the pointer; interrupted in between, the old champions serve on and the notes don't count."""
    write_history(folder, [*happened(read_history(folder), current(folder)), *steps])
    with atomic_file(folder / POINTER) as temporary:
        temporary.write_text(json.dumps(serving, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _refuse_another(there: RiskModel, model: RiskModel, place: Path) -> None:
    if there.checksums() != model.checksums():
        raise ModelFault(
            "another model stands there under the same version.",
            place=str(place),
            remedy="Move that folder away, or register the model again so that it gets a version of its own.",
        )
