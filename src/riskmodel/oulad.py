"""The Open University Learning Analytics data set as a contract folder: its own table names in, the product's out.

Source of the data: Kuzilek, Hlosta, Zdrahal (2017), 'Open University Learning Analytics dataset', Scientific Data 4:170171, CC BY 4.0.
Every choice of mapping is written into the target's `dataset.toml`, with what was dropped and how many.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
import tomlkit

from riskmodel.contract.definition import FILE_NAME
from riskmodel.contract.reading import connect, literal
from riskmodel.errors import DataFault
from riskmodel.files import atomic_folder
from riskmodel.progress import Progress, silent

PASS_MARK = 40
DAYS_BEFORE_START = 25
_LAST_DAY = 140
_START_MONTHS = {"B": 2, "J": 10}
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "studentInfo": (
        "code_module", "code_presentation", "id_student", "gender", "region", "highest_education", "imd_band", "age_band",
        "num_of_prev_attempts", "studied_credits", "disability", "final_result",
    ),
    "studentRegistration": ("code_module", "code_presentation", "id_student", "date_registration", "date_unregistration"),
    "assessments": ("code_module", "code_presentation", "id_assessment", "assessment_type", "date", "weight"),
    "studentAssessment": ("id_assessment", "id_student", "date_submitted", "is_banked", "score"),
}  # fmt: skip
_VLE_COLUMNS = ("code_module", "code_presentation", "id_student", "date", "sum_click")
_ACTIVITY_COLUMNS = ("code_module", "code_presentation", "id_student", "period_start_day", "period_end_day", "active_days", "total_clicks")
_EDUCATION = {
    "No Formal quals": ("none", "geen diploma", "no formal qualification"),
    "Lower Than A Level": ("below_a_level", "lager dan A-level", "lower than A level"),
    "A Level or Equivalent": ("a_level", "A-level", "A level or equivalent"),
    "HE Qualification": ("higher", "hoger onderwijs", "higher education qualification"),
    "Post Graduate Qualification": ("postgraduate", "postgraduaat", "postgraduate qualification"),
}
_OUTCOMES = {"Withdrawn": "dropped_out", "Fail": "not_continued", "Pass": "continued", "Distinction": "continued"}


@dataclass(frozen=True)
class Imported:
    """What an import made: rows per table, and rows dropped per cause."""

    rows: Mapping[str, int]
    dropped: Mapping[str, int]
    activity: str


def import_oulad(source: Path, target: Path, progress: Progress = silent) -> Imported:
    """Turn a folder with OULAD tables into a contract folder.

    Parameters
    ----------
    source : Path
        The official tables by their own names; `studentVle.csv` may be gzipped or zipped. Where it is absent, `activity.csv` (totals of
        two weeks) is used, and only students who have rows in it are taken: the others' activity is unknown, not zero.
    target : Path
        A new folder; it appears whole or not at all.
    progress : Progress
        Told what is being done.

    Raises
    ------
    DataFault
        A table or column is missing, or a file is broken.
    RiskModelError
        The target exists or can't be written.
    """
    if not source.is_dir():
        raise DataFault("this folder does not exist.", place=str(source), remedy="Name the folder that holds studentInfo.csv.")
    with (
        tempfile.TemporaryDirectory(prefix="riskmodel-", ignore_cleanup_errors=True) as scratch,
        connect() as connection,
        atomic_folder(target) as folder,
    ):
        work = _Import(connection, source, folder, Path(scratch))
        try:
            return work.run(progress)
        except duckdb.Error as error:
            detail = str(error).strip().splitlines()[0]
            raise DataFault(f"a table can't be read: {detail}", place=str(source), remedy="Download it again, whole.") from error


class _Import:
    def __init__(self, connection: duckdb.DuckDBPyConnection, source: Path, folder: Path, scratch: Path) -> None:
        self.connection = connection
        self.source = source
        self.folder = folder
        self.scratch = scratch
        self.dropped: dict[str, int] = {}
        self.rows: dict[str, int] = {}

    def run(self, progress: Progress) -> Imported:
        steps = ("registrations", "activity", "results", "definition")
        progress(0, len(steps), "reading registrations")
        for name, columns in _COLUMNS.items():
            self._open(name, self.source / f"{name}.csv", columns)
        vle = next((path for path in (self.source / f"studentVle.csv{end}" for end in ("", ".gz", ".zip")) if path.exists()), None)
        if vle is not None:
            self._open("studentVle", self._unzipped(vle), _VLE_COLUMNS)
        else:
            self._open("activity", self.source / "activity.csv", _ACTIVITY_COLUMNS)
        self._enrolments(only_active=vle is None)
        progress(1, len(steps), "reading activity")
        self._daily_activity() if vle is not None else self._period_activity()
        progress(2, len(steps), "reading results")
        self._results()
        progress(3, len(steps), "writing dataset.toml")
        activity = "studentVle" if vle is not None else "activity"
        self._definition(activity)
        progress(len(steps), len(steps), "imported")
        return Imported(self.rows, self.dropped, activity)

    def _unzipped(self, path: Path) -> Path:
        if path.suffix != ".zip":
            return path
        target = self.scratch / "studentVle.csv"
        try:
            with zipfile.ZipFile(path) as archive:
                name = next((name for name in archive.namelist() if name.endswith(".csv")), None)
                if name is None:
                    raise DataFault("there is no CSV file in this archive.", place=str(path), remedy="Download it again.")
                with archive.open(name) as packed, target.open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
        except zipfile.BadZipFile as error:
            raise DataFault("this archive is broken.", place=str(path), remedy="Download it again, whole.") from error
        return target

    def _open(self, name: str, path: Path, columns: tuple[str, ...]) -> None:
        if not path.exists():
            raise DataFault(
                f"the table {path.name} is not there.", place=str(self.source), remedy="Put the official OULAD tables in this folder."
            )
        self.connection.execute(
            f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_csv({literal(path.as_posix())}, header = true, all_varchar = true, nullstr = ['', '?'])"
        )
        have = {row[0] for row in self.connection.execute(f"DESCRIBE {name}").fetchall()}
        lacking = [column for column in columns if column not in have]
        if lacking:
            raise DataFault(
                f"the columns {', '.join(lacking)} are missing.", place=str(path), remedy="Use the official table as it was published."
            )

    def _count(self, sql: str) -> int:
        row = self.connection.execute(sql).fetchone()
        assert row is not None
        return int(row[0])

    def _drop(self, cause: str, count: int) -> None:
        if count:
            self.dropped[cause] = count

    def _write(self, name: str, sql: str) -> None:
        target = self.folder / f"{name}.parquet"
        self.connection.execute(f"COPY ({sql}) TO {literal(target.as_posix())} (FORMAT parquet)")
        self.rows[name] = self._count(f"SELECT count(*) FROM read_parquet({literal(target.as_posix())})")

    def _presentations(self) -> dict[str, dt.date]:
        labels = [row[0] for row in self.connection.execute("SELECT DISTINCT code_presentation FROM studentInfo ORDER BY 1").fetchall()]
        try:
            return {label: dt.date(int(label[:4]), _START_MONTHS[label[4:]], 1) for label in labels}
        except (KeyError, ValueError, TypeError):
            raise DataFault(
                "a code_presentation is not a year with B or J behind it.",
                place=str(self.source / "studentInfo.csv"),
                remedy="Use the official table.",
            ) from None

    def _enrolments(self, *, only_active: bool) -> None:
        starts = pd.DataFrame(
            [(label, start) for label, start in self._presentations().items()], columns=["code_presentation", "start_date"]
        )
        self.connection.register("start_frame", starts)
        self.connection.execute("CREATE TABLE starts AS SELECT code_presentation, CAST(start_date AS DATE) AS start_date FROM start_frame")
        self.connection.execute(
            "CREATE TABLE everyone AS SELECT i.*, s.start_date, i.code_module || '-' || i.code_presentation || '-' || i.id_student AS enrolment_id, "
            "TRY_CAST(r.date_registration AS INTEGER) AS registered, TRY_CAST(r.date_unregistration AS INTEGER) AS unregistered, "
            "row_number() OVER (PARTITION BY i.code_module, i.code_presentation, i.id_student) AS nth "
            "FROM studentInfo i JOIN starts s USING (code_presentation) "
            "LEFT JOIN studentRegistration r USING (code_module, code_presentation, id_student)"
        )
        conditions = {
            "enrolments that stand more than once": "nth > 1",
            "enrolments that ended before the start": "unregistered < 0",
            "enrolments without a final result": f"final_result IS NULL OR final_result NOT IN ({', '.join(map(literal, _OUTCOMES))})",
        }
        if only_active:
            self.connection.execute(
                "CREATE TABLE active AS SELECT DISTINCT code_module || '-' || code_presentation || '-' || id_student AS enrolment_id FROM activity"
            )
            conditions["students without rows in activity.csv, whose activity is unknown"] = (
                "enrolment_id NOT IN (SELECT enrolment_id FROM active)"
            )
        kept = "true"
        for cause, condition in conditions.items():
            self._drop(cause, self._count(f"SELECT count(*) FROM everyone WHERE ({kept}) AND ({condition})"))
            kept += f" AND NOT coalesce({condition}, false)"
        self.connection.execute(f"CREATE TABLE taken AS SELECT * FROM everyone WHERE {kept} ORDER BY enrolment_id")
        # A Withdrawn without a day of unregistering has no known day of leaving; one who finished has not left, whatever the day says.
        left = "CASE WHEN final_result = 'Withdrawn' THEN start_date + unregistered END"
        self._write(
            "enrolments",
            "SELECT enrolment_id, id_student AS student_id, code_presentation AS cohort, code_module AS programme, start_date, "
            f"start_date + registered AS enrolled_on, {left} AS left_on, {left} AS left_known_on, highest_education AS prior_education, "
            "CAST(num_of_prev_attempts AS DOUBLE) AS previous_attempts, CAST(studied_credits AS DOUBLE) AS studied_credits FROM taken ORDER BY enrolment_id",
        )
        outcome = " ".join(f"WHEN {literal(result)} THEN {literal(outcome)}" for result, outcome in _OUTCOMES.items())
        self._write("outcomes", f"SELECT enrolment_id, CASE final_result {outcome} END AS outcome FROM taken ORDER BY enrolment_id")
        self._write(
            "groups",
            "SELECT DISTINCT ON (id_student) id_student AS student_id, gender, age_band, disability, imd_band, region FROM taken ORDER BY id_student",
        )

    def _daily_activity(self) -> None:
        """Write one row per enrolment and day that the presentation's tables cover, active or not: no row means no activity, not unknown."""
        self.connection.execute(
            "CREATE TABLE clicks AS SELECT code_module || '-' || code_presentation || '-' || id_student AS enrolment_id, CAST(date AS INTEGER) AS day, "
            "sum(CAST(sum_click AS BIGINT)) AS clicks FROM studentVle GROUP BY ALL"
        )
        self._drop(
            "days of activity of students who are not taken",
            self._count("SELECT count(*) FROM clicks WHERE enrolment_id NOT IN (SELECT enrolment_id FROM taken)"),
        )
        after = (
            "SELECT count(*) FROM clicks c JOIN taken t USING (enrolment_id) WHERE t.final_result = 'Withdrawn' AND c.day > t.unregistered"
        )
        self._drop("days of activity after unregistering", self._count(after))
        self._drop(
            "days of activity later than day 140, which nothing reads", self._count(f"SELECT count(*) FROM clicks WHERE day > {_LAST_DAY}")
        )
        self.connection.execute(
            "CREATE TABLE days AS SELECT t.enrolment_id, t.start_date, d.day, coalesce(c.clicks, 0) AS clicks FROM taken t "
            "JOIN (SELECT code_module, code_presentation, min(TRY_CAST(date AS INTEGER)) AS first, max(TRY_CAST(date AS INTEGER)) AS last FROM studentVle GROUP BY ALL) span "
            "USING (code_module, code_presentation) "
            f"JOIN (SELECT CAST(unnest(range(-{DAYS_BEFORE_START}, {_LAST_DAY + 1})) AS INTEGER) AS day) d ON d.day BETWEEN span.first AND span.last "
            "LEFT JOIN clicks c ON c.enrolment_id = t.enrolment_id AND c.day = d.day "
            "WHERE NOT coalesce(t.final_result = 'Withdrawn' AND d.day > t.unregistered, false)"
        )
        self._write(
            "attendance",
            "SELECT enrolment_id, start_date + day AS date, 1 AS scheduled, CAST(clicks > 0 AS INTEGER) AS attended FROM days ORDER BY enrolment_id, day",
        )
        self._write(
            "clicks", "SELECT enrolment_id, start_date + day AS date, CAST(clicks AS DOUBLE) AS clicks FROM days ORDER BY enrolment_id, day"
        )

    def _period_activity(self) -> None:
        self.connection.execute(
            "CREATE TABLE periods AS SELECT t.enrolment_id, t.start_date, CAST(period_start_day AS INTEGER) AS first, CAST(period_end_day AS INTEGER) AS last, "
            "CAST(active_days AS INTEGER) AS active_days, CAST(total_clicks AS DOUBLE) AS clicks, "
            "t.final_result = 'Withdrawn' AND CAST(period_end_day AS INTEGER) > t.unregistered AS gone "
            "FROM activity a JOIN taken t ON t.enrolment_id = a.code_module || '-' || a.code_presentation || '-' || a.id_student"
        )
        self._drop("periods of activity that end after unregistering", self._count("SELECT count(*) FROM periods WHERE gone"))
        kept = "FROM periods WHERE NOT coalesce(gone, false) ORDER BY enrolment_id, last"
        self._write(
            "attendance",
            f"SELECT enrolment_id, start_date + last AS date, last - first + 1 AS scheduled, least(active_days, last - first + 1) AS attended {kept}",
        )
        self._write("clicks", f"SELECT enrolment_id, start_date + last AS date, clicks {kept}")

    def _results(self) -> None:
        self.connection.execute(
            "CREATE TABLE tests AS SELECT *, assessment_type || ' ' || row_number() OVER (PARTITION BY code_module, code_presentation, assessment_type "
            "ORDER BY TRY_CAST(date AS INTEGER) NULLS LAST, CAST(id_assessment AS INTEGER)) AS test FROM assessments"
        )
        self.connection.execute(
            "CREATE TABLE handed_in AS SELECT t.enrolment_id, t.start_date, t.code_module, t.final_result, t.unregistered, e.test, CAST(e.weight AS DOUBLE) AS weight, "
            "TRY_CAST(date_submitted AS INTEGER) AS day, TRY_CAST(score AS DOUBLE) AS score, is_banked = '1' AS banked "
            "FROM studentAssessment a JOIN tests e USING (id_assessment) JOIN taken t "
            "ON t.id_student = a.id_student AND t.code_module = e.code_module AND t.code_presentation = e.code_presentation"
        )
        conditions = {
            "results carried over from an earlier presentation": "banked",
            "results without a score": "score IS NULL",
            "results handed in before the start": "day < 0 OR day IS NULL",
            "results handed in after unregistering": "final_result = 'Withdrawn' AND day > unregistered",
        }
        kept = "true"
        for cause, condition in conditions.items():
            self._drop(cause, self._count(f"SELECT count(*) FROM handed_in WHERE ({kept}) AND ({condition})"))
            kept += f" AND NOT coalesce({condition}, false)"
        self._write(
            "results",
            "SELECT enrolment_id, start_date + day AS date, start_date + day AS known_on, code_module AS course, test, 1 AS attempt, score AS grade, "
            f"weight AS credits FROM handed_in WHERE {kept} ORDER BY enrolment_id, day, test",
        )

    def _definition(self, activity: str) -> None:
        document = tomlkit.document()

        def comment(text: str) -> None:
            document.add(tomlkit.comment(text))

        comment("Made by 'riskmodel data import-oulad' from the Open University Learning Analytics data set (CC BY 4.0).")
        document["name"] = "OULAD"
        document["source"] = "Kuzilek, Hlosta, Zdrahal (2017), Scientific Data 4:170171"
        comment("Activity before the start is part of the data: it is known on its day and belongs to the enrolment.")
        document["keep_before_start_days"] = DAYS_BEFORE_START
        document["last_day"] = _LAST_DAY
        cohorts = tomlkit.aot()
        for label, start in self._presentations().items():
            cohorts.append(tomlkit.item({"label": label, "start": start, "closed": True}))
        document["cohorts"] = cohorts
        comment("Withdrawn is dropped_out; Fail is not_continued, the nearest thing to it; Pass and Distinction are continued.")
        document["outcome"] = {
            "measured_on": "the end of the presentation (final_result)",
            "switch_inside_counts": False,
            "early_leavers_count": False,
            "note": "Withdrawn counts as dropped_out and Fail as not_continued; students who unregistered before the start are left out.",
        }
        comment(
            "A score is 0 to 100 and 40 passes. The marking date is not in the data: a result is taken as known on the day it was handed in."
        )
        document["grades"] = {"minimum": 0.0, "maximum": 100.0, "pass_mark": float(PASS_MARK), "words": {}}
        comment("The day of unregistering and each day's activity are registered by the learning platform on that same day.")
        document["delays"] = {"attendance": 0, "results": 0, "leaving": 0, "extra": 0}
        document["prior_education"] = {
            "kinds": {kind: {"nl": nl, "en": en} for kind, nl, en in _EDUCATION.values()},
            "values": {told: kind for told, (kind, _, _) in _EDUCATION.items()},
        }
        how = "a day active is a lesson attended" if activity == "studentVle" else "of the days of a two-week period, those active"
        comment(f"Attendance is activity on the learning platform: {how}. The weight of an assessment stands for its credits.")
        document["tables"] = {name: {"file": f"{name}.parquet"} for name in ("enrolments", "attendance", "results", "outcomes", "groups")}
        extra = tomlkit.aot()
        for entry in _EXTRA:
            extra.append(tomlkit.item(entry))
        document["extra"] = extra
        document["imported"] = {"activity": activity, "dropped": dict(self.dropped), "rows": dict(self.rows)}
        (self.folder / FILE_NAME).write_text(tomlkit.dumps(document), encoding="utf-8")


