"""SQL that turns a file's own values into canonical ones; a value that can't be turned becomes NULL and is reported by the check."""

from __future__ import annotations

from collections.abc import Mapping

from riskmodel.contract.reading import literal, quoted

_DATE_FORMATS = (
    "%Y-%m-%d",
    "%d-%m-%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
)
_DATE_FORMATS_WITH_MINUTES = ("%d-%m-%Y %H:%M", "%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M")
TRUE_WORDS = ("1", "1.0", "ja", "j", "yes", "y", "true", "waar", "t")
FALSE_WORDS = ("0", "0.0", "nee", "n", "no", "false", "onwaar", "f")
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
)


def is_number_type(duckdb_type: str) -> bool:
    """Tell whether a DuckDB type holds numbers."""
    return duckdb_type.split("(")[0] in _NUMBERS


def text_of(column: str, duckdb_type: str) -> str:
    """SQL: the value as trimmed text, NULL where empty."""
    if duckdb_type in ("FLOAT", "DOUBLE"):
        whole = f"{quoted(column)} = floor({quoted(column)})"
        return f"CASE WHEN {whole} THEN CAST(CAST({quoted(column)} AS BIGINT) AS VARCHAR) ELSE CAST({quoted(column)} AS VARCHAR) END"
    return f"nullif(trim(CAST({quoted(column)} AS VARCHAR)), '')"


def mapped(sql: str, values: Mapping[str, str]) -> str:
    """SQL: the text with an institution's own values replaced by canonical ones, compared without regard to case."""
    if not values:
        return sql
    cases = " ".join(f"WHEN {literal(raw.strip().lower())} THEN {literal(value)}" for raw, value in values.items())
    return f"CASE lower({sql}) {cases} ELSE {sql} END"


def date_of(column: str, duckdb_type: str, date_format: str | None) -> str:
    """SQL: the value as epoch days."""
    if duckdb_type == "DATE" or duckdb_type.startswith("TIMESTAMP"):
        value = f"CAST({quoted(column)} AS DATE)"
    elif is_number_type(duckdb_type) and date_format is None:
        value = f"CAST(try_strptime(CAST(CAST({quoted(column)} AS BIGINT) AS VARCHAR), '%Y%m%d') AS DATE)"
    else:
        formats = (date_format,) if date_format else (*_DATE_FORMATS, *_DATE_FORMATS_WITH_MINUTES)
        listed = ", ".join(literal(each) for each in formats)
        value = f"CAST(try_strptime({text_of(column, duckdb_type)}, [{listed}]) AS DATE)"
    return f"CAST(date_diff('day', DATE '1970-01-01', {value}) AS BIGINT)"


def number_of(column: str, duckdb_type: str, decimal: str | None) -> str:
    """SQL: the value as a double; a comma is a decimal comma unless the definition says otherwise; NaN and infinity are no numbers."""
    if is_number_type(duckdb_type) or duckdb_type == "BOOLEAN":
        value = f"CAST({quoted(column)} AS DOUBLE)"
        return f"CASE WHEN isfinite({value}) THEN {value} END" if duckdb_type in ("FLOAT", "DOUBLE") else value
    text = text_of(column, duckdb_type)
    if decimal == ".":
        plain = f"replace({text}, ',', '')"
    elif decimal == ",":
        plain = f"replace(replace({text}, '.', ''), ',', '.')"
    else:
        plain = f"CASE WHEN contains({text}, ',') THEN replace(replace({text}, '.', ''), ',', '.') ELSE {text} END"
    value = f"TRY_CAST({plain} AS DOUBLE)"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def flag_of(column: str, duckdb_type: str, values: Mapping[str, str]) -> str:
    """SQL: the value as 1.0 or 0.0."""
    text = f"lower({mapped(text_of(column, duckdb_type), values)})"
    true = ", ".join(literal(word) for word in TRUE_WORDS)
    false = ", ".join(literal(word) for word in FALSE_WORDS)
    return f"CASE WHEN {text} IN ({true}) THEN 1.0 WHEN {text} IN ({false}) THEN 0.0 END"
