"""A file with scores tells what it is for and where it comes from, in every row and in the list of what was handed out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from riskmodel.errors import RiskModelError
from riskmodel.handed_out import PURPOSES, HandedOut, marked, new_mark, note, read_listing


def test_every_row_of_every_table_carries_purpose_and_mark() -> None:
    table = pd.DataFrame({"probability": [0.1, 0.2]})
    export = HandedOut("rm1", "2026-11-02T09:00:00", "team", "invitation", ("week.csv",), 2)
    told = marked({"scores": table, "not_scored": table.head(0)}, export)
    assert list(told["scores"]["mark"]) == ["rm1", "rm1"]
    assert "binding study advice" in told["scores"]["purpose"].iloc[0]
    assert set(told["scores"]["made_by"]) == {"team"}
    assert set(told["scores"]["made_at"]) == {"2026-11-02T09:00:00"}
    assert list(told["not_scored"].columns) == ["probability", "purpose", "made_at", "made_by", "mark"]
    assert list(table.columns) == ["probability"]


def test_no_purpose_is_the_binding_study_advice() -> None:
    assert all("not for the binding study advice" in purpose for purpose in PURPOSES.values())


def test_what_was_handed_out_is_listed_in_order_and_damage_is_told(tmp_path: Path) -> None:
    listing = tmp_path / "workspace" / "handed-out.jsonl"
    assert read_listing(listing) == []
    given = [HandedOut(new_mark(), "2026-11-02T09:00:00", "team", "check", ("scores.csv",), number) for number in range(3)]
    for each in given:
        note(listing, each)
    assert read_listing(listing) == given
    assert len({each.mark for each in given}) == 3
    with listing.open("a", encoding="utf-8") as file:
        file.write('{"mark": "rm')
    assert read_listing(listing) == given
    with listing.open("a", encoding="utf-8") as file:
        file.write("\n{}\n{}\n")
    with pytest.raises(RiskModelError, match="line 4"):
        read_listing(listing)
