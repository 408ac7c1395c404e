"""`POST /v1/scores`: one or many students, as raw rows or as ready features."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError, WrapValidator, model_validator
from pydantic_core import CoreSchema, to_json

from riskmodel.scoring import NOT_SCORED
from serving.access.guard import Allow
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.batches import FEW, Batches
from serving.champions import Serving
from serving.conditional import StrictRoute
from serving.dependencies import serving_now
from serving.languages import LANGUAGE_PARAMETER, accepted_language
from serving.problems import NOT_LET_IN, Problem, ProblemOut, problem_of_one, told_as_problem, told_fault
from serving.scoring import Answer, Measured, Ready, Rows, ask_models, look_at_ready, look_at_rows, questions_of, told_of
from serving.store.people import ENROLMENT, STUDENT
from serving.store.scores import Asked, NewScore

router = APIRouter(prefix="/v1", tags=["scores"], route_class=StrictRoute)

Identity = Annotated[str, Field(min_length=1, max_length=200)]
Word = Annotated[str, Field(max_length=200)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]
Day = Annotated[dt.date, Field(ge=dt.date(1990, 1, 1), le=dt.date(2100, 12, 31))]


class _OneFault:
    """Lets a value that fits none of several types be one fault at the value's own place, instead of one fault for each type."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return {**handler(source), "custom_error_type": "value", "custom_error_message": _NO_VALUE}


_NO_VALUE = "Input should be a finite number or a text of at most 200 characters"
Value = Annotated[Number | Word, _OneFault()]


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
    extra: dict[str, Value | None] = Field(default_factory=dict, description="Declared columns of the institution's own.")


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
    grade: Value
    credits: Annotated[Number, Field(ge=0)] | None = None


class DatedIn(_Part):
    """One dated value of a declared column."""

    date: Day
    known_on: Day | None = None
    value: Number


class StudentIn(_Part):
    """A student as raw rows (`enrolment` with its lessons and results) or as ready features (`features` with `landmark`)."""

    enrolment: EnrolmentIn | None = None
    attendance: Annotated[list[LessonIn], Field(max_length=5000)] = Field(default_factory=list)
    results: Annotated[list[ResultIn], Field(max_length=1000)] = Field(default_factory=list)
    extra: dict[str, Annotated[list[DatedIn], Field(max_length=5000)]] = Field(default_factory=dict)
    enrolment_id: Identity | None = None
    student_id: Identity | None = Field(default=None, description="With ready features, where the scores are to be kept.")
    landmark: int | None = None
    features: dict[str, Value | None] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> StudentIn:
        if (self.enrolment is None) == (self.features is None):
            raise ValueError("give either 'enrolment' (raw rows) or 'features', not both and not neither")
        if self.features is not None and (self.landmark is None or self.enrolment_id is None):
            raise ValueError("ready features need 'enrolment_id' and 'landmark'")
        if self.features is not None and (self.attendance or self.results or self.extra):
            raise ValueError("ready features stand without rows")
        if self.enrolment is not None and (self.enrolment_id is not None or self.student_id is not None or self.landmark is not None):
            raise ValueError("raw rows tell 'enrolment_id' and 'student_id' in 'enrolment', and the day tells the landmark")
        return self

    @property
    def identity(self) -> str:
        """The enrolment's id."""
        told = self.enrolment_id if self.enrolment is None else self.enrolment.enrolment_id
        return str(told).strip()

    @property
    def student(self) -> str | None:
        """The student's number, where it was told."""
        return self.student_id if self.enrolment is None else self.enrolment.student_id


class Rejected:
    """What was sent in place of a student and is none.

    Parameters
    ----------
    faults : sequence of mapping
        What validation found, with places below the student.
    identity : str or None
        The enrolment's id where it can be made out.
    """

    def __init__(self, faults: Sequence[Mapping[str, Any]], identity: str | None) -> None:
        self.faults, self.identity = faults, identity


def _own_faults(value: Any, validate: Callable[[Any], StudentIn]) -> StudentIn | Rejected:
    """Let a student's faults be that student's own, instead of the whole request's."""
    try:
        return validate(value)
    except ValidationError as error:
        return Rejected(error.errors(include_input=False, include_url=False), _identity_in(value))


