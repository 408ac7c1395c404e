"""A proposal for `dataset.toml` from the headers and values that lie in a folder. Guesses, says so, and changes no file."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import tomlkit

from riskmodel.contract import headers
from riskmodel.contract.conversion import Source
from riskmodel.contract.definition import FILE_NAME, UNSAID, Delays, GradeScale, Table, is_sensitive_name
from riskmodel.contract.findings import Language
from riskmodel.contract.reading import TEXT_SUFFIXES, Unreadable, connect, quoted, read_raw
from riskmodel.dates import from_epoch_day
from riskmodel.errors import DataFault
from riskmodel.resources import words_file
from riskmodel.tables import ATTENDANCE_COLUMNS, ENROLMENT_COLUMNS, RESULT_COLUMNS

_READ = (".parquet", ".xlsx", *TEXT_SUFFIXES)
_NOT_TABLES = (FILE_NAME, "policy.toml", "settings.toml", "truth")  # the last is what a synthetic institution hides
_SAMPLE = 50_000
_MOST_VALUES = 80
_KINDS: Mapping[str, Mapping[str, str]] = {
    "enrolments": ENROLMENT_COLUMNS,
    "attendance": ATTENDANCE_COLUMNS,
    "results": {**RESULT_COLUMNS, "grade": "text"},
}
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "enrolments": ("enrolment_id", "student_id", "cohort", "programme", "start_date"),
    "attendance": ("enrolment_id", "date", "scheduled", "attended"),
    "results": ("enrolment_id", "date", "test", "grade"),
    "outcomes": ("enrolment_id", "outcome"),
    "groups": ("student_id",),
    "contacts": ("student_id", "email"),
    "coaches": ("coach_id", "email"),
}
# A table is this one only where a column of each of these sets is found.
_TELLING: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "enrolments": (("student_id",), ("cohort", "programme", "start_date", "prior_education")),
    "attendance": (("attended",), ("date",)),
    "results": (("grade",), ("test", "course"), ("date",)),
    "outcomes": (("outcome",),),
    "groups": (("student_id",),),
    "contacts": (("student_id",), ("email",)),
    "coaches": (("coach_id",), ("email", "capacity", "login_subject")),
}
_FIRST_LEFT = 47846


@dataclass(frozen=True)
class _Column:
    """What one column of a file holds."""

    name: str
    duckdb_type: str
    present: int
    dates: int
    numbers: int
    distinct: int
    highest_date: int | None

    def may_be(self, kind: str) -> bool:
        """Tell whether most values can be read as a kind; a column without values may be anything."""
        if self.present == 0 or kind == "text":
            return True
        share = {"date": self.dates, "number": self.numbers, "flag": self.present}[kind] / self.present
        return share >= 0.5


@dataclass
class _File:
    """One table as it lies there: a file, several alike, or a sheet."""

    told: str
    relation: str
    rows: int
    columns: list[_Column]
    sheet: str | None = None
    taken: set[str] = field(default_factory=set)

    @property
    def label(self) -> str:
        """What to call it when talking to a person."""
        return f"{self.told}, {self.sheet}" if self.sheet else self.told

    def column(self, name: str) -> _Column:
        """Give a column by its name in the file."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True)
class Proposal:
    """A proposed `dataset.toml`, and what a person should look at.

    Attributes
    ----------
    text : str
        The file's text, with comments.
    placed : mapping of table to str
        Which file was taken for which table.
    unplaced : tuple of str
        What could not be found out, as sentences.
    """

    text: str
    placed: Mapping[str, str]
    unplaced: tuple[str, ...]


def propose(folder: Path, language: Language = "en") -> Proposal:
    """Propose a `dataset.toml` for the tables in a folder.

    Parameters
    ----------
    folder : Path
        A folder with tables in Parquet, CSV or Excel, in whatever names the institution uses.
    language : {'nl', 'en'}
        The language of the comments.

    Raises
    ------
    DataFault
        The folder is not there or holds no table that can be read.
    """
    if not folder.is_dir():
        raise DataFault("this folder does not exist.", place=str(folder), remedy="Make it and put the tables in it.")
    with tempfile.TemporaryDirectory(prefix="riskmodel-", ignore_cleanup_errors=True) as scratch, connect() as connection:
        return _Proposing(connection, folder, Path(scratch), language).run()


