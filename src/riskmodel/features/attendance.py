"""Attendance: how much, how much lately, and whether somebody has stopped coming. Weeks without lessons are no absence.

Everything is counted in lessons that were scheduled for the student. Of a student without a single row nothing is known, which is not absence:
an institution that registers attendance delivers a row for a lesson missed as well.
"""

from __future__ import annotations

import narwhals as nw
import pandas as pd

from riskmodel.catalogue import Feature
from riskmodel.contract.definition import DEFAULT_RECENT_DAYS, RECENT_LABELS
from riskmodel.features.context import ProgrammeContext
from riskmodel.frames import computed, to_pandas
from riskmodel.tables import Frame

RECENT_DAYS = DEFAULT_RECENT_DAYS
NEVER = -100_000
REDUCED = (
    "attended",
    "scheduled",
    "attended_recent",
    "scheduled_recent",
    "last_seen",
    "missed_since",
    "first_missed",
    "last_missed",
    "free_weeks",
)

_WHY = "Attendance is what a student can change and a coach can talk about; research on early warning finds it first among early signs."


def features(recent_days: int = RECENT_DAYS) -> tuple[Feature, ...]:
    """Give the features, with the length of the recent weeks in their labels.

    Parameters
    ----------
    recent_days : int
        One of `riskmodel.contract.definition.RECENT_LABELS`.
    """
    nl, en = RECENT_LABELS[recent_days]
    return (
        Feature("attendance_share", "attendance", "number", "attendance_overall", "aanwezigheid sinds de start", "attendance since the start",
                "share", "down", True, _WHY),
        Feature("attendance_share_recent", "attendance", "number", "attendance_recent", f"aanwezigheid {nl}",
                f"attendance {en}", "share", "down", True, _WHY + " Recent weeks say more than all weeks."),
        Feature("attendance_trend", "attendance", "number", "attendance_recent", "verandering in aanwezigheid", "change in attendance",
                "share", "down", True, "A student who comes less than before may be losing the thread; the change is the student's own."),
        Feature("attendance_days_since_last_seen", "attendance", "number", "attendance_recent", "dagen sinds de eerste les die na de laatste aanwezigheid is gemist",
                "days since the first lesson missed after being last seen", "days", "up", True,
                "Somebody who has not been seen for a while may need a call soonest of all."),
        Feature("attendance_miss_run", "attendance", "number", "attendance_recent", "lessen achter elkaar gemist", "lessons missed in a row",
                "lessons", "up", True, "A run of missed lessons is seen early and can be asked about."),
        Feature("attendance_vs_programme", "attendance", "number", "attendance_overall", "aanwezigheid naast die in de opleiding",
                "attendance beside the programme's", "share", "down", True, "Programmes differ in what they schedule and register; own figures mean little without theirs."),
        Feature("attendance_recent_vs_programme", "attendance", "number", "attendance_recent", "recente aanwezigheid naast die in de opleiding",
                "recent attendance beside the programme's", "share", "down", True, f"As above, {en.replace('in', 'for', 1)}."),
)  # fmt: skip


FEATURES = features()

FACTS = {
    "fact_attended": "lessons attended since the start",
    "fact_scheduled": "lessons scheduled since the start",
    "fact_attended_recent": "lessons attended in recent weeks",
    "fact_scheduled_recent": "lessons scheduled in recent weeks",
    "fact_programme_share": "the programme's median share attended since the start",
    "fact_programme_share_recent": "the programme's median share attended in recent weeks",
    "fact_last_seen_day": "day of the last lesson attended",
}


