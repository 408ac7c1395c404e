"""Scores as a file: CSV and workbook for Excel, Parquet and JSON for programs. Knows nothing of how a score is made."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from riskmodel.errors import RiskModelError
from riskmodel.files import atomic_file

LIST_SEPARATOR = " | "
# In characters: how wide a column of a workbook becomes at most, and by how many rows it is measured.
_WIDEST, _MEASURED_ROWS = 80, 200
# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, 'CSV Injection').
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - full-width signs count too


def harmless(text: str) -> str:
    """Give a text that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe in front."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, Sequence):
        return harmless(LIST_SEPARATOR.join(str(part) for part in value))
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    flat = frame.copy()
    for column in flat.columns:
        if not pd.api.types.is_numeric_dtype(flat[column].dtype):
            flat[column] = flat[column].map(_cell).astype(object)
    return flat


def csv_text(frame: pd.DataFrame, *, header: bool = True) -> str:
    """Give a table, or a part of one, as the text that Dutch Excel opens by a double click, without the byte-order mark."""
    return str(_flat(frame).to_csv(sep=";", decimal=",", index=False, header=header, float_format="%.6f", lineterminator="\r\n"))


def _write_csv(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    # The byte-order mark tells Excel that this is UTF-8.
    path.write_bytes(csv_text(next(iter(tables.values()))).encode("utf-8-sig"))


def _write_excel(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    def fitting(value: Any) -> Any:
        if isinstance(value, str):
            return ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)
        return None if isinstance(value, float) and math.isnan(value) else value

    book = Workbook(write_only=True)
    for name, frame in tables.items():
        flat = _flat(frame)
        sheet = book.create_sheet(title=name[:31])
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = f"A1:{get_column_letter(max(len(frame.columns), 1))}{len(frame) + 1}"
        for place, column in enumerate(frame.columns):
            widest = max(
                [len(str(column)) + 3, *(len(str(value)) for value in flat[column].head(_MEASURED_ROWS) if isinstance(value, str))]
            )
            sheet.column_dimensions[get_column_letter(place + 1)].width = min(widest + 1, _WIDEST)
        header = [WriteOnlyCell(sheet, value=str(column)) for column in frame.columns]
        for cell in header:
            cell.font = Font(bold=True)
        sheet.append(header)
        for row in flat.itertuples(index=False, name=None):
            sheet.append([fitting(value) for value in row])
    book.save(path)


def _write_parquet(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    next(iter(tables.values())).to_parquet(path, index=False)


def _write_json(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, float) and math.isnan(value):
            return None
        return value.item() if hasattr(value, "item") else value

    content = {
        name: [{str(key): plain(value) for key, value in row.items()} for row in frame.to_dict(orient="records")]
        for name, frame in tables.items()
    }
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")


_WRITERS: Mapping[str, Callable[[Mapping[str, pd.DataFrame], Path], None]] = {
    ".csv": _write_csv,
    ".xlsx": _write_excel,
    ".parquet": _write_parquet,
    ".json": _write_json,
}


def check_output(path: Path) -> None:
    """Refuse a file name whose format is not known, before any work is done.

    Raises
    ------
    RiskModelError
        The suffix is none of .csv, .xlsx, .parquet and .json, or the name is that of a folder.
    """
    if path.suffix.lower() not in _WRITERS:
        raise RiskModelError(
            f"'{path.suffix}' is no format that scores are written in.", place=str(path), remedy=f"Choose one of {', '.join(_WRITERS)}."
        )
    if path.is_dir():
        raise RiskModelError("this is a folder.", place=str(path), remedy="Name a file in it.")


def write_output(tables: Mapping[str, pd.DataFrame], path: Path) -> list[Path]:
    """Write tables in the format that the file's suffix asks for; readers see the old file or the new one, never half of either.

    A workbook and JSON hold all tables in one file. CSV and Parquet hold one table a file: the first gets the name asked for,
    the others get '-NAME' behind it.

    Parameters
    ----------
    tables : mapping of name to pandas.DataFrame
        The main table first. Cells may hold lists of texts.
    path : Path
        The file to write.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    RiskModelError
        The format is not known, or the place can't be written to.
    """
    check_output(path)
    write = _WRITERS[path.suffix.lower()]
    if write in (_write_csv, _write_parquet):
        parts = {
            (path if place == 0 else path.with_name(f"{path.stem}-{name}{path.suffix}")): {name: frame}
            for place, (name, frame) in enumerate(tables.items())
        }
    else:
        parts = {path: dict(tables)}
    for target, content in parts.items():
        with atomic_file(target) as temporary:
            write(content, temporary)
    return list(parts)
