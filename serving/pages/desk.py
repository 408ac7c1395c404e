"""`/`, Mijn studenten: all students of a coach in neutral order, with what is going on told in words and nobody ranked."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from serving.access.guard import Allow
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.dependencies import SessionDep, StoreDep, TodayDep
from serving.languages import page_language
from serving.pages.rendering import day_and_month, day_of, render, texts_of, when
from serving.pages.seen import Seen, own_coaches, seen_by
from serving.store.audit import Event
from serving.store.desk import Wish, open_reports, wishes
from serving.store.follow_up import OPEN, Agreed, Standing, drafts_of, standings
from serving.store.letters import Invitation, letters_to
from serving.store.tables import Student, Week
from serving.store.weeks import Listed, coaches_of, coaches_with_invited, invited_since, latest_week, now
from serving.store.words import waiting_words

router = APIRouter(include_in_schema=False)
# Chosen in the list of coaches for students who have none; the empty choice is everyone.
_WITHOUT_COACH = "-"
SHOWN = ("all", "invited", "open", "waiting")
StaffDep = Annotated[Principal, Depends(Allow(Scope.STUDENTS_OWN, Scope.STUDENTS_ALL, to="people"))]


@dataclass(frozen=True)
class Going:
    """What is going on with one student, as the store tells."""

    stands: Standing
    since: dt.date | None
    wishes: Sequence[Wish]
    reported: dt.datetime | None
    draft: bool
    letters: Sequence[Invitation] = ()
    word: dt.datetime | None = None

    @property
    def open(self) -> bool:
        """Whether an appointment or a wish stands that is not done."""
        return self.stands.agreed.stage in OPEN or bool(self.wishes)


@router.get("/")
def students(
    request: Request,
    session: SessionDep,
    store: StoreDep,
    person: StaffDep,
    today: TodayDep,
    coach: str = "",
    q: str = "",
    show: str = "all",
) -> HTMLResponse:
    """Show all students of a coach by name, with those easy to pick out who are invited or with whom something is open."""
    week = latest_week(session)
    if week is None:
        return render(request, "list.html", week=None, person=person)
    keys, language, texts = store.keys, page_language(request), texts_of(request)
    show = show if show in SHOWN else "all"
    everyone = person.may(Scope.STUDENTS_ALL)
    chosen = None if not coach else frozenset({"" if coach == _WITHOUT_COACH else coach})
    found = seen_by(session, keys, week, person, chosen)
    enrolments = [each.about.enrolment for each in found]
    going = what_goes_on(session, store, week, found, person.login)
    store.record(Event.PAGE_LIST_READ, actor=person.login, subjects=[each.about.person.student for each in found])
    rows = [_row(each, going[each.about.enrolment], texts, language, today) for each in found]
    counts = {name: sum(_stays(row, name, "") for row in rows) for name in SHOWN}
    asked = " ".join(q.split())[:80]
    return render(
        request,
        "list.html",
        week=week,
        person=person,
        institution=week.institution,
        everyone=everyone,
        coaches=_choices(session, store, week, person, everyone, texts),
        coach=coach,
        q=asked,
        show=show,
        counts=counts,
        total=len(enrolments),
        students=[row for row in rows if _stays(row, show, asked)],
        meaning=meaning_of(week, [each.place for each in found if each.place is not None and each.invited], language),
    )


def _choices(
    session: SessionDep, store: StoreDep, week: Week, person: Principal, everyone: bool, texts: Mapping[str, Any]
) -> list[tuple[str, str, int]]:
    people = coaches_of(week, store.keys)
    mine = None if everyone else own_coaches(session, store.keys, week, person)
    invited = coaches_with_invited(session, week)
    shown = set(invited) if mine is None else set(mine)
    found = sorted(((each, people.get(each, each), invited.get(each, 0)) for each in shown if each), key=lambda row: row[1])
    if everyone and "" in invited:
        found.append((_WITHOUT_COACH, texts["no_coach"], invited[""]))
    return found


def what_goes_on(session: SessionDep, store: StoreDep, week: Week, found: Sequence[Seen], login: str) -> dict[str, Going]:
    """Give what is going on with each of some students, by the enrolment's digest."""
    keys = store.keys
    enrolments = [each.about.enrolment for each in found]
    stands = standings(session, keys, enrolments)
    asked = wishes(session, keys, enrolments)
    reported = open_reports(session, enrolments)
    drafts = drafts_of(session, keys, login, enrolments)
    letters = letters_to(session, keys, enrolments)
    words = waiting_words(session, enrolments)
    listed = [
        Listed(each.enrolment_id, each.student_id, each.name, each.about.person.student, each.place, each.shown)
        for each in found
        if each.place is not None and each.invited
    ]
    since = invited_since(session, week, listed)
    return {
        each.about.enrolment: Going(
            stands.get(each.about.enrolment, Standing()),
            since.get(each.enrolment_id) if each.invited else None,
            asked.get(each.about.enrolment, ()),
            reported.get(each.about.enrolment),
            each.about.enrolment in drafts,
            letters.get(each.about.enrolment, ()),
            words.get(each.about.enrolment),
        )
        for each in found
    }


