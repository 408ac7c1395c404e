"""Files of an institution as raw DuckDB relations: every value as it stands, every row with its number. Judges nothing."""

from __future__ import annotations

import codecs
import csv
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from riskmodel.contract.definition import Table
from riskmodel.contract.findings import Finding

ROW = "_row"
TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
_BLOCK = 1 << 20
_KINDS = {
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF document",
    b"<htm": "a web page",
    b"<HTM": "a web page",
    b"<!DO": "a web page",
}


@dataclass(frozen=True)
class RawTable:
    """One table as it lies on disk.

    Attributes
    ----------
    relation : str
        Name of the DuckDB view or table, with the file's own columns and `_row`.
    columns : dict
        The file's column names and their DuckDB types.
    first_row : int
        What is added to `_row` (which counts from 0) to give the number that a person sees.
    """

    relation: str
    columns: dict[str, str]
    first_row: int


class Unreadable(Exception):  # noqa: N818 - carries a finding, which is what callers want
    """A file that can't be read, as the finding that says so."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.rule)
        self.finding = finding


def connect(memory_limit: str = "1200MB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that spills to disk beyond its limit and fetches nothing."""
    spill = Path(tempfile.gettempdir()).as_posix()
    connection = duckdb.connect(
        ":memory:", config={"memory_limit": memory_limit, "temp_directory": spill, "autoinstall_known_extensions": "false"}
    )
    if threads:
        connection.execute(f"SET threads = {int(threads)}")
    connection.execute("SET enable_progress_bar = false")
    return connection


def quoted(name: str) -> str:
    """Quote an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote an SQL text."""
    return "'" + text.replace("'", "''") + "'"


def files_of(folder: Path, table: Table) -> list[Path]:
    """Give the files of a table: one file, all Parquet files of a folder, or what a pattern matches."""
    path = folder / table.file
    if path.is_dir():
        return sorted(path.glob("*.parquet"))
    if any(sign in table.file for sign in "*?["):
        return sorted(folder.glob(table.file))
    return [path] if path.exists() else []


def read_raw(connection: duckdb.DuckDBPyConnection, folder: Path, name: str, table: Table, scratch: Path) -> RawTable:
    """Read one table without judging its values.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the view is made.
    folder : Path
        The data folder.
    name : str
        The table's name; the view is called `raw_NAME`.
    table : Table
        Its definition.
    scratch : Path
        A folder for re-encoded copies, kept as long as the connection.

    Raises
    ------
    Unreadable
        The file is missing, broken or not what its name says.
    """
    files = files_of(folder, table)
    if not files:
        raise Unreadable(Finding("file_missing", "fault", name, figures={"file": table.file}))
    suffix = files[0].suffix.lower()
    for file in files:
        _check_kind(name, file, table.file)
    try:
        if suffix == ".parquet":
            return _read_parquet(connection, name, files)
        if suffix == ".xlsx":
            return _read_excel(connection, name, files[0], table)
        if suffix in TEXT_SUFFIXES:
            return _read_text(connection, name, files[0], table, scratch)
    except OSError as error:
        raise Unreadable(_unreadable(name, table.file, error.strerror or str(error))) from error
    raise Unreadable(
        Finding("file_not_as_named", "fault", name, figures={"file": table.file, "kind": f"an unknown format ({suffix or 'no suffix'})"})
    )


def _unreadable(name: str, file: str, detail: str) -> Finding:
    return Finding("file_unreadable", "fault", name, figures={"file": file, "detail": detail.strip().splitlines()[0][:200]})


def _check_kind(name: str, file: Path, told: str) -> None:
    suffix = file.suffix.lower()
    with file.open("rb") as handle:
        start = handle.read(4096)
    if not start:
        raise Unreadable(Finding("file_not_as_named", "fault", name, figures={"file": told, "kind": "nothing at all"}))
    kind = next((kind for magic, kind in _KINDS.items() if start.lstrip()[: len(magic)] == magic), None)
    expected = {".parquet": "Parquet", ".xlsx": "a zip archive or an Excel workbook"}.get(suffix)
    if expected is None and kind is None and b"\x00" in start and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        kind = "binary data"
    if kind != expected:
        raise Unreadable(Finding("file_not_as_named", "fault", name, figures={"file": told, "kind": kind or "plain text"}))


