"""Small deliveries of 1cijferHO, written row by row, and what an import made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from riskmodel.onecijferho import Imported, import_1cho
from riskmodel.synth.onecijferho import LAYOUT, Layout, named, write_delivery

HERE, ELSEWHERE, UNIVERSITY, DESIGNATED = "21PN", "25BA", "21PE", "24LK"
NURSING, LAW = "34560", "39205"
Row = Mapping[str, Any]


def row(person: int, year: int, **changes: Any) -> dict[str, Any]:
    """Give a first-year's row: a main enrolment in nursing at our institution, after havo, with what differs."""
    told = {
        "person": str(900_000_000 + person), "year": year, "institution": HERE, "programme": NURSING, "isat": NURSING, "form": "1", "domain": "hbo", "type": "ba",
        "active": "1", "kind": "1", "first_institution": "1", "first_programme": "1", "first_ho": year, "prior": "00204", "prior_year": year - 1,
        "gender": "V", "age": "018", "grade": "067", "month_from": "09", "begin": f"{year}0901", "end": f"{year + 1}0831", "end_code": "",
        "bsn": str(900_000_000 + person),
    }  # fmt: skip
    return {**told, **changes}


def later(person: int, year: int, **changes: Any) -> dict[str, Any]:
    """Give a row of somebody who is no first-year any more."""
    return row(person, year, **{"first_institution": "2", "first_programme": "2", **changes})


def deliver(folder: Path, rows: Sequence[Row], year: int | None = None, layout: Layout = LAYOUT, name: str | None = None) -> Path:
    """Write rows as a fixed-width file with its layout beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = named(pd.DataFrame(rows))
    return write_delivery(folder, frame, year or max(int(each["year"]) for each in rows), layout, name=name)


def imported(file: Path | Sequence[Path], target: Path, **options: Any) -> tuple[Imported, pd.DataFrame]:
    """Import and give what it told, and enrolments with their outcomes, by student and cohort."""
    files = [file] if isinstance(file, Path) else list(file)
    key = options.pop("key", target.parent / "keys" / "pseudonyms.key")
    done = import_1cho(files, target, key, **options)
    return done, read(target)


def read(target: Path) -> pd.DataFrame:
    """Give enrolments with their outcomes."""
    enrolments = pd.read_parquet(target / "enrolments.parquet")
    outcomes = target / "outcomes.parquet"
    known = pd.read_parquet(outcomes) if outcomes.exists() else pd.DataFrame({"enrolment_id": [], "outcome": []})
    return enrolments.merge(known, on="enrolment_id", how="left").sort_values(["cohort", "programme", "enrolment_id"], ignore_index=True)


def everything_in(target: Path) -> str:
    """Give all that a folder holds as one text: each file as it lies there, and each value of each table."""
    texts = []
    for path in sorted(target.rglob("*")):
        if path.is_file():
            texts += [path.name, path.read_bytes().decode("latin-1")]
            if path.suffix == ".parquet":
                texts.append(pd.read_parquet(path).to_csv())
    return "\n".join(texts)
