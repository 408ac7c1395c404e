"""The client: one method for each thing that can be asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter

from riskmodel_client.asking import below
from riskmodel_client.requests import Student
from riskmodel_client.responses import Feature, InvitationPage, KeptScore, Model, ModelCard, StudentResult
from riskmodel_client.rights import Rights
from riskmodel_client.runs import ScoreRuns

MOST_STUDENTS = 1000


class Client(ScoreRuns, Rights):
    """Asks one service, with one token: scores and histories, invitations, models, runs over cohorts, and rights of students.

    See `Asking` for what it is made with.
    """

    def score(self, students: Sequence[Student], *, on: dt.date | None = None, keep: bool = False) -> list[StudentResult]:
        """Score students.

        Parameters
        ----------
        students : sequence of RawStudent or ReadyStudent
            Any number, in calls of at most 1,000; at most 1,000 where they are to be kept, so that it is plain what a failure left.
        on : datetime.date, optional
            The day as of which raw rows are looked at; they need it.
        keep : bool
            Whether the scores go into the students' histories. A call that may have kept some is never sent again.

        Returns
        -------
        list of StudentResult
            In the order of the students. Look at `problem` of each: a fault in one costs no other theirs.

        Raises
        ------
        ProblemError
            The call as a whole was refused.
        NoAnswer
            The service did not answer.
        ValueError
            There are more than 1,000 students whose scores are to be kept.
        """
        if keep and len(students) > MOST_STUDENTS:
            raise ValueError(f"scores of at most {MOST_STUDENTS} students are kept in one call")
        results: list[StudentResult] = []
        for first in range(0, len(students), MOST_STUDENTS):
            part = students[first : first + MOST_STUDENTS]
            body: dict[str, Any] = {"students": [student.model_dump(mode="json", exclude_none=True) for student in part], "keep": keep}
            if on is not None:
                body["on"] = on.isoformat()
            told = self._ask("POST", "/v1/scores", json=body, repeatable=not keep)
            results += TypeAdapter(list[StudentResult]).validate_python(told["results"])
        return results

    def history(self, student_id: str) -> Iterator[KeptScore]:
        """Give the scores that a student has had, newest first, page by page as they are taken.

        Raises
        ------
        ProblemError
            There is no such student ('not-found'), among others.
        NoAnswer
        """
        parameters: dict[str, str] = {}
        path = f"{below('/v1/students', student_id)}/scores"
        while True:
            told = self._ask("GET", path, parameters=parameters)
            yield from TypeAdapter(list[KeptScore]).validate_python(told["scores"])
            if told["next_cursor"] is None:
                return
            parameters = {"cursor": told["next_cursor"]}

    def follow_invitations(self, cursor: str | None = None, *, since: dt.datetime | None = None) -> Iterator[InvitationPage]:
        """Give the changes to invitations there are, page by page; go on another day with the last page's `next_cursor`.

        Parameters
        ----------
        cursor : str, optional
            Where to go on. Keep a page's `next_cursor` in the same transaction as the page itself, and none is missed or lost.
        since : datetime.datetime, optional
            Where to begin without a cursor; with a time zone.

        Yields
        ------
        InvitationPage
            At least one, which may be empty.

        Raises
        ------
        ProblemError
            The cursor can't be followed any more ('bad-cursor'): begin anew. Among others.
        NoAnswer
        """
        parameters = {"cursor": cursor} if cursor is not None else {"changed_since": since.isoformat()} if since is not None else {}
        while True:
            page = InvitationPage.model_validate(self._ask("GET", "/v1/invitations", parameters=parameters))
            yield page
            if not page.more:
                return
            parameters = {"cursor": page.next_cursor}

    def models(self) -> list[Model]:
        """Give the models that serve."""
        return TypeAdapter(list[Model]).validate_python(self._ask("GET", "/v1/models")["models"])

    def model(self, name: str) -> ModelCard:
        """Give one model with the facts of its card."""
        return ModelCard.model_validate(self._ask("GET", below("/v1/models", name)))

    def features(self) -> list[Feature]:
        """Give the catalogue of features."""
        return TypeAdapter(list[Feature]).validate_python(self._ask("GET", "/v1/features")["features"])
