"""Talks of a demo institution between two lists, written as coaches would: the same students give the same talks. Nobody in them exists."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from riskmodel.files import atomic_file

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from serving.store.follow_up import About, Agreed, Standing, Writer
    from serving.store.weeks import Store

DESK_FILE = """# What help there is at this institution of the demo, and who keeps which register.
[help.study_skills]
whom = { nl = "Studieloket, Fenna de Boer", en = "Study desk, Fenna de Boer" }
where = { nl = "B2.14", en = "B2.14" }
when = { nl = "dinsdag en donderdag, 12.00-14.00 uur", en = "Tuesday and Thursday, 12.00-14.00" }
waiting = { nl = "geen, loop binnen", en = "none, walk in" }

[help.stumbling_block]
whom = { nl = "Bijspijkercursus rekenen en statistiek", en = "Refresher course in arithmetic and statistics" }
where = { nl = "C1.02", en = "C1.02" }
when = { nl = "woensdagmiddag, zes weken", en = "Wednesday afternoons, six weeks" }
waiting = { nl = "start elke maand", en = "begins every month" }

[help.peers]
whom = { nl = "Studentcoaches, coördinator Joris Maas", en = "Student coaches, coordinator Joris Maas" }
where = { nl = "bij de koffiebar op de begane grond", en = "by the coffee bar on the ground floor" }
waiting = { nl = "binnen een week een buddy", en = "a buddy within a week" }

[help.orientation]
whom = { nl = "Studiekeuzecentrum", en = "Orientation centre" }
when = { nl = "op afspraak; inloop op maandag", en = "by appointment; walk in on Mondays" }
waiting = { nl = "ongeveer een week", en = "about a week" }

[help.dean]
whom = { nl = "Studentendecaan, Hanna Kaya", en = "Student dean, Hanna Kaya" }
where = { nl = "A0.08, een rustige kamer", en = "A0.08, a quiet room" }
waiting = { nl = "twee tot drie dagen", en = "two to three days" }

[registers]
attendance = { nl = "roosterbureau", en = "timetable office" }
results = { nl = "toetsbureau van de academie", en = "the academy's test office" }
enrolment = { nl = "studentenadministratie", en = "student administration" }
other = { nl = "datateam onderwijs", en = "education data team" }
"""
_TALKS = (
    ("study_skills", "Ik maak zondag een weekplanning en stuur een foto.", "Werkt vooral 's avonds laat; plannen is nieuw. Wil het per week proberen."),
    ("study_skills", "Ik vraag Sem of we dinsdag samen leren voor statistiek.", "Leert alleen en loopt vast bij opgaven. Samen ging vorig jaar beter."),
    ("expectations", "Ik loop een dag mee bij het stagebedrijf van mijn buurvrouw.", "Had meer praktijk verwacht. Licht op bij het project met een echte klant."),
    ("wrong_choice", "Ik ga naar de open dag en praat daarna met het studiekeuzecentrum.", "Koos snel, na een tussenjaar. Wil eerst weten wat echt past."),
    ("level", "Ik ga naar de bijspijkercursus op woensdag.", "De toets ging te snel. Begrijpt de stof als het stap voor stap gaat."),
    ("circumstances", "Ik bel morgen zelf met de decaan.", "Er speelt iets buiten de studie; details horen niet hier. Wil wel doorgaan."),
    ("other", "Ik zet mijn wekker en fiets met Noor mee.", "Reist twee uur per dag; het eerste uur lukt vaak niet."),
    ("study_skills", "Ik kijk de toets in en schrijf op wat ik niet begreep.", "Schrok van het cijfer, had er hard voor gewerkt. Herkent dat uit de havo."),
    ("expectations", "Ik vraag een ouderejaars hoe het tweede jaar is.", "Mist het waarvoor; zoekt iemand die verder is."),
    ("", "Ik kom over drie weken vertellen hoe het ging.", "Gaat eigenlijk goed; was twee weken naar een toernooi. Fijn om gezien te worden."),
)  # fmt: skip
_WORRIES = ("Zat vanmorgen stil achterin; anders dan anders.", "Zei na de les dat de opleiding misschien niet past.", "")
_WRONG = (("attendance", "Was er op dinsdag wel, de lijst ging niet rond."), ("results", "De herkansing is al nagekeken."))


def write_desk_file(workspace: Path) -> None:
    """Write the demo institution's file, unless there is one."""
    from serving.settings import DESK_NAME

    target = workspace / DESK_NAME
    if not target.exists():
        with atomic_file(target) as temporary:
            temporary.write_text(DESK_FILE, encoding="utf-8")


def talk_after(store: Store, on: dt.date, *, newest: bool) -> int:
    """Let the coaches of a demo work for a week after a list, and give with how many students they did something.

    Parameters
    ----------
    store : Store
    on : datetime.date
        The day of the list, a Monday.
    newest : bool
        On the newest list hardly anything is done yet: it is Monday morning.
    """
    from sqlalchemy import select

    from serving.store.follow_up import About, Writer, standing
    from serving.store.tables import Week
    from serving.store.weeks import coaches_of, invited_students

    with store.session() as session:
        week = session.scalars(select(Week).where(Week.on == on)).one()
        names = coaches_of(week, store.keys)
        told = [
            (
                About(each.row.person, each.row.enrolment),
                each.row.coach_id,
                each.enrolment_id,
                standing(session, store.keys, each.row.enrolment),
            )
            for each in invited_students(session, store.keys, week, None)
        ]
        told += _agreed_before(session, store, {about.enrolment for about, _, _, _ in told}, on)
        session.expunge_all()
    done = 0
    for about, coach, identity, stands in told:
        chance = _drawn(identity, on.isoformat())
        if newest and chance > 0.1:
            continue
        who = Writer(f"demo-{coach}", names.get(coach, coach))
        done += _work(store, about, stands.agreed, stands.version, who, chance, identity, on, newest)
    done += _worries(store, on, names) if not newest else 0
    return done


