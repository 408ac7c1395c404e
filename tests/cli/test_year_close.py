"""`riskmodel year close` on the demo's data: the old lists leave the pages, former coaches and stand-ins see nobody, and the next list is as ever."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from riskmodel.cli.store import open_store
from riskmodel.contract.dataset import load_dataset, read_coaches
from riskmodel.frames import to_pandas
from riskmodel.workspace import Workspace
from serving.access.scopes import Role
from serving.access.sessions import Limits, Person, begin, resume
from serving.app import create_app
from serving.settings import Settings
from serving.store.invitations import read_changes, where_changes_stand
from serving.store.tables import StandIn
from serving.store.weeks import latest_week, now, publish_week
from tests.cli.conftest import Call
from tests.serving.conftest import let_in
from tests.serving.store.lists import student, week

DEMO = Path(__file__).resolve().parents[2] / "data" / "synthetic"
FOREVER = Limits(dt.timedelta(days=1), dt.timedelta(days=1))


@pytest.fixture
def demo(tmp_path: Path) -> tuple[Path, str, dt.date]:
    """Give a copy of the demo's data, its last cohort, and a day after that cohort's last list; two lists of it are published."""
    folder = tmp_path / "data"
    folder.mkdir()
    for file in DEMO.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    dataset = load_dataset(folder)
    cohort = dataset.definition.cohorts[-1]
    rows = to_pandas(dataset.tables.enrolments)
    rows = rows[rows["cohort"] == cohort.label].head(6)
    coaches = read_coaches(folder, dataset.definition)
    names = dict(zip(coaches["coach_id"], coaches["name"], strict=True))
    logins = dict(zip(coaches["login_subject"], coaches["coach_id"], strict=True))
    listed = [
        student(place).model_copy(update={name: row[name] for name in ("enrolment_id", "student_id", "coach_id", "programme")})
        for place, row in enumerate(rows.to_dict(orient="records"))
    ]
    with open_store(Workspace(tmp_path / "workspace")) as store:
        for weeks in (8, 9):
            on = cohort.start + dt.timedelta(weeks=weeks)
            made = week(*listed, on=on).model_copy(update={"coaches": names, "coach_logins": logins, "synthetic": True})
            publish_week(store, made, actor="test")
    return folder, cohort.label, cohort.start + dt.timedelta(days=360)


def without_first_coach(folder: Path) -> tuple[str, str]:
    """Take the first coach out of the delivery, and give the logins of that coach and of another."""
    definition = load_dataset(folder).definition
    file = folder / str(definition.tables["coaches"].file)
    coaches = pd.read_parquet(file)
    logins = list(read_coaches(folder, definition)["login_subject"])
    coaches[~coaches.astype(str).eq(logins[0]).any(axis=1)].to_parquet(file)
    assert set(read_coaches(folder, definition)["login_subject"]) == set(logins[1:])
    return logins[0], logins[1]


def test_a_closed_cohort_leaves_the_pages_and_former_coaches_and_stand_ins_see_nobody(
    call: Call, demo: tuple[Path, str, dt.date], tmp_path: Path
) -> None:
    folder, cohort, on = demo
    former, stays = without_first_coach(folder)
    place = Workspace(tmp_path / "workspace")
    with open_store(place) as store, Session(store.engine) as session, session.begin():
        secrets = {
            login: begin(session, store.keys, Person(login, login, roles), now())
            for login, roles in (
                (former, frozenset({Role.COACH})),
                (stays, frozenset({Role.COACH})),
                ("coordinator", frozenset({Role.COACH, Role.COORDINATOR})),
            )
        }
        session.add(
            StandIn(person="d" * 64, coach_id="c1", begins_on=on - dt.timedelta(days=9), ends_on=on + dt.timedelta(days=9), made_at=now())
        )
    close = ("year", "close", folder, "--cohort", cohort, "--date", on.isoformat())
    code, told, complaint = call(*close, "--dry-run")
    assert code == 0, complaint
    assert "12 places on lists would leave the pages, and 2 lists" in told
    assert "1 log-ins of former coaches would end, and 1 stand-ins" in told
    assert "1 coaches of the newest list are gone, 0 are new" in told
    with open_store(place) as store, store.session() as session:
        assert latest_week(session) is not None
    assert "is closed" in call(*close)[1]
    assert "0 places on lists leave the pages, and 0 lists" in call(*close)[1]
    with open_store(place) as store, Session(store.engine) as session:
        assert latest_week(session) is None
        living = {login for login, secret in secrets.items() if resume(session, store.keys, secret, FOREVER, now())}
        assert living == {stays, "coordinator"}
        assert session.scalars(select(StandIn.ends_on)).all() == [on - dt.timedelta(days=1)]
        here = where_changes_stand(session)
        assert len(read_changes(session, store.keys, after=0, through=here.last, most=100)) == 12
    settings = Settings(
        champion_folder=place.champion, store_url=place.store_url, keys_file=place.keys, audit_heads=place.audit_heads, secure_cookies=False
    )
    with TestClient(create_app(settings)) as client:
        let_in(client)
        page = client.get("/", headers={"Accept": "text/html", "Accept-Language": "en"}).text
        assert "No list was published yet." in page
        assert "Noor Kanarie" not in page
    with open_store(place) as store:
        publish_week(store, week(student(90), on=on + dt.timedelta(days=60)), actor="test")
        with store.session() as session:
            newest = latest_week(session)
            assert newest is not None
            assert newest.on == on + dt.timedelta(days=60)
    assert call("audit", "verify")[0] == 0


def test_a_cohort_that_is_still_scored_or_not_there_is_not_closed(call: Call, demo: tuple[Path, str, dt.date]) -> None:
    folder, cohort, _ = demo
    code, _, complaint = call("year", "close", folder, "--cohort", cohort, "--date", "01-10-2020")
    assert code == 2
    assert "are scored up to" in complaint
    code, _, complaint = call("year", "close", folder, "--cohort", "1999-2000")
    assert code == 2
    assert cohort in complaint
