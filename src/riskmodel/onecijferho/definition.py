"""The `dataset.toml` of a history: cohorts, the outcome's definition, every choice that was made, and what the institution still adds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit

from riskmodel.contract.definition import FILE_NAME
from riskmodel.onecijferho.fields import column_name
from riskmodel.onecijferho.history import PRIOR_KINDS, Choices
from riskmodel.onecijferho.report import Imported

_FIRST_YEARS = {
    "programme": "first-years of a programme at this institution, also those who came over from another programme",
    "institution": "first-years of this institution",
    "ho": "first-years of higher education",
}
_UNIVERSITY = {
    "switched": "counts as switched",
    "dropped_out": "counts as dropped out (left hbo)",
    "left_out": "is left out and counted",
}


def write_definition(folder: Path, done: Imported, choices: Choices, also: Sequence[str], key_check: str) -> None:
    """Write `dataset.toml` into a folder of tables.

    Parameters
    ----------
    folder : Path
        Holds the tables already.
    done : Imported
        What was counted.
    choices : Choices
        What was chosen.
    also : sequence of {'school_grade', 'years_in_ho'}
        Further columns to declare.
    key_check : str
        By which the key of the pseudonyms is recognised.
    """
    document = tomlkit.document()

    def comment(*texts: str) -> None:
        for text in texts:
            document.add(tomlkit.comment(text))

    deliveries = sorted({each["delivery"] for each in done.files})
    comment(
        "Made by 'riskmodel data import-1cho'. What was counted, chosen and left out stands under [imported].",
        "",
        "What the institution adds: results and attendance of the same students, each row with the enrolment's id.",
        "  1. 'riskmodel data link' puts student numbers in the place of pseudonyms; enrolment_id then is STUDENTNUMBER-YEAR-PROGRAMME,",
        "     for instance 501234-2023-34560: the first calendar year of the academic year, and the programme's code as in the enrolments.",
        "  2. Put results.csv and attendance.csv (or .parquet, .xlsx) in this folder and say below what their columns are called, for instance:",
        "       [tables.results]",
        '       file = "results.csv"',
        '       columns = { enrolment_id = "Inschrijving", date = "Toetsdatum", test = "Toets", grade = "Cijfer", course = "Vak", known_on = "Gepubliceerd" }',
        "       [tables.attendance]",
        '       file = "attendance.csv"',
        '       columns = { enrolment_id = "Inschrijving", date = "Datum", scheduled = "Ingeroosterd", attended = "Aanwezig" }',
        "  3. 'riskmodel data check' tells what does not fit. Until then models can look at what is known at the start, and at nothing else.",
    )
    document["name"] = done.institution
    document["source"] = f"1cijferHO {', '.join(map(str, deliveries))}"
    comment(
        "Programmes are the codes of 'Opleiding actueel equivalent': what a programme is today, so that a new code is no switch. Give them names with"
    )
    comment('values = { programme = { "34560" = "Verpleegkunde" } } under [tables.enrolments].')
    cohorts = tomlkit.aot()
    for cohort in done.cohorts:
        year = int(cohort["label"][:4])
        entry = {"label": cohort["label"], "start": dt.date(year, 9, 1), "closed": cohort["closed"]}
        cohorts.append(tomlkit.item({**entry, "outcome_on": dt.date(year + 1, 10, 1)} if cohort["closed"] else entry))
    document["cohorts"] = cohorts
    document["outcome"] = {
        "measured_on": "1 October of the next academic year (1cijferHO)",
        "switch_inside_counts": True,
        "early_leavers_count": False,
        "note": (
            f"Who counts: {_FIRST_YEARS[choices.first_years]}, with their main enrolment in hbo (associate degree or bachelor) on 1 October; "
            "who had left by then, or began later, is not among them. Dropped out: no main enrolment in higher education a year later. "
            "Switched: a main enrolment in another programme, or at another institution. "
            f"Leaving for university {_UNIVERSITY[choices.university]}. Going on at a designated institution counts as dropped out, as the sector counts. "
            "Who died or left with the diploma is left out."
        ),
    }
    comment("Days 14 and 28 lie before 1 October: a model of those days learns only from students who were still there on that date.")
    comment("When the institution knew of a leaving is not in the file; 14 days after it ended is an assumption. Make it yours.")
    document["delays"] = {"attendance": 1, "results": 10, "leaving": 14, "extra": 1}
    comment("'mbo 1-3' and 'vmbo' give no entry to hbo by themselves, so something else did; change what is counted as what here.")
    document["prior_education"] = {"values": dict(PRIOR_KINDS)}
    document["tables"] = {
        name: {"file": f"{name}.parquet"} for name in ("enrolments", "outcomes", "groups") if (folder / f"{name}.parquet").exists()
    }
    if also:
        extra = tomlkit.aot()
        for name in also:
            extra.append(tomlkit.item(_EXTRA[name]))
        document["extra"] = extra
    document["imported"] = {
        "institution": done.institution,
        "institution_found_by": done.found_by,
        "first_years": choices.first_years,
        "university": choices.university,
        **({} if choices.since is None else {"since": choices.since}),
        "deliveries": "each student's rows come from the newest delivery that holds them",
        "start": "start_date is 'Datum inschrijving' where it lies before 1 October, else the first of 'Maand vanaf', else 1 September",
        "leaving": "left_on is the last 'Datum uitschrijving' of the year in the programme, where that is before 31 August; when it became known is not in the file",
        "gap_years": "diploma year 2003 stands for the school year 2003-2004, so that who began in 2004 has no gap",
        "not_in_the_file": "the day of enrolling (enrolled_on), intake check, academy and coach",
        "key_check": key_check,
        "groups": [column_name(name) for name in done.groups],
        "fields_absent": list(done.absent),
        "files": [dict(each) for each in done.files],
        "unknown": dict(done.unknown),
        "left_out": dict(done.left_out),
        "cohorts": [dict(cohort) for cohort in done.cohorts],
    }
    (folder / FILE_NAME).write_text(tomlkit.dumps(document), encoding="utf-8", newline="\n")


_EXTRA: Mapping[str, Mapping[str, Any]] = {
    "school_grade": {
        "name": "school_grade",
        "source": "enrolment",
        "column": "school_grade",
        "direction": "down",
        "label": {"nl": "gemiddeld eindcijfer van de vooropleiding", "en": "mean school-leaving grade"},
        "phrase": {"nl": "Het gemiddelde eindcijfer van de vooropleiding valt op.", "en": "The mean school-leaving grade stands out."},
        "justification": "How school ended is known at the start and can be talked about; of this year's students the student system must tell it too.",
    },
    "years_in_ho": {
        "name": "years_in_ho",
        "source": "enrolment",
        "column": "years_in_ho",
        "direction": "none",
        "label": {
            "nl": "jaren sinds de eerste inschrijving in het hoger onderwijs",
            "en": "years since first enrolling in higher education",
        },
        "phrase": {
            "nl": "Dit is niet de eerste studie in het hoger onderwijs.",
            "en": "This is not the first programme in higher education.",
        },
        "justification": "A second try after a switch asks for another talk than a first; of this year's students the student system must tell it too.",
    },
}
