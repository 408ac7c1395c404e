"""Who let which model serve, and when: the champion folder's history, from which the way back is known.

Knows names and moments; knows nothing of what a model is, and asks no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from riskmodel.errors import ModelFault
from riskmodel.files import atomic_file

HISTORY = "HISTORY"


@dataclass(frozen=True)
class Step:
    """One change of what serves.

    Attributes
    ----------
    target, model : str
        Which target is served by which model folder from then on.
    what : {'promoted', 'rolled_back', 'found'}
        'found' stands for a model that served without a record.
    by, at : str
        Who did it, and when in UTC (ISO 8601); empty where it is not known.
    """

    target: str
    model: str
    what: Literal["promoted", "rolled_back", "found"]
    by: str = ""
    at: str = ""


def read_history(folder: Path) -> tuple[Step, ...]:
    """Give all steps, oldest first; none where there is no history.

    Parameters
    ----------
    folder : Path
        The champion folder.

    Raises
    ------
    ModelFault
        The file is damaged.
    """
    path = folder / HISTORY
    try:
        return tuple(Step(**step) for step in json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError) as error:
        raise ModelFault(
            f"the history of champions can't be read ({error}).",
            place=str(path),
            remedy="Put it back from a backup, or move it away: the way back to earlier champions is then lost.",
        ) from None


def write_history(folder: Path, steps: Iterable[Step]) -> None:
    """Replace the history in one step."""
    with atomic_file(folder / HISTORY) as temporary:
        temporary.write_text(json.dumps([asdict(step) for step in steps], ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def happened(history: Sequence[Step], serving: Mapping[str, str]) -> tuple[Step, ...]:
    """Leave out what was noted and then interrupted before it came to serve, and note what serves without a record.

    A step is noted before the pointer turns, so that no champion can serve whose way back is not known.

    Parameters
    ----------
    history : sequence of Step
        What `read_history` gives.
    serving : mapping of target to model folder
        What serves now.
    """
    kept = list(history)
    for target, model in serving.items():
        own = [place for place, step in enumerate(kept) if step.target == target]
        ends = [place for place in own if kept[place].model == model]
        if not ends:
            kept.append(Step(target, model, "found"))
            continue
        undone = {place for place in own if place > ends[-1]}
        kept = [step for place, step in enumerate(kept) if place not in undone]
    return tuple(step for step in kept if step.target in serving)


def line(history: Sequence[Step], target: str) -> tuple[str, ...]:
    """Give the champions of a target to which there is a way back, oldest first; the last one serves.

    A rollback takes what it leaves out of the line, so that the next one goes further back.
    """
    names: list[str] = []
    for step in history:
        if step.target != target:
            continue
        if step.what == "rolled_back" and step.model in names:
            del names[names.index(step.model) + 1 :]
        elif not names or names[-1] != step.model:
            names.append(step.model)
    return tuple(names)
