"""Scores as files: what Excel, a program and a careless attacker make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from riskmodel.errors import RiskModelError
from riskmodel.output import harmless, write_output


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    scores = pd.DataFrame(
        {
            "enrolment_id": ["e1", "=cmd|' /C calc'!A0"],
            "programme": ["Verpleegkunde", "Café; kunst"],
            "probability_leave": [0.25, float("nan")],
            "rank": [1, 2],
            "reasons": [["Mist lessen", "=1+1"], []],
        }
    )
    return {"scores": scores, "not_scored": pd.DataFrame({"enrolment_id": ["e3"], "reason": ["left"]})}


def test_csv_opens_in_dutch_excel_with_semicolons_decimal_commas_and_a_byte_order_mark(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    written = write_output(tables, tmp_path / "week.csv")
    assert [path.name for path in written] == ["week.csv", "week-not_scored.csv"]
    raw = written[0].read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    lines = raw.decode("utf-8-sig").split("\r\n")
    assert lines[0] == "enrolment_id;programme;probability_leave;rank;reasons"
    assert lines[1] == "e1;Verpleegkunde;0,250000;1;Mist lessen | =1+1"


def test_no_text_cell_becomes_a_formula_in_csv_or_workbook(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    write_output(tables, tmp_path / "week.csv")
    assert b"\r\n'=cmd" in (tmp_path / "week.csv").read_bytes()
    write_output(tables, tmp_path / "week.xlsx")
    book = load_workbook(tmp_path / "week.xlsx")
    assert book.sheetnames == ["scores", "not_scored"]
    assert all(cell.data_type != "f" for row in book["scores"].iter_rows() for cell in row)


def test_a_workbook_is_ready_to_be_read_and_filtered_whatever_its_texts_hold(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    tables["scores"].loc[0, "programme"] = "Verpleeg\x01kunde"
    write_output(tables, tmp_path / "week.xlsx")
    sheet = load_workbook(tmp_path / "week.xlsx")["scores"]
    assert sheet["B2"].value == "Verpleeg\N{REPLACEMENT CHARACTER}kunde"
    assert sheet.auto_filter.ref == "A1:E3"
    assert sheet.freeze_panes == "A2"
    assert sheet.column_dimensions["A"].width > len("=cmd|' /C calc'!A0")


@given(st.text(max_size=20))
def test_a_harmless_text_never_begins_like_a_formula(text: str) -> None:
    assert harmless(text)[:1] not in set("=+-@\t\r\n")


def test_parquet_and_json_keep_reasons_as_lists_and_unknowns_as_null(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    write_output(tables, tmp_path / "week.parquet")
    assert list(pd.read_parquet(tmp_path / "week.parquet")["reasons"][0]) == ["Mist lessen", "=1+1"]
    write_output(tables, tmp_path / "week.json")
    content = json.loads((tmp_path / "week.json").read_text(encoding="utf-8"))
    assert content["scores"][1]["probability_leave"] is None
    assert content["not_scored"] == [{"enrolment_id": "e3", "reason": "left"}]


def test_an_unknown_format_is_refused_with_the_ones_that_are_known(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    with pytest.raises(RiskModelError, match=r"\.csv, \.xlsx, \.parquet, \.json"):
        write_output(tables, tmp_path / "week.pdf")


def test_a_failure_in_the_middle_leaves_the_old_file_whole(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    target = tmp_path / "week.json"
    write_output(tables, target)
    before = target.read_bytes()
    with pytest.raises(ValueError, match="Out of range float"):
        write_output({"scores": pd.DataFrame({"x": [float("inf")]})}, target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["week.json"]
