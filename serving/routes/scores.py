"""`POST /v1/scores`: one or many students, as raw rows or as ready features."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from riskmodel.scoring import NOT_SCORED
from serving.access.guard import Allow
from serving.access.scopes import Scope
from serving.dependencies import MetricsDep, ServingDep, SettingsDep
from serving.languages import accepted_language
from serving.problems import NOT_LET_IN, Problem, faults_problem, told_as_problem
from serving.scoring import score_ready, score_rows

router = APIRouter(prefix="/v1", tags=["scores"])

Identity = Annotated[str, Field(min_length=1, max_length=200)]
Word = Annotated[str, Field(max_length=200)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]
Day = Annotated[dt.date, Field(ge=dt.date(1990, 1, 1), le=dt.date(2100, 12, 31))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EnrolmentIn(_Part):
    """One enrolment, with the contract's column names; what is absent is not known."""

    enrolment_id: Identity
    student_id: Identity
    cohort: Identity
    programme: Identity
    start_date: Day
    academy: Word | None = None
    enrolled_on: Day | None = None
    left_on: Day | None = None
    left_known_on: Day | None = None
    prior_education: Word | None = None
    prior_education_related: bool | None = None
    intake_check: Word | None = None
    study_form: Word | None = None
    level: Word | None = None
    gap_years: Number | None = None
    extra: dict[str, Number | Word | None] = Field(default_factory=dict, description="Declared columns of the institution's own.")


class LessonIn(_Part):
    """One session, or a period's total dated on its last day."""

    date: Day
    known_on: Day | None = None
    course: Word | None = None
    scheduled: Annotated[Number, Field(ge=0)]
    attended: Annotated[Number, Field(ge=0)]
    session_id: Word | None = None


class ResultIn(_Part):
    """One attempt at a test; the grade is a number or one of the institution's words."""

    date: Day
    known_on: Day | None = None
    course: Word | None = None
    test: Word
    attempt: Annotated[int, Field(ge=1, le=100)] | None = None
    grade: Number | Word
    credits: Annotated[Number, Field(ge=0)] | None = None


class DatedIn(_Part):
    """One dated value of a declared column."""

    date: Day
    known_on: Day | None = None
    value: Number


class StudentIn(_Part):
    """A student as raw rows (`enrolment` with its lessons and results) or as ready features (`features` with `landmark`)."""

    enrolment: EnrolmentIn | None = None
    attendance: Annotated[list[LessonIn], Field(max_length=5000)] = []
    results: Annotated[list[ResultIn], Field(max_length=1000)] = []
    extra: dict[str, Annotated[list[DatedIn], Field(max_length=5000)]] = {}
    enrolment_id: Identity | None = None
    landmark: int | None = None
    features: dict[str, Number | Word | None] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> StudentIn:
        if (self.enrolment is None) == (self.features is None):
            raise ValueError("give either 'enrolment' (raw rows) or 'features', not both and not neither")
        if self.features is not None and (self.landmark is None or self.enrolment_id is None):
            raise ValueError("ready features need 'enrolment_id' and 'landmark'")
        if self.features is not None and (self.attendance or self.results or self.extra):
            raise ValueError("ready features stand without rows")
        return self


class ScoresIn(_Part):
    """Students to score, and the day as of which their rows are looked at."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "on": "2026-11-02",
                    "students": [
                        {
                            "enrolment": {
                                "enrolment_id": "2026-000123", "student_id": "s26000123", "cohort": "2026-2027", "programme": "Social Work",
                                "start_date": "2026-09-01", "enrolled_on": "2026-06-14", "prior_education": "havo",
                            },
                            "attendance": [
                                {"date": "2026-10-26", "scheduled": 1, "attended": 1},
                                {"date": "2026-10-28", "scheduled": 1, "attended": 0},
                            ],
                            "results": [{"date": "2026-10-05", "known_on": "2026-10-15", "course": "vak 1", "test": "tussentoets", "grade": 4.8, "credits": 2}],
                        }
                    ],
                },
                {"students": [{"enrolment_id": "2026-000124", "landmark": 56, "features": {"attendance_share_recent": 0.4, "first_test_passed": 1}}]},
            ]
        },
    )  # fmt: skip

    on: Day | None = Field(default=None, description="The day; needed for raw rows. Nothing known later is looked at.")
    students: list[StudentIn] = Field(min_length=1)


class ReasonOut(BaseModel):
    """One reason, in the language asked for."""

    key: str
    direction: Literal["raises", "lowers"]
    actionable: bool
    contribution: float = Field(description="What it adds to the calibrated log-odds.")
    label: str
    text: str


class IntervalOut(BaseModel):
    """Between which probabilities the true one may lie, for students like those learnt from in years like those."""

    low: float
    high: float
    level: float = Field(description="How often such intervals cover the true probability over many students, as shown on synthetic data.")
    text: str = Field(description="The interval as how many of a hundred, in the language asked for.")


class TargetOut(BaseModel):
    """What one target's model says."""

    probability: float
    natural_frequency: str
    interval: IntervalOut | None = Field(default=None, description="None for a model that was trained without intervals.")
    unusual: bool = Field(
        default=False, description="Whether the student is unlike those that the model learnt from; the interval is wider then."
    )
    unusual_what: list[str] = Field(default=[], description="In what the student is unlike them, in words.")
    baseline: float = Field(description="Mean calibrated log-odds of the training students at this landmark.")
    reasons: list[ReasonOut]
    model: str


