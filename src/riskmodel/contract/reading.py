"""Files of an institution as raw DuckDB relations: every value as it stands, every row with its number. Judges nothing."""

from __future__ import annotations

import codecs
import csv
import errno
import itertools
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from riskmodel.contract.definition import Table
from riskmodel.contract.findings import Finding
from riskmodel.errors import DataFault
from riskmodel.files import writing_fault

ROW = "_row"
TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
_BLOCK = 1 << 20
_LINES_SHOWN = 5
_FILE_STRIDE = 1 << 40
# What a file begins with, and the word for it under [kinds] in the findings' words.
_PARQUET = b"PAR1"  # both the first and the last bytes of a whole file
_KINDS = {
    _PARQUET: "parquet",
    b"PK\x03\x04": "excel_or_zip",
    b"\xd0\xcf\x11\xe0": "old_excel",
    b"\x1f\x8b": "gzip",
    b"%PDF": "pdf",
    b"<htm": "web_page",
    b"<HTM": "web_page",
    b"<!DO": "web_page",
    b"<!do": "web_page",
}
_EXPECTED = {".parquet": "parquet", ".xlsx": "excel_or_zip"}


@dataclass(frozen=True)
class _File:
    """One file of a table: what it is called and how its rows are numbered."""

    path: Path
    first_row: int
    delimiter: str = ""
    source: Path | None = None

    def numbers(self, places: Sequence[int]) -> list[int]:
        """Give the number that a person sees for rows counted from 0; lines are counted only where some are blank or hold a line break."""
        if self.source is None or not places:
            return [place + self.first_row for place in places]
        wanted, found = set(places), dict[int, int]()
        with self.source.open(encoding="utf-8-sig", newline="") as handle:
            for _ in range(self.first_row - 2):
                handle.readline()
            reader = csv.reader(handle, delimiter=self.delimiter)
            place, line = -2, 0
            for cells in reader:
                if cells:
                    place += 1
                    if place in wanted:
                        found[place] = line + self.first_row - 1
                        if len(found) == len(wanted):
                            break
                line = reader.line_num
        return [found.get(place, place + self.first_row) for place in places]


@dataclass(frozen=True)
class RawTable:
    """One table as it lies on disk.

    Attributes
    ----------
    relation : str
        Name of the DuckDB view or table, with the file's own columns and `_row`.
    columns : dict
        The file's column names and their DuckDB types.
    files : tuple
        The files it lies in; `_row` holds the place of the file as well as that of the row.
    rows : int
        How many rows it holds, once counted.
    """

    relation: str
    columns: dict[str, str]
    files: tuple[_File, ...]
    rows: int = 0

    def places(self, rows: Sequence[int]) -> tuple[int | str, ...]:
        """Give the row numbers that a person sees for values of `_row`; with the file's name where there are several."""
        told: list[int | str] = []
        for row in rows:
            file = self.files[row // _FILE_STRIDE]
            number = file.numbers([row % _FILE_STRIDE])[0]
            told.append(number if len(self.files) == 1 else f"{file.path.name}:{number}")
        return tuple(told)


class Unreadable(Exception):
    """A file that can't be read, as the finding that says so."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.rule)
        self.finding = finding


def connect(memory_limit: str = "1200MB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that spills to disk beyond its limit, fetches nothing and can be interrupted.

    Files are read and written by the threads that compute: with DuckDB 2.0's own threads for it an interrupted `COPY` now and then waits for
    ever (like duckdb/duckdb, issue 23885), and a local disk gains nothing by them. Moments with a time zone are read as Dutch dates, so that a
    file gives the same rows on every machine.
    """
    spill = Path(tempfile.gettempdir()).as_posix()
    connection = duckdb.connect(
        ":memory:",
        config={"memory_limit": memory_limit, "temp_directory": spill, "autoinstall_known_extensions": "false", "async_threads": 0},
    )
    if threads:
        connection.execute(f"SET threads = {int(threads)}")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET TimeZone = 'Europe/Amsterdam'")
    return connection


def quoted(name: str) -> str:
    """Quote an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote an SQL text."""
    return "'" + text.replace("'", "''") + "'"


def files_of(folder: Path, table: Table) -> list[Path]:
    """Give the files of a table: one file, all tables of a folder, or what a pattern matches."""
    path = folder / table.file
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() in (".parquet", *TEXT_SUFFIXES))
    if not path.exists() and any(sign in table.file for sign in "*?["):
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
        if file.suffix.lower() != suffix or suffix not in (".parquet", ".xlsx", *TEXT_SUFFIXES):
            raise Unreadable(Finding("file_format_unknown", "fault", name, figures={"file": file.name, "suffix": file.suffix or "-"}))
        _check_kind(name, file)
    try:
        if suffix == ".parquet":
            return _read_parquet(connection, name, files)
        if suffix == ".xlsx":
            return _read_excel(connection, name, files[0], table)
        return _read_text(connection, name, files, table, scratch)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise writing_fault(error, tempfile.gettempdir()) from error
        raise Unreadable(unreadable(name, table.file, error.strerror or str(error))) from error


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def read_as_text(folder: Path, name: str, table: Table, key: str) -> pd.DataFrame:
    """Give a small table that no check has typed: every value as text, mapped columns by their canonical names, one row for each key.

    Raises
    ------
    DataFault
        The file can't be read, or lacks the key.
    """
    with tempfile.TemporaryDirectory(prefix="riskmodel-", ignore_cleanup_errors=True) as scratch, connect() as connection:
        try:
            raw = read_raw(connection, folder, name, table, Path(scratch))
        except Unreadable as error:
            raise DataFault(error.finding.line(), place=str(folder)) from None
        listed = ", ".join(f"nullif(trim(CAST({quoted(column)} AS VARCHAR)), '') AS {quoted(column)}" for column in raw.columns)
        frame = connection.execute(f"SELECT {listed} FROM {raw.relation} ORDER BY {ROW}").df().astype("str")
    canonical = {told.strip().lower(): column for column, told in table.columns.items()}
    renamed = {column: canonical.get(column.strip().lower(), column.strip().lower()) for column in frame.columns}
    frame = frame.rename(columns=renamed)
    if key not in frame:
        finding = Finding(
            "column_missing", "fault", name, key, figures={"raw": table.columns.get(key, key), "have": ", ".join(raw.columns)}
        )
        raise DataFault(finding.line(), place=str(folder))
    return frame[frame[key].notna()].drop_duplicates(key, ignore_index=True)


