"""Features of students at a cut: rows are reduced once on the tables' own engine, then compared with what is usual in the programme.

The reductions over rows are Narwhals expressions in elementary steps, the same on pandas, Polars, DuckDB and PySpark. What they leave,
one row per enrolment or per enrolment and test, fits in memory at national size and is finished in pandas.
"""

from __future__ import annotations

import pandas as pd

from riskmodel.catalogue import Catalogue
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.errors import ConfigurationFault
from riskmodel.features import attendance, declared, prior_education, start, tests
from riskmodel.features.context import ProgrammeContext, on_time, usual_figures
from riskmodel.frames import to_pandas
from riskmodel.tables import ENROLMENT_COLUMNS
from riskmodel.window import Known

FACTS = {
    **attendance.FACTS,
    **tests.FACTS,
    "fact_prior_education": "prior education as the institution tells it",
    "fact_enrolled_days_before": "days between enrolling and the start",
}
KEYS = ("enrolment_id", "student_id", "cohort", "programme", "cut_day")
_ATTENDANCE_COMPARED = ("attendance_share", "attendance_share_recent")
_NO_TESTS = ("enrolment_id", "course", "test", "is_exempt", "is_taken", "is_passed", "first_attempt", "first_day", "known_day", "credits",
             "first_grade", "first_passed")  # fmt: skip


def catalogue(definition: DatasetDefinition, programmes: tuple[str, ...] = ()) -> Catalogue:
    """Give every feature that an institution's models may look at, built in and declared.

    Parameters
    ----------
    definition : DatasetDefinition
        What is declared and what is left out.
    programmes : tuple of str
        Programmes that a model learns from; with fewer than two the programme itself is no feature.

    Raises
    ------
    ConfigurationFault
        Something is left out that does not exist, so that a slip of the pen leaves in what was meant to go.
    """
    features = [*attendance.features(definition.recent_days), *tests.FEATURES, *prior_education.features(definition), *start.FEATURES]
    if len(programmes) > 1:
        features.append(start.programme_feature(programmes))
    features += declared.features(definition)
    known = {"prior_education", "prior_education_related", "programme", *(f.name for f in features), *(f.group for f in features)}
    unknown = [name for name in definition.left_out_features if name not in known]
    if unknown:
        raise ConfigurationFault(
            f"left_out_features names {', '.join(unknown)}, which is no feature and no group of features.",
            place="dataset.toml",
            remedy=f"Features are {', '.join(sorted(known))}.",
        )
    return Catalogue(features).without(definition.left_out_features)


def build_features(known: Known, definition: DatasetDefinition, context: ProgrammeContext | None = None) -> pd.DataFrame:
    """Give every feature of every student at a cut, and the figures that words are made with.

    Parameters
    ----------
    known : Known
        Tables after the cut.
    definition : DatasetDefinition
        What the institution declares.
    context : ProgrammeContext, optional
        What is usual in the programmes; computed from `known` itself by default, which asks for whole programmes.

    Returns
    -------
    pandas.DataFrame
        Sorted by enrolment_id, one row each: `KEYS`, the catalogue's features (float64, null where not yet known; categories as text) and `fact_*` columns.
    """
    return build_with_context(known, definition, context)[0]


def build_with_context(
    known: Known, definition: DatasetDefinition, context: ProgrammeContext | None = None
) -> tuple[pd.DataFrame, ProgrammeContext]:
    """Give what `build_features` gives, and the context that it compared with."""
    enrolments = to_pandas(known.enrolments).sort_values("enrolment_id").set_index("enrolment_id")
    for column in ENROLMENT_COLUMNS:
        if column not in enrolments and column not in ("enrolment_id", "left_on", "left_known_on"):
            enrolments[column] = None
    index = enrolments.index
    cut_day = enrolments["cut_day"].astype(float)
    place = enrolments[["cohort", "programme"]].astype("str")
    present = (
        pd.DataFrame(columns=list(attendance.REDUCED))
        if known.attendance is None
        else attendance.reduce(known.attendance, definition.recent_days)
    )
    present = present.reindex(index).astype(float)
    own_attendance = attendance.measure(present)
    reduced = {
        name: to_pandas(declared.reduce(rows, definition.recent_days)).set_index("enrolment_id").round(9)
        for name, rows in known.extra.items()
    }
    own_declared = declared.measure(reduced, enrolments, cut_day, definition)
    taken = pd.DataFrame(columns=list(_NO_TESTS)) if known.results is None else to_pandas(tests.reduce(known.results))
    taken = taken.astype(dict.fromkeys(_NO_TESTS[3:], float) | dict.fromkeys(_NO_TESTS[:3], "str"))
    # An engine hands over rows in any order, and sums of fractions depend on it in the last digit: models are to be the same bytes each time.
    taken = taken.sort_values(list(_NO_TESTS[:3]), ignore_index=True)
    lead = start.measure(enrolments, definition)
    began = on_time(place, enrolments["start_date"])
    held = tests.held_tests(taken, place[began], definition.grades) if context is None else context.tests
    own_tests = tests.measure(taken, place, held, lead["started_late_days"], definition.grades)
    if context is None:
        compared = [
            own_attendance[list(_ATTENDANCE_COMPARED)],
            own_tests[list(tests.RANKED)],
            own_declared[list(declared.compared(definition))],
        ]
        context = ProgrammeContext(usual_figures(pd.concat(compared, axis=1)[began], place[began], list(tests.RANKED)), held)
    facts = pd.DataFrame(
        {"fact_prior_education": enrolments["prior_education"], "fact_enrolled_days_before": lead["enrolment_lead_days"]}, index=index
    )
    parts = [
        attendance.compare(own_attendance, context, place),
        tests.compare(own_tests, context, place),
        prior_education.measure(enrolments, definition),
        lead,
        declared.compare(own_declared, context, place, definition),
        facts,
    ]
    keys = pd.DataFrame(
        {"student_id": enrolments["student_id"], "cohort": place["cohort"], "programme": place["programme"], "cut_day": cut_day}
    )
    frame = pd.concat([keys, *parts], axis=1).reset_index(names="enrolment_id")
    return frame, context


def programme_context(known: Known, definition: DatasetDefinition) -> ProgrammeContext:
    """Give what is usual in each programme at a cut."""
    return build_with_context(known, definition)[1]
