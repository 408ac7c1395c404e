"""The results of a run as a file: the table that `riskmodel score` writes, put together from the store piece by piece."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import IO, Literal

import pandas as pd
import pyarrow as pa
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from riskmodel.handed_out import MARKS, HandedOut, water_mark
from riskmodel.output import csv_text
from serving.store.audit import Event
from serving.store.people import details_of
from serving.store.runs import read_ranked, read_run_scores
from serving.store.sealing import reasons_of
from serving.store.tables import Person, Run, RunStudent
from serving.store.weeks import Store

Form = Literal["csv", "parquet"]
MEDIA_TYPES: dict[Form, str] = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
_CHUNK = 500


def write_table(store: Store, run: Run, form: Form, language: str, file: IO[bytes], *, actor: str, export: HandedOut) -> None:
    """Write the scored students of a run by rank, and record for each of them that their scores went out.

    Parameters
    ----------
    store : Store
    run : Run
    form : {'csv', 'parquet'}
    language : {'nl', 'en'}
        Of the reasons.
    file : binary file
        Where to write; no more than a few hundred students are in memory at once.
    actor : str
        Who gets it.
    export : HandedOut
        Its water mark stands in every row.
    """
    targets = list(run.models or {})
    explained = run.explained or ""
    if form == "csv":
        file.write(codecs.BOM_UTF8)
        for number, frame in enumerate(_frames(store, run, targets, explained, language, actor, export)):
            file.write(csv_text(frame, header=number == 0).encode())
        return
    from pyarrow.parquet import ParquetWriter  # 8 MB, for the few who ask for such a file

    schema = _schema(targets)
    with ParquetWriter(file, schema) as writer:
        for frame in _frames(store, run, targets, explained, language, actor, export):
            writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))


def count_rows(session: Session, run: Run) -> int:
    """Give how many students of a run were scored and are not erased: those who are in its file."""
    query = select(func.count()).select_from(RunStudent).join(Person, RunStudent.person_id == Person.id)
    return int(session.scalar(query.where(RunStudent.run_seq == run.seq, RunStudent.rank.is_not(None), Person.erased_at.is_(None))) or 0)


def _frames(
    store: Store, run: Run, targets: list[str], explained: str, language: str, actor: str, export: HandedOut
) -> Iterator[pd.DataFrame]:
    names = [field.name for field in _schema(targets)]
    after, first = 0, True
    while True:
        with Session(store.engine) as session:
            found = read_ranked(session, run, most=_CHUNK, after=after)
            if not found and not first:
                return
            scores = read_run_scores(session, run, found)
            rows, subjects = [], []
            for student in found:
                details = details_of(student.person, store.keys)
                if details is None:  # erased since
                    continue
                own = scores[student.enrolment]
                reasons = reasons_of(own[explained], store.keys, student.person) if explained in own else []
                row: dict[str, object] = {
                    "enrolment_id": details.enrolments.get(student.enrolment, ""),
                    "student_id": details.student_id,
                    "cohort": student.cohort,
                    "programme": student.programme,
                    "day": student.day,
                    "landmark": student.landmark,
                    "rank": student.rank,
                    "reasons": [reason["text"].get(language, "") for reason in reasons],
                    "unusual": student.unusual.get(language, []),
                    **water_mark(export),
                }
                for target, score in own.items():
                    row |= {
                        f"probability_{target}": score.probability,
                        f"probability_{target}_low": score.low,
                        f"probability_{target}_high": score.high,
                        f"model_{target}": score.model,
                    }
                rows.append(row)
                subjects.append(student.person.student)
        store.record(Event.API_RUN_FILE_READ, actor=actor, subjects=subjects, why="signal")
        yield pd.DataFrame(rows, columns=names)
        if len(found) < _CHUNK:
            return
        after, first = found[-1].rank or 0, False


def _schema(targets: list[str]) -> pa.Schema:
    text, number, whole = pa.string(), pa.float64(), pa.int64()
    fields = [(name, text) for name in ("enrolment_id", "student_id", "cohort", "programme")]
    fields += [("day", whole), ("landmark", whole)]
    fields += [(f"probability_{target}{end}", number) for target in targets for end in ("", "_low", "_high")]
    fields += [("rank", whole), ("reasons", pa.list_(text)), ("unusual", pa.list_(text))]
    fields += [(f"model_{target}", text) for target in targets]
    fields += [(name, text) for name in MARKS]
    return pa.schema(fields)
