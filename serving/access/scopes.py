"""What can be allowed at all, and what each role may. A closed list, so that a page of paper can hold it."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """One thing that can be allowed."""

    STUDENTS_OWN = "students:own"
    """See the students of whom one is the coach or stands in for, and write down what was agreed with them."""
    STUDENTS_ALL = "students:all"
    """See every student, but no notes."""
    SCORES_COMPUTE = "scores:compute"
    """Have students scored that the caller brings along."""
    SCORES_KEEP = "scores:keep"
    """Have scores kept that were computed at the caller's request."""
    SCORES_READ = "scores:read"
    """Read which scores any student has had."""
    RUNS_MAKE = "runs:make"
    """Have a whole cohort scored, and stop that again."""
    RUNS_READ = "runs:read"
    """See which cohorts were scored and how far that is; no student, and no score."""
    INVITATIONS_READ = "invitations:read"
    """Follow who was invited, to whom they were routed and why."""
    MODELS_READ = "models:read"
    """Read what serves, its features and what was measured."""
    METRICS_READ = "metrics:read"
    """Read counts and states of the service."""
    RIGHTS_HANDLE = "rights:handle"
    """Do what a student asks for by right: read all that is held, object, withdraw, erase, and read who saw them."""
    WORDS_GIVE = "words:give"
    """Report a worry or a compliment of a student of an own programme, found by number or name."""
    OWN_READ = "own:read"
    """Read what is held of oneself, and who saw it."""


class Role(StrEnum):
    """What a person is at the institution, as far as this product is concerned."""

    STUDENT = "student"
    TEACHER = "teacher"
    COACH = "coach"
    COORDINATOR = "coordinator"
    DATA_TEAM = "data_team"
    PRIVACY_OFFICER = "privacy_officer"
    ADMINISTRATOR = "administrator"
    STUDY_ADVICE = "study_advice"
    """Decides on the binding study advice; can read nothing here, ever."""


ALLOWED: dict[Role, frozenset[Scope]] = {
    Role.STUDENT: frozenset({Scope.OWN_READ}),
    Role.TEACHER: frozenset({Scope.WORDS_GIVE}),
    Role.COACH: frozenset({Scope.STUDENTS_OWN}),
    Role.COORDINATOR: frozenset({Scope.STUDENTS_OWN, Scope.STUDENTS_ALL}),
    Role.DATA_TEAM: frozenset({Scope.SCORES_COMPUTE, Scope.RUNS_READ, Scope.MODELS_READ, Scope.METRICS_READ}),
    Role.PRIVACY_OFFICER: frozenset({Scope.MODELS_READ, Scope.RIGHTS_HANDLE}),
    Role.ADMINISTRATOR: frozenset({Scope.RUNS_READ, Scope.MODELS_READ, Scope.METRICS_READ}),
    Role.STUDY_ADVICE: frozenset(),
}
MACHINES = frozenset(
    {
        Scope.SCORES_COMPUTE,
        Scope.SCORES_KEEP,
        Scope.SCORES_READ,
        Scope.RUNS_MAKE,
        Scope.RUNS_READ,
        Scope.INVITATIONS_READ,
        Scope.MODELS_READ,
        Scope.METRICS_READ,
        Scope.RIGHTS_HANDLE,
    }
)
"""What a machine's token may hold."""
SEES_STUDENTS = frozenset(role for role, scopes in ALLOWED.items() if scopes & {Scope.STUDENTS_OWN, Scope.STUDENTS_ALL})

BESIDE_THE_ADVICE = frozenset({Scope.STUDENTS_OWN, Scope.STUDENTS_ALL})
"""What somebody may keep who decides on the advice elsewhere: each is held to programmes by the wall."""


def scopes_of(roles: frozenset[Role], *, walled_off: bool) -> frozenset[Scope]:
    """Give what a person may who has these roles.

    Parameters
    ----------
    roles : frozenset of Role
    walled_off : bool
        Whether they decide on the binding study advice of every programme without a record of why they see students anywhere.

    Returns
    -------
    frozenset of Scope
        For whoever decides on the advice no more than to see students, whom the wall keeps to other programmes; nothing at all where it is total.
    """
    allowed: frozenset[Scope] = frozenset().union(*(ALLOWED[role] for role in roles))
    if Role.STUDY_ADVICE not in roles:
        return allowed
    return frozenset() if walled_off else allowed & BESIDE_THE_ADVICE