_EXTRA = (
    {
        "name": "clicks",
        "source": "dated",
        "column": "clicks",
        "table": {"file": "clicks.parquet"},
        "aggregate": ["sum", "sum_recent"],
        "compare": True,
        "transform": "log1p",
        "direction": "none",  # the heaviest users withdraw no less often; measured on 2013B to 2013J
        "actionable": True,
        "label": {"nl": "gebruik van de leeromgeving", "en": "use of the learning platform"},
        "phrase": {
            "nl": "Het gebruik van de leeromgeving valt op naast dat in de opleiding.",
            "en": "Use of the learning platform stands out beside the programme's.",
        },
        "justification": "How much somebody works with the course material is what a distance student's presence consists of.",
    },
    {
        "name": "previous_attempts",
        "source": "enrolment",
        "column": "previous_attempts",
        "direction": "up",
        "label": {"nl": "eerdere pogingen", "en": "previous attempts"},
        "phrase": {"nl": "Dit vak is al eerder gevolgd.", "en": "This module was taken before."},
        "justification": "A second try is known at the start and asks for another talk than a first.",
    },
    {
        "name": "studied_credits",
        "source": "enrolment",
        "column": "studied_credits",
        "direction": "none",
        "label": {"nl": "studiepunten waarvoor iemand staat ingeschreven", "en": "credits enrolled for"},
        "phrase": {
            "nl": "Het aantal studiepunten waarvoor iemand is ingeschreven valt op.",
            "en": "The number of credits enrolled for stands out.",
        },
        "justification": "Taking many credits beside each other is a load that can be talked about.",
    },
)
