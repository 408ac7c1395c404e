"""What an import of 1cijferHO tells the person at the keyboard: whom it counted, what became of them, and what it left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LEFT_HBO, SWITCHED = 15.2, 18.6
_SWITCHED = ("switched_inside", "same_programme_elsewhere", "switched_outside")
_DROPPED = ("designated_institution", "no_enrolment")


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes
    ----------
    institution, found_by : str
        The institution, and how it was found out.
    files : tuple of dict
        Per file: name, layout, delivery, rows, unreadable.
    cohorts : tuple of dict
        Per cohort: label, closed, students, and per destination the count.
    left_out : mapping of cause to count
        Rows at the institution, and first-years, that are in no cohort.
    unknown : mapping of column to count
        Enrolments of which a column is not known.
    absent : tuple of str
        Fields that no file holds and that would have been used.
    groups : tuple of str
        Sensitive fields that went to `groups`.
    new_key : bool
        Whether the key was made by this import.
    """

    institution: str
    found_by: str
    files: tuple[Mapping[str, Any], ...]
    cohorts: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, int]
    unknown: Mapping[str, int] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    new_key: bool = False


def report_lines(done: Imported) -> Iterator[str]:
    """Give the report as lines of text.

    Parameters
    ----------
    done : Imported
        What `import_1cho` gave.
    """
    yield f"Institution {done.institution}: {done.found_by}."
    for each in done.files:
        layout = f", laid out by {each['layout']}" if each["layout"] else ""
        broken = f", {each['unreadable']} of them unreadable and left out" if each["unreadable"] else ""
        yield f"  {each['file']}: delivery {each['delivery']}, {each['rows']} rows{broken}{layout}"
    yield "First-years, and where they were on 1 October a year later:"
    for cohort in done.cohorts:
        if not cohort["closed"]:
            yield f"  {cohort['label']}: {cohort['students']} students, still running"
            continue
        inside, same, outside = (cohort[place] for place in _SWITCHED)
        dropped = sum(cohort[place] for place in _DROPPED)
        yield (
            f"  {cohort['label']}: {cohort['students']} students; {cohort['continued']} continued, {inside + same + outside} switched ({inside} inside, {outside} outside, "
            f"{same} to the same programme elsewhere), {cohort['university']} to university, {dropped} dropped out"
            + (f" ({cohort['designated_institution']} to a designated institution)" if cohort["designated_institution"] else "")
        )
    closed = [cohort for cohort in done.cohorts if cohort["closed"]]
    if closed:
        students = sum(cohort["students"] for cohort in closed)
        dropped, university, switched = (
            100 * sum(cohort[place] for cohort in closed for place in places) / students
            for places in (_DROPPED, ("university",), _SWITCHED)
        )
        yield (
            f"All closed cohorts: {dropped:.1f} % dropped out, {dropped + university:.1f} % with those who went to university (published: {LEFT_HBO} % had left hbo); "
            f"{switched:.1f} % switched within hbo (published: {SWITCHED} %)."
        )
        yield "  Published of full-time bachelor students in all of hbo who began in 2018-2019."
    for column, count in done.unknown.items():
        yield f"  {column} is not known of {count} students"
    if done.absent:
        yield f"  not in these files: {', '.join(done.absent)}"
    if done.left_out:
        yield "Counted and left out, at this institution:"
        for cause, count in done.left_out.items():
            yield f"  {count} {cause}"
    if done.groups:
        yield f"For the fairness audit alone, in groups: {', '.join(done.groups)}"
