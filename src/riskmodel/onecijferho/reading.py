"""Enrolment files as chunks of text columns: fixed-width as delivered, semicolon CSV or Parquet as the sector's converter writes them.

Reads the fields that are asked for and no others, a few megabytes at a time. Judges no value, and puts none in a message: it could be somebody's number.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from riskmodel.contract.reading import delimiter_of
from riskmodel.errors import DataFault
from riskmodel.onecijferho.fields import find
from riskmodel.onecijferho.layout import Layout, choose_layout

ROW = "row"
FIXED, CSV, PARQUET = (".asc", ".txt", ".dat"), (".csv",), (".parquet",)
_BLOCK = 16 << 20
_PEEK = 1 << 20
_ROWS = 200_000
_NEWLINE, _RETURN, _SPACE, _END_OF_FILE = 10, 13, 32, 0x1A
_REPLACED = ord("?")
_ANOTHER = "Give EV*.asc as DUO delivered it, or what the sector's converter made of it (.csv or .parquet, before decoding)."
_MAGIC = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
}

Heard = Callable[[int], None]


def _no_hearing(read: int) -> None:
    """Hear of bytes read and say nothing."""


def files_in(paths: Sequence[Path]) -> list[Path]:
    """Give the files that were named; of a folder, its enrolment files in one form: as delivered, else CSV, else Parquet.

    Raises
    ------
    DataFault
        A path does not exist, or a folder holds no enrolment file.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataFault("there is no such file.", place=str(path), remedy="Check the name.")
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.is_file() and file.name.upper().startswith("EV"))
        forms = [[file for file in inside if file.suffix.lower() in form] for form in ((".asc",), CSV, PARQUET)]
        chosen = next((files for files in forms if files), None)
        if chosen is None:
            raise DataFault("there is no enrolment file (EV*.asc, .csv or .parquet) in this folder.", place=str(path), remedy=_ANOTHER)
        found += chosen
    return list(dict.fromkeys(file.absolute() for file in found))