def unreadable(name: str, file: str, detail: str) -> Finding:
    """Give the finding that a file can't be read."""
    return Finding("file_unreadable", "fault", name, figures={"file": file, "detail": (detail.strip().splitlines() or ["?"])[0][:200]})


def _check_kind(name: str, file: Path) -> None:
    try:
        with file.open("rb") as handle:
            start = handle.read(4096)
    except OSError as error:
        raise Unreadable(unreadable(name, file.name, error.strerror or str(error))) from error
    kind = next((kind for magic, kind in _KINDS.items() if start.lstrip()[: len(magic)] == magic), None)
    expected = _EXPECTED.get(file.suffix.lower())
    if expected is None and kind is None and b"\x00" in start and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        kind = "binary"
    if not start:
        kind = "nothing"
    if kind != expected:
        raise Unreadable(Finding("file_not_as_named", "fault", name, figures={"file": file.name, "kind": kind or "text"}))
    if kind == "parquet" and _last(file, len(_PARQUET)) != _PARQUET:
        raise Unreadable(Finding("file_truncated", "fault", name, figures={"file": file.name}))


def _last(file: Path, count: int) -> bytes:
    with file.open("rb") as handle:
        handle.seek(-min(count, handle.seek(0, os.SEEK_END)), os.SEEK_END)
        return handle.read()


def _columns(connection: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    rows = connection.execute(f"DESCRIBE {view}").fetchall()
    return {row[0]: row[1] for row in rows if row[0] != ROW}


def _read_parquet(connection: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path]) -> RawTable:
    view = f"raw_{name}"
    try:
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS {_numbered(files)}")
        columns = _columns(connection, view)
        connection.execute(f"SELECT count(*) FROM {view}").fetchall()
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        broken = next((file for file in files if not _opens(connection, file)), files[0])
        raise Unreadable(unreadable(name, broken.name, str(error))) from error
    return RawTable(view, columns, tuple(_File(file, 1) for file in files))


def _numbered(files: Sequence[Path], condition: str = "") -> str:
    """SQL: the rows of Parquet files with `_row`, from which file and row can be told."""
    listed = ", ".join(literal(file.as_posix()) for file in files)
    row = "file_row_number"
    if len(files) > 1:
        row += f" + {_FILE_STRIDE} * (list_position([{listed}], filename) - 1)"
    source = f"read_parquet([{listed}], file_row_number = true, filename = {'true' if len(files) > 1 else 'false'}, union_by_name = true)"
    exclude = "file_row_number, filename" if len(files) > 1 else "file_row_number"
    return f"SELECT * EXCLUDE ({exclude}), CAST({row} AS BIGINT) AS {ROW} FROM {source}{condition}"


def _opens(connection: duckdb.DuckDBPyConnection, file: Path) -> bool:
    try:
        connection.execute(f"SELECT count(*) FROM read_parquet({literal(file.as_posix())})").fetchall()
    except duckdb.Error:
        return False
    return True


