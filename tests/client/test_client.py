"""The client against the real service: what it gives, what it raises, and that it never does a thing twice."""

from __future__ import annotations

import datetime as dt
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from riskmodel_client import Client, Enrolment, Lesson, NoAnswer, ProblemError, RawStudent, ReadyStudent, Retries, requests, responses
from riskmodel_client.retrying import _retry_after
from serving.rates import Rates
from tests.client.conftest import free_port, served, token_of
from tests.serving.conftest import Place
from tests.serving.test_openapi import CONTRACT

ON = dt.date(2026, 11, 2)
SOURCES = Path(responses.__file__).parent


def raw(number: int = 1, **changes: Any) -> RawStudent:
    told = {
        "enrolment_id": f"e-client-{number}", "student_id": f"s-client-{number}", "cohort": "2026-2027", "programme": "Verpleegkunde",
        "start_date": dt.date(2026, 9, 1), "prior_education": "havo",
    }  # fmt: skip
    lessons = (Lesson(date=dt.date(2026, 10, 26), scheduled=6, attended=2),)
    return RawStudent(enrolment=Enrolment(**{**told, **changes}), attendance=lessons)


@pytest.fixture
def client(service: tuple[str, FastAPI], token: str) -> Iterator[Client]:
    with Client(service[0], token, language="en") as client:
        yield client


def test_students_get_scores_with_reasons_in_the_clients_language(client: Client) -> None:
    first, wrong, ready = client.score(
        [raw(1), raw(2, prior_education="lagere school"), ReadyStudent(enrolment_id="e-client-3", landmark=56, features={})], on=ON
    )
    assert first.scores["leave"].natural_frequency.startswith("In earlier years")
    assert first.scores["leave"].reasons
    assert first.scores["leave"].interval is not None
    assert wrong.problem is not None
    assert (wrong.problem.kind, wrong.problem.errors[0].pointer) == ("invalid-student", "/students/1/enrolment/prior_education")
    assert ready.scores.keys() == first.scores.keys()


def test_more_students_than_go_into_one_call_come_back_in_their_order(client: Client) -> None:
    students = [ReadyStudent(enrolment_id=f"e-many-{number}", landmark=56, features={}) for number in range(1100)]
    assert [result.enrolment_id for result in client.score(students)] == [student.enrolment_id for student in students]
    with pytest.raises(ValueError, match="1000"):
        client.score(students, keep=True)


def test_kept_scores_are_read_back_page_after_page(client: Client) -> None:
    for _ in range(51):
        [result] = client.score([raw(7)], on=ON, keep=True)
    assert result.kept
    kept = list(client.history("s-client-7"))
    assert len(kept) == 102
    assert kept[0].at >= kept[-1].at
    assert {score.target: score.probability for score in kept} == {target: score.probability for target, score in result.scores.items()}
    assert kept[0].reasons[0].text.keys() == {"en"}


def test_invitations_are_followed_to_their_end_and_on_from_there(client: Client, place: Place) -> None:
    pages = list(client.follow_invitations())
    everyone = [each for page in pages for each in page.invitations]
    assert {each.on for each in everyone} == {place.on, place.on - dt.timedelta(days=7)}
    assert all(each.routing is not None and each.routing.reasons for each in everyone)
    [after] = client.follow_invitations(pages[-1].next_cursor)
    assert (after.invitations, after.more) == ((), False)
    since = [each for page in client.follow_invitations(since=everyone[-1].changed_at) for each in page.invitations]
    assert since == [each for each in everyone if each.changed_at >= everyone[-1].changed_at]


def test_models_cards_and_features_are_typed(client: Client) -> None:
    assert [model.name for model in client.models()] == ["dropout", "leave"]
    card = client.model("leave")
    assert card.measured["56"]["roc_auc"] > 0.6
    assert {feature.name for feature in client.features()} >= set(card.features)


def test_a_refusal_is_an_error_with_its_kind_and_the_request(client: Client, service: tuple[str, FastAPI]) -> None:
    with pytest.raises(ProblemError, match="not-found") as unknown:
        list(client.history("s/../nobody"))
    assert unknown.value.problem.status == 404
    assert len(unknown.value.request_id) == 16
    with Client(service[0], "rmt_wrong") as stranger, pytest.raises(ProblemError, match="not-logged-in"):
        stranger.models()
    with pytest.raises(ProblemError, match="bad-cursor"):
        next(client.follow_invitations("made up"))


def test_it_waits_as_long_as_the_service_says_and_then_asks_again(place: Place) -> None:
    with served(place.settings(requests_a_minute=2)) as (address, app):
        waits: list[float] = []
        app.state.rates = Rates(2, clock=lambda: 1000.0)

        def wait(seconds: float) -> None:
            waits.append(seconds)
            app.state.rates = Rates(1000)  # as if the minute were over

        with Client(address, token_of(app.state.store, "waits"), sleep=wait) as client:
            for _ in range(3):
                assert client.models()
        [waited] = waits
        assert waited == 20
        app.state.rates = Rates(1, clock=lambda: 1000.0)
        impatient = Retries(longest_wait=1)
        with Client(address, token_of(app.state.store, "impatient"), sleep=waits.append, retries=impatient) as client:
            client.models()
            with pytest.raises(ProblemError, match="too-many-requests"):
                client.models()
        assert len(waits) == 1


