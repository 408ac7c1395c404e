"""Who began, and what became of them a year later, by the sector's own count; in DuckDB, so that files larger than memory are read as well.

The rule. A first-year is somebody with a main enrolment in hbo on 1 October of year t that is their first in the domain asked for. On 1 October of
t + 1: no main enrolment in higher education means dropped out; a main enrolment in another programme, or elsewhere, means switched; one in the
same programme here means continued. Whoever died, or left the programme with its diploma, is neither and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import pyarrow as pa

from riskmodel.contract.reading import literal, quoted
from riskmodel.errors import DataFault
from riskmodel.onecijferho.fields import FIELDS
from riskmodel.onecijferho.reading import ROW

FirstYears = Literal["programme", "institution", "ho"]
University = Literal["switched", "dropped_out", "left_out"]
FIRST_FIELD: Mapping[str, str] = {"programme": "first_programme", "institution": "first_institution", "ho": "first_ho"}
# Where somebody is a year later, and the outcome that it stands for; a university's is the institution's choice.
DESTINATIONS: Mapping[str, str] = {
    "continued": "continued",
    "switched_inside": "switched",
    "same_programme_elsewhere": "switched",
    "switched_outside": "switched",
    "university": "",
    "designated_institution": "dropped_out",
    "no_enrolment": "dropped_out",
}
_FIRST_YEAR, _LAST_YEAR = 1950, 2100
_LONGEST_GAP = 60
_KINDS = "'1','2','3','4','5','6','7','8','9','A','B','C','D','E'"
# A layout that does not fit gives nonsense in nearly every row; a few broken rows are counted and left out.
_BROKEN_SHARE, _HOPELESS_SHARE = 0.01, 0.2
_PRIOR = """CASE
    WHEN prior BETWEEN 200 AND 299 THEN 'havo' WHEN prior BETWEEN 300 AND 399 THEN 'mbo 4' WHEN prior BETWEEN 400 AND 499 THEN 'vwo'
    WHEN prior BETWEEN 101 AND 105 OR prior BETWEEN 150 AND 169 THEN 'mbo 1-3' WHEN prior BETWEEN 106 AND 140 THEN 'vmbo'
    WHEN prior BETWEEN 500 AND 599 THEN 'other or foreign' WHEN prior >= 600 THEN 'higher education' END"""
PRIOR_KINDS: Mapping[str, str] = {
    "havo": "havo",
    "mbo 4": "mbo",
    "vwo": "vwo",
    "mbo 1-3": "other",
    "vmbo": "other",
    "other or foreign": "other",
    "higher education": "other",
}


@dataclass(frozen=True)
class Choices:
    """What the sector's definition leaves open, or an institution may choose."""

    first_years: FirstYears = "programme"
    university: University = "switched"
    since: int | None = None


def _text(key: str) -> str:
    return f"nullif(trim({quoted(FIELDS[key].name)}), '')"


def _date(key: str) -> str:
    return f"CAST(try_strptime(lpad({_text(key)}, 8, '0'), '%Y%m%d') AS DATE)"


def _number(key: str, kind: str = "SMALLINT") -> str:
    return f"TRY_CAST({_text(key)} AS {kind})"


# Each field as it is kept, and the condition under which a row can be used at all.
_TYPED: Mapping[str, tuple[str, str, str]] = {
    "person": ("HUGEINT", quoted(FIELDS["person"].name), "IS NOT NULL"),  # the pseudonym: no number comes as far as this
    "year": ("SMALLINT", _number("year"), f"BETWEEN {_FIRST_YEAR} AND {_LAST_YEAR}"),
    "institution": ("VARCHAR", f"lpad(upper({_text('institution')}), 4, '0')", ""),
    "programme": ("VARCHAR", f"lpad({_text('programme')}, 5, '0')", ""),
    "domain": ("VARCHAR", f"lower({_text('domain')})", "IN ('hbo', 'wo')"),
    "type": ("VARCHAR", f"lower({_text('type')})", ""),
    "kind": ("VARCHAR", f"upper({_text('kind')})", f"IN ({_KINDS})"),
    "end_code": ("VARCHAR", _text("end_code"), ""),
    "prior": ("SMALLINT", _number("prior"), ""),
    "first_programme": ("VARCHAR", _text("first_programme"), "IN ('1', '2', '3', '4', '5')"),
    "first_institution": ("VARCHAR", _text("first_institution"), "IN ('1', '2', '3', '4', '5')"),
    "first_ho": ("SMALLINT", _number("first_ho"), ""),
    "form": ("VARCHAR", _text("form"), ""),
    "month_from": ("SMALLINT", _number("month_from"), ""),
    "active": ("VARCHAR", _text("active"), ""),
    "prior_year": ("SMALLINT", _number("prior_year"), ""),
    "grade": ("SMALLINT", _number("grade"), ""),
    "begin": ("DATE", _date("begin"), ""),
    "end": ("DATE", _date("end"), ""),
}
_MUST: Mapping[str, str] = {
    "institution": "IS NOT NULL",
    "programme": "IS NOT NULL",
    **{key: told for key, (_, _, told) in _TYPED.items() if told},
}