def _unique(cells: Sequence[object]) -> list[str]:
    """Give a header as column names: trimmed, never empty, each once."""
    names: list[str] = []
    seen: set[str] = set()
    for place, cell in enumerate(cells, 1):
        name = str(cell).strip().lstrip("\ufeff") if cell is not None else ""
        name = name or f"column_{place}"
        if name.lower() in seen or name == ROW:
            name = f"{name}_{place}"
        seen.add(name.lower())
        names.append(name)
    return names


def _not_blank(columns: Sequence[str]) -> str:
    """SQL: at least one cell of the row holds something; spreadsheets leave empty rows behind."""
    return " WHERE " + " OR ".join(f"nullif(trim({quoted(column)}), '') IS NOT NULL" for column in columns)


def _read_excel(connection: duckdb.DuckDBPyConnection, name: str, file: Path, table: Table) -> RawTable:
    from openpyxl import load_workbook

    try:
        book = load_workbook(file, read_only=True, data_only=True)
        sheet = table.sheet or book.sheetnames[0]
        if sheet not in book.sheetnames:
            figures = {"file": table.file, "sheet": sheet, "sheets": ", ".join(book.sheetnames)}
            raise Unreadable(Finding("sheet_missing", "fault", name, figures=figures))
        book[sheet].reset_dimensions()
        rows = [list(row) for row in book[sheet].iter_rows(values_only=True)]
        book.close()
    except Unreadable:
        raise
    except Exception as error:  # openpyxl raises whatever its XML and zip readers raise
        raise Unreadable(unreadable(name, table.file, str(error) or type(error).__name__)) from error
    cells = rows[0] if rows else []
    while cells and cells[-1] is None:
        cells.pop()
    if not cells:
        raise Unreadable(Finding("table_empty", "fault", name))
    header = _unique(cells)
    body = [[None if cell is None else _cell_text(cell) for cell in [*row, *[None] * len(header)][: len(header)]] for row in rows[1:]]
    frame = pd.DataFrame(body, columns=header, dtype="str")
    frame[ROW] = range(len(frame))
    connection.register(f"sheet_{name}", frame)
    view = f"raw_{name}"
    listed = ", ".join(f"CAST({quoted(column)} AS VARCHAR) AS {quoted(column)}" for column in header)
    numbered = f"SELECT {listed}, CAST({ROW} AS BIGINT) AS {ROW} FROM sheet_{name}{_not_blank(header)}"
    connection.execute(f"CREATE OR REPLACE TABLE {view} AS {numbered}")
    connection.unregister(f"sheet_{name}")
    return RawTable(view, dict.fromkeys(header, "VARCHAR"), (_File(file, 2),))


def _cell_text(cell: object) -> str:
    iso = getattr(cell, "isoformat", None)
    if iso is not None:
        return str(iso())[:10]
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def encoding_of(file: Path) -> str:
    """Tell a text file's encoding: by its byte-order mark, else UTF-8 where all of it is, else Windows-1252."""
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


def delimiter_of(file: Path, encoding: str) -> tuple[str, int]:
    """Tell which sign parts the columns, by the header's most frequent one, and how many lines precede the header."""
    with file.open(encoding=encoding, errors="replace", newline="") as handle:
        header = handle.readline()
    told = re.fullmatch(r"sep=(.)\s*", header.strip("\ufeff"))
    if told:
        return told.group(1), 1
    outside_quotes = re.sub(r'"[^"]*"', "", header)
    return max(";\t,|", key=outside_quotes.count), 0


@dataclass(frozen=True)
class _Counted:
    """What the bytes of a text file say: its lines, whether they end in more than one way, and its quotation marks."""

    lines: int
    mixed: bool
    quotes: int


def _count(file: Path) -> _Counted:
    newlines = pairs = returns = quotes = 0
    last = b""
    with file.open("rb") as handle:
        while block := handle.read(_BLOCK):
            newlines += block.count(b"\n")
            returns += block.count(b"\r")
            pairs += block.count(b"\r\n") + (last.endswith(b"\r") and block.startswith(b"\n"))
            quotes += block.count(b'"')
            last = block
    mixed = sum(count > 0 for count in (pairs, newlines - pairs, returns - pairs)) > 1
    lines = newlines + returns - pairs
    return _Counted(lines + (bool(last) and not last.endswith((b"\n", b"\r"))), mixed, quotes)


def _as_plain_text(name: str, file: Path, table: Table, scratch: Path) -> Path:
    """Give a UTF-8 file with lines that end in one way: the file itself, or a copy."""
    encoding = table.encoding or encoding_of(file)
    mixed = _count(file).mixed
    if encoding.lower().replace("_", "-") in ("utf-8", "utf-8-sig", "utf8") and not mixed and (table.encoding is None or _is_utf8(file)):
        return file
    errors = "replace" if table.encoding is None else "strict"
    copy = scratch / f"{name}-{len(list(scratch.iterdir()))}.csv"
    try:
        with file.open(encoding=encoding, errors=errors, newline=None) as handle, copy.open("w", encoding="utf-8", newline="\n") as target:
            while block := handle.read(_BLOCK):
                target.write(block)
    except (UnicodeError, LookupError):
        raise Unreadable(Finding("encoding_wrong", "fault", name, figures={"file": file.name, "encoding": encoding})) from None
    return copy


