"""What columns and values are called at Dutch institutions, in Dutch and in English. Knows words alone; opens no file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# Per canonical column: names that stand for it, without spaces, underscores and capitals; the surest first.
_ENROLMENT = (
    "enrolmentid enrollmentid inschrijvingid inschrijvingsid inschrijvingsnummer inschrijfnummer inschrijving idinschrijving registrationid"
)
_STUDENT = (
    "studentid studentnummer studentnr studentnumber student studnr stamnummer persoonsnummer deelnemernummer idstudent matriculationnumber"
)
_KNOWN = (
    "knownon bekendop bekendsinds geregistreerdop registratiedatum datumregistratie datumbekend publicatiedatum datumpublicatie gepubliceerdop "
    "datumbekendmaking verwerkingsdatum publishedon datuminvoer invoerdatum publishedat"
)
_COURSE = "course vak vakcode vaknaam cursus cursuscode module modulecode onderwijseenheid coursecode subject"
COLUMN_NAMES: Mapping[str, Mapping[str, str]] = {
    "enrolments": {
        "enrolment_id": _ENROLMENT,
        "student_id": _STUDENT,
        "cohort": "cohort instroomjaar cohortjaar startjaar studiejaar academischjaar collegejaar inschrijvingsjaar intake academicyear schooljaar jaar year",
        "programme": "programme program opleiding opleidingscode opleidingcode opleidingsnaam opleidingnaam croho crohocode isat isatcode studie studierichting",
        "academy": "academy academie faculteit faculty instituut institute department domein afdeling school",
        "start_date": "startdate startdatum begindatum datumstart datumbegin instroomdatum datuminstroom ingangsdatum begindatuminschrijving startopleiding start",
        "enrolled_on": "enrolledon aanmelddatum datumaanmelding aanmeldingsdatum inschrijfdatum datuminschrijving inschrijvingsdatum applicationdate registrationdate",
        "left_on": "lefton uitschrijfdatum datumuitschrijving uitschrijvingsdatum vertrekdatum einddatum datumuit datumuitstroom uitstroomdatum "
        "einddatuminschrijving withdrawaldate enddate",
        "left_known_on": "leftknownon uitschrijvinggeregistreerdop uitschrijvingverwerktop uitschrijvingbekendop mutatiedatum verwerktop "
        "datumverwerkinguitschrijving verwerkingsdatumuitschrijving datumuitschrijvingverwerkt datumregistratieuitschrijving registratiedatumuitschrijving",
        "prior_education": "prioreducation vooropleiding hoogstevooropleiding vooropl soortvooropleiding vooropleidingsoort vooropleidingtype highesteducation",
        "prior_education_related": "prioreducationrelated verwant verwantevooropleiding vooropleidingverwant verwantschap related",
        "intake_check": "intakecheck studiekeuzecheck skc uitslagskc adviesskc skcadvies studiekeuzeadvies matching",
        "study_form": "studyform studievorm opleidingsvorm opleidingvorm onderwijsvorm voltijddeeltijd vorm modeofstudy",
        "level": "level niveau opleidingsniveau graad degree soortopleiding",
        "gap_years": "gapyears tussenjaren aantaltussenjaren tussenjaar",
        "coach_id": "coachid coach slb slber slbcode slbdocent mentor studieloopbaanbegeleider studiecoach tutor",
    },
    "attendance": {
        "enrolment_id": _ENROLMENT,
        "date": "date datum lesdatum datumles lesdag sessiondate dag",
        "known_on": _KNOWN,
        "course": _COURSE,
        "scheduled": "scheduled gepland ingeroosterd aantalgepland aantallessen geplandelessen lessen lesuren roosteruren geplandeuren planned",
        "attended": "attended aanwezig aanwezigheid aantalaanwezig presentie present presence bijgewoond aanwezigheidsstatus",
        "session_id": "sessionid lesid sessieid activiteitid lesnummer roosterid bijeenkomstid lescode",
    },
    "results": {
        "enrolment_id": _ENROLMENT,
        "date": "date toetsdatum datumtoets tentamendatum datumtentamen testdate examdate resultaatdatum datum",
        "known_on": _KNOWN,
        "course": _COURSE,
        "test": "test toets toetscode toetsnaam toetsomschrijving tentamen deeltoets assessment exam",
        "attempt": "attempt poging pogingnummer kans gelegenheid gelegenheidnummer",
        "grade": "grade cijfer eindcijfer resultaat uitslag beoordeling score mark",
        "credits": "credits studiepunten ects ec ecs punten",
    },
    "outcomes": {
        "enrolment_id": _ENROLMENT,
        "outcome": "outcome uitkomst uitstroom uitstroomstatus statusnajaar statusnaeenjaar studiestatus uitval finalresult status",
    },
    "groups": {"student_id": _STUDENT},
    "contacts": {
        "student_id": _STUDENT,
        "name": "name naam volledigenaam studentnaam weergavenaam fullname",
        "email": "email emailadres mail mailadres",
        "language": "language taal voorkeurstaal",
    },
    "coaches": {
        "coach_id": "coachid coach slbcode slb personeelsnummer medewerkercode medewerker code",
        "name": "name naam volledigenaam fullname",
        "email": "email emailadres mail mailadres",
        "login_subject": "loginsubject login gebruikersnaam account upn username",
        "capacity": "capacity capaciteit plekken aantalplekken gesprekken",
    },
}
FILE_WORDS: Mapping[str, tuple[str, ...]] = {
    "enrolments": ("enrol", "inschrijv", "student"),
    "attendance": ("attend", "aanwezig", "present", "absen"),
    "results": ("result", "cijfer", "toets", "grade", "tentamen"),
    "outcomes": ("outcome", "uitkomst", "uitstroom", "uitval"),
    "groups": ("group", "groep", "kenmerk", "achtergrond"),
    "contacts": ("contact", "adres"),
    "coaches": ("coach", "slb", "mentor"),
}

_PRIOR = (
    ("havo", ("havo",)),
    ("vwo", ("vwo", "gymnasium", "atheneum")),
    ("mbo", ("mbo", "roc ", "middelbaar beroeps")),
    ("other", ("other", "overig", "ander", "buitenland", "foreign", "hbo", "wo", "colloquium", "21+", "toelatingsonderzoek", "propedeuse")),
)
_OUTCOMES = (
    ("continued", "continued doorgestroomd doorstroom ingeschreven herinschrijving heringeschreven gebleven actief active pass passed distinction diploma afgestudeerd"),
    ("switched", "switched switch studiewissel gewisseld overgestapt overstap wisselaar"),
    ("dropped_out", "dropped_out dropout uitval uitgevallen uitvaller withdrawn gestaakt uitho"),
    ("not_continued", "not_continued nietdoorgestroomd gestopt uitgeschreven fail failed vertrokken"),
)  # fmt: skip
_GRADES = (
    ("passed", "v vold voldoende voldaan g goed zg zeergoed p pass passed behaald vld gehaald"),
    ("failed", "o onv onvoldoende f fail failed nietbehaald nv nietvoldaan"),
    ("exempt", "vr vrij vrijstelling exempt exemption"),
    ("absent", "nvd na nav afw afwezig absent nietverschenen nietdeelgenomen noshow"),
)  # fmt: skip
_PRESENCE = (
    ("1", "aanwezig a present p ja j yes y true waar x telaat late online"),
    ("0", "afwezig absent nee n no false onwaar ziek afgemeld geoorloofd ongeoorloofd verzuim ziekgemeld"),
)  # fmt: skip


def plain(name: str) -> str:
    """Give a name without capitals, spaces and signs."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def likeness(header: str, canonical_names: str) -> float:
    """Tell how sure it is that a header stands for a column, from 0 (not) to 3 (it is its very name)."""
    told = plain(header)
    names = canonical_names.split()
    if told in names:
        return 3.0 - names.index(told) / (10 * len(names))
    if any(len(name) > 4 and (told.startswith(name) or told.endswith(name)) for name in names):
        return 1.0
    return 0.0