class Source:
    """One enrolment file, opened far enough to know which fields it holds.

    Parameters
    ----------
    path : Path
        The file.
    layouts : sequence of Path
        Layout descriptions that the user named; for a fixed-width file those beside it serve by default.
    wanted : sequence of str
        Names of the fields to read where they are there.

    Raises
    ------
    DataFault
        The file is empty, of another kind, or no layout fits it.
    """

    def __init__(self, path: Path, layouts: Sequence[Path], wanted: Sequence[str]) -> None:
        self.path = path
        self.layout: Layout | None = None
        suffix = path.suffix.lower()
        start = _peek(path)
        if suffix in PARQUET:
            if not start.startswith(b"PAR1"):
                raise DataFault("this is no Parquet file, whatever its name says.", place=str(path), remedy=_ANOTHER)
            self._open = self._parquet
            names = self._opened().schema_arrow.names
            self.found = {name: told for name in wanted if (told := find(name, names)) is not None}
            return
        _require_text(path, start)
        if suffix in CSV:
            self._open = self._csv
            self._encoding = _encoding_of(path)
            self._delimiter = delimiter_of(path, self._encoding)[0]
            with path.open(encoding=self._encoding, newline="") as handle:
                self._header = [name.strip().strip('"') for name in handle.readline().rstrip("\r\n").split(self._delimiter)]
            self.found = {name: told for name in wanted if (told := find(name, self._header)) is not None}
            if not self.found:
                raise DataFault("its first line names none of the fields of an enrolment file.", place=str(path), remedy=_ANOTHER)
            return
        if suffix not in FIXED:
            raise DataFault(f"'{suffix}' is no form in which enrolment files come.", place=str(path), remedy=_ANOTHER)
        if start.startswith(codecs.BOM_UTF8) or _is_multibyte(start):
            first = re.search(rb"[\x80-\xff]", start)
            raise _encoding_fault(path, "UTF-8", 1 + start.count(b"\n", 0, first.start() if first else 0))
        self._open = self._fixed
        self.layout = choose_layout(path, _longest(start, whole=path.stat().st_size <= len(start)), layouts, wanted)
        self.found = {name: name for name in wanted if self.layout.place(name) is not None}

    @property
    def place(self) -> str:
        """Where a missing field should have been told: the layout, or the file itself."""
        return str(self.path if self.layout is None else self.layout.path)

    @property
    def unit(self) -> str:
        """What a row is called in this file."""
        return "row" if self.path.suffix.lower() in PARQUET else "line"

    def chunks(self, heard: Heard = _no_hearing) -> Iterator[pa.Table]:
        """Give the rows: one text column per field found, under the names that were asked for, and `row`, the number that a person sees.

        Parameters
        ----------
        heard : callable
            Told how many bytes have been read so far.

        Raises
        ------
        DataFault
            A line is cut off, too long or can't be parsed; its number is told.
        """
        return self._open(heard)

    # --- fixed width ---------------------------------------------------------------------------------------------------------------

    def _fixed(self, heard: Heard) -> Iterator[pa.Table]:
        assert self.layout is not None
        places = {name: place for name in self.found if (place := self.layout.place(name)) is not None}
        needed = max(start + length - 1 for start, length in places.values())
        before, rest, read = 0, b"", 0
        with self.path.open("rb") as handle:
            while True:
                block = handle.read(_BLOCK)
                read += len(block)
                data = rest + block
                if not block and data and not data.endswith(b"\n"):
                    data += b"\n"
                cut = data.rfind(b"\n") + 1
                if cut:
                    yield self._lines(np.frombuffer(data, dtype=np.uint8, count=cut), places, needed, before)
                    before += data.count(b"\n", 0, cut)
                rest = data[cut:]
                heard(read)
                if not block:
                    return
                if len(rest) > _BLOCK:
                    raise DataFault("this file has no lines.", place=str(self.path), remedy=_ANOTHER)

    def _lines(self, data: np.ndarray, places: dict[str, tuple[int, int]], needed: int, before: int) -> pa.Table:
        assert self.layout is not None
        ends = np.flatnonzero(data == _NEWLINE)
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts
        lengths -= (lengths > 0) & (data[np.maximum(ends - 1, 0)] == _RETURN)
        number = np.arange(before + 1, before + 1 + len(ends))
        # DOS files may end in a single Ctrl-Z.
        filled = (lengths > 1) | ((lengths == 1) & (data[starts] != _END_OF_FILE))
        starts, lengths, number = starts[filled], lengths[filled], number[filled]
        short, long = lengths < needed, lengths > self.layout.width
        if long.any():
            at = int(np.argmax(long))
            line = data[starts[at] : starts[at] + lengths[at]].tobytes()
            if _is_multibyte(line):
                raise _encoding_fault(self.path, "UTF-8", int(number[at]))
            raise DataFault(
                f"line {number[at]} holds {lengths[at]} positions, and {self.layout.path.name} describes {self.layout.width}.",
                place=str(self.path),
                remedy="Fetch the file again, whole, and give the layout description that came with it.",
            )
        if short.any():
            at = int(np.argmax(short))
            raise DataFault(
                f"line {number[at]} ends at position {lengths[at]}, where {needed} are needed ({int(short.sum())} such lines here).",
                place=str(self.path),
                remedy="The file was cut off or changed on its way: fetch it again, whole.",
            )
        columns: dict[str, pa.Array] = {}
        for name, (start, length) in places.items():
            cells = data[(starts + start - 1)[:, None] + np.arange(length)]
            cells = np.where(cells > 126, np.uint8(_REPLACED), np.where(cells < _SPACE, np.uint8(_SPACE), cells))
            fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(length), len(starts), [None, pa.py_buffer(np.ascontiguousarray(cells))])
            columns[name] = fixed.cast(pa.binary()).cast(pa.string())
        return pa.table({**columns, ROW: pa.array(number, pa.int64())})

    # --- as the converter writes it ------------------------------------------------------------------------------------------------

    def _csv(self, heard: Heard) -> Iterator[pa.Table]:
        back = {told: name for name, told in self.found.items()}
        unique = _unique(self._header)
        wanted = [unique[self._header.index(told)] for told in back]
        read, row = 0, 1
        try:
            reader = pyarrow.csv.open_csv(
                self.path,
                read_options=pyarrow.csv.ReadOptions(
                    block_size=_BLOCK, encoding=self._encoding.removesuffix("-sig"), column_names=unique, skip_rows=1, use_threads=False
                ),
                parse_options=pyarrow.csv.ParseOptions(delimiter=self._delimiter),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
                ),
            )
            for batch in reader:
                read += batch.nbytes
                table = pa.Table.from_batches([batch]).rename_columns(list(back.values()))
                yield table.append_column(ROW, pa.array(np.arange(row + 1, row + 1 + len(table)), pa.int64()))
                row += len(table)
                heard(read)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            # The message of the parser holds the row itself, which is nobody's business.
            told = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", str(error))
            what = (
                f"line {told[1]} has {told[3]} columns where the first has {told[2]}." if told else f"it can't be parsed after line {row}."
            )
            raise DataFault(what, place=str(self.path), remedy="Convert the delivery again.") from None

    def _opened(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path)
        except (pa.ArrowException, OSError):
            raise DataFault("this Parquet file is broken.", place=str(self.path), remedy="Convert the delivery again.") from None

    def _parquet(self, heard: Heard) -> Iterator[pa.Table]:
        back = {told: name for name, told in self.found.items()}
        row, read = 0, 0
        try:
            for batch in self._opened().iter_batches(batch_size=_ROWS, columns=list(back)):
                read += batch.nbytes
                table = pa.table({back[name]: batch.column(name).cast(pa.string()) for name in back})
                yield table.append_column(ROW, pa.array(np.arange(row + 1, row + 1 + len(table)), pa.int64()))
                row += len(table)
                heard(read)
        except (pa.ArrowException, OSError):
            raise DataFault(f"it can't be read after row {row}.", place=str(self.path), remedy="Convert the delivery again.") from None