class _Proposing:
    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, scratch: Path, language: Language) -> None:
        self.connection = connection
        self.folder = folder
        self.scratch = scratch
        self.words: dict[str, str] = tomllib.loads(words_file(f"proposing.{language}.toml").read_text(encoding="utf-8"))
        self.unplaced: list[str] = []
        self.tables: dict[str, _File] = {}
        self.mappings: dict[str, dict[str, str]] = {}
        self.values: dict[str, dict[str, dict[str, str]]] = {}
        self.constants: dict[str, dict[str, str]] = {}
        self.comments: dict[str, list[str]] = {}

    def run(self) -> Proposal:
        files = self._files()
        if not files:
            detail = " ".join(self.unplaced)
            raise DataFault(
                f"there is no table here that can be read. {detail}".strip(),
                place=str(self.folder),
                remedy="Put the tables in it as .parquet, .csv or .xlsx.",
            )
        self._place(files)
        self._identify()
        cohorts = self._cohorts()
        outcomes = self._outcomes()
        self._presence()
        self._open_ends()
        grades, grade_comments = self._grades()
        prior, prior_comments = self._prior_education()
        self._left_over()
        closed = self._closed(cohorts)
        document = tomlkit.document()

        def comment(*texts: str) -> None:
            for text in texts:
                document.add(tomlkit.comment(text))

        comment(self.words["top"])
        document["name"] = self.folder.resolve().name
        document.add(tomlkit.nl())
        comment(self.words["cohorts"], *self.comments.get("cohorts", []))
        array = tomlkit.aot()
        for label, start in cohorts:
            array.append(tomlkit.item({"label": label, "start": start, "closed": label in closed}))
        document["cohorts"] = array
        document.add(tomlkit.nl())
        comment(self.words["outcome"], self.words["outcome_more"])
        document["outcome"] = {"measured_on": UNSAID, "switch_inside_counts": True, "early_leavers_count": True}
        document.add(tomlkit.nl())
        if grades:
            comment(*grade_comments)
            document["grades"] = grades
            document.add(tomlkit.nl())
        if prior:
            comment(*prior_comments)
            document["prior_education"] = {"values": prior}
            document.add(tomlkit.nl())
        comment(self.words["delays"])
        document["delays"] = Delays().model_dump()
        document.add(tomlkit.nl())
        comment(self.words["tables"])
        tables = tomlkit.table(is_super_table=True)
        for name, file in self.tables.items():
            tables[name] = self._entry(name, file)
        document["tables"] = tables
        self._suggest_extra(files, document, outcomes)
        head, rest = tomlkit.dumps(document).split("\n", 1)
        doubts = [f"# {self.words['unplaced']}", *(f"# - {text}" for text in self.unplaced)] if self.unplaced else []
        text = "\n".join([head, *doubts, rest])
        return Proposal(text, {name: file.label for name, file in self.tables.items()}, tuple(self.unplaced))

    # --- what lies there -------------------------------------------------------------------------------------------------------------

    def _say(self, key: str, **figures: Any) -> None:
        self.unplaced.append(self.words[key].format_map(figures))

    def _files(self) -> list[_File]:
        found: list[_File] = []
        entries = sorted(path for path in self.folder.iterdir() if not path.name.startswith((".", "~$")) and path.name not in _NOT_TABLES)
        alone: list[Path] = []
        for path in entries:
            if path.is_dir():
                if any(part.suffix.lower() in (".parquet", *TEXT_SUFFIXES) for part in path.iterdir()):
                    found += self._opened(path.name)
            elif path.suffix.lower() not in _READ:
                self._say("file_skipped", file=path.name)
            elif path.suffix.lower() == ".xlsx":
                found += self._sheets(path)
            else:
                alone.append(path)
        for told in _grouped(alone):
            opened = self._opened(told)
            if "*" in told and len({path.name for path in self.folder.glob(told)}) > 1 and not opened:
                opened = [file for path in sorted(self.folder.glob(told)) for file in self._opened(path.name)]
            found += opened
        return found

    def _sheets(self, path: Path) -> list[_File]:
        from openpyxl import load_workbook

        try:
            book = load_workbook(path, read_only=True)
            names = list(book.sheetnames)
            book.close()
        except Exception as error:  # openpyxl raises whatever its XML and zip readers raise
            self._say("file_unreadable", file=path.name, detail=str(error) or type(error).__name__)
            return []
        return [file for name in names for file in self._opened(path.name, name if len(names) > 1 else None)]

    def _opened(self, told: str, sheet: str | None = None) -> list[_File]:
        name = f"file_{len(list(self.scratch.iterdir()))}_{headers.plain(told + (sheet or ''))}"
        (self.scratch / f"{name}.seen").touch()
        try:
            raw = read_raw(self.connection, self.folder, name, Table(file=told, sheet=sheet), self.scratch)
            rows = self.connection.execute(f"SELECT count(*) FROM {raw.relation}").fetchall()[0][0]
            columns = [self._column(raw.relation, column, duckdb_type) for column, duckdb_type in raw.columns.items()]
        except Unreadable as error:
            what, _ = error.finding.told("nl" if self.words["top"].startswith("Voor") else "en")
            self._say("file_unreadable", file=told, detail=what)
            return []
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            self._say("file_unreadable", file=told, detail=str(error).splitlines()[0])
            return []
        return [_File(told, raw.relation, rows, columns, sheet)]

    def _column(self, relation: str, name: str, duckdb_type: str) -> _Column:
        source = Source(name, duckdb_type, {})
        date = source.sql("date")
        parts = f"count({source.text}), count({date}), count({source.sql('number')}), count(DISTINCT {source.text}), max({date})"
        sample = f"(SELECT {quoted(name)} FROM {relation} LIMIT {_SAMPLE})"
        present, dates, numbers, distinct, highest = self.connection.execute(f"SELECT {parts} FROM {sample}").fetchall()[0]
        return _Column(name, duckdb_type, present, dates, numbers, distinct, highest)

    def _values_of(self, file: _File, column: str) -> list[str]:
        """Give a column's values, the most frequent first; at most eighty."""
        text = Source(column, file.column(column).duckdb_type, {}).text
        rows = self.connection.execute(
            f"SELECT {text} AS value FROM {file.relation} WHERE {text} IS NOT NULL GROUP BY value ORDER BY count(*) DESC, value LIMIT {_MOST_VALUES}"
        ).fetchall()
        return [row[0] for row in rows]

    # --- which file is which ---------------------------------------------------------------------------------------------------------

    def _map(self, name: str, file: _File) -> tuple[dict[str, str], float]:
        """Give the likeliest column of a file for each canonical column of a table, and how sure they are together."""
        kinds = _KINDS.get(name, {})
        candidates = []
        for place, (canonical, names) in enumerate(headers.COLUMN_NAMES[name].items()):
            for column in file.columns:
                if is_sensitive_name(column.name):
                    continue
                likeness = headers.likeness(column.name, names)
                kind = kinds.get(canonical, "text")
                if likeness and canonical != "attended" and not column.may_be(kind):
                    likeness = 0.0
                if likeness:
                    candidates.append((-likeness, place, canonical, column.name))
        mapping: dict[str, str] = {}
        sure = 0.0
        for likeness, _, canonical, column_name in sorted(candidates):
            if canonical not in mapping and column_name not in mapping.values():
                mapping[canonical] = column_name
                sure -= likeness
        return {canonical: mapping[canonical] for canonical in headers.COLUMN_NAMES[name] if canonical in mapping}, sure

    def _place(self, files: Sequence[_File]) -> None:
        """Take for each table the likeliest file, the surest choice first."""
        choices = []
        for file in files:
            for name, telling in _TELLING.items():
                mapping, sure = self._map(name, file)
                if not all(any(column in mapping for column in some) for some in telling):
                    continue
                if name == "groups" and not any(is_sensitive_name(column.name) for column in file.columns):
                    continue
                if name == "coaches" and "student_id" in self._map("contacts", file)[0]:
                    continue
                hinted = any(word in (file.sheet or file.told).lower() for word in headers.FILE_WORDS[name])
                needed = sum(column in mapping for column in _NEEDED[name]) / len(_NEEDED[name])
                unused = 1 - len(mapping) / max(len(file.columns), 1)
                choices.append((4 * hinted + 6 * needed + 0.1 * sure - unused, name, file, mapping))
        taken: list[_File] = []
        for _, name, file, mapping in sorted(choices, key=lambda choice: -choice[0]):
            if name not in self.tables and file not in taken:
                self.tables[name] = file
                self.mappings[name] = mapping
                taken.append(file)
        if "enrolments" not in self.tables:
            self._say("no_enrolments")
            first = next((file for file in files if file not in taken), files[0])
            self.tables["enrolments"] = first
            self.mappings["enrolments"] = self._map("enrolments", first)[0]
            taken.append(first)
        if "outcomes" not in self.tables:
            mapping = self._map("outcomes", self.tables["enrolments"])[0]
            if "outcome" in mapping and mapping["outcome"] not in self.mappings["enrolments"].values():
                self.tables["outcomes"], self.mappings["outcomes"] = self.tables["enrolments"], {"outcome": mapping["outcome"]}
        self.tables = {name: self.tables[name] for name in headers.COLUMN_NAMES if name in self.tables}

    def _identify(self) -> None:
        """See to it that every table tells the enrolment, by the student's number where each student stands once."""
        mapping, file = self.mappings["enrolments"], self.tables["enrolments"]
        student = mapping.get("student_id")
        serves = False
        if "enrolment_id" not in mapping and student:
            rows, distinct = self.connection.execute(f"SELECT count(*), count(DISTINCT {quoted(student)}) FROM {file.relation}").fetchall()[
                0
            ]
            serves = rows == distinct
            if serves:
                mapping["enrolment_id"] = student
                self.comments.setdefault("enrolments", []).append(self.words["same_as_student"])
            else:
                self._say("student_not_unique")
        for name in ("attendance", "results", "outcomes"):
            if name not in self.tables or "enrolment_id" in self.mappings[name]:
                continue
            student_there = self._map("groups", self.tables[name])[0].get("student_id")
            if self.tables[name] is file and "enrolment_id" in mapping:
                self.mappings[name]["enrolment_id"] = mapping["enrolment_id"]
            elif serves and student_there:
                self.mappings[name]["enrolment_id"] = student_there
        if "attendance" in self.tables and "scheduled" not in self.mappings["attendance"]:
            self.constants["attendance"] = {"scheduled": "1"}
            self.comments.setdefault("attendance", []).append(self.words["no_scheduled"])

    # --- what values mean ------------------------------------------------------------------------------------------------------------

    def _cohorts(self) -> list[tuple[str, dt.date]]:
        """Give the intakes with the day on which each began; map cohort or start where only the other is told."""
        file, mapping = self.tables["enrolments"], self.mappings["enrolments"]
        cohort, start = mapping.get("cohort"), mapping.get("start_date")
        if cohort and start:
            label = Source(cohort, file.column(cohort).duckdb_type, {}).text
            day = Source(start, file.column(start).duckdb_type, {}).sql("date")
            rows = self.connection.execute(
                f"SELECT {label} AS label, mode({day}) AS day FROM {file.relation} WHERE {label} IS NOT NULL GROUP BY label ORDER BY day, label"
            ).fetchall()
            return [(label, from_epoch_day(day) if day is not None else _september(label)) for label, day in rows]
        if cohort:
            labels = sorted(self._values_of(file, cohort))
            starts = {label: _september(label) for label in labels}
            mapping["start_date"] = cohort
            self.values.setdefault("enrolments", {})["start_date"] = {label: day.isoformat() for label, day in starts.items()}
            self.comments["cohorts"] = [self.words["start_assumed"]]
            return sorted(starts.items(), key=lambda each: each[1])
        if start:
            day = Source(start, file.column(start).duckdb_type, {}).sql("date")
            text = Source(start, file.column(start).duckdb_type, {}).text
            rows = self.connection.execute(
                f"SELECT {text}, {day} AS day FROM {file.relation} WHERE {day} IS NOT NULL GROUP BY ALL ORDER BY day LIMIT {_MOST_VALUES}"
            ).fetchall()
            mapping["cohort"] = start
            labels_of = {raw: from_epoch_day(number).isoformat()[:7] for raw, number in rows}
            self.values.setdefault("enrolments", {})["cohort"] = labels_of
            self.comments["cohorts"] = [self.words["cohorts_from_start"]]
            first: dict[str, dt.date] = {}
            for raw, number in rows:
                first.setdefault(labels_of[raw], from_epoch_day(number))
            return list(first.items())
        return [("?", dt.date(2000, 9, 1))]

    def _outcomes(self) -> _Column | None:
        if "outcomes" not in self.tables:
            return None
        file, column = self.tables["outcomes"], self.mappings["outcomes"]["outcome"]
        meanings = {value: headers.outcome_of(value) for value in self._values_of(file, column)}
        told = {value: meaning for value, meaning in meanings.items() if meaning and meaning != value}
        if told:
            self.values.setdefault("outcomes", {})["outcome"] = told
        unknown = [value for value, meaning in meanings.items() if not meaning]
        if unknown:
            self._say("outcome_values_unknown", values=", ".join(unknown))
        return file.column(column)

    def _closed(self, cohorts: Iterable[tuple[str, dt.date]]) -> set[str]:
        """Give the cohorts of which most enrolments have an outcome."""
        if "outcomes" not in self.tables or not {"enrolment_id", "outcome"} <= set(self.mappings["outcomes"]):
            return set()
        enrolments, outcomes = self.mappings["enrolments"], self.mappings["outcomes"]
        if "enrolment_id" not in enrolments or "cohort" not in enrolments:
            return set()
        file, other = self.tables["enrolments"], self.tables["outcomes"]

        def text(of: _File, column: str, values: Mapping[str, str] | None = None) -> str:
            return Source(column, of.column(column).duckdb_type, values or {}).text

        cohort = text(file, enrolments["cohort"], self.values.get("enrolments", {}).get("cohort"))
        told = (
            f"SELECT DISTINCT {text(other, outcomes['enrolment_id'])} FROM {other.relation} "
            f"WHERE {text(other, outcomes['outcome'])} IS NOT NULL AND {text(other, outcomes['enrolment_id'])} IS NOT NULL"
        )
        rows = self.connection.execute(
            f"SELECT {cohort} AS label, avg(CASE WHEN {text(file, enrolments['enrolment_id'])} IN ({told}) THEN 1.0 ELSE 0.0 END) "
            f"FROM {file.relation} GROUP BY label"
        ).fetchall()
        shares = dict(rows)
        return {label for label, _ in cohorts if shares.get(label, 0.0) > 0.5}

    def _presence(self) -> None:
        if "attendance" not in self.tables:
            return
        file, column = self.tables["attendance"], self.mappings["attendance"]["attended"]
        seen = file.column(column)
        if seen.numbers == seen.present or seen.distinct > _MOST_VALUES:
            return
        meanings = {value: headers.presence_of(value) for value in self._values_of(file, column) if not _is_number(value)}
        self.values.setdefault("attendance", {})["attended"] = {value: meaning for value, meaning in meanings.items() if meaning}
        unknown = [value for value, meaning in meanings.items() if not meaning]
        if unknown:
            self._say("presence_unknown", values=", ".join(unknown))

    def _open_ends(self) -> None:
        """Find the date by which registers say that somebody has not left."""
        file, column = self.tables["enrolments"], self.mappings["enrolments"].get("left_on")
        if column is None or (file.column(column).highest_date or 0) <= _FIRST_LEFT:
            return
        source = Source(column, file.column(column).duckdb_type, {})
        rows = self.connection.execute(
            f"SELECT DISTINCT {source.text} FROM {file.relation} WHERE {source.sql('date')} > {_FIRST_LEFT} ORDER BY 1 LIMIT 5"
        ).fetchall()
        self.values.setdefault("enrolments", {})["left_on"] = {row[0]: "" for row in rows}
        self.comments.setdefault("enrolments", []).append(self.words["open_end"])

    def _grades(self) -> tuple[dict[str, Any], list[str]]:
        if "results" not in self.tables:
            return {}, []
        file, column = self.tables["results"], self.mappings["results"]["grade"]
        source = Source(column, file.column(column).duckdb_type, {})
        number = source.sql("number")
        low, high = self.connection.execute(f"SELECT min({number}), max({number}) FROM {file.relation}").fetchall()[0]
        words = self.connection.execute(
            f"SELECT {source.text} AS word FROM {file.relation} WHERE {source.text} IS NOT NULL AND {number} IS NULL "
            f"GROUP BY word ORDER BY count(*) DESC, word LIMIT {_MOST_VALUES}"
        ).fetchall()
        scale = GradeScale()
        known = {word.lower(): status for word, status in scale.words.items()}
        meanings = {word: known.get(word.lower()) or headers.status_of_grade(word) for (word,) in words}
        comments = [self.words["grades"].format(low=low if low is not None else 1, high=high if high is not None else 10)]
        told: dict[str, Any] = {"minimum": scale.minimum, "maximum": scale.maximum, "pass_mark": scale.pass_mark}
        if high is not None and (high > 10 or low < 1):
            top = 10.0 if high <= 10 else 20.0 if high <= 20 else 100.0
            told = {"minimum": 0.0, "maximum": top, "pass_mark": 0.55 * top}
            comments.append(self.words["pass_mark"])
        unknown = [word for word, meaning in meanings.items() if meaning is None]
        if unknown:
            self._say("grade_words_unknown", values=", ".join(unknown))
        told["words"] = {**scale.words, **{word: meaning for word, meaning in meanings.items() if meaning and word.lower() not in known}}
        return told, comments

    def _prior_education(self) -> tuple[dict[str, str], list[str]]:
        column = self.mappings["enrolments"].get("prior_education")
        if column is None:
            return {}, []
        meanings = {value: headers.kind_of_prior_education(value) for value in self._values_of(self.tables["enrolments"], column)}
        unknown = [value for value, kind in meanings.items() if kind is None]
        if unknown:
            self._say("prior_unknown", values=", ".join(unknown))
        return {value: kind for value, kind in meanings.items() if kind and kind != value.strip().lower()}, [self.words["prior"]]

    # --- what is left ----------------------------------------------------------------------------------------------------------------

    def _left_over(self) -> None:
        for name, needed in _NEEDED.items():
            if name not in self.tables or name in ("contacts", "coaches"):
                continue
            for column in needed:
                if column not in self.mappings[name] and column not in self.constants.get(name, {}):
                    self._say("missing_column", table=name, column=column)
        for name, file in self.tables.items():
            if name == "groups":
                continue
            for seen in file.columns:
                if is_sensitive_name(seen.name) and (name == "enrolments" or file is not self.tables["enrolments"]):
                    self._say("sensitive", table=name, column=seen.name)

    def _entry(self, name: str, file: _File) -> tomlkit.items.Table:
        table = tomlkit.table()
        for text in self.comments.get(name, []):
            table.add(tomlkit.comment(text))
        table["file"] = file.told
        if file.sheet:
            table["sheet"] = file.sheet
        mapping = self.mappings[name]
        renamed = {canonical: column for canonical, column in mapping.items() if column.strip().lower() != canonical}
        used = {column for other, columns in self.mappings.items() if self.tables[other] is file for column in columns.values()}
        unused = [column.name for column in file.columns if column.name not in used and not is_sensitive_name(column.name)]
        if unused and name != "groups":
            table.add(tomlkit.comment(self.words["left_over"].format(columns=", ".join(unused))))
        if name in self.constants:
            table["constants"] = _inline(self.constants[name])
        if renamed:
            table["columns"] = renamed
        for column, values in self.values.get(name, {}).items():
            if values:
                table.setdefault("values", tomlkit.table(is_super_table=True))[column] = values
        return table

    def _suggest_extra(self, files: Sequence[_File], document: tomlkit.TOMLDocument, outcomes: _Column | None) -> None:
        """Suggest dated rows that nothing else takes as a signal of the institution's own, behind comment signs: each needs a reason to be used."""
        for file in files:
            if any(file is taken for taken in self.tables.values()):
                continue
            mapping = self._map("attendance", file)[0]
            student = self._map("groups", file)[0].get("student_id")
            key = mapping.get("enrolment_id") or (
                student if self.mappings["enrolments"].get("enrolment_id") == self.mappings["enrolments"].get("student_id") else None
            )
            dated = mapping.get("date")
            numbers = [
                column.name
                for column in file.columns
                if column.present
                and column.numbers == column.present
                and column.name not in (key, dated)
                and not is_sensitive_name(column.name)
            ]
            if not key or not dated or not numbers:
                self._say("file_unplaced", file=file.label, columns=", ".join(column.name for column in file.columns[:12]))
                continue
            document.add(tomlkit.nl())
            for line in self._extra_lines(file, key, dated, numbers[0]):
                document.add(tomlkit.comment(line))

    def _extra_lines(self, file: _File, key: str, dated: str, number: str) -> list[str]:
        name = re.sub(r"[^a-z0-9]+", "_", number.lower()).strip("_") or "signal"
        name = name if name[0].isalpha() else f"x_{name}"
        sheet = f', sheet = "{file.sheet}"' if file.sheet else ""
        columns = f'enrolment_id = "{key}", date = "{dated}"'
        return [
            self.words["extra"].format(file=file.label),
            "[[extra]]",
            f'name = "{name}"',
            'source = "dated"',
            f'column = "{number}"',
            f'table = {{ file = "{file.told}"{sheet}, columns = {{ {columns} }} }}',
            f'label = {{ nl = "{number}", en = "{number}" }}',
            f'phrase = {{ nl = "{number} valt op.", en = "{number} stands out." }}',
            'justification = ""',
        ]


def _grouped(paths: Sequence[Path]) -> list[str]:
    """Give file names, those that differ in digits alone as one pattern: a year or a number of a part."""
    shapes: dict[str, list[str]] = {}
    for path in paths:
        shapes.setdefault(re.sub(r"\d+", "#", path.stem) + path.suffix.lower(), []).append(path.name)
    told = []
    for shape, names in shapes.items():
        stem, _, suffix = shape.rpartition(".")
        told += [f"{stem.replace('#', '*')}.{suffix}"] if "#" in stem and len(names) > 1 else names
    return told


def _september(label: str) -> dt.date:
    """Give 1 September of the first year that a label names; 1 February where it says so."""
    year = re.search(r"(19|20)\d\d", label)
    first = int(year.group()) if year else 2000
    february = re.search(r"feb|-02\b|\bspring\b", label.lower()) is not None
    return dt.date(first, 2, 1) if february else dt.date(first, 9, 1)


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[+-]?\d+([.,]\d+)?", value) is not None


def _inline(values: Mapping[str, str]) -> tomlkit.items.InlineTable:
    table = tomlkit.inline_table()
    table.update(dict(values))
    return table