def _is_utf8(file: Path) -> bool:
    return encoding_of(file) == "utf-8-sig"


def _read_text(connection: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], table: Table, scratch: Path) -> RawTable:
    read = [_read_one_text(connection, name, file, table, scratch / f"{name}-{place}.parquet", scratch) for place, file in enumerate(files)]
    columns = list(dict.fromkeys(column for _, _, header in read for column in header))
    view = f"raw_{name}"
    numbered = _numbered([target for target, _, _ in read], _not_blank(columns))
    connection.execute(f"CREATE OR REPLACE VIEW {view} AS {numbered}")
    return RawTable(view, dict.fromkeys(columns, "VARCHAR"), tuple(told for _, told, _ in read))


def _read_one_text(
    connection: duckdb.DuckDBPyConnection, name: str, file: Path, table: Table, target: Path, scratch: Path
) -> tuple[Path, _File, list[str]]:
    """Turn a text file into Parquet in one pass: each later pass is then quick, and a row number costs nothing."""
    source = _as_plain_text(name, file, table, scratch)
    delimiter, skipped = delimiter_of(source, "utf-8-sig")
    delimiter = table.delimiter or delimiter
    with source.open(encoding="utf-8-sig", newline="") as handle:
        for _ in range(skipped):
            handle.readline()
        try:
            header = _unique(next(csv.reader(handle, delimiter=delimiter), []))
        except (csv.Error, TypeError) as error:
            raise Unreadable(unreadable(name, file.name, str(error))) from None
    if not header:
        raise Unreadable(Finding("table_empty", "fault", name))
    columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in header)
    options = f"header = true, auto_detect = false, skip = {skipped}, delim = {literal(delimiter)}, quote = '\"', escape = '\"', "
    try:
        connection.execute(
            f"COPY (SELECT * FROM read_csv({literal(source.as_posix())}, {options} columns = {{{columns}}}, strict_mode = true)) "
            f"TO {literal(target.as_posix())} (FORMAT parquet)"
        )
        rows = connection.execute(f"SELECT count(*) FROM read_parquet({literal(target.as_posix())})").fetchall()[0][0]
    except duckdb.InvalidInputException as error:
        raise Unreadable(_broken(name, file.name, source, delimiter, skipped, len(header), str(error))) from error
    counted = _count(source)
    if counted.quotes % 2:
        line = _line_of_stray_quote(source, delimiter, skipped)
        raise Unreadable(Finding("csv_quote", "fault", name, rows=(line,), count=1, figures={"file": file.name, "line": line}))
    regular = rows + 1 + skipped == counted.lines
    return target, _File(file, 2 + skipped, delimiter, None if regular else source), header


def _line_of_stray_quote(source: Path, delimiter: str, skipped: int) -> int:
    """Give the first line of the first record with an odd number of quotation marks: in a whole file each that opens is closed."""
    with source.open(encoding="utf-8-sig", newline="", errors="replace") as handle:
        seen = 0

        def lines() -> Iterator[str]:
            nonlocal seen
            for text in handle:
                seen += text.count('"')
                yield text

        line, before = 1, 0
        reader = csv.reader(itertools.islice(lines(), skipped, None), delimiter=delimiter)
        for _ in reader:
            if (seen - before) % 2:
                break
            line, before = reader.line_num + 1, seen
    return line + skipped


def _broken(name: str, told: str, source: Path, delimiter: str, skipped: int, width: int, message: str) -> Finding:
    """Find the lines of a text file that can't be parsed, by reading it once more, slowly."""
    wrong: list[int] = []
    count, found, line = 0, 0, skipped
    with source.open(encoding="utf-8-sig", newline="", errors="replace") as handle:
        for _ in range(skipped):
            handle.readline()
        reader = csv.reader(handle, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if cells and len(cells) != width:
                    count += 1
                    found = found or len(cells)
                    wrong = [*wrong, line + 1][:_LINES_SHOWN]
                line = reader.line_num + skipped
        except csv.Error:
            return Finding("csv_quote", "fault", name, rows=(line + 1,), count=1, figures={"file": told, "line": line + 1})
    if count:
        figures = {"file": told, "line": wrong[0], "found": found, "expected": width}
        return Finding("csv_columns", "fault", name, rows=tuple(wrong), count=count, figures=figures)
    return unreadable(name, told, message)