def _row(each: Seen, going: Going, texts: Mapping[str, Any], language: str, today: dt.date) -> dict[str, Any]:
    agreed = going.stands.agreed
    return {
        "enrolment_id": each.enrolment_id,
        "name": each.name,
        "programme": each.programme,
        "number": each.student_id,
        "invited": each.invited,
        "open": going.open,
        "why": first_reason(each.place, each.shown, texts, language) if each.place is not None else _wished(going, texts),
        "since": going.since,
        "contact_on": agreed.contact_on,
        "going": each.invited or going.open or bool(agreed.stage or going.draft or going.reported),
        "stage": _stage(agreed, texts),
        "next_step": agreed.next_step,
        "waits": waits(going, each.invited, texts, language, today),
        "_found": f"{each.name} {each.student_id} {each.programme}".casefold(),
    }


def _stage(agreed: Agreed, texts: Mapping[str, Any]) -> str:
    told = str(texts["stage"].get(agreed.stage, "")) + (f": {texts['not_whys'][agreed.not_why]}" if agreed.not_why else "")
    return told[:1].upper() + told[1:]


def _wished(going: Going, texts: Mapping[str, Any]) -> str:
    return " ".join(texts["wished"][wish.way] for wish in going.wishes)


def _stays(row: Mapping[str, Any], show: str, asked: str) -> bool:
    fits = {"all": True, "invited": row["invited"], "open": row["open"], "waiting": bool(row["waits"])}[show]
    return fits and all(word in row["_found"] for word in asked.casefold().split())


def waits(going: Going, invited: bool, texts: Mapping[str, Any], language: str, today: dt.date) -> list[str]:
    """Tell in words what waits for the coach, the most urgent thing first; nothing where nothing does."""
    agreed, told = going.stands.agreed, []
    wait = texts["waits"]
    if going.draft:
        told.append(wait["draft"])
    if going.word is not None:
        told.append(wait["word"].format(date=day_and_month(going.word.date(), language)))
    told += letters_wait(going, wait, language, today)
    if agreed.stage == "agreed" and agreed.next_on is not None:
        key = "next_over" if agreed.next_on < today else "next_today" if agreed.next_on == today else "next"
        told.append(wait[key].format(date=day_and_month(agreed.next_on, language)))
    elif agreed.stage == "agreed":
        told.append(wait["next_undated"])
    elif agreed.stage in ("reached", "talked"):
        told.append(wait[agreed.stage])
    elif going.wishes and not invited:
        told.append(wait["wish"].format(date=day_and_month(going.wishes[0].made_at.date(), language)))
    elif agreed.stage in ("done", "not") and going.since and going.stands.at and going.since > going.stands.at.date():
        told.append(wait["again"])
    elif agreed.stage == "invited" or (invited and not agreed.stage):
        told.append(wait["reach" if agreed.stage else "invite"])
    if going.reported is not None:
        told.append(wait["report"].format(date=day_and_month(going.reported.date(), language)))
    return told


def letters_wait(going: Going, wait: Mapping[str, str], language: str, today: dt.date) -> list[str]:
    """Tell what waits of a student's letters: one that was not sent, one that stands ready, and the moment that was picked."""
    told = []
    for each in going.letters:
        if each.unsure(now()) or each.fault == "unsure":
            told.append(wait["letter_unsure"])
        elif each.state in ("failed", "draft"):
            told.append(wait[f"letter_{each.state}"])
        if each.picked is not None and day_of(each.picked.starts_at) >= today:
            told.append(wait["talk_on"].format(when=when(each.picked.starts_at, language)))
    return told


def meaning_of(week: Week, students: Sequence[Student], language: str) -> str | None:
    """Tell what an invitation means for most of these students; None where it was not measured."""
    landmarks = Counter(student.landmark for student in students)
    told = week.meaning.get(str(landmarks.most_common(1)[0][0]), {}) if landmarks else {}
    return told.get(language)


def first_reason(student: Student, shown: Mapping[str, Any], texts: Mapping[str, Any], language: str) -> str:
    """Tell in one line why somebody is on the list; whoever the lot picked reads like all others of whom nothing stands out."""
    raising = [reason for reason in shown["reasons"] if reason["direction"] == "raises" and not reason["context"]]
    if raising:
        return str(raising[0]["text"][language])
    if student.way in ("request", "coach"):
        return str(texts["wished"][student.way])
    return str(texts["by_rule"] if student.way == "rule" and student.probability is None else texts["nothing_stands_out"])
