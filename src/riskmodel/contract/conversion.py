"""SQL that turns a file's own values into canonical ones; a value that can't be turned becomes NULL and is reported by the check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from riskmodel.contract.definition import Table
from riskmodel.contract.reading import literal, quoted

TRUE_WORDS = ("1", "1.0", "ja", "j", "yes", "y", "true", "waar", "t")
FALSE_WORDS = ("0", "0.0", "nee", "n", "no", "false", "onwaar", "f")

_DATE_FORMATS = ("%Y-%m-%d", "%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d")
_TIME_OF_DAY = r"[T ]\d{1,2}:\d{2}.*$"
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_COMMA = r"^[+-]?(\d+,?\d*|,\d+)$"
_DOTS_IN_THOUSANDS = r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$"
_COMMAS_IN_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")
_FLOATS = ("FLOAT", "DOUBLE")
_NUMBERS = (*_WHOLE, *_FLOATS, "DECIMAL")


@dataclass(frozen=True)
class Source:
    """A column of a file: its name and type there, and how the definition says that it is to be read."""

    name: str
    duckdb_type: str
    values: Mapping[str, str]
    decimal: str | None = None
    date_format: str | None = None

    @classmethod
    def of(cls, name: str, duckdb_type: str, table: Table, column: str) -> Source:
        """Give the source of a canonical column in a table."""
        return cls(name, duckdb_type, table.values.get(column, {}), table.decimal, table.date_format)

    @property
    def text(self) -> str:
        """SQL: the value as trimmed text, the institution's own values replaced, NULL where empty."""
        return mapped(_text(self.name, self.duckdb_type), self.values)

    def sql(self, kind: str) -> str:
        """SQL: the value as a kind of canonical column: text, date, number or flag."""
        return {"text": self._as_text, "date": self._as_date, "number": self._as_number, "flag": self._as_flag}[kind]()

    def surely(self, kind: str) -> bool:
        """Tell whether every value can be read as this kind, by the column's type alone."""
        if kind == "text":
            return True
        if self.values:
            return False
        if kind == "date":
            return self._is_date
        base = self.duckdb_type.split("(")[0]
        return (kind == "number" and (base in _WHOLE or base == "DECIMAL")) or self.duckdb_type == "BOOLEAN"

    @property
    def _is_date(self) -> bool:
        return self.duckdb_type == "DATE" or self.duckdb_type.startswith("TIMESTAMP")

    def _as_text(self) -> str:
        return self.text

    def _as_date(self) -> str:
        if self._is_date and not self.values:
            value = f"CAST({quoted(self.name)} AS DATE)"
        elif self.date_format:
            value = f"CAST(try_strptime({self.text}, {literal(self.date_format)}) AS DATE)"
        else:
            listed = ", ".join(literal(each) for each in _DATE_FORMATS)
            value = f"CAST(try_strptime(regexp_replace({self.text}, {literal(_TIME_OF_DAY)}, ''), [{listed}]) AS DATE)"
        return f"CAST(date_diff('day', DATE '1970-01-01', {value}) AS BIGINT)"

    def _as_number(self) -> str:
        base = self.duckdb_type.split("(")[0]
        if not self.values and (base in _NUMBERS or base == "BOOLEAN"):
            value = f"CAST({quoted(self.name)} AS DOUBLE)"
            return f"CASE WHEN isfinite({value}) THEN {value} END" if base in _FLOATS else value
        return number_in(self.text, None if base in _NUMBERS else self.decimal)

    def _as_flag(self) -> str:
        text = f"lower({self.text})"
        true = ", ".join(literal(word) for word in TRUE_WORDS)
        false = ", ".join(literal(word) for word in FALSE_WORDS)
        return f"CASE WHEN {text} IN ({true}) THEN 1.0 WHEN {text} IN ({false}) THEN 0.0 END"


def _text(column: str, duckdb_type: str) -> str:
    name = quoted(column)
    if duckdb_type in _FLOATS:
        whole = f"CASE WHEN {name} = floor({name}) AND abs({name}) < 9e15 THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        return f"CASE WHEN NOT isnan({name}) THEN {whole} END"
    return f"nullif(trim(CAST({name} AS VARCHAR)), '')"


def mapped(sql: str, values: Mapping[str, str]) -> str:
    """SQL: the text with an institution's own values replaced, compared without regard to case; one replaced by '' is missing."""
    if not values:
        return sql
    cases = " ".join(f"WHEN {literal(raw.strip().lower())} THEN {literal(value) if value else 'NULL'}" for raw, value in values.items())
    return f"CASE lower({sql}) {cases} ELSE {sql} END"


def number_in(text: str, decimal: str | None) -> str:
    """SQL: the number that a text holds; a lone comma is a decimal comma unless the definition says that points are; NaN and infinity are none."""
    plain = f"WHEN regexp_matches({text}, '{_PLAIN}') THEN TRY_CAST({text} AS DOUBLE)"
    comma = f"WHEN regexp_matches({text}, '{_COMMA}') THEN TRY_CAST(replace({text}, ',', '.') AS DOUBLE)"
    dots = f"WHEN regexp_matches({text}, '{_DOTS_IN_THOUSANDS}') THEN TRY_CAST(replace(replace({text}, '.', ''), ',', '.') AS DOUBLE)"
    commas = f"WHEN regexp_matches({text}, '{_COMMAS_IN_THOUSANDS}') THEN TRY_CAST(replace({text}, ',', '') AS DOUBLE)"
    order = {".": (commas, plain), ",": (dots, comma, plain), None: (plain, comma, dots)}[decimal]
    return f"CASE {' '.join(order)} END"
