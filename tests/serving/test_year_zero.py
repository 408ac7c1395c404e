"""A desk without a model, and how the desk feeds the next list: whoever asked comes first, and whoever is in a talk is left alone."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from riskmodel.cli.demo_desk import talk_after, write_desk_file
from riskmodel.cli.publishing import publish_week
from riskmodel.workspace import Workspace
from serving.desk_file import read_desk
from serving.pages.rendering import TEXTS
from serving.settings import DESK_NAME
from serving.store.audit import verify
from serving.store.caseload import students_of
from serving.store.desk import ask_for_talk
from serving.store.desk_tables import FollowUp, Note
from serving.store.follow_up import About, Agreed, Writer, save
from serving.store.people import details_of
from serving.store.rights import object_to_scores
from serving.store.tables import Student
from serving.store.weeks import Store, invited_students, latest_week
from tests.serving.conftest import MONDAY, Place, entered

AT, SANNE = dt.datetime(2026, 11, 3, 9), Writer("sanne", "Sanne")


@pytest.fixture
def own(place: Place, tmp_path: Path) -> Place:
    """Give the same data, with a store and keys of its own and no model."""
    workspace = Workspace(tmp_path / "workspace")
    return Place(place.data, workspace, place.on)


def with_policy(place: Place, tmp_path: Path, text: str) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(text, encoding="utf-8")
    return file


def abouts(store: Store) -> list[tuple[About, str]]:
    """Give everybody who has a coach, in order of their enrolment."""
    with Session(store.engine, expire_on_commit=False) as session:
        told = [(row, details_of(row.person, store.keys)) for row in students_of(session, None)]
        session.expunge_all()
    found = [(About(row.person, row.enrolment), details.enrolments[row.enrolment]) for row, details in told if details is not None]
    return sorted(found, key=lambda each: each[1])


def invited(store: Store) -> dict[str, str]:
    with store.session() as session:
        week = latest_week(session)
        assert week is not None
        return {each.enrolment_id: each.row.way for each in invited_students(session, store.keys, week, None)}


@pytest.mark.slow
def test_without_a_model_the_first_test_and_wishes_fill_the_list_and_the_desk_works(own: Place, tmp_path: Path) -> None:
    rules = with_policy(own, tmp_path, 'always_invite = ["first_test_failed_or_missed"]\ntalks_per_coach = 3\nby_chance_share = 0.0\n')
    counted = publish_week(own.data, own.workspace, MONDAY - dt.timedelta(days=7), policy_file=rules)
    assert (counted.scored, counted.invited > 10) == (0, True)
    store = own.store()
    assert set(invited(store).values()) == {"rule"}
    asking, identity = next((about, each) for about, each in abouts(store) if each not in invited(store))
    ask_for_talk(store, asking, "request", "", by=SANNE, at=AT)
    talking = next(iter(sorted(invited(store))))
    about = next(about for about, each in abouts(store) if each == talking)
    save(store, about, Agreed(stage="talked", contact_on=MONDAY), "", version=0, by=SANNE, at=AT, today=MONDAY)
    publish_week(own.data, own.workspace, MONDAY, policy_file=rules)
    now_invited = invited(store)
    assert now_invited[identity] == "request"
    assert talking not in now_invited
    with store.session() as session:
        assert session.scalars(select(Student.probability).where(Student.probability.is_not(None))).all() == []
    store.engine.dispose()
    with entered(own.settings()) as client:
        page = client.get("/").text
        assert "Vroeg zelf om een gesprek." in page
        assert "De eerste toets is niet gehaald of gemist." in page
        shown = client.get(f"/students/{identity}").text
        assert "Er is geen model gebruikt" in shown
        assert "Tijdlijn" in shown
        # Whoever is in a talk keeps what was known when they were invited.
        assert "Hieronder staat wat er op 26 oktober 2026 bekend was." in client.get(f"/students/{talking}").text


def followed(store: Store) -> list[tuple[object, ...]]:
    """Give how far it is with everybody, and close the store."""
    with store.session() as session:
        rows = session.execute(select(FollowUp.enrolment, FollowUp.stage, FollowUp.next_on).order_by(FollowUp.enrolment)).all()
    store.engine.dispose()
    return [tuple(row) for row in rows]


@pytest.fixture
def copied(place: Place, tmp_path: Path) -> Place:
    workspace = Workspace(tmp_path / "workspace")
    shutil.copytree(place.workspace.folder, workspace.folder)
    return Place(place.data, workspace, place.on)


@pytest.mark.slow
def test_the_demos_coaches_work_between_two_lists_the_same_way_each_time(copied: Place, tmp_path: Path) -> None:
    again = Workspace(tmp_path / "again")
    shutil.copytree(copied.workspace.folder, again.folder)
    store = copied.store()
    done = talk_after(store, MONDAY - dt.timedelta(days=7), newest=False)
    with store.session() as session:
        stages = sorted(session.scalars(select(FollowUp.stage)))
        assert {"agreed", "talked", "reached", "not"} <= set(stages)
        assert len(session.scalars(select(Note.id)).all()) > 20
    assert done >= len(stages)
    assert verify(store.engine, store.keys).faults == ()
    other = Place(copied.data, again, copied.on).store()
    assert talk_after(other, MONDAY - dt.timedelta(days=7), newest=False) == done
    assert followed(other) == followed(store)
    write_desk_file(again.folder)
    assert read_desk(again.folder / DESK_NAME, TEXTS).keeper_of("attendance", "nl") == "roosterbureau"


def test_who_objects_while_in_a_talk_keeps_the_appointment_and_is_shown_without_an_older_lists_reasons(copied: Place) -> None:
    store = copied.store()
    with Session(store.engine, expire_on_commit=False) as session:
        week = latest_week(session)
        assert week is not None
        someone = invited_students(session, store.keys, week, None)[0]
        about = About(someone.row.person, someone.row.enrolment)
        session.expunge_all()
    save(store, about, Agreed(stage="talked", contact_on=MONDAY, next_step="Ik bel Sem"), "", version=0, by=SANNE, at=AT, today=MONDAY)
    with Session(store.engine) as session, session.begin():
        object_to_scores(session, store.keys, someone.student_id, actor="officer", at=AT)
    store.engine.dispose()
    with entered(copied.settings()) as client:
        page = client.get(f"/students/{someone.enrolment_id}").text
    assert "Ik bel Sem" in page
    assert "Deze student is nu niet uitgenodigd." in page
    assert "Volgens de registratie" not in page