class History:
    """The rows of one or more deliveries, and the questions that are asked of them.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An empty database.
    groups : sequence of str
        Names of sensitive fields to keep as they are, for `groups` alone.
    choices : Choices
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, groups: Sequence[str], choices: Choices) -> None:
        self.connection = connection
        self.groups = tuple(groups)
        self.choices = choices
        self.first = FIRST_FIELD[choices.first_years]
        columns = ", ".join(f"{quoted(key)} {kind}" for key, (kind, _, _) in _TYPED.items())
        sensitive = "".join(f", {quoted(name)} VARCHAR" for name in self.groups)
        connection.execute(f"CREATE TABLE rows (file SMALLINT, {columns}{sensitive})")
        self._broken = 0

    def add(self, file: int, chunks: Iterator[pa.Table], found: Mapping[str, str], place: str, unit: str) -> tuple[int, int]:
        """Take the rows of one file; give how many were read, and how many could not be.

        Parameters
        ----------
        file : int
            Its number, from 0.
        chunks : iterator of pyarrow.Table
            Columns under the layout's names, text but for the person's pseudonym as a number, and `row`.
        found : mapping
            The fields that the file holds, by the layout's names.
        place, unit : str
            What the file and its rows are called, for a fault.

        Raises
        ------
        DataFault
            Too many rows can't be read for this to be what it should.
        """
        have = {key for key in _TYPED if FIELDS[key].name in found}
        typed = ", ".join(f"{sql if key in have else 'NULL'} AS {quoted(key)}" for key, (_, sql, _) in _TYPED.items())
        sensitive = "".join(f", nullif(trim({quoted(name)}), '') AS {quoted(name)}" for name in self.groups)
        must = {key: f"({quoted(key)} {told})" for key, told in _MUST.items() if key in have}
        bad = {key: f"NOT coalesce({told}, false)" for key, told in must.items()}
        counts = ", ".join(f"count(*) FILTER (WHERE {told}), min({ROW}) FILTER (WHERE {told})" for told in bad.values())
        usable = " AND ".join(f"coalesce({told}, false)" for told in must.values())
        rows = broken = 0
        first: dict[str, int] = {}
        for chunk in chunks:
            self.connection.register("chunk", chunk)
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE typed AS SELECT {file} AS file, {typed}{sensitive}, {ROW} FROM chunk")
            self.connection.unregister("chunk")
            told = self._one(f"SELECT count(*), count(*) FILTER (WHERE {usable}), {counts} FROM typed")
            self.connection.execute(f"INSERT INTO rows SELECT * EXCLUDE ({ROW}) FROM typed WHERE {usable}")
            rows += told[0]
            broken += told[0] - told[1]
            for at, key in enumerate(bad):
                if told[2 + 2 * at]:
                    first.setdefault(key, told[3 + 2 * at])
            if broken > _HOPELESS_SHARE * rows and broken > 1:
                break
        if broken and (broken > _BROKEN_SHARE * rows or broken == rows):
            names = ", ".join(f"'{FIELDS[key].name}' ({unit} {row})" for key, row in list(first.items())[:3])
            raise DataFault(
                f"{broken} of the {rows} {unit}s read so far hold no code where one is expected: {names}.",
                place=place,
                remedy="Either this is no enrolment file, or its layout is another delivery's, or codes were already turned into words; "
                "give the file as delivered with the layout that came with it, or as converted before decoding.",
            )
        if rows == 0:
            raise DataFault("this file holds no rows.", place=place, remedy="Fetch it again, whole.")
        return rows, broken

    def _one(self, sql: str) -> tuple[Any, ...]:
        return self.connection.execute(sql).fetchall()[0]

    def deliveries(self) -> dict[int, int]:
        """Give the last year that each file holds: the year of its delivery."""
        return dict(self.connection.execute('SELECT file, max("year") FROM rows GROUP BY file ORDER BY file').fetchall())

    def keep_newest(self) -> int:
        """Keep each student's rows of the newest delivery that holds them; give how many rows of older ones that replaced."""
        delivered = self.deliveries()
        values = ", ".join(f"({file}, {year})" for file, year in delivered.items())
        self.connection.execute(f"CREATE TABLE delivered AS SELECT * FROM (VALUES {values}) AS t(file, delivery)")
        if len(set(delivered.values())) == 1:
            (newest,) = set(delivered.values())
            self.connection.execute(f"CREATE VIEW used AS SELECT *, CAST({newest} AS SMALLINT) AS delivery FROM rows")
            return 0
        self.connection.execute(
            "CREATE TABLE newest AS SELECT person, max(delivery) AS delivery FROM rows JOIN delivered USING (file) GROUP BY person"
        )
        self.connection.execute(
            "CREATE VIEW used AS SELECT r.*, d.delivery FROM rows r JOIN delivered d USING (file) "
            "JOIN newest n ON n.person = r.person AND n.delivery = d.delivery"
        )
        replaced: int = self._one("SELECT (SELECT count(*) FROM rows) - (SELECT count(*) FROM used)")[0]
        return replaced

    @property
    def _is_first(self) -> str:
        return 'first_ho = "year"' if self.first == "first_ho" else f"{self.first} = '1'"

    @property
    def _began(self) -> str:
        return f"domain = 'hbo' AND kind = '1' AND coalesce(type, '') IN ('ad', 'ba') AND {self._is_first}"

    def institutions(self) -> list[tuple[str, int, float]]:
        """Give each institution with first-years: its code, first-year enrolments, and the share of all students who ever were there; largest first."""
        return [
            (str(code), int(first), float(share))
            for code, first, share in self.connection.execute(
                f"SELECT institution, count(*) FILTER (WHERE {self._began}) AS first, "
                "count(DISTINCT person) / (SELECT count(DISTINCT person) FROM used) AS share "
                "FROM used GROUP BY institution HAVING first > 0 ORDER BY share DESC, first DESC, institution"
            ).fetchall()
        ]

    def build(self, institution: str) -> dict[str, int]:
        """Make `built`, one row per first-year with what became of them; give how many rows and first-years were left out, by cause.

        Columns of `built`: person, year, programme, start_date, left_on, prior_education, study_form, level, gap_years, grade, years_in_ho, running,
        destination, and the sensitive fields asked for.
        """
        here = f"institution = {literal(institution)}"
        left_out = self._rows_left_out(here)
        self.connection.execute(
            f'CREATE TABLE began AS SELECT *, row_number() OVER (PARTITION BY person, "year", programme ORDER BY file, form, "begin", prior) AS nth '
            f"FROM used WHERE {here} AND {self._began}"
        )
        left_out["first-year enrolments that stand more than once"] = self._one("SELECT count(*) FROM began WHERE nth > 1")[0]
        self.connection.execute("DELETE FROM began WHERE nth > 1")
        if self.choices.since is not None:
            left_out[f"first-years of before {self.choices.since}"] = self._one(
                f'SELECT count(*) FROM began WHERE "year" < {self.choices.since}'
            )[0]
            self.connection.execute(f'DELETE FROM began WHERE "year" < {self.choices.since}')
        years = ", ".join(str(row[0]) for row in self.connection.execute('SELECT DISTINCT "year" FROM used').fetchall())
        newest = self._one("SELECT max(delivery) FROM delivered")[0]
        self._destinations(here)
        self.connection.execute(
            f'CREATE TABLE fates AS SELECT *, "year" = {newest} AS running, CASE WHEN "year" < delivery AND "year" + 1 NOT IN ({years}) '
            "THEN 'the files hold nothing of the year after' "
            f"WHEN \"year\" >= delivery AND delivery < {newest} THEN 'an older delivery ends there, and no newer one holds them' "
            "WHEN died THEN 'died' WHEN graduated THEN 'left with the diploma' "
            f"WHEN \"year\" < {newest} AND destination = 'university' AND {self.choices.university == 'left_out'} THEN 'went to university' "
            "END AS apart FROM destinations"
        )
        for cause, count in self.connection.execute(
            "SELECT apart, count(*) FROM fates WHERE apart IS NOT NULL GROUP BY apart ORDER BY apart"
        ).fetchall():
            left_out[f"first-years: {cause}"] = count
        self._write_built()
        return {cause: count for cause, count in left_out.items() if count}

    def _rows_left_out(self, here: str) -> dict[str, int]:
        causes = {
            "rows of university education": "domain <> 'hbo'",
            "rows of exchange students": "kind IN ('6', '7', '8', '9')",
            "rows of designated institutions": "kind IN ('A', 'B', 'C', 'D', 'E')",
            "rows of programmes that do not count": "kind = '5'",
            "enrolments that ended before 1 October": "kind = '3' AND active = '2'",
            "enrolments that began after 1 October": "kind = '3' AND active IN ('3', '4')",
            "enrolments not active on 1 October": "kind = '3'",
            "second enrolments": "kind IN ('2', '4')",
            "enrolments in a master or another type than associate degree or bachelor": "coalesce(type, '') NOT IN ('ad', 'ba')",
            "enrolments of later years": f"NOT coalesce({self._is_first}, false)",
        }
        cases = " ".join(f"WHEN {condition} THEN {literal(cause)}" for cause, condition in causes.items())
        counted = dict(
            self.connection.execute(f"SELECT CASE {cases} END AS cause, count(*) FROM used WHERE {here} GROUP BY cause").fetchall()
        )
        return {cause: counted.get(cause, 0) for cause in causes}

    def _destinations(self, here: str) -> None:
        """Make `destinations`: each first-year with where they are on 1 October of the next year, and whether they died or graduated."""
        same = 'n.programme = b.programme AND n."year" = b."year" AND n.institution = b.institution'
        next_year = 'n."year" = b."year" + 1'
        main = f"{next_year} AND n.kind = '1'"
        at_home = "n.institution = b.institution"
        flags = {
            "same": f"{main} AND {at_home} AND n.programme = b.programme",
            "inside": f"{main} AND n.domain = 'hbo' AND {at_home}",
            "elsewhere": f"{main} AND n.domain = 'hbo' AND n.programme = b.programme",
            "outside": f"{main} AND n.domain = 'hbo'",
            "university": f"{main} AND n.domain = 'wo'",
            "designated": f"{next_year} AND n.kind = 'A'",
            "main": main,
            "died_now": 'n."year" = b."year" AND n.end_code = \'8\'',
            "died_next": f"{next_year} AND n.end_code = '8'",
            "graduated": f"{same} AND n.end_code = '1'",
        }
        told = ", ".join(f"coalesce(bool_or({condition}), false) AS {name}" for name, condition in flags.items())
        # An enrolment ends when its last row does: a change from full-time to part-time closes one row and opens another.
        ended = f'CASE WHEN bool_or({same} AND n."end" IS NULL) THEN NULL ELSE max(n."end") FILTER (WHERE {same}) END AS ended'
        self.connection.execute(
            f'CREATE TABLE looked AS SELECT b.person, b."year", b.programme, {told}, {ended} FROM began b JOIN used n '
            'ON n.person = b.person AND n."year" BETWEEN b."year" AND b."year" + 1 GROUP BY b.person, b."year", b.programme'
        )
        self.connection.execute(
            "CREATE TABLE destinations AS SELECT b.*, l.ended, l.died_now OR (l.died_next AND NOT l.main) AS died, l.graduated, "
            "CASE WHEN l.same THEN 'continued' WHEN l.inside THEN 'switched_inside' WHEN l.elsewhere THEN 'same_programme_elsewhere' "
            "WHEN l.outside THEN 'switched_outside' WHEN l.university THEN 'university' WHEN l.designated THEN 'designated_institution' "
            "ELSE 'no_enrolment' END AS destination "
            'FROM began b JOIN looked l USING (person, "year", programme)'
        )

    def _write_built(self) -> None:
        first_day, last_day = 'make_date("year", 9, 1)', 'make_date("year" + 1, 8, 31)'
        # The date governs; without one the month does; without either the academic year's first day.
        month = 'CASE WHEN month_from BETWEEN 8 AND 10 THEN make_date("year", month_from, 1) END'
        starts = 'CASE WHEN "begin" BETWEEN make_date("year", 8, 1) AND make_date("year", 10, 1) THEN "begin" END'
        gap = 'CASE WHEN prior_year > 0 THEN "year" - prior_year - 1 END'
        sensitive = "".join(f", {quoted(name)}" for name in self.groups)
        self.connection.execute(
            f'CREATE TABLE built AS SELECT person, "year", programme, coalesce({starts}, {month}, {first_day}) AS start_date, '
            f"CASE WHEN ended < {last_day} AND ended >= {first_day} THEN ended END AS left_on, {_PRIOR} AS prior_education, "
            "CASE form WHEN '1' THEN 'full-time' WHEN '2' THEN 'part-time' WHEN '3' THEN 'dual' END AS study_form, "
            "CASE type WHEN 'ad' THEN 'associate degree' ELSE 'bachelor' END AS level, "
            f"CASE WHEN {gap} BETWEEN -1 AND {_LONGEST_GAP} THEN CAST(greatest({gap}, 0) AS DOUBLE) END AS gap_years, "
            "CASE WHEN grade BETWEEN 10 AND 100 THEN grade / 10.0 END AS grade, "
            f'CASE WHEN first_ho BETWEEN {_FIRST_YEAR} AND "year" THEN CAST("year" - first_ho AS DOUBLE) END AS years_in_ho, '
            f"running, CASE WHEN NOT running THEN destination END AS destination{sensitive} FROM fates WHERE apart IS NULL"
        )

    def outcome_sql(self) -> str:
        """SQL: the contract's outcome of a destination, NULL for a running cohort."""
        told = {**DESTINATIONS, "university": self.choices.university}
        cases = " ".join(f"WHEN {literal(place)} THEN {literal(outcome)}" for place, outcome in told.items())
        return f"CASE destination {cases} END"