def kind_of_prior_education(value: str) -> str | None:
    """Give the kind that an institution's value most likely stands for; None where that can't be told."""
    told = value.strip().lower()
    for kind, words in _PRIOR:
        if any(re.search(rf"(^|\W){re.escape(word)}", told) for word in words):
            return kind
    return None


def _by_word(value: str, meanings: Iterable[tuple[str, str]]) -> str | None:
    told = plain(value)
    return next((meaning for meaning, words in meanings if told in words.replace("_", "").split()), None)


def outcome_of(value: str) -> str | None:
    """Give the outcome that a value most likely stands for; None where that can't be told."""
    return _by_word(value, _OUTCOMES)


def status_of_grade(value: str) -> str | None:
    """Give what a word among grades most likely stands for; None where that can't be told."""
    return _by_word(value, _GRADES)


def presence_of(value: str) -> str | None:
    """Give '1' or '0' for words that tell presence, such as 'Geoorloofd afwezig'; None where that can't be told."""
    whole = _by_word(value, _PRESENCE)
    if whole is not None:
        return whole
    # Single letters say something only on their own.
    parts = [part for part in re.findall(r"[a-z]+", value.lower()) if len(part) > 2]
    found = {meaning for part in parts if (meaning := _by_word(part, _PRESENCE)) is not None}
    denied = bool({"niet", "not"} & set(parts))
    if "0" in found:
        return None if denied else "0"
    if "1" in found:
        return "0" if denied else "1"
    return None