class StudentOut(BaseModel):
    """A student's scores, or the reason why there are none."""

    enrolment_id: str
    day: int | None = None
    landmark: int | None = None
    scores: dict[str, TargetOut] = {}
    not_scored: str | None = Field(default=None, description="left, not_started, before_first_landmark or after_last_day.")
    detail: str | None = None


class ScoresOut(BaseModel):
    """Results in the order of the request."""

    results: list[StudentOut]


@router.post(
    "/scores",
    summary="Score one or many students, with reasons",
    dependencies=[Depends(Allow(Scope.SCORES_COMPUTE))],
    responses={
        **NOT_LET_IN,
        413: told_as_problem("The body is too large."),
        422: told_as_problem("Faults, each with its place."),
        503: told_as_problem("No model was promoted yet."),
    },
)
def scores(
    body: ScoresIn,
    response: Response,
    serving: ServingDep,
    settings: SettingsDep,
    metrics: MetricsDep,
    accept_language: Annotated[str | None, Header()] = None,
) -> ScoresOut:
    """Answer, per student, the probability of each target and the reasons in words; a signal to start a talk with, never a verdict.

    Reasons come in Dutch or English by `Accept-Language`. A student who can't be scored gets the reason instead.
    """
    if len(body.students) > settings.most_students:
        detail = f"At most {settings.most_students} students go into one call."
        raise Problem(422, "invalid-request", detail, [{"pointer": "/students", "detail": detail}])
    language = accepted_language(accept_language)
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    if body.on is None and any(student.enrolment is not None for student in body.students):
        raise faults_problem([{"pointer": "/on", "detail": "Raw rows need the day as of which they are to be looked at."}])
    seen: set[str] = set()
    results, errors = [], []
    for place, student in enumerate(body.students):
        identity = student.enrolment.enrolment_id if student.enrolment is not None else str(student.enrolment_id)
        if identity in seen:
            errors.append({"pointer": f"/students/{place}", "detail": "This enrolment_id came before."})
        seen.add(identity)
        try:
            results.append(_score(serving, student, identity, body.on, language, f"/students/{place}"))
        except Problem as problem:
            errors += problem.errors
    if errors:
        raise faults_problem(errors)
    for result in results:
        for target, told in result.scores.items():
            metrics.scores.labels(target).observe(told.probability)
    return ScoresOut(results=results)


def _score(serving: Any, student: StudentIn, identity: str, on: dt.date | None, language: str, place: str) -> StudentOut:
    if student.features is not None and student.landmark is not None:
        told = score_ready(serving, dict(student.features), student.landmark, language, place)
        return StudentOut(enrolment_id=identity, landmark=student.landmark, scores=_out(told))
    assert student.enrolment is not None
    assert on is not None
    enrolment = student.enrolment.model_dump(mode="json", exclude={"extra"}, exclude_none=True)
    enrolment |= student.enrolment.extra
    why, day, landmark, told = score_rows(
        serving,
        enrolment,
        [row.model_dump(mode="json", exclude_none=True) for row in student.attendance],
        [row.model_dump(mode="json", exclude_none=True) for row in student.results],
        {name: [row.model_dump(mode="json", exclude_none=True) for row in rows] for name, rows in student.extra.items()},
        on,
        language,
        place,
    )
    detail = None if why is None else NOT_SCORED[why][language]
    return StudentOut(enrolment_id=identity, day=day, landmark=landmark, scores=_out(told), not_scored=why, detail=detail)


def _out(told: dict[str, dict[str, Any]]) -> dict[str, TargetOut]:
    return {
        target: TargetOut(**{**values, "reasons": [ReasonOut(**reason.__dict__) for reason in values["reasons"]]})
        for target, values in told.items()
    }