def _agreed_before(session: Session, store: Store, here: set[str], on: dt.date) -> list[tuple[About, str, str, Standing]]:
    """Give the students of earlier lists whose next step was due by the end of the week."""
    from sqlalchemy import select

    from serving.store.desk_tables import FollowUp, OwnStudent
    from serving.store.follow_up import About, standing
    from serving.store.people import details_of

    rows = session.execute(
        select(FollowUp, OwnStudent.coach_id)
        .join(OwnStudent, OwnStudent.enrolment == FollowUp.enrolment)
        .where(FollowUp.stage == "agreed", FollowUp.next_on < on + dt.timedelta(days=7), FollowUp.enrolment.not_in(here))
    )
    return [
        (About(row.person, row.enrolment), coach, details.enrolments[row.enrolment], standing(session, store.keys, row.enrolment))
        for row, coach in rows
        if (details := details_of(row.person, store.keys)) is not None
    ]


def _drawn(identity: str, salt: str) -> float:
    return int(hashlib.sha256(f"{identity} {salt}".encode()).hexdigest()[:8], 16) / 0x1_0000_0000


def _work(
    store: Store, about: About, before: Agreed, version: int, who: Writer, chance: float, identity: str, on: dt.date, newest: bool
) -> int:
    """Do a week's work with one student: some are reached, some talk and agree on something, some don't, some end."""
    from serving.store.desk import mark, report_datum
    from serving.store.follow_up import Agreed, save

    day = on if newest else on + dt.timedelta(days=1 + int(4 * _drawn(identity, "day")))
    at = dt.datetime.combine(day, dt.time(9 + int(6 * chance), 5 * int(11 * chance)))
    reason, step, note = _TALKS[int(len(_TALKS) * _drawn(identity, "talk"))]
    reasons = (reason,) if reason else ()
    steps: list[tuple[Agreed, str]] = []
    if before.stage in ("", "invited", "reached"):
        if chance < 0.5:
            hand = {"handed_to": "dean", "consent_on": day} if reason == "circumstances" else {}
            agreed = Agreed("agreed", "", day, reasons, "", step, day + dt.timedelta(days=4 + int(10 * _drawn(identity, "next"))), **hand)  # type: ignore[arg-type]
            steps = [(Agreed("invited"), ""), (agreed, note)]
        elif chance < 0.62:
            steps = [(Agreed("talked", "", day, reasons), note)]
        elif chance < 0.75:
            steps = [(Agreed("reached", "", day), "")]
        elif chance < 0.87:
            steps = [(Agreed("not", ("no_answer", "declined", "not_needed")[int(3 * _drawn(identity, "why"))]), "")]
        else:
            steps = [(Agreed("invited"), "")]
    elif before.stage == "agreed" and chance < 0.55:
        steps = [(Agreed("done", "", day, before.reasons, "", before.next_step, before.next_on), "Stap gezet, gaat de goede kant op.")]
    for number, (agreed, text) in enumerate(steps):
        moment = at - dt.timedelta(hours=20) if number < len(steps) - 1 else at
        changed, _ = save(store, about, agreed, text, version=version, by=who, at=moment, today=moment.date())
        version += changed
    if steps and chance < 0.6:
        mark(store, about, on, known="known" if _drawn(identity, "known") < 0.55 else "new", by=who, at=at)
    if steps and _drawn(identity, "wrong") < 0.04:
        register, text = _WRONG[int(2 * _drawn(identity, "which"))]
        report_datum(store, about, register, text, by=who, at=at)
    return int(bool(steps))


def _worries(store: Store, on: dt.date, names: dict[str, str]) -> int:
    """Let a few students who are not invited ask for a talk, or be put on the list."""
    from serving.store.caseload import students_of
    from serving.store.desk import ask_for_talk
    from serving.store.follow_up import About, Writer
    from serving.store.people import details_of
    from serving.store.weeks import invited_before

    with store.session() as session:
        invited, _ = invited_before(session, on + dt.timedelta(days=1))
        people: Sequence[tuple[About, str, str]] = [
            (About(row.person, row.enrolment), row.coach_id, details.enrolments[row.enrolment])
            for row in students_of(session, None)
            if row.enrolment not in invited and row.coach_id and (details := details_of(row.person, store.keys)) is not None
        ]
        session.expunge_all()
    asked = 0
    for about, coach, identity in sorted(people, key=lambda each: each[2]):
        chance = _drawn(identity, f"worry {on.isoformat()}")
        if chance < 0.012:
            way = "request" if chance < 0.006 else "coach"
            text = _WORRIES[int(3 * _drawn(identity, "text"))] if way == "coach" else ""
            at = dt.datetime.combine(on + dt.timedelta(days=3), dt.time(13, 20))
            ask_for_talk(store, about, way, text, by=Writer(f"demo-{coach}", names.get(coach, coach)), at=at)
            asked += 1
    return asked