def reduce(attendance: Frame, recent_days: int = RECENT_DAYS) -> pd.DataFrame:
    """Reduce attendance rows to one row per enrolment, in two passes over the rows.

    Parameters
    ----------
    attendance : Frame
        enrolment_id, day, week, cut_day, scheduled, attended; known by the cut. A row whose `attended` is null says nothing: it is not absence.
    recent_days : int
        How many days up to the cut count as recent.

    Returns
    -------
    pandas.DataFrame
        Indexed by enrolment_id: attended, scheduled, attended_recent, scheduled_recent, last_seen; and of the lessons since then, all missed:
        missed_since, first_missed, last_missed, free_weeks (whole weeks without lessons between the first and the last of them).
    """
    rows = attendance.filter(nw.col("scheduled") > 0)
    rows = rows.filter(~nw.col("attended").is_null())
    recent = nw.col("day") > nw.col("cut_day") - recent_days
    marked = rows.select("enrolment_id", "day", "cut_day", "scheduled", "attended").with_columns(
        attended_recent=nw.when(recent).then(nw.col("attended")).otherwise(0.0),
        scheduled_recent=nw.when(recent).then(nw.col("scheduled")).otherwise(0.0),
        seen_day=nw.when(nw.col("attended") > 0).then(nw.col("day")).otherwise(NEVER),
    )
    totals = marked.group_by("enrolment_id").agg(
        nw.col("attended").sum(),
        nw.col("scheduled").sum(),
        nw.col("attended_recent").sum(),
        nw.col("scheduled_recent").sum(),
        nw.col("seen_day").max().alias("last_seen"),
    )
    with computed(totals) as reduced:
        missed = rows.filter(nw.col("attended") <= 0).select("enrolment_id", "day", "week", "scheduled")
        missed = missed.join(reduced.select("enrolment_id", "last_seen"), on="enrolment_id", how="inner")
        missed = missed.filter(nw.col("day") > nw.col("last_seen"))
        weeks = missed.group_by("enrolment_id", "week").agg(
            nw.col("scheduled").sum(), nw.col("day").min().alias("first_day"), nw.col("day").max().alias("last_day")
        )
        runs = weeks.group_by("enrolment_id").agg(
            nw.col("scheduled").sum().alias("missed_since"),
            nw.col("first_day").min().alias("first_missed"),
            nw.col("last_day").max().alias("last_missed"),
            nw.col("week").min().alias("first_week"),
            nw.col("week").max().alias("last_week"),
            nw.len().alias("weeks"),
        )
        own = to_pandas(reduced).set_index("enrolment_id").astype(float)
        run = to_pandas(runs).set_index("enrolment_id").astype(float)
    run["free_weeks"] = run["last_week"] - run["first_week"] + 1 - run["weeks"]
    own["last_seen"] = own["last_seen"].where(own["last_seen"] > NEVER)
    return own.join(run[["missed_since", "first_missed", "last_missed", "free_weeks"]])


def measure(reduced: pd.DataFrame) -> pd.DataFrame:
    """Give each enrolment's own attendance figures, before any comparison.

    Parameters
    ----------
    reduced : pandas.DataFrame
        What `reduce` gives, indexed by enrolment_id; enrolments without rows are null throughout.
    """
    out = pd.DataFrame(index=reduced.index)
    scheduled = reduced["scheduled"].where(reduced["scheduled"] > 0)
    recent = reduced["scheduled_recent"].where(reduced["scheduled_recent"] > 0)
    earlier = (reduced["scheduled"] - reduced["scheduled_recent"]).where(lambda rest: rest > 0)
    out["attendance_share"] = reduced["attended"] / scheduled
    out["attendance_share_recent"] = reduced["attended_recent"] / recent
    out["attendance_trend"] = out["attendance_share_recent"] - (reduced["attended"] - reduced["attended_recent"]) / earlier
    known = scheduled.notna()
    out["attendance_miss_run"] = reduced["missed_since"].fillna(0.0).where(known)
    gap = reduced["last_missed"] - reduced["first_missed"] + 1 - 7 * reduced["free_weeks"]
    out["attendance_days_since_last_seen"] = gap.fillna(0.0).where(known)
    out["fact_attended"] = reduced["attended"].where(known)
    out["fact_scheduled"] = scheduled
    out["fact_attended_recent"] = reduced["attended_recent"].where(recent.notna())
    out["fact_scheduled_recent"] = recent
    out["fact_last_seen_day"] = reduced["last_seen"]
    return out


def compare(own: pd.DataFrame, context: ProgrammeContext, place: pd.DataFrame) -> pd.DataFrame:
    """Add the comparison with the programme's median.

    Parameters
    ----------
    own : pandas.DataFrame
        What `measure` gives.
    context : ProgrammeContext
        What is usual in the programmes at the same cut.
    place : pandas.DataFrame
        cohort and programme, same index.
    """
    usual = context.medians(place, ("attendance_share", "attendance_share_recent"))
    out = own.copy()
    out["attendance_vs_programme"] = own["attendance_share"] - usual["attendance_share"]
    out["attendance_recent_vs_programme"] = own["attendance_share_recent"] - usual["attendance_share_recent"]
    told = context.medians(place, ("attendance_share", "attendance_share_recent"), stand_in=False)
    out["fact_programme_share"] = told["attendance_share"]
    out["fact_programme_share_recent"] = told["attendance_share_recent"]
    return out
