"""The champion folder: which model serves each target, as text files that a promotion writes and the service watches.

`CURRENT` names one model folder per target and is replaced in one step; model folders are never changed after they were written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from riskmodel.errors import ModelFault
from riskmodel.files import atomic_file
from riskmodel.model import RiskModel, load_model

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
        Nothing was promoted yet, or a folder is damaged.
    """
    names = current(folder)
    if not names:
        raise ModelFault("no model was promoted yet.", place=str(folder), remedy="Run 'riskmodel train' and 'riskmodel promote' first.")
    return {target: load_model(folder / name) for target, name in names.items()}


def publish_champion(folder: Path, models: Mapping[str, RiskModel]) -> dict[str, str]:
    """Write models beside the ones that serve and let them serve, all in one step.

    Parameters
    ----------
    folder : Path
        The champion folder; made where it is missing.
    models : mapping of target to RiskModel
        Each with a version of its own. Targets that are not in it keep the model that they have.

    Returns
    -------
    dict of target to str
        What serves now.

    Raises
    ------
    ModelFault
        Another model stands there under the same version; versions are never written over.
    RiskModelError
        The folder can't be written; what served goes on serving.
    """
    serving = current(folder)
    for target, model in models.items():
        name = f"{target}-{model.version}"
        if (folder / name).exists():
            _refuse_another(load_model(folder / name), model, folder / name)
        else:
            model.save(folder / name)
        serving[target] = name
    with atomic_file(folder / POINTER) as temporary:
        temporary.write_text(json.dumps(serving, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return serving


def _refuse_another(there: RiskModel, model: RiskModel, place: Path) -> None:
    if there.checksums() != model.checksums():
        raise ModelFault(
            "another model stands there under the same version.",
            place=str(place),
            remedy="Move that folder away, or register the model again so that it gets a version of its own.",
        )