def _identity_in(value: Any) -> str | None:
    told = value if isinstance(value, dict) else {}
    inner = told.get("enrolment")
    found = inner.get("enrolment_id") if isinstance(inner, dict) else told.get("enrolment_id")
    return found[:200] if isinstance(found, str) else None


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

    on: Day | None = Field(default=None, description="The day; students with raw rows need it. Nothing known later is looked at.")
    students: list[Annotated[StudentIn, WrapValidator(_own_faults)]] = Field(
        min_length=1, max_length=1000, description="Up to 1,000, or fewer where the service is set so; each enrolment once."
    )
    keep: bool = Field(default=False, description="Whether the scores are kept in each student's history; needs the scope scores:keep.")


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
    """A student's scores, the reason why there are none, or the problem with what was sent."""

    enrolment_id: str | None = Field(description="None where what was sent does not tell it.")
    day: int | None = None
    landmark: int | None = None
    scores: dict[str, TargetOut] = {}
    not_scored: str | None = Field(
        default=None, description="left, not_started, before_first_landmark, after_last_day or objected (which also stands for erased)."
    )
    detail: str | None = None
    kept: bool = Field(default=False, description="Whether the scores were kept; never those of a student who was erased.")
    problem: ProblemOut | None = Field(default=None, description="What is wrong with this student; pointers are into the request's body.")


class ScoresOut(BaseModel):
    """Results in the order of the request."""

    results: list[StudentOut]


@router.post(
    "/scores",
    response_model=ScoresOut,
    openapi_extra={"parameters": [LANGUAGE_PARAMETER]},
    summary="Score one or many students, with reasons",
    responses={
        **NOT_LET_IN,
        413: told_as_problem("The body is too large."),
        422: told_as_problem("The body as a whole is not as it should be; each fault with its place."),
        503: told_as_problem("No model was promoted yet, or the store is away while scores are to be kept."),
    },
)
async def scores(
    body: ScoresIn,
    request: Request,
    caller: Annotated[Principal, Depends(Allow(Scope.SCORES_COMPUTE))],
) -> Response:
    """Answer, per student, the probability of each target and the reasons in words; a signal to start a talk with, never a verdict.

    Results come in the order of the request. A fault in one student is a `problem` in that student's result and costs no other theirs; a student who
    can't be scored yet, or any more, gets the reason instead. Reasons come in Dutch or English by `Accept-Language`. With `keep` the scores go into the
    students' histories.
    """
    serving, state = await serving_now(request), request.app.state
    most = state.settings.most_students
    if len(body.students) > most:
        detail = f"At most {most} students go into one call."
        raise Problem(422, "invalid-request", detail, [{"pointer": "/students", "detail": detail}])
    if body.keep and not caller.may(Scope.SCORES_KEEP):
        raise Problem(403, "not-allowed", f"Keeping scores needs {Scope.SCORES_KEEP}, which is not among what you may.")
    language = accepted_language(request.headers.get("accept-language"))
    results = await answers(serving, state.batches, body, language, caller)
    for result in results:
        for target, told in result["scores"].items():
            state.metrics.count_score(target, told["probability"])
    # What is answered was made here and is as `ScoresOut` says; checking it once more would cost as much as scoring.
    headers = {"Content-Language": language, "Vary": "Accept-Language"}
    return Response(to_json({"results": results}), media_type="application/json", headers=headers)


async def answers(serving: Serving, batches: Batches, body: ScoresIn, language: str, caller: Principal) -> list[dict[str, Any]]:
    """Score the students of a request, those of one landmark at once, and keep what is to be kept.

    Parameters
    ----------
    serving : Serving
    batches : Batches
    body : ScoresIn
    language : {'nl', 'en'}
    caller : Principal

    Returns
    -------
    list of dict
        As `StudentOut`, in the order of the request.
    """
    students, faults = _sound(body)
    apart = await _not_to_be_scored(batches, students)
    students = {place: student for place, student in students.items() if place not in apart}
    if len(students) <= FEW:
        measured = _measured(serving, students, body.on)
        asked = questions_of(serving, measured, language)
        told = told_of(measured, [await batches.scoring.ask(question) for question in asked])
    else:
        measured, told = await batches.apart(partial(_scored, serving, students, body.on, language))
    told, faults = {**apart, **told}, faults | measured.faults
    kept = await _keep(batches, body, students, told, language, caller) if body.keep else frozenset()
    return [_out(place, each, told, faults, kept, language) for place, each in enumerate(body.students)]


def _measured(serving: Serving, students: Mapping[int, StudentIn], on: dt.date | None) -> Measured:
    ready = look_at_ready(serving, {place: _ready(student) for place, student in students.items() if student.enrolment is None})
    if on is None:
        return ready
    raw = look_at_rows(serving, {place: _rows(student) for place, student in students.items() if student.enrolment}, on)
    groups = {landmark: {**ready.groups.get(landmark, {}), **raw.groups.get(landmark, {})} for landmark in {**ready.groups, **raw.groups}}
    return Measured(raw.told, ready.faults | raw.faults, groups)


def _scored(serving: Serving, students: Mapping[int, StudentIn], on: dt.date | None, language: str) -> tuple[Measured, dict[int, Answer]]:
    """Measure and score many students in a thread: it would keep everybody else waiting."""
    measured = _measured(serving, students, on)
    return measured, told_of(measured, ask_models(questions_of(serving, measured, language)))