class _Broken(socketserver.ThreadingTCPServer):
    """A service that takes a request and then breaks off."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.requests = 0
        super().__init__(("127.0.0.1", 0), _BreakOff)


class _BreakOff(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += self.request.recv(65536)
        self.server.requests += 1  # type: ignore[attr-defined]


@contextmanager
def broken() -> Iterator[tuple[str, _Broken]]:
    with _Broken() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", server
        server.shutdown()
        thread.join()


def test_what_may_have_been_done_is_not_asked_again_and_what_only_computes_is() -> None:
    waits: list[float] = []
    with broken() as (address, server), Client(address, "rmt_x", sleep=waits.append, retries=Retries(most=3)) as client:
        with pytest.raises(NoAnswer) as kept:
            client.score([raw()], on=ON, keep=True)
        assert (server.requests, waits, kept.value.may_be_done) == (1, [], True)
        with pytest.raises(NoAnswer) as computed:
            client.score([raw()], on=ON)
        assert (server.requests, len(waits), computed.value.may_be_done) == (5, 3, False)
        with pytest.raises(NoAnswer):
            client.models()
        assert server.requests == 9


def test_what_never_left_is_asked_again_even_where_it_would_keep() -> None:
    waits: list[float] = []
    with Client(f"http://127.0.0.1:{free_port()}", "rmt_x", sleep=waits.append, retries=Retries(most=2)) as client:
        with pytest.raises(NoAnswer) as refused:
            client.score([raw()], on=ON, keep=True)
        assert (len(waits), refused.value.may_be_done) == (2, False)


def test_a_service_without_a_model_is_asked_again_for_what_only_reads(tmp_path: Path, place: Place) -> None:
    with served(place.settings(champion_folder=tmp_path)) as (address, app):
        waits: list[float] = []
        with Client(address, token_of(app.state.store, "no-model"), sleep=waits.append, retries=Retries(most=2)) as client:
            with pytest.raises(ProblemError, match="not-ready"):
                client.models()
            assert len(waits) == 2
            with pytest.raises(ProblemError, match="not-ready"):
                client.score([raw()], on=ON, keep=True)
            assert len(waits) == 2


@given(st.integers(1, 30))
def test_waits_grow_and_have_a_bound(tried: int) -> None:
    retries = Retries(most=30, first_wait=0.5, longest_wait=20)
    import httpx

    wait = retries.wait_after(tried, httpx.ConnectError("away"), repeatable=False)
    assert wait is not None
    assert min(0.5 * 2 ** (tried - 1), 20) / 2 <= wait <= 20


def test_retry_after_is_read_as_seconds_and_as_a_moment() -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    assert _retry_after("17") == 17.0
    assert 25 < _retry_after(soon.strftime("%a, %d %b %Y %H:%M:%S GMT")) <= 30
    assert _retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0
    assert _retry_after("soon") == _retry_after("") == 0.0


SENT = {
    "EnrolmentIn": requests.Enrolment, "LessonIn": requests.Lesson, "ResultIn": requests.TestResult, "DatedIn": requests.DatedValue,
}  # fmt: skip
ANSWERED = {
    "ProblemOut": responses.Problem, "Fault": responses.Fault, "ReasonOut": responses.Reason, "IntervalOut": responses.Interval,
    "TargetOut": responses.TargetScore, "StudentOut": responses.StudentResult, "ReasonKept": responses.KeptReason, "Range": responses.Range,
    "ScoreKept": responses.KeptScore, "CoachOut": responses.Coach, "RoutingOut": responses.Routing, "InvitationOut": responses.Invitation,
    "InvitationsOut": responses.InvitationPage, "ModelOut": responses.Model, "ModelCard": responses.ModelCard, "FeatureOut": responses.Feature,
    "RunOut": responses.Run, "StudentsCounted": responses.StudentsCounted, "RunsOut": responses.RunPage, "RunScore": responses.RunScore,
    "RunResult": responses.RunResult, "RunResultsOut": responses.RunResultPage, "Section": responses.Section, "HeldOut": responses.Held,
    "SeenOut": responses.Seen, "ObjectionOut": responses.Objection, "KeptOut": responses.Stays, "ErasedOut": responses.Erased,
}  # fmt: skip


@pytest.mark.parametrize(("name", "model"), [*SENT.items(), *ANSWERED.items()], ids=lambda each: str(each) if isinstance(each, str) else "")
def test_the_client_knows_what_the_contract_says(name: str, model: type[BaseModel]) -> None:
    schema = CONTRACT["components"]["schemas"][name]
    assert set(model.model_fields) == set(schema["properties"])
    if name in SENT:
        required = {field for field, told in model.model_fields.items() if told.is_required()}
        assert required == set(schema["required"])


def test_the_client_needs_nothing_of_the_product() -> None:
    code = "import sys, riskmodel_client; print([n for n in sys.modules if n.split('.')[0] in ('riskmodel', 'serving', 'pandas', 'numpy')])"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCES.parent)}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
