"""How a student came in: enrolled when, started when, and what the intake check said."""

from __future__ import annotations

import pandas as pd

from riskmodel.catalogue import Feature
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.dates import to_epoch_day

LONGEST_LEAD = 365

CHECKED = (
    "done",
    "yes",
    "ja",
    "gedaan",
    "positive",
    "positief",
    "neutral",
    "neutraal",
    "doubt",
    "twijfel",
    "negative",
    "negatief",
    "1",
    "true",
)
DOUBTED = ("doubt", "twijfel", "negative", "negatief")

FEATURES = (
    Feature("enrolment_lead_days", "start", "number", "start_late", "dagen tussen inschrijving en start", "days between enrolment and start",
            "days", "down", False, "Enrolling shortly before the start leaves little time to find out what a programme is like."),
    Feature("started_late_days", "start", "number", "start_late", "dagen later begonnen dan het cohort", "days started after the cohort",
            "days", "up", False, "Who starts later missed the introduction and first lessons, which can be made up for."),
    Feature("intake_check_done", "start", "flag", "intake_check", "studiekeuzecheck gedaan", "intake check done", "", "down", False,
            "The intake check lets student and programme meet before the start."),
    Feature("intake_check_doubt", "start", "flag", "intake_check", "twijfel in de studiekeuzecheck", "doubt in the intake check", "", "up", False,
            "Doubt told at the intake check is the student's own, and worth coming back to."),
    Feature("gap_years", "start", "number", "gap_years", "jaren tussen vooropleiding en start", "years between prior education and start",
            "years", "none", False, "Time since the last schooling can make studying new again."),
)  # fmt: skip


def programme_feature(programmes: tuple[str, ...]) -> Feature:
    """Give the feature that holds the programme itself, over the programmes that a model has learnt from."""
    return Feature(
        "programme", "start", "category", "programme", "opleiding", "programme", "", "none", False,
        "Programmes differ in how many leave; without this, students of a demanding programme would look better than they are.", programmes,
    )  # fmt: skip


def measure(enrolments: pd.DataFrame, definition: DatasetDefinition) -> pd.DataFrame:
    """Give this group's columns, indexed as `enrolments`."""
    out = pd.DataFrame(index=enrolments.index)
    starts = {cohort.label: to_epoch_day(cohort.start) for cohort in definition.cohorts}
    start = enrolments["start_date"].astype(float)
    out["enrolment_lead_days"] = (start - enrolments["enrolled_on"].astype(float)).clip(upper=LONGEST_LEAD)
    out["started_late_days"] = (start - enrolments["cohort"].map(starts).astype(float)).clip(lower=0)
    check = enrolments["intake_check"].astype("str").str.strip().str.lower()
    told = check.notna() & (check != "") & (check != "nan") & (check != "none")
    out["intake_check_done"] = check.isin(CHECKED).astype(float).where(told)
    out["intake_check_doubt"] = check.isin(DOUBTED).astype(float).where(check.isin(CHECKED))
    out["gap_years"] = enrolments["gap_years"].astype(float)
    return out
