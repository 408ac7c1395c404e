"""Rules over an institution's tables, all findings at once: what is wrong, where, and which rows are set apart.

Works in DuckDB alone, so that tables larger than memory are checked as well. Repairs nothing: a row that breaks a rule is set apart and
counted, or a value that can't be read is left blank and counted.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from riskmodel.contract import conversion as convert
from riskmodel.contract.conversion import Source
from riskmodel.contract.definition import DatasetDefinition, ExtraColumn, Table, is_sensitive_name, is_unsaid
from riskmodel.contract.findings import CheckReport, Finding
from riskmodel.contract.reading import ROW, RawTable, Unreadable, literal, quoted, read_raw, unreadable
from riskmodel.dates import from_epoch_day
from riskmodel.errors import RiskModelError
from riskmodel.files import writing_fault
from riskmodel.progress import Progress, silent
from riskmodel.tables import ATTENDANCE_COLUMNS, ENROLMENT_COLUMNS, EXTRA_COLUMNS, OUTCOME_COLUMNS, OUTCOMES, RESULT_COLUMNS

ROWS_SHOWN = 5
_SHOWN = 40
LONGEST_ENROLMENT = 400
LONGEST_NOTICE = 366
FIRST_DATE, LAST_DATE = 7305, 47846  # epoch days of 1990-01-01 and 2100-12-31
_MANY_ROWS = 40_000_000

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "enrolments": ("enrolment_id", "student_id", "cohort", "programme", "start_date"),
    "attendance": ("enrolment_id", "date", "scheduled", "attended"),
    "results": ("enrolment_id", "date", "test", "grade"),
    "outcomes": ("enrolment_id", "outcome"),
    "groups": ("student_id",),
    "contacts": ("student_id",),
    "coaches": ("coach_id",),
}
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "enrolments": ENROLMENT_COLUMNS,
    "attendance": ATTENDANCE_COLUMNS,
    "results": {column: kind for column, kind in RESULT_COLUMNS.items() if column not in ("status", "passed")} | {"grade": "text"},
    "outcomes": OUTCOME_COLUMNS,
}
_SQL_TYPES = {"text": "VARCHAR", "date": "BIGINT", "number": "DOUBLE", "flag": "DOUBLE"}
# Warnings that never add up to a fault: a lacking outcome is no reason not to score, and what an enrolment drags along is counted there.
_NEVER_A_FAULT = ("outcome_missing", "outcome_twice", "enrolment_set_apart")


@dataclass(frozen=True)
class Rule:
    """A condition that a row should not meet."""

    name: str
    column: str
    condition: str
    apart: bool = True
    example: str | None = None
    figures: tuple[tuple[str, Any], ...] = ()


class _HopelessError(Exception):
    """A column that every rule of its table needs is of the wrong type, which has been told; what the rules would find follows from it."""


class DatasetCheck:
    """One reading and checking of a data folder; afterwards `clean_<table>` views hold the rows that passed."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        folder: Path,
        definition: DatasetDefinition,
        scratch: Path,
        progress: Progress = silent,
    ) -> None:
        self.connection = connection
        self.folder = folder
        self.definition = definition
        self.scratch = scratch
        self.progress = progress
        self.findings: list[Finding] = []
        self.clean: dict[str, str] = {}
        self._tables: list[dict[str, Any]] = []
        self._enrolment_rows: RawTable

    def run(self) -> CheckReport:
        """Check every table and give all findings."""
        order = [
            name
            for name in ("enrolments", "attendance", "results", "outcomes", "groups", "contacts", "coaches")
            if name in self.definition.tables
        ]
        dated = [extra for extra in self.definition.extra if extra.source == "dated"]
        total = len(order) + len(dated)
        for place, name in enumerate(order):
            self.progress(place, total, f"checking {name}")
            self._guarded(name, self.definition.tables[name], self._check_table, name)
        for place, extra in enumerate(dated, len(order)):
            self.progress(place, total, f"checking {extra.name}")
            assert extra.table is not None
            self._guarded(f"extra_{extra.name}", extra.table, self._check_extra, extra)
        self.progress(total, total, "checked")
        severities = ("fault", "warning", "note")
        self.findings.sort(key=lambda finding: severities.index(finding.severity))
        return CheckReport(tuple(self.findings), self._summary())

    def _guarded(self, name: str, table: Table, check: Callable[[Any], None], what: object) -> None:
        """Check one table; a file that turns out broken halfway is a finding, and the other tables are checked all the same."""
        try:
            check(what)
        except Unreadable as error:
            self.findings.append(error.finding)
        except _HopelessError:
            return
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            if "no space left" in str(error).lower():
                raise writing_fault(OSError(errno.ENOSPC, ""), tempfile.gettempdir()) from error
            if isinstance(error, duckdb.OutOfMemoryException):
                raise RiskModelError(
                    "this does not fit in the memory that the check may use.",
                    place=name,
                    remedy="Give it more, or free the disk it spills to.",
                ) from error
            self.clean.pop(name, None)
            self.findings.append(unreadable(name, table.file, str(error)))

    def _check_table(self, name: str) -> None:
        raw = self._read(name, self.definition.tables[name])  # type: ignore[index]
        if raw is not None:
            getattr(self, f"_check_{name}")(raw)

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def _read(
        self, name: str, table: Table, required: Iterable[str] | None = None, more: Mapping[str, str] | None = None
    ) -> RawTable | None:
        raw = read_raw(self.connection, self.folder, name, table, self.scratch)
        if name != "groups":
            for column in raw.columns:
                if is_sensitive_name(column):
                    self._fault("sensitive_column", name, column)
        mapping = {**table.columns, **(more or {})}
        needed = [*(required or REQUIRED[name]), *(more or ())]
        lacking = [column for column in needed if column not in table.constants and self._raw_name(raw, mapping, column) is None]
        have = ", ".join(list(raw.columns)[:20])
        missing = "column_missing" if name in REQUIRED else "extra_column_missing"
        for column in lacking:
            self._fault(missing, name, column, raw=mapping.get(column, column), have=have)
        known = {*_COLUMNS.get(name, {}), *needed, "known_on"}
        for column, source in mapping.items():
            if column not in lacking and self._raw_name(raw, mapping, column) is None:
                self._fault(missing, name, column, raw=source, have=have)
                lacking.append(column)
            elif column not in known and name in _COLUMNS:
                self._fault("column_unknown", name, column, known=", ".join(_COLUMNS[name]))
        rows = self._one(f"SELECT count(*) FROM {raw.relation}")[0]
        if rows == 0:
            self._fault("table_empty", name)
            return None
        return None if lacking else replace(raw, rows=rows)

    @staticmethod
    def _raw_name(raw: RawTable, mapping: Mapping[str, str], column: str) -> str | None:
        wanted = mapping.get(column, column).strip().lower()
        return next((name for name in raw.columns if name.strip().lower() == wanted), None)

    def _fault(self, rule: str, table: str, column: str = "", **figures: Any) -> None:
        self.findings.append(Finding(rule, "fault", table, column, figures=figures))

    def _one(self, sql: str) -> tuple[Any, ...]:
        return self.connection.execute(sql).fetchall()[0]

    # --- typing --------------------------------------------------------------------------------------------------------------------

    def _typed(
        self, name: str, raw: RawTable, kinds: Mapping[str, str], table: Table, extra: Sequence[ExtraColumn] = ()
    ) -> tuple[str, dict[str, str]]:
        """Make the view `typed_NAME` with canonical columns; report values that can't be read. Gives row-breaking conditions by column."""
        selected, sources = [f"{ROW}"], dict[str, tuple[str, Source]]()
        wanted = [(column, kind, self._raw_name(raw, table.columns, column)) for column, kind in kinds.items()]
        wanted += [
            (f"extra_{each.name}", {"category": "text"}.get(each.kind, each.kind), self._raw_name(raw, {"x": each.column}, "x"))
            for each in extra
        ]
        for column, kind, name_there in wanted:
            if column in table.constants:
                source = Source(column, "VARCHAR", {}, table.decimal, table.date_format)
                constant = f"(SELECT {source.sql(kind)} FROM (SELECT {literal(table.constants[column])} AS {quoted(column)}))"
                selected.append(f"{constant} AS {column}")
            elif name_there is None:
                selected.append(f"CAST(NULL AS {_SQL_TYPES[kind]}) AS {column}")
            else:
                source = Source.of(name_there, raw.columns[name_there], table, column)
                selected.append(f"{source.sql(kind)} AS {column}")
                if not source.surely(kind):
                    sources[column] = (kind, source)
        view = f"typed_{name}"
        body = f"SELECT {', '.join(selected)} FROM {raw.relation}"
        self.connection.execute(f"CREATE OR REPLACE VIEW {view} AS {body}")
        return view, self._unreadable_values(name, raw, sources)

    def _unreadable_values(self, name: str, raw: RawTable, sources: Mapping[str, tuple[str, Source]]) -> dict[str, str]:
        """Report values that can't be read as what they should be; give the conditions under which a row can't be used for it."""
        if not sources:
            return {}
        parts = []
        for kind, source in sources.values():
            bad = f"{source.text} IS NOT NULL AND {source.sql(kind)} IS NULL"
            parts += [f"count({source.text})", f"count(*) FILTER (WHERE {bad})", f"min({source.text}) FILTER (WHERE {bad})"]
        counts = self._one(f"SELECT {', '.join(parts)} FROM {raw.relation}")
        breaking: dict[str, str] = {}
        hopeless = False
        for place, (column, (kind, source)) in enumerate(sources.items()):
            present, bad, example = counts[3 * place : 3 * place + 3]
            needed = column in REQUIRED.get(name, ("enrolment_id", "date", "value"))
            if not bad:
                continue
            figures = {"kind": kind, "example": str(example)[:_SHOWN]}
            if bad > present / 2:
                self._fault("wrong_type", name, column, share=100 * bad / present, **figures)
                hopeless = hopeless or needed
                continue
            condition = f"{source.text} IS NOT NULL AND {source.sql(kind)} IS NULL"
            rows = self._rows(raw, raw.relation, condition)
            rule = "value_unreadable" if needed else "value_blanked"
            self._warn(Finding(rule, "warning", name, column, rows, bad, figures), present)
            if needed:
                breaking[column] = f"{ROW} IN (SELECT {ROW} FROM {raw.relation} WHERE {condition})"
        if hopeless:
            raise _HopelessError
        return breaking

    # --- rules ---------------------------------------------------------------------------------------------------------------------

    def _rows(self, raw: RawTable, relation: str, condition: str) -> tuple[int | str, ...]:
        found = self.connection.execute(f"SELECT {ROW} FROM {relation} t WHERE {condition} ORDER BY {ROW} LIMIT {ROWS_SHOWN}").fetchall()
        return raw.places([row[0] for row in found])

    def _warn(self, finding: Finding, rows: int) -> None:
        self.findings.append(finding)
        limits = self.definition.limits
        share = finding.count / rows if rows else 0.0
        accepted = any(
            entry.rule == finding.rule and entry.table == finding.table and share <= entry.up_to_share for entry in self.definition.accept
        )
        if share > limits.warning_share and finding.count > limits.least_rows and not accepted and finding.rule not in _NEVER_A_FAULT:
            figures = {"share": 100 * share, "broken": finding.rule, "limit": 100 * limits.warning_share}
            self.findings.append(Finding("too_many_warnings", "fault", finding.table, finding.column, finding.rows, finding.count, figures))

    def _apply(
        self,
        name: str,
        raw: RawTable,
        relation: str,
        rules: Sequence[Rule],
        columns: Mapping[str, str],
        select: Mapping[str, str],
        alone: str | None = None,
    ) -> None:
        """Count every rule in one pass, name the rows of those that are broken, and make `clean_NAME` without them.

        `alone` holds the same rows without what the rules look up elsewhere. Where no row is set apart `clean_NAME` reads those: the lookup would
        cost every later reading a join of all rows.

        A row counts for the first rule only that sets it apart; a rule that sets nothing apart looks at the rows that stay.
        """
        apart = [rule for rule in rules if rule.apart]
        cases = " ".join(f"WHEN {rule.condition} THEN {place}" for place, rule in enumerate(apart))
        judged = f"(SELECT *, {f'CASE {cases} END' if cases else 'NULL'} AS broken FROM {relation} t)"
        stays = "t.broken IS NULL"
        conditions = [f"t.broken = {apart.index(rule)}" if rule.apart else f"{stays} AND ({rule.condition})" for rule in rules]
        counted = [f"count(*) FILTER (WHERE {condition})" for condition in conditions]
        examples = [
            f"min({rule.example}) FILTER (WHERE {condition})" if rule.example else "NULL"
            for rule, condition in zip(rules, conditions, strict=True)
        ]
        span = [f"min(t.date) FILTER (WHERE {stays})", f"max(t.date) FILTER (WHERE {stays})"] if "date" in columns else ["NULL", "NULL"]
        missing = [f"count(*) FILTER (WHERE {stays} AND t.{column} IS NULL)" for column in columns]
        parts = ["count(*)", f"count(*) FILTER (WHERE {stays})", *span, *counted, *examples, *missing]
        rows, kept, first, last, *found = self._one(f"SELECT {', '.join(parts)} FROM {judged} t")
        counts, shown, gaps = found[: len(rules)], found[len(rules) : 2 * len(rules)], found[2 * len(rules) :]
        broken: list[str] = []
        for rule, condition, count, example in zip(rules, conditions, counts, shown, strict=True):
            if not count:
                continue
            figures = dict(rule.figures) | ({"example": str(example)[:_SHOWN]} if rule.example else {})
            self._warn(Finding(rule.name, "warning", name, rule.column, self._rows(raw, judged, condition), count, figures), rows)
            if rule.apart:
                broken.append(f"coalesce({rule.condition}, false)")
        where = f" WHERE NOT ({' OR '.join(broken)})" if broken else ""
        listed = ", ".join(f"{sql} AS {column}" for column, sql in select.items())
        source = relation if broken else alone or relation
        self.connection.execute(f"CREATE OR REPLACE VIEW clean_{name} AS SELECT {listed} FROM {source} t{where}")
        self.clean[name] = f"clean_{name}"
        shares = {column: gap / kept if kept else 0.0 for column, gap in zip(columns, gaps, strict=True)}
        self._tables.append(
            {
                "table": name,
                "rows": raw.rows,
                "set_apart": raw.rows - kept,
                "first": None if first is None else from_epoch_day(first).isoformat(),
                "last": None if last is None else from_epoch_day(last).isoformat(),
                "missing": {column: share for column, share in shares.items() if share < 1 or column in REQUIRED.get(name, ())},
            }
        )

    def _check_enrolments(self, raw: RawTable) -> None:
        definition = self.definition
        extras = [extra for extra in definition.extra if extra.source == "enrolment"]
        table = definition.tables["enrolments"]
        for extra in extras:
            if self._raw_name(raw, {"x": extra.column}, "x") is None:
                have = ", ".join(list(raw.columns)[:20])
                self._fault("extra_column_missing", "enrolments", f"extra_{extra.name}", raw=extra.column, have=have)
        _, breaking = self._typed("enrolments", raw, ENROLMENT_COLUMNS, table, extras)
        kinds = definition.prior_education
        known = {kind.lower(): kind for kind in kinds.kinds} | {value.strip().lower(): kind for value, kind in kinds.values.items()}
        prior = convert.mapped("prior_education", known)
        listed = ", ".join(literal(kind) for kind in kinds.kinds)
        cohorts = ", ".join(literal(cohort.label) for cohort in definition.cohorts)
        blanked = ", ".join(f"CASE WHEN {self._extra_ok(extra)} THEN extra_{extra.name} END AS extra_{extra.name}" for extra in extras)
        own = ("prior_education", "enrolled_on", "left_on", "left_known_on")
        others = ", ".join(column for column in ENROLMENT_COLUMNS if column not in own)
        told = "".join(f", extra_{extra.name} AS extra_told_{extra.name}" for extra in extras)
        incomplete = {column: f"{column} IS NULL" for column in REQUIRED["enrolments"]}
        apart = [*incomplete.values(), f"cohort NOT IN ({cohorts})", f"start_date NOT BETWEEN {FIRST_DATE} AND {LAST_DATE}"]
        usable = f"NOT coalesce({' OR '.join([*apart, *breaking.values()])}, false)"
        leaves = f"left_on BETWEEN start_date - {LONGEST_NOTICE} AND {LAST_DATE}"
        told_known = f"CASE WHEN left_known_on BETWEEN {FIRST_DATE} AND {LAST_DATE} THEN left_known_on END"
        same = ", ".join([*ENROLMENT_COLUMNS, *(f"extra_{extra.name}" for extra in extras)])
        self.connection.execute(
            f"CREATE OR REPLACE TABLE placed_enrolments AS SELECT *, "
            f"row_number() OVER (PARTITION BY enrolment_id, usable ORDER BY {ROW}) AS nth, "
            f"first_value(likeness) OVER (PARTITION BY enrolment_id, usable ORDER BY {ROW}) AS first_likeness, "
            f"first_value(enrolment_id) OVER (PARTITION BY student_id, cohort, programme, usable ORDER BY {ROW}) AS first_id FROM ("
            f"SELECT {ROW}, {others}, prior_education AS prior_education_told, "
            f"CASE WHEN {prior} IN ({listed}) THEN {prior} END AS prior_education, "
            f"enrolled_on AS enrolled_on_told, CASE WHEN enrolled_on BETWEEN {FIRST_DATE} AND {LAST_DATE} THEN enrolled_on END AS enrolled_on, "
            f"left_on AS left_on_told, CASE WHEN {leaves} THEN left_on END AS left_on, left_known_on AS left_known_on_told, "
            f"CASE WHEN {leaves} THEN coalesce({told_known}, left_on + {definition.delays.leaving}) "
            f"WHEN left_on IS NULL THEN {told_known} END AS left_known_on, "
            f"hash({same}) AS likeness, {usable} AS usable{told}{', ' + blanked if blanked else ''} FROM typed_enrolments)"
        )
        again = "t.usable AND t.nth > 1 AND t.likeness"
        rules = [Rule("enrolment_incomplete", column, f"t.{condition}") for column, condition in incomplete.items()]
        rules += [
            Rule("enrolment_twice", "enrolment_id", f"{again} = t.first_likeness"),
            Rule("enrolment_contradicts", "enrolment_id", f"{again} <> t.first_likeness"),
            Rule("enrolment_again", "student_id", "t.usable AND t.nth = 1 AND t.enrolment_id <> t.first_id", apart=False),
            Rule("cohort_unknown", "cohort", f"t.cohort NOT IN ({cohorts})", example="t.cohort"),
            Rule("date_impossible", "start_date", f"t.start_date NOT BETWEEN {FIRST_DATE} AND {LAST_DATE}"),
            Rule("date_blanked", "enrolled_on", "t.enrolled_on_told IS NOT NULL AND t.enrolled_on IS NULL", apart=False),
            Rule("date_blanked", "left_on", f"t.left_on_told > {LAST_DATE}", apart=False),
            Rule("date_blanked", "left_known_on", f"t.left_on IS NOT NULL AND t.left_known_on_told > {LAST_DATE}", apart=False),
            Rule("never_started", "left_on", "t.left_on < t.start_date", apart=False),
            Rule("left_before_start", "left_on", "t.left_on IS NULL AND t.left_on_told < t.start_date", apart=False),
            Rule("leaving_without_date", "left_on", "t.left_on IS NULL AND t.left_known_on IS NOT NULL", apart=False),
        ]
        if kinds.use:
            condition = "t.prior_education_told IS NOT NULL AND t.prior_education IS NULL"
            rules.append(Rule("prior_education_unknown", "prior_education", condition, apart=False, example="t.prior_education_told"))
        for extra in extras:
            if extra.kind == "category":
                condition = f"t.extra_told_{extra.name} IS NOT NULL AND t.extra_{extra.name} IS NULL"
                rules.append(Rule("category_unknown", f"extra_{extra.name}", condition, apart=False, example=f"t.extra_told_{extra.name}"))
        columns = [*ENROLMENT_COLUMNS, *(f"extra_{extra.name}" for extra in extras)]
        relation = self._without_unreadable("placed_enrolments", breaking)
        self._apply("enrolments", raw, relation, rules, dict.fromkeys(columns, ""), {column: f"t.{column}" for column in columns})
        left, untold = self._one(
            "SELECT count(left_on), count(left_on) FILTER (WHERE left_known_on_told IS NULL) FROM placed_enrolments WHERE usable AND nth = 1"
        )
        if untold:
            self._note_delay("enrolments", "left_known_on", untold, left, "leaving")
        self._enrolment_rows = raw
        self.connection.execute("CREATE OR REPLACE TABLE kept_enrolments AS SELECT * FROM clean_enrolments")
        self.connection.execute(
            "CREATE OR REPLACE TABLE places AS SELECT enrolment_id, k.cohort, k.start_date, k.left_on, k.start_date IS NOT NULL AS kept FROM "
            "(SELECT DISTINCT enrolment_id FROM placed_enrolments) LEFT JOIN kept_enrolments k USING (enrolment_id)"
        )
        self.clean["enrolments"] = "kept_enrolments"

    @staticmethod
    def _extra_ok(extra: ExtraColumn) -> str:
        if extra.kind != "category":
            return "true"
        return f"extra_{extra.name} IN ({', '.join(literal(category) for category in extra.categories)})"

    def _dated_rules(self) -> list[Rule]:
        before = self.definition.keep_before_start_days
        rules = [Rule("row_incomplete", column, f"t.{column} IS NULL") for column in ("enrolment_id", "date")]
        rules += [
            Rule("date_impossible", "date", f"t.date NOT BETWEEN {FIRST_DATE} AND {LAST_DATE}"),
            Rule("date_impossible", "known_on", f"t.known_on > {LAST_DATE}"),
            Rule("known_before_date", "known_on", "t.known_on < t.date"),
        ]
        if "enrolments" in self.clean:
            rules += [
                Rule("enrolment_unknown", "enrolment_id", "t.enrolment_id IS NOT NULL AND t.kept IS NULL"),
                Rule("enrolment_set_apart", "enrolment_id", "NOT t.kept"),
                Rule("before_start", "date", f"t.date < t.start_date - {before}"),
                Rule("other_cohort", "date", f"t.date > t.start_date + {LONGEST_ENROLMENT}", figures=(("limit", LONGEST_ENROLMENT),)),
                Rule("after_leaving", "date", "t.date > t.left_on", apart=False),
            ]
        return rules

    def _with_enrolments(self, view: str) -> str:
        if "enrolments" not in self.clean:
            return view
        return f"(SELECT d.*, e.start_date, e.left_on, e.kept FROM {view} d LEFT JOIN places e USING (enrolment_id))"

    def _check_attendance(self, raw: RawTable) -> None:
        table = self.definition.tables["attendance"]
        view, breaking = self._typed("attendance", raw, ATTENDANCE_COLUMNS, table)
        relation = self._without_unreadable(self._with_enrolments(view), breaking)
        rules = self._dated_rules()
        rules.append(Rule("row_incomplete", "scheduled", "t.scheduled IS NULL"))
        rules.append(Rule("attended_more_than_scheduled", "attended", "t.attended > t.scheduled OR t.attended < 0 OR t.scheduled < 0"))
        if self._raw_name(raw, table.columns, "session_id") is not None and self._find_repeated_sessions(view, relation, rules):
            rules.append(Rule("session_twice", "session_id", f"t.{ROW} IN (SELECT {ROW} FROM repeated_sessions)"))
        select = {column: f"t.{column}" for column in ATTENDANCE_COLUMNS}
        select["known_on"] = f"coalesce(t.known_on, t.date + {self.definition.delays.attendance})"
        self._apply("attendance", raw, relation, rules, ATTENDANCE_COLUMNS, select, self._without_unreadable(view, breaking))
        self._tell_delay("attendance", "attendance")

    def _tell_delay(self, name: str, delay: str) -> None:
        """Note that rows of the table checked last became known by the stated delay, where they do not say when."""
        told = self._tables[-1]
        share = told["missing"].get("known_on", 1.0)
        rows = told["rows"] - told["set_apart"]
        if share and rows:
            self._note_delay(name, "known_on", round(share * rows), rows, delay)

    def _note_delay(self, name: str, column: str, count: int, rows: int, delay: str) -> None:
        figures = {"days": getattr(self.definition.delays, delay), "share": 100 * count / rows, "delay": delay}
        self.findings.append(Finding("known_by_delay", "note", name, column, (), count, figures))

    @staticmethod
    def _without_unreadable(relation: str, breaking: Mapping[str, str]) -> str:
        """Leave out rows whose needed values could not be read; they are reported already."""
        if not breaking:
            return relation
        return f"(SELECT * FROM {relation} WHERE NOT ({' OR '.join(breaking.values())}))"

    def _find_repeated_sessions(self, view: str, relation: str, rules: Sequence[Rule]) -> bool:
        """Note the usable rows that repeat a session.

        Sessions are compared by a 64-bit hash first, sorted in memory a part at a time: 34 million take some 300 MB and a few seconds, where
        a hash table of them would not fit. What seems repeated is then compared by its own values.
        """
        rows = self._one(f"SELECT count(*) FROM {view}")[0]
        parts = max(1, rows // _MANY_ROWS)
        key = "hash(enrolment_id, session_id)"
        repeated = []
        for part in range(parts):
            keys = f"SELECT {key} AS key FROM {view} WHERE session_id IS NOT NULL"
            if parts > 1:
                keys += f" AND {key} % {parts} = {part}"
            hashes = np.asarray(self.connection.execute(keys).fetchnumpy()["key"])
            hashes.sort()
            repeated.append(np.unique(hashes[1:][hashes[1:] == hashes[:-1]]))
        found = pd.DataFrame({"key": np.concatenate(repeated)})
        if found.empty:
            return False
        self.connection.register("repeated", found)
        self.connection.execute("CREATE OR REPLACE TABLE repeated_keys AS SELECT key FROM repeated")
        self.connection.unregister("repeated")
        usable = " AND ".join(f"NOT coalesce({rule.condition}, false)" for rule in rules if rule.apart)
        candidates = f"t.session_id IS NOT NULL AND hash(t.enrolment_id, t.session_id) IN (SELECT key FROM repeated_keys) AND {usable}"
        # The row that was known first stays, so that a repetition known later can't change what an earlier day saw.
        known = f"coalesce(known_on, date + {self.definition.delays.attendance})"
        nth = f"row_number() OVER (PARTITION BY enrolment_id, session_id ORDER BY {known}, {ROW}) AS nth"
        self.connection.execute(
            f"CREATE OR REPLACE TABLE repeated_sessions AS SELECT {ROW} FROM (SELECT {ROW}, {nth} FROM {relation} t WHERE {candidates}) WHERE nth > 1"
        )
        return bool(self._one("SELECT count(*) FROM repeated_sessions")[0])

    def _check_results(self, raw: RawTable) -> None:
        definition = self.definition
        table = definition.tables["results"]
        scale = definition.grades
        view, breaking = self._typed("results", raw, {**_COLUMNS["results"], "grade": "text"}, table)
        words = {word.strip().lower(): status for word, status in scale.words.items()}
        number = convert.number_in("grade", table.decimal)
        status_of_word = convert.mapped("grade", words) if words else "NULL"
        statuses = ", ".join(literal(status) for status in ("passed", "failed", "exempt", "absent"))
        in_scale = f"{number} BETWEEN {scale.minimum} AND {scale.maximum}"
        passed = f"CASE WHEN {number} >= {scale.pass_mark} THEN 'passed' ELSE 'failed' END"
        status = f"CASE WHEN {in_scale} THEN {passed} WHEN {number} IS NULL AND {status_of_word} IN ({statuses}) THEN {status_of_word} END"
        joined = self._without_unreadable(self._with_enrolments(view), breaking)
        self.connection.execute(
            f"CREATE OR REPLACE TABLE graded_results AS SELECT * EXCLUDE (grade), grade AS grade_told, "
            f"CASE WHEN {in_scale} THEN {number} END AS grade, {status} AS status FROM {joined}"
        )
        rules = self._dated_rules()
        figures = (("minimum", scale.minimum), ("maximum", scale.maximum))
        rules.append(Rule("row_incomplete", "test", "t.test IS NULL"))
        rules.append(Rule("grade_missing", "grade", "t.grade_told IS NULL"))
        rules.append(
            Rule("grade_unknown", "grade", "t.grade_told IS NOT NULL AND t.status IS NULL", example="t.grade_told", figures=figures)
        )
        usable = " AND ".join(f"NOT coalesce({rule.condition}, false)" for rule in rules if rule.apart)
        # Attempts are numbered, and repetitions chosen from, in the order in which they became known: a later one can't change an earlier day.
        by_test, known = "PARTITION BY enrolment_id, course, test, usable", f"coalesce(known_on, date + {definition.delays.results})"
        self.connection.execute(
            f"CREATE OR REPLACE TABLE placed_results AS SELECT * EXCLUDE (attempt), attempt AS attempt_told, "
            f"coalesce(attempt, row_number() OVER ({by_test} ORDER BY {known}, date, {ROW})) AS attempt, "
            f"row_number() OVER ({by_test}, attempt ORDER BY {known}, {ROW}) AS nth "
            f"FROM (SELECT *, {usable} AS usable FROM graded_results t)"
        )
        rules.append(Rule("attempt_twice", "attempt", "t.usable AND t.nth > 1 AND t.attempt_told IS NOT NULL"))
        select = {column: f"t.{column}" for column in RESULT_COLUMNS}
        select["known_on"] = f"coalesce(t.known_on, t.date + {definition.delays.results})"
        select["passed"] = "CASE t.status WHEN 'passed' THEN 1.0 WHEN 'exempt' THEN NULL ELSE 0.0 END"
        columns = {column: kind for column, kind in RESULT_COLUMNS.items() if column not in ("passed", "status")}
        self._apply("results", raw, "placed_results", rules, columns, select)
        rows, known_rows = self._one("SELECT count(*), count(known_on) FROM placed_results")
        if known_rows < rows:
            told = {"days": definition.delays.results, "share": 100 * (rows - known_rows) / rows}
            self.findings.append(Finding("grades_known_by_delay", "warning", "results", "known_on", (), rows - known_rows, told))

    def _check_outcomes(self, raw: RawTable) -> None:
        table = self.definition.tables["outcomes"]
        typed, _ = self._typed("outcomes", raw, OUTCOME_COLUMNS, table)
        if is_unsaid(self.definition.outcome.measured_on):
            self._fault("outcome_undefined", "outcomes", "outcome")
        # A list of all students may tell outcomes only where they are known: a blank one is no outcome yet, and not a broken row.
        view = f"(SELECT * FROM {typed} WHERE outcome IS NOT NULL)"
        raw = replace(raw, rows=self._one(f"SELECT count(*) FROM {view}")[0])
        known = ", ".join(literal(outcome) for outcome in OUTCOMES)
        joined = f"SELECT d.*, d.outcome IN ({known}) AS recognised FROM {view} d"
        if "enrolments" in self.clean:
            joined = (
                f"SELECT d.*, d.outcome IN ({known}) AS recognised, e.cohort, e.kept FROM {view} d LEFT JOIN places e USING (enrolment_id)"
            )
        self.connection.execute(
            f"CREATE OR REPLACE TABLE placed_outcomes AS SELECT *, "
            f"count(DISTINCT outcome) FILTER (WHERE recognised) OVER (PARTITION BY enrolment_id) AS kinds, "
            f"row_number() OVER (PARTITION BY enrolment_id, recognised ORDER BY {ROW}) AS nth FROM ({joined})"
        )
        rules = [Rule("row_incomplete", "enrolment_id", "t.enrolment_id IS NULL")]
        if "enrolments" in self.clean:
            rules += [
                Rule("enrolment_unknown", "enrolment_id", "t.kept IS NULL"),
                Rule("enrolment_set_apart", "enrolment_id", "NOT t.kept"),
            ]
        rules += [
            Rule("outcome_unknown", "outcome", "NOT t.recognised", example="t.outcome"),
            Rule("outcome_twice", "outcome", "t.kinds > 1"),
            Rule("outcome_repeated", "enrolment_id", "t.nth > 1"),
        ]
        if "enrolments" in self.clean:
            for cohort in self.definition.running_cohorts:
                count = self._one(f"SELECT count(*) FROM placed_outcomes WHERE cohort = {literal(cohort)}")[0]
                if count:
                    rows = self._rows(raw, "placed_outcomes", f"cohort = {literal(cohort)}")
                    figures = {"cohort": cohort}
                    self.findings.append(Finding("outcomes_of_running_cohort", "fault", "outcomes", "outcome", rows, count, figures))
        self._apply("outcomes", raw, "placed_outcomes", rules, OUTCOME_COLUMNS, {column: f"t.{column}" for column in OUTCOME_COLUMNS})
        closed = ", ".join(literal(label) for label in self.definition.closed_cohorts)
        if closed and "enrolments" in self.clean:
            without = f"enrolment_id NOT IN (SELECT enrolment_id FROM clean_outcomes) AND cohort IN ({closed})"
            count, rows = self._one(f"SELECT count(*) FILTER (WHERE {without}), count(*) FROM kept_enrolments")
            if count:
                lines = self._rows(self._enrolment_rows, "placed_enrolments", f"usable AND nth = 1 AND {without}")
                figures = {"share": 100 * count / rows}
                self._warn(Finding("outcome_missing", "warning", "enrolments", "", lines, count, figures), rows)

    def _check_groups(self, raw: RawTable) -> None:
        self._check_people("groups", raw, "student_id")

    def _check_contacts(self, raw: RawTable) -> None:
        self._check_people("contacts", raw, "student_id")

    def _check_coaches(self, raw: RawTable) -> None:
        self._check_people("coaches", raw, "coach_id")

    def _check_people(self, name: str, raw: RawTable, key: str) -> None:
        """Check a table that no model reads: one row per student or coach."""
        table = self.definition.tables[name]  # type: ignore[index]
        view, _ = self._typed(name, raw, {key: "text"}, table)
        numbered = f"(SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {ROW}) AS nth FROM {view})"
        rules = [Rule("row_incomplete", key, f"t.{key} IS NULL"), Rule("person_twice", key, f"t.{key} IS NOT NULL AND t.nth > 1")]
        self._apply(name, raw, numbered, rules, {key: "text"}, {key: f"t.{key}"})

    def _check_extra(self, extra: ExtraColumn) -> None:
        assert extra.table is not None
        name = f"extra_{extra.name}"
        raw = self._read(name, extra.table, ("enrolment_id", "date"), {"value": extra.column})
        if raw is None:
            return
        kinds = {**EXTRA_COLUMNS, "value": "flag" if extra.kind == "flag" else "number"}
        table = extra.table.model_copy(update={"columns": {**extra.table.columns, "value": extra.column}})
        view, breaking = self._typed(name, raw, kinds, table)
        select = {column: f"t.{column}" for column in EXTRA_COLUMNS}
        select["known_on"] = f"coalesce(t.known_on, t.date + {self.definition.delays.extra})"
        relation = self._without_unreadable(self._with_enrolments(view), breaking)
        self._apply(name, raw, relation, self._dated_rules(), EXTRA_COLUMNS, select, self._without_unreadable(view, breaking))
        self._tell_delay(name, "extra")

    # --- what was found ------------------------------------------------------------------------------------------------------------

    def _summary(self) -> dict[str, Any]:
        definition = self.definition
        summary: dict[str, Any] = {
            "name": definition.name,
            "cohorts": [],
            "tables": self._tables,
            "outcome_definition": definition.outcome.model_dump(),
            "accepted": [entry.model_dump(mode="json") for entry in definition.accept],
            "imported": definition.imported,
        }
        if "enrolments" in self.clean:
            counted = {
                row[0]: row[1:]
                for row in self.connection.execute(
                    "SELECT cohort, count(DISTINCT student_id), count(*), count(DISTINCT programme) FROM kept_enrolments GROUP BY cohort"
                ).fetchall()
            }
            for cohort in definition.cohorts:
                students, enrolments, programmes = counted.get(cohort.label, (0, 0, 0))
                known = {"label": cohort.label, "start": cohort.start.isoformat(), "closed": cohort.closed}
                summary["cohorts"].append({**known, "students": students, "enrolments": enrolments, "programmes": programmes})
            late = self._one(
                "SELECT median(left_known_on - left_on), quantile_cont(left_known_on - left_on, 0.9) FROM kept_enrolments "
                "WHERE left_on IS NOT NULL"
            )
            if late[0] is not None:
                summary["leaving_known_after_days"] = {"median": float(late[0]), "late": float(late[1])}
        if "results" in self.clean:
            late = self._one("SELECT median(known_on - date), quantile_cont(known_on - date, 0.9) FROM clean_results")
            if late[0] is not None:
                summary["grades_known_after_days"] = {"median": float(late[0]), "late": float(late[1])}
        if "outcomes" in self.clean:
            rows = self.connection.execute("SELECT outcome, count(*) FROM clean_outcomes GROUP BY outcome ORDER BY outcome").fetchall()
            summary["outcomes"] = dict(rows)
        return summary