def _peek(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            start = handle.read(_PEEK)
    except OSError as error:
        raise DataFault(f"this file can't be read ({error.strerror}).", place=str(path), remedy="Check the rights on it.") from None
    if not start.strip():
        raise DataFault("this file is empty.", place=str(path), remedy="Fetch it again, whole.")
    return start


def _require_text(path: Path, start: bytes) -> None:
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if kind is not None:
        raise DataFault(f"this is {kind}, whatever its name says.", place=str(path), remedy=_ANOTHER)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _encoding_fault(path, "UTF-16")
    if b"\x00" in start:
        raise DataFault("this is no text file.", place=str(path), remedy=_ANOTHER)


def _encoding_fault(path: Path, encoding: str, line: int = 1) -> DataFault:
    return DataFault(
        f"this file was saved as {encoding}, so that positions no longer fit (line {line}).",
        place=str(path),
        remedy="Give the file as it was delivered, in Windows-1252.",
    )


def _is_multibyte(text: bytes) -> bool:
    """Tell whether text holds signs of several bytes and is sound UTF-8; what is cut off at its end plays no part."""
    try:
        return len(codecs.getincrementaldecoder("utf-8")().decode(text)) < len(text.rstrip(bytes(range(128, 256))))
    except UnicodeDecodeError:
        return False


def _longest(start: bytes, *, whole: bool) -> int:
    """Give the length of the longest of the first lines; the last of them is left out where it goes on."""
    lines = start.split(b"\n")
    if not whole and len(lines) > 1:
        lines = lines[:-1]
    # One line that is cut off or glued to another does not decide which layout a file has.
    lengths = np.array([len(line.rstrip(b"\r\x1a")) for line in lines])
    usual = np.bincount(lengths[lengths > 0]).argmax() if (lengths > 0).any() else 0
    return int(usual)


def _encoding_of(path: Path) -> str:
    from riskmodel.contract.reading import encoding_of

    return encoding_of(path)


def _unique(header: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for name in header:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names