def _columns(connection: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    rows = connection.execute(f"DESCRIBE {view}").fetchall()
    return {row[0]: row[1] for row in rows if row[0] != ROW}


def _read_parquet(connection: duckdb.DuckDBPyConnection, name: str, files: list[Path]) -> RawTable:
    view = f"raw_{name}"
    listed = ", ".join(literal(file.as_posix()) for file in files)
    numbered = f"file_row_number AS {ROW}" if len(files) == 1 else f"row_number() OVER () - 1 AS {ROW}"
    try:
        source = f"read_parquet([{listed}], file_row_number = {'true' if len(files) == 1 else 'false'}, union_by_name = true)"
        exclude = " EXCLUDE (file_row_number)" if len(files) == 1 else ""
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT *{exclude}, {numbered} FROM {source}")
        columns = _columns(connection, view)
        connection.execute(f"SELECT count(*) FROM {view}").fetchone()
    except duckdb.Error as error:
        raise Unreadable(_unreadable(name, files[0].name, str(error))) from error
    return RawTable(view, columns, 1)


def _read_excel(connection: duckdb.DuckDBPyConnection, name: str, file: Path, table: Table) -> RawTable:
    from openpyxl import load_workbook

    try:
        book = load_workbook(file, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever its XML and zip readers raise
        raise Unreadable(_unreadable(name, table.file, str(error))) from error
    sheet = table.sheet or book.sheetnames[0]
    if sheet not in book.sheetnames:
        figures = {"file": table.file, "sheet": sheet, "sheets": ", ".join(book.sheetnames)}
        raise Unreadable(Finding("sheet_missing", "fault", name, figures=figures))
    rows = book[sheet].iter_rows(values_only=True)
    header = [str(cell).strip() if cell is not None else f"column_{place}" for place, cell in enumerate(next(rows, ()), 1)]
    body = [[None if cell is None else _cell_text(cell) for cell in row] for row in rows]
    book.close()
    while body and all(cell is None for cell in body[-1]):
        body.pop()
    frame = pd.DataFrame(body, columns=header, dtype="str")
    frame[ROW] = range(len(frame))
    connection.register(f"sheet_{name}", frame)
    view = f"raw_{name}"
    listed = ", ".join(f"CAST({quoted(column)} AS VARCHAR) AS {quoted(column)}" for column in header)
    connection.execute(f"CREATE OR REPLACE TABLE {view} AS SELECT {listed}, CAST({ROW} AS BIGINT) AS {ROW} FROM sheet_{name}")
    connection.unregister(f"sheet_{name}")
    return RawTable(view, dict.fromkeys(header, "VARCHAR"), 2)


def _cell_text(cell: object) -> str:
    iso = getattr(cell, "isoformat", None)
    if iso is not None:
        return str(iso())[:10]
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def encoding_of(file: Path, declared: str | None = None) -> str:
    """Tell a text file's encoding: by its byte-order mark, else UTF-8 where all of it is, else Windows-1252."""
    if declared:
        return declared
    with file.open("rb") as handle:
        start = handle.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file.open("rb") as handle:
        try:
            while block := handle.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def delimiter_of(file: Path, encoding: str) -> str:
    """Tell which sign parts the columns, from the header: the most frequent of semicolon, tab, comma and bar."""
    with file.open(encoding=encoding, errors="replace", newline="") as handle:
        header = handle.readline()
    outside_quotes = re.sub(r'"[^"]*"', "", header)
    return max(";\t,|", key=outside_quotes.count)


def _rows_in_blocks(file: Path, encoding: str) -> Iterator[str]:
    with file.open(encoding=encoding, errors="replace", newline="") as handle:
        while block := handle.read(_BLOCK):
            yield block


def _read_text(connection: duckdb.DuckDBPyConnection, name: str, file: Path, table: Table, scratch: Path) -> RawTable:
    encoding = encoding_of(file, table.encoding)
    source = file
    if encoding not in ("utf-8", "utf-8-sig"):
        source = scratch / f"{name}.utf-8.csv"
        with source.open("w", encoding="utf-8", newline="") as handle:
            handle.writelines(_rows_in_blocks(file, encoding))
        encoding = "utf-8"
    delimiter = table.delimiter or delimiter_of(source, encoding)
    header = _header(source, encoding, delimiter)
    view = f"raw_{name}"
    columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in header)
    options = f"header = true, auto_detect = false, delim = {literal(delimiter)}, quote = '\"', escape = '\"', columns = {{{columns}}}, strict_mode = true"
    read = f"read_csv({literal(source.as_posix())}, {options}, new_line = {literal(_new_line(source))})"
    target = scratch / f"{name}.parquet"
    try:
        # One pass turns text into Parquet: each later pass is then quick, and a row number costs nothing.
        connection.execute(f"COPY (SELECT * FROM {read}) TO {literal(target.as_posix())} (FORMAT parquet)")
    except duckdb.Error as error:
        raise Unreadable(_broken(name, table.file, str(error))) from error
    connection.execute(
        f"CREATE OR REPLACE VIEW {view} AS SELECT * EXCLUDE (file_row_number), file_row_number AS {ROW} "
        f"FROM read_parquet({literal(target.as_posix())}, file_row_number = true)"
    )
    return RawTable(view, dict.fromkeys(header, "VARCHAR"), 2)


def _new_line(file: Path) -> str:
    with file.open("rb") as handle:
        return "\\r\\n" if b"\r\n" in handle.read(_BLOCK) else "\\n"


def _header(file: Path, encoding: str, delimiter: str) -> list[str]:
    with file.open(encoding=encoding, newline="") as handle:
        cells = next(csv.reader(handle, delimiter=delimiter), [])
    names: list[str] = []
    for place, cell in enumerate(cells, 1):
        name = cell.strip().lstrip("\ufeff") or f"column_{place}"
        names.append(name if name not in names else f"{name}_{place}")
    return names


def _broken(name: str, file: str, message: str) -> Finding:
    line = re.search(r"[Ll]ine:? (\d+)", message)
    cause = next((part.strip() for part in message.splitlines() if part.strip() and "Error when" not in part), "it can't be parsed")
    if line is None:
        return _unreadable(name, file, cause)
    figures = {"file": file, "line": int(line.group(1)), "detail": cause[:200]}
    return Finding("csv_broken", "fault", name, rows=(int(line.group(1)),), count=1, figures=figures)
