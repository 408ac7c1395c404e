"""What is answered. Members that a later service adds are passed over, as the rule of /v1 asks of its callers."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class Fault(_Part):
    """One thing that is not as it should be, with its place in what was sent."""

    pointer: str
    detail: str


class Problem(_Part):
    """Why something was not answered (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Fault, ...] = ()

    @property
    def kind(self) -> str:
        """The type's stable name, as in 'invalid-student'."""
        return self.type.rpartition("/")[2]


class Reason(_Part):
    """One reason, in the client's language."""

    key: str
    direction: str
    actionable: bool
    contribution: float
    label: str
    text: str


class Interval(_Part):
    """Between which probabilities the true one may lie, also in words."""

    low: float
    high: float
    level: float
    text: str


class TargetScore(_Part):
    """What one target's model says."""

    probability: float
    natural_frequency: str
    interval: Interval | None
    unusual: bool
    unusual_what: tuple[str, ...]
    baseline: float
    reasons: tuple[Reason, ...]
    model: str


class StudentResult(_Part):
    """One student's scores, the reason why there are none (`not_scored`), or the `problem` with what was sent."""

    enrolment_id: str | None
    day: int | None
    landmark: int | None
    scores: dict[str, TargetScore]
    not_scored: str | None
    detail: str | None
    kept: bool
    problem: Problem | None


class KeptReason(_Part):
    """One reason as it was told, by language."""

    key: str
    direction: str
    actionable: bool
    contribution: float
    label: dict[str, str]
    text: dict[str, str]


class Range(_Part):
    """Between which probabilities the true one may lie."""

    low: float
    high: float


class KeptScore(_Part):
    """One score of a student's history."""

    at: dt.datetime
    enrolment_id: str
    target: str
    probability: float
    interval: Range | None
    unusual: bool
    on: dt.date | None
    day: int | None
    landmark: int
    model: str
    reasons: tuple[KeptReason, ...]
    source: str


class Coach(_Part):
    """To whom a student was routed."""

    id: str
    name: str


class Routing(_Part):
    """Why a student was invited."""

    way: str
    how: str
    chance: float | None
    rank: int
    margin: float | None
    cut_off: float | None
    capacity: int
    target: str
    probability: float
    day: int
    landmark: int
    model: str
    reasons: tuple[KeptReason, ...]


class Invitation(_Part):
    """An invitation as it stands after a change; `state` is 'invited' or 'withdrawn'."""

    id: str
    state: str
    on: dt.date
    changed_at: dt.datetime
    student_id: str | None
    enrolment_id: str | None
    programme: str | None
    coach: Coach | None
    routing: Routing | None


class InvitationPage(_Part):
    """One page of changes; keep `next_cursor` once the page is stored."""

    invitations: tuple[Invitation, ...]
    more: bool
    next_cursor: str


class Model(_Part):
    """One model that serves."""

    name: str
    version: str
    family: str
    landmarks: tuple[int, ...]
    interval_level: float | None


class ModelCard(Model):
    """One model with the facts of its card."""

    trained_on: tuple[str, ...]
    tested_on: str
    students: dict[str, Any]
    outcome: dict[str, Any]
    measured: dict[str, Any]
    set_apart: dict[str, int]
    fingerprint: str
    libraries: dict[str, str]
    features: tuple[str, ...]


class Feature(_Part):
    """One feature of the catalogue."""

    name: str
    group: str
    kind: str
    label: dict[str, str]
    unit: str
    direction: str
    actionable: bool
    justification: str
    categories: tuple[str, ...]
    models: tuple[str, ...]


class StudentsCounted(_Part):
    """How far a run is; `total` is None until the students are read."""

    total: int | None
    done: int
    left_out: int


class Run(_Part):
    """How a run over a cohort stands: waiting, running, done, failed (with a `problem`) or cancelled."""

    id: str
    state: str
    step: str
    folder: str | None
    on: dt.date
    students: StudentsCounted
    models: dict[str, str] | None
    made_at: dt.datetime
    begun_at: dt.datetime | None
    ended_at: dt.datetime | None
    problem: Problem | None


class RunPage(_Part):
    """One page of runs, newest first."""

    runs: tuple[Run, ...]
    next_cursor: str | None


class RunScore(_Part):
    """What one target's model said of a run's student."""

    probability: float
    interval: Range | None
    unusual: bool
    reasons: tuple[KeptReason, ...]
    model: str


class RunResult(_Part):
    """A student of a run: scores by target, or the reason why there are none (`not_scored`)."""

    enrolment_id: str
    student_id: str
    programme: str
    day: int | None
    landmark: int | None
    rank: int | None
    scores: dict[str, RunScore]
    not_scored: str | None
    detail: str | None


class RunResultPage(_Part):
    """One page of a run's students."""

    state: str
    results: tuple[RunResult, ...]
    next_cursor: str | None


class Section(_Part):
    """One kind of data that is held, what for, and the rows of it in words."""

    title: str
    purpose: str
    rows: tuple[dict[str, str], ...]


class Held(_Part):
    """All that is held of a student, in words for that student."""

    student_id: str
    language: str
    at: dt.datetime
    held: tuple[Section, ...]


class Seen(_Part):
    """Who saw or did what about a student, oldest first, in words; people of the institution are codes."""

    student_id: str
    language: str
    events: tuple[dict[str, str], ...]


class Objection(_Part):
    """How an objection stands, and what it leaves as it is."""

    student_id: str
    objected: bool
    since: dt.datetime | None
    known: bool
    withdrawn_invitations: int
    told: str
    stays: tuple[str, ...]


class Stays(_Part):
    """Something that is not erased, and why the law keeps it."""

    what: str
    why: str


class Erased(_Part):
    """What was erased, and what was not."""

    student_id: str
    erased_at: dt.datetime
    told: str
    scores: int
    lists: int
    name_and_enrolments: bool
    kept: tuple[Stays, ...]
