"""Rules over an institution's tables, all findings at once: what is wrong, where, and which rows are set apart.

Works in DuckDB alone, so that tables larger than memory are checked as well. Repairs nothing: a row that breaks a rule is set apart and counted,
or a value that can't be read is left blank and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from riskmodel.contract import conversion as convert
from riskmodel.contract.definition import DatasetDefinition, ExtraColumn, Table, is_sensitive_name
from riskmodel.contract.findings import CheckReport, Finding
from riskmodel.contract.reading import ROW, RawTable, Unreadable, literal, quoted, read_raw
from riskmodel.dates import from_epoch_day
from riskmodel.progress import Progress, silent
from riskmodel.tables import ATTENDANCE_COLUMNS, ENROLMENT_COLUMNS, EXTRA_COLUMNS, OUTCOME_COLUMNS, OUTCOMES, RESULT_COLUMNS

ROWS_SHOWN = 5
LONGEST_ENROLMENT = 400
FIRST_DATE, LAST_DATE = 7305, 47847  # epoch days of 1990-01-01 and 2101-01-01
_MANY_ROWS = 4_000_000

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
_KIND_WORDS = {"date": "date", "number": "number", "flag": "yes or no"}


@dataclass(frozen=True)
class Rule:
    """A condition that a row should not meet."""

    name: str
    column: str
    condition: str
    apart: bool = True
    example: str | None = None
    figures: tuple[tuple[str, Any], ...] = ()


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
            raw = self._read(name, self.definition.tables[name])  # type: ignore[index]
            if raw is not None and name in _COLUMNS:
                getattr(self, f"_check_{name}")(raw)
        for place, extra in enumerate(dated, len(order)):
            self.progress(place, total, f"checking {extra.name}")
            assert extra.table is not None
            raw = self._read(f"extra_{extra.name}", extra.table, REQUIRED["outcomes"][:1] + ("date",), {"value": extra.column})
            if raw is not None:
                self._check_extra(extra, raw)
        self.progress(total, total, "checked")
        severities = ("fault", "warning", "note")
        self.findings.sort(key=lambda finding: severities.index(finding.severity))
        return CheckReport(tuple(self.findings), self._summary())

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def _read(
        self, name: str, table: Table, required: Iterable[str] | None = None, more: Mapping[str, str] | None = None
    ) -> RawTable | None:
        try:
            raw = read_raw(self.connection, self.folder, name, table, self.scratch)
        except Unreadable as error:
            self.findings.append(error.finding)
            return None
        if name != "groups":
            for column in raw.columns:
                if is_sensitive_name(column):
                    self._fault("sensitive_column", name, column)
        mapping = {**table.columns, **(more or {})}
        lacking = [column for column in (*(required or REQUIRED[name]), *(more or ())) if self._raw_name(raw, mapping, column) is None]
        have = ", ".join(list(raw.columns)[:20])
        for column in lacking:
            self._fault("column_missing", name, column, raw=mapping.get(column, column), have=have)
        for column, source in mapping.items():
            if column not in lacking and self._raw_name(raw, mapping, column) is None:
                self._fault("column_missing", name, column, raw=source, have=have)
                lacking.append(column)
        rows = self._one(f"SELECT count(*) FROM {raw.relation}")[0]
        if rows == 0:
            self._fault("table_empty", name)
            return None
        return None if lacking else raw

    @staticmethod
    def _raw_name(raw: RawTable, mapping: Mapping[str, str], column: str) -> str | None:
        wanted = mapping.get(column, column).strip().lower()
        return next((name for name in raw.columns if name.strip().lower() == wanted), None)

    def _fault(self, rule: str, table: str, column: str = "", **figures: Any) -> None:
        self.findings.append(Finding(rule, "fault", table, column, figures=figures))

    def _one(self, sql: str) -> tuple[Any, ...]:
        row = self.connection.execute(sql).fetchone()
        assert row is not None
        return row

    # --- typing --------------------------------------------------------------------------------------------------------------------

    def _typed(
        self, name: str, raw: RawTable, kinds: Mapping[str, str], table: Table, extra: Sequence[ExtraColumn] = ()
    ) -> tuple[str, dict[str, str]]:
        """Make the view `typed_NAME` with canonical columns; report values that can't be read. Gives row-breaking conditions by column."""
        selected, sources = [f"{ROW}"], dict[str, tuple[str, str, str]]()
        mapping = table.columns
        wanted = [(column, kind, self._raw_name(raw, mapping, column)) for column, kind in kinds.items()]
        wanted += [
            (f"extra_{each.name}", {"category": "text"}.get(each.kind, each.kind), self._raw_name(raw, {"x": each.column}, "x"))
            for each in extra
        ]
        for column, kind, source in wanted:
            if source is None:
                selected.append(f"CAST(NULL AS {_SQL_TYPES[kind]}) AS {column}")
                continue
            values = table.values.get(column, {})
            duckdb_type = raw.columns[source]
            text = convert.text_of(source, duckdb_type)
            sql = {
                "text": lambda s=source, t=duckdb_type, v=values: convert.mapped(convert.text_of(s, t), v),
                "date": lambda s=source, t=duckdb_type: convert.date_of(s, t, table.date_format),
                "number": lambda s=source, t=duckdb_type: convert.number_of(s, t, table.decimal),
                "flag": lambda s=source, t=duckdb_type, v=values: convert.flag_of(s, t, v),
            }[kind]()
            selected.append(f"{sql} AS {column}")
            if kind != "text":
                sources[column] = (kind, text, sql)
        view = f"typed_{name}"
        body = f"SELECT {', '.join(selected)} FROM {raw.relation}"
        self.connection.execute(f"CREATE OR REPLACE VIEW {view} AS {body}")
        return view, self._unreadable_values(name, raw, sources)

    def _unreadable_values(self, name: str, raw: RawTable, sources: Mapping[str, tuple[str, str, str]]) -> dict[str, str]:
        doubtful = {c: s for c, s in sources.items() if not self._surely_readable(raw, c, s)}
        if not doubtful:
            return {}
        parts = []
        for _, text, sql in doubtful.values():
            bad = f"{text} IS NOT NULL AND {sql} IS NULL"
            parts += [f"count({text})", f"count(*) FILTER (WHERE {bad})", f"any_value({text}) FILTER (WHERE {bad})"]
        counts = self._one(f"SELECT {', '.join(parts)} FROM {raw.relation}")
        breaking: dict[str, str] = {}
        for place, (column, (kind, text, sql)) in enumerate(doubtful.items()):
            present, bad, example = counts[3 * place : 3 * place + 3]
            if not bad:
                continue
            figures = {"kind": _KIND_WORDS[kind], "example": str(example)[:40]}
            if bad > present / 2:
                self._fault("wrong_type", name, column, share=100 * bad / present, **figures)
                continue
            condition = f"{text} IS NOT NULL AND {sql} IS NULL"
            needed = column in REQUIRED.get(name, ("enrolment_id", "date", "value"))
            rows = self._rows(raw.relation, condition, raw.first_row)
            rule = "value_unreadable" if needed else "value_blanked"
            self._warn(Finding(rule, "warning", name, column, rows, bad, figures), present)
            if needed:
                breaking[column] = f"{column} IS NULL"
        return breaking

    @staticmethod
    def _surely_readable(raw: RawTable, column: str, source: tuple[str, str, str]) -> bool:
        kind, text, _ = source
        types = [duckdb_type for name, duckdb_type in raw.columns.items() if quoted(name) in text]
        duckdb_type = types[0] if types else "VARCHAR"
        if kind == "date":
            return duckdb_type == "DATE" or duckdb_type.startswith("TIMESTAMP")
        return kind == "number" and convert.is_number_type(duckdb_type) and duckdb_type not in ("FLOAT", "DOUBLE")

    # --- rules ---------------------------------------------------------------------------------------------------------------------

    def _rows(self, relation: str, condition: str, first_row: int) -> tuple[int, ...]:
        found = self.connection.execute(f"SELECT {ROW} FROM {relation} t WHERE {condition} ORDER BY {ROW} LIMIT {ROWS_SHOWN}").fetchall()
        return tuple(int(row[0]) + first_row for row in found)

    def _warn(self, finding: Finding, rows: int) -> None:
        self.findings.append(finding)
        limits = self.definition.limits
        share = finding.count / rows if rows else 0.0
        accepted = any(
            entry.rule == finding.rule and entry.table == finding.table and share <= entry.up_to_share for entry in self.definition.accept
        )
        if share > limits.warning_share and finding.count > limits.least_rows and not accepted:
            figures = {"share": 100 * share, "broken": finding.rule, "limit": 100 * limits.warning_share}
            self.findings.append(Finding("too_many_warnings", "fault", finding.table, finding.column, finding.rows, finding.count, figures))

    def _apply(
        self, name: str, raw: RawTable, relation: str, rules: Sequence[Rule], columns: Mapping[str, str], select: Mapping[str, str]
    ) -> None:
        """Count every rule in one pass, name the rows of those that are broken, and make `clean_NAME` without them."""
        counted = [f"count(*) FILTER (WHERE {rule.condition})" for rule in rules]
        examples = [f"any_value({rule.example}) FILTER (WHERE {rule.condition})" if rule.example else "NULL" for rule in rules]
        dates = ["min(t.date)", "max(t.date)"] if "date" in columns else ["NULL", "NULL"]
        missing = [f"count(*) - count(t.{column})" for column in columns]
        result = self._one(f"SELECT count(*), {', '.join([*dates, *counted, *examples, *missing])} FROM {relation} t")
        rows = result[0]
        counts, shown, gaps = result[3 : 3 + len(rules)], result[3 + len(rules) : 3 + 2 * len(rules)], result[3 + 2 * len(rules) :]
        broken: list[str] = []
        for rule, count, example in zip(rules, counts, shown, strict=True):
            if not count:
                continue
            figures = dict(rule.figures) | ({"example": str(example)[:40]} if rule.example else {})
            place = self._rows(relation, rule.condition, raw.first_row)
            self._warn(Finding(rule.name, "warning", name, rule.column, place, count, figures), rows)
            if rule.apart:
                broken.append(f"coalesce({rule.condition}, false)")
        where = f" WHERE NOT ({' OR '.join(broken)})" if broken else ""
        listed = ", ".join(f"{sql} AS {column}" for column, sql in select.items())
        self.connection.execute(f"CREATE OR REPLACE VIEW clean_{name} AS SELECT {listed} FROM {relation} t{where}")
        self.clean[name] = f"clean_{name}"
        kept = self._one(f"SELECT count(*) FROM {relation} t{where}")[0] if broken else rows
        delivered = self._one(f"SELECT count(*) FROM {raw.relation}")[0]
        first, last = (from_epoch_day(day).isoformat() if day is not None and abs(day) < 10**6 else None for day in result[1:3])
        self._tables.append(
            {
                "table": name,
                "rows": delivered,
                "set_apart": delivered - kept,
                "first": first,
                "last": last,
                "missing": {
                    column: gap / rows for column, gap in zip(columns, gaps, strict=True) if gap < rows or column in REQUIRED.get(name, ())
                },
            }
        )

    def _check_enrolments(self, raw: RawTable) -> None:
        definition = self.definition
        extras = [extra for extra in definition.extra if extra.source == "enrolment"]
        table = definition.tables["enrolments"]
        for extra in extras:
            if self._raw_name(raw, {"x": extra.column}, "x") is None:
                self._fault("column_missing", "enrolments", f"extra_{extra.name}", raw=extra.column, have=", ".join(list(raw.columns)[:20]))
        _, breaking = self._typed("enrolments", raw, ENROLMENT_COLUMNS, table, extras)
        kinds = definition.prior_education
        known = {kind.lower(): kind for kind in kinds.kinds} | {value.strip().lower(): kind for value, kind in kinds.values.items()}
        prior = convert.mapped("prior_education", known)
        listed = ", ".join(literal(kind) for kind in kinds.kinds)
        cohorts = ", ".join(literal(cohort.label) for cohort in definition.cohorts)
        blanked = ", ".join(f"CASE WHEN {self._extra_ok(extra)} THEN extra_{extra.name} END AS extra_{extra.name}" for extra in extras)
        others = [column for column in ENROLMENT_COLUMNS if column not in ("prior_education", "left_on", "left_known_on")]
        self.connection.execute(
            f"CREATE OR REPLACE TABLE placed_enrolments AS SELECT {ROW}, {', '.join(others)}, prior_education AS prior_education_told, "
            f"CASE WHEN {prior} IN ({listed}) THEN {prior} END AS prior_education, left_on AS left_on_told, "
            "CASE WHEN left_on >= start_date THEN left_on END AS left_on, "
            f"CASE WHEN left_on >= start_date THEN coalesce(left_known_on, left_on + {definition.delays.leaving}) END AS left_known_on, "
            f"row_number() OVER (PARTITION BY enrolment_id ORDER BY {ROW}) AS nth"
            + "".join(f", extra_{extra.name} AS extra_told_{extra.name}" for extra in extras)
            + (f", {blanked}" if blanked else "")
            + " FROM typed_enrolments"
        )
        rules = [
            Rule("enrolment_incomplete", column, f"t.{column} IS NULL")
            for column in ("enrolment_id", "student_id", "cohort", "programme", "start_date")
            if column not in breaking
        ]
        rules += [
            Rule("enrolment_twice", "enrolment_id", "t.nth > 1 AND t.enrolment_id IS NOT NULL"),
            Rule("cohort_unknown", "cohort", f"t.cohort NOT IN ({cohorts})", example="t.cohort"),
            Rule("date_impossible", "start_date", f"t.start_date NOT BETWEEN {FIRST_DATE} AND {LAST_DATE}"),
            Rule("left_before_start", "left_on", "t.left_on_told < t.start_date", apart=False),
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
        self.connection.execute("CREATE OR REPLACE TABLE kept_enrolments AS SELECT * FROM clean_enrolments")
        self.clean["enrolments"] = "kept_enrolments"

    @staticmethod
    def _extra_ok(extra: ExtraColumn) -> str:
        if extra.kind != "category":
            return "true"
        return f"extra_{extra.name} IN ({', '.join(literal(category) for category in extra.categories)})"

    def _dated_rules(self) -> list[Rule]:
        before = self.definition.keep_before_start_days
        rules = [Rule("enrolment_incomplete", "enrolment_id", "t.enrolment_id IS NULL")]
        rules += [
            Rule("date_impossible", "date", f"t.date NOT BETWEEN {FIRST_DATE} AND {LAST_DATE}"),
            Rule("known_before_date", "known_on", "t.known_on < t.date"),
        ]
        if "enrolments" in self.clean:
            rules += [
                Rule("enrolment_unknown", "enrolment_id", "t.enrolment_id IS NOT NULL AND t.start_date IS NULL"),
                Rule("before_start", "date", f"t.date < t.start_date - {before}"),
                Rule("other_cohort", "date", f"t.date > t.start_date + {LONGEST_ENROLMENT}", figures=(("limit", LONGEST_ENROLMENT),)),
                Rule("after_leaving", "date", "t.date > t.left_on", apart=False),
            ]
        return rules

    def _with_enrolments(self, view: str) -> str:
        if "enrolments" not in self.clean:
            return f"(SELECT *, NULL AS start_date, NULL AS left_on FROM {view})"
        return f"(SELECT d.*, e.start_date, e.left_on FROM {view} d LEFT JOIN kept_enrolments e USING (enrolment_id))"

    def _check_attendance(self, raw: RawTable) -> None:
        table = self.definition.tables["attendance"]
        view, breaking = self._typed("attendance", raw, ATTENDANCE_COLUMNS, table)
        rules = self._dated_rules()
        rules.append(Rule("attended_more_than_scheduled", "attended", "t.attended > t.scheduled OR t.attended < 0 OR t.scheduled < 0"))
        if self._raw_name(raw, table.columns, "session_id") is not None:
            self._find_repeated_sessions(view)
            rules.append(Rule("session_twice", "session_id", f"t.{ROW} IN (SELECT {ROW} FROM repeated_sessions)"))
        select = {column: f"t.{column}" for column in ATTENDANCE_COLUMNS}
        select["known_on"] = f"coalesce(t.known_on, t.date + {self.definition.delays.attendance})"
        relation = self._without_unreadable(self._with_enrolments(view), breaking)
        self._apply("attendance", raw, relation, rules, ATTENDANCE_COLUMNS, select)

    @staticmethod
    def _without_unreadable(relation: str, breaking: Mapping[str, str]) -> str:
        """Leave out rows whose needed values could not be read; they are reported already."""
        if not breaking:
            return relation
        return f"(SELECT * FROM {relation} WHERE NOT ({' OR '.join(breaking.values())}))"

    def _find_repeated_sessions(self, view: str) -> None:
        """Note the rows that repeat a session, a part of the keys at a time so that memory stays bounded."""
        rows = self._one(f"SELECT count(*) FROM {view}")[0]
        parts = max(1, rows // _MANY_ROWS)
        self.connection.execute(f"CREATE OR REPLACE TABLE repeated_sessions ({ROW} BIGINT)")
        for part in range(parts):
            key = "hash(enrolment_id, session_id)"
            here = f"session_id IS NOT NULL AND {key} % {parts} = {part}"
            twice = self._one(f"SELECT count(*) - count(DISTINCT {key}) FROM {view} WHERE {here}")[0]
            if twice:
                self.connection.execute(
                    f"INSERT INTO repeated_sessions SELECT {ROW} FROM (SELECT {ROW}, row_number() OVER "
                    f"(PARTITION BY enrolment_id, session_id ORDER BY {ROW}) AS nth FROM {view} WHERE {here}) WHERE nth > 1"
                )

    def _check_results(self, raw: RawTable) -> None:
        definition = self.definition
        table = definition.tables["results"]
        scale = definition.grades
        view, breaking = self._typed("results", raw, {**_COLUMNS["results"], "grade": "text"}, table)
        has_attempt = self._raw_name(raw, table.columns, "attempt") is not None
        words = {word.strip().lower(): status for word, status in scale.words.items()}
        number = "TRY_CAST(CASE WHEN contains(grade, ',') THEN replace(grade, ',', '.') ELSE grade END AS DOUBLE)"
        status_of_word = convert.mapped("grade", words) if words else "NULL"
        known = ", ".join(literal(status) for status in ("passed", "failed", "exempt", "absent"))
        in_scale = f"{number} BETWEEN {scale.minimum} AND {scale.maximum}"
        nth = "row_number() OVER (PARTITION BY enrolment_id, course, test ORDER BY date, known_on, " + ROW + ")"
        attempt = f"coalesce(attempt, {nth})" if has_attempt else nth
        self.connection.execute(
            f"CREATE OR REPLACE TABLE placed_results AS SELECT {ROW}, enrolment_id, date, known_on, course, test, "
            f"CAST({attempt} AS DOUBLE) AS attempt, grade AS grade_told, CASE WHEN {in_scale} THEN {number} END AS grade, "
            f"CASE WHEN {in_scale} THEN CASE WHEN {number} >= {scale.pass_mark} THEN 'passed' ELSE 'failed' END "
            f"WHEN {number} IS NULL AND {status_of_word} IN ({known}) THEN {status_of_word} END AS status, credits, "
            f"row_number() OVER (PARTITION BY enrolment_id, course, test, attempt ORDER BY {ROW}) AS nth, attempt AS attempt_told FROM {view}"
        )
        rules = self._dated_rules()
        figures = (("minimum", scale.minimum), ("maximum", scale.maximum))
        rules.append(Rule("grade_unknown", "grade", "t.status IS NULL", example="t.grade_told", figures=figures))
        rules.append(Rule("attempt_twice", "attempt", "t.nth > 1 AND t.attempt_told IS NOT NULL"))
        select = {column: f"t.{column}" for column in RESULT_COLUMNS}
        select["known_on"] = f"coalesce(t.known_on, t.date + {definition.delays.results})"
        select["passed"] = "CASE t.status WHEN 'passed' THEN 1.0 WHEN 'exempt' THEN NULL ELSE 0.0 END"
        columns = {column: kind for column, kind in RESULT_COLUMNS.items() if column not in ("passed", "status")}
        relation = self._without_unreadable(self._with_enrolments("placed_results"), breaking)
        self._apply("results", raw, relation, rules, columns, select)
        if not self._one("SELECT count(known_on) FROM placed_results")[0]:
            self.findings.append(
                Finding("grades_known_by_delay", "warning", "results", "known_on", figures={"days": definition.delays.results})
            )

    def _check_outcomes(self, raw: RawTable) -> None:
        table = self.definition.tables["outcomes"]
        view, _ = self._typed("outcomes", raw, OUTCOME_COLUMNS, table)
        known = ", ".join(literal(outcome) for outcome in OUTCOMES)
        self.connection.execute(
            f"CREATE OR REPLACE TABLE placed_outcomes AS SELECT d.*, e.cohort, count(DISTINCT d.outcome) OVER (PARTITION BY d.enrolment_id) AS kinds, "
            f"row_number() OVER (PARTITION BY d.enrolment_id ORDER BY d.{ROW}) AS nth FROM {view} d "
            + (
                "LEFT JOIN kept_enrolments e USING (enrolment_id)"
                if "enrolments" in self.clean
                else "LEFT JOIN (SELECT NULL AS enrolment_id, NULL AS cohort) e USING (enrolment_id)"
            )
        )
        rules = [
            Rule("outcome_unknown", "outcome", f"t.outcome IS NULL OR t.outcome NOT IN ({known})", example="t.outcome"),
            Rule("outcome_twice", "outcome", "t.kinds > 1"),
            Rule("enrolment_twice", "enrolment_id", "t.nth > 1 AND t.kinds = 1"),
        ]
        if "enrolments" in self.clean:
            rules.append(Rule("enrolment_unknown", "enrolment_id", "t.cohort IS NULL"))
            for cohort in self.definition.running_cohorts:
                count = self._one(f"SELECT count(*) FROM placed_outcomes WHERE cohort = {literal(cohort)}")[0]
                if count:
                    rows = self._rows("placed_outcomes", f"cohort = {literal(cohort)}", raw.first_row)
                    figures = {"cohort": cohort}
                    self.findings.append(Finding("outcomes_of_running_cohort", "fault", "outcomes", "outcome", rows, count, figures))
        self._apply("outcomes", raw, "placed_outcomes", rules, OUTCOME_COLUMNS, {column: f"t.{column}" for column in OUTCOME_COLUMNS})
        closed = ", ".join(literal(label) for label in self.definition.closed_cohorts)
        if closed and "enrolments" in self.clean:
            without = f"enrolment_id NOT IN (SELECT enrolment_id FROM clean_outcomes) AND cohort IN ({closed})"
            count, rows = self._one(f"SELECT count(*) FILTER (WHERE {without}), count(*) FROM kept_enrolments")
            if count:
                lines = self._rows("placed_enrolments", without, raw.first_row)
                self._warn(Finding("outcome_missing", "warning", "enrolments", "", lines, count), rows)

    def _check_extra(self, extra: ExtraColumn, raw: RawTable) -> None:
        assert extra.table is not None
        name = f"extra_{extra.name}"
        kinds = {**EXTRA_COLUMNS, "value": "flag" if extra.kind == "flag" else "number"}
        table = extra.table.model_copy(update={"columns": {**extra.table.columns, "value": extra.column}})
        view, breaking = self._typed(name, raw, kinds, table)
        select = {column: f"t.{column}" for column in EXTRA_COLUMNS}
        select["known_on"] = f"coalesce(t.known_on, t.date + {self.definition.delays.extra})"
        relation = self._without_unreadable(self._with_enrolments(view), breaking)
        self._apply(name, raw, relation, self._dated_rules(), EXTRA_COLUMNS, select)

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
        if "results" in self.clean:
            late = self._one("SELECT median(known_on - date), quantile_cont(known_on - date, 0.9) FROM clean_results")
            if late[0] is not None:
                summary["grades_known_after_days"] = {"median": float(late[0]), "late": float(late[1])}
        if "outcomes" in self.clean:
            rows = self.connection.execute("SELECT outcome, count(*) FROM clean_outcomes GROUP BY outcome ORDER BY outcome").fetchall()
            summary["outcomes"] = dict(rows)
        return summary


_SQL_TYPES = {"text": "VARCHAR", "date": "BIGINT", "number": "DOUBLE", "flag": "DOUBLE"}
