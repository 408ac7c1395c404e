"""Whom a run could read: how many students, and how many were left out because of their rights. It keeps counts, and not one student's number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from riskmodel.contract.dataset import Dataset


def students_of(dataset: Dataset, cohorts: Sequence[str]) -> dict[str, int]:
    """Count the students of some cohorts.

    Parameters
    ----------
    dataset : Dataset
    cohorts : sequence of str

    Returns
    -------
    dict
        `read`, `objected` and `erased`: students who are in the tables, and who stand in the files but are left out.
    """
    read, held = dataset.read_and_left_out(cohorts)
    return {"read": read, "objected": len(held.objected), "erased": len(held.erased)}


def told_of_rights(then: Mapping[str, int], now: Mapping[str, int], *, same_files: bool, erased_nowhere: int = 0) -> str:
    """Tell which students of a run can't be read any more, in a sentence; nothing where rights explain nothing.

    Parameters
    ----------
    then, now : mapping
        What `students_of` gave when the run was made (empty for a run that did not keep it), and gives now.
    same_files : bool
        Whether the files are the same, so that other students can only come of objections and erasures.
    erased_nowhere : int
        How many were erased who stand in none of the files.
    """
    held = now["objected"] + now["erased"]
    are = f"now {now['objected']} objected, {now['erased']} erased"
    if not then:
        return f"{_students(held)} left out ({are}); how many were then, this run did not keep" if held else ""
    before = then["objected"] + then["erased"]
    gone = then["read"] - now["read"]
    if same_files and gone > 0:
        return (
            f"{gone} of the run's {then['read']} students may no longer be read: they objected or were erased since ({are}, {before} then)"
        )
    if same_files and gone < 0:
        return f"{-gone} of {now['read']} students withdrew their objection since, and are read again ({are}, {before} then)"
    told = [f"{_students(held)} left out ({are}, {before} then)"] if held or before else []
    if same_files and told:
        return f"{told[0]}; whether they are the same students was not kept"
    if erased_nowhere and gone > 0:
        were = "1 who was erased is" if erased_nowhere == 1 else f"{erased_nowhere} who were erased are"
        told.append(f"{were} in these files no longer, or never")
    return "; ".join([*told, f"{then['read']} students of its cohorts were read then, {now['read']} are now"]) if told else ""


def _students(count: int) -> str:
    return "1 student of its cohorts is" if count == 1 else f"{count} students of its cohorts are"