def _sound(body: ScoresIn) -> tuple[dict[int, StudentIn], dict[int, list[dict[str, str]]]]:
    """Give the students that can be looked at by their place, and the faults of the others."""
    sound: dict[int, StudentIn] = {}
    faults: dict[int, list[dict[str, str]]] = {}
    seen: set[str] = set()
    sent: list[StudentIn | Rejected] = list(body.students)
    for place, student in enumerate(sent):
        below = f"/students/{place}"
        if isinstance(student, Rejected):
            faults[place] = [told_fault(fault, below) for fault in student.faults]
        elif student.identity in seen:
            faults[place] = [{"pointer": below, "detail": "This enrolment_id came before."}]
        elif student.enrolment is not None and body.on is None:
            faults[place] = [{"pointer": "/on", "detail": "Raw rows need the day as of which they are to be looked at."}]
        elif body.keep and student.student is None:
            faults[place] = [{"pointer": f"{below}/student_id", "detail": "Keeping scores needs to know whose they are."}]
        else:
            seen.add(student.identity)
            sound[place] = student
    return sound, faults


async def _not_to_be_scored(batches: Batches, students: Mapping[int, StudentIn]) -> dict[int, Answer]:
    """Give who objected or was erased, by the number of student or enrolment that was sent; no model reads them."""
    digests: dict[str, list[int]] = {}
    for place, student in students.items():
        digests.setdefault(batches.keys.digest(ENROLMENT, student.identity), []).append(place)
        if student.student is not None:
            digests.setdefault(batches.keys.digest(STUDENT, student.student), []).append(place)
    barred = await batches.barred.ask(frozenset(digests)) if digests else {}
    return {place: Answer(None, None, "objected", {}) for digest in barred for place in digests[digest]}


def _ready(student: StudentIn) -> Ready:
    assert student.features is not None
    assert student.landmark is not None
    return Ready(student.features, student.landmark)


def _rows(student: StudentIn) -> Rows:
    assert student.enrolment is not None
    # The fields as they were validated: dumping a hundred rows takes longer than measuring them.
    enrolment = {name: value for name, value in vars(student.enrolment).items() if name != "extra"} | student.enrolment.extra
    tables: dict[str, Sequence[BaseModel]] = {"attendance": student.attendance, "results": student.results, **student.extra}
    return Rows(enrolment, {name: [vars(row) for row in found] for name, found in tables.items()})


async def _keep(
    batches: Batches, body: ScoresIn, students: Mapping[int, StudentIn], told: Mapping[int, Answer], language: str, caller: Principal
) -> frozenset[int]:
    """Keep the scores, all of them or none, and give the places of the students whose were kept."""
    scored = {place: (students[place], answer) for place, answer in told.items() if answer.scores}
    new = [score for student, answer in scored.values() for score in _new_scores(body.on, student, answer, language)]
    left_out = await batches.keeping.ask(Asked(new, caller.login)) if new else frozenset()
    return frozenset(place for place, (student, _) in scored.items() if student.student not in left_out)


def _new_scores(on: dt.date | None, student: StudentIn, answer: Answer, language: str) -> Iterator[NewScore]:
    assert answer.landmark is not None
    for target, score in answer.scores.items():
        interval = score["interval"] or {"low": None, "high": None}
        yield NewScore(
            student_id=str(student.student),
            enrolment_id=student.identity,
            on=None if student.enrolment is None else on,
            day=answer.day,
            landmark=answer.landmark,
            target=target,
            probability=score["probability"],
            low=interval["low"],
            high=interval["high"],
            unusual=score["unusual"],
            model=score["model"],
            reasons=[{**reason, "label": {language: reason["label"]}, "text": {language: reason["text"]}} for reason in score["reasons"]],
        )


def _out(
    place: int,
    sent: StudentIn | Rejected,
    told: Mapping[int, Answer],
    faults: Mapping[int, list[dict[str, str]]],
    kept: frozenset[int],
    language: str,
) -> dict[str, Any]:
    """Give a result as `StudentOut` says, as a plain dict."""
    nothing: dict[str, Any] = {
        "day": None,
        "landmark": None,
        "scores": {},
        "not_scored": None,
        "detail": None,
        "kept": False,
        "problem": None,
    }
    if place in faults:
        return {"enrolment_id": sent.identity, **nothing, "problem": problem_of_one(faults[place])}
    answer = told[place]
    why = answer.not_scored
    return {
        "enrolment_id": sent.identity,
        "day": answer.day,
        "landmark": answer.landmark,
        "scores": answer.scores,
        "not_scored": why,
        "detail": None if why is None else NOT_SCORED[why][language],
        "kept": place in kept,
        "problem": None,
    }
