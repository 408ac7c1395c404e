"""`/overview`, for coordinators: from invitation to next step per programme, in counts. It shows no student and no coach: it is no staff monitor."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from riskmodel.handed_out import FILE_NAME, HandedOut, at_text, marked, new_mark, note
from riskmodel.output import write_output
from serving.access.guard import Allow
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.dependencies import SessionDep, SettingsDep, StoreDep
from serving.languages import page_language
from serving.pages.rendering import render, texts_of
from serving.store.audit import EVERYONE, Event
from serving.store.follow_up import REASONS
from serving.store.overview import FUNNEL, LOAD, Programme, overview
from serving.store.weeks import latest_week

router = APIRouter(include_in_schema=False)
CoordinatorDep = Annotated[Principal, Depends(Allow(Scope.STUDENTS_ALL, to="people"))]
TABLES: Mapping[str, Sequence[str]] = {"funnel": FUNNEL, "load": LOAD, "reasons": REASONS}
_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.get("/overview")
def show(request: Request, session: SessionDep, store: StoreDep, person: CoordinatorDep) -> HTMLResponse:
    """Show the counts per programme; none under ten, and none from which one would follow."""
    week, programmes = latest_week(session), overview(session)
    store.record(Event.PAGE_OVERVIEW_READ, actor=person.login, subjects=[EVERYONE])
    return render(
        request,
        "overview.html",
        person=person,
        week=week,
        institution="" if week is None else week.institution,
        tables=_tables(programmes, texts_of(request)),
    )


@router.get("/overview.xlsx")
def export(request: Request, session: SessionDep, store: StoreDep, settings: SettingsDep, person: CoordinatorDep) -> Response:
    """Give exactly what the page shows as a workbook, with its purpose and a mark in every row; that it went out is noted first."""
    texts = texts_of(request)
    frames = {
        table["title"]: pd.DataFrame(
            [[row["name"], *row["counts"]] for row in table["rows"]], columns=[texts["programme"], *table["heads"]]
        )
        for table in _tables(overview(session), texts)
    }
    at = dt.datetime.now(dt.UTC)
    name = f"overview-{at:%Y-%m-%d}.xlsx"
    handed = HandedOut(new_mark(), at_text(at), person.login, "evaluation", (name,), 0)
    note(settings.audit_heads.with_name(FILE_NAME), handed)
    store.record(Event.PAGE_OVERVIEW_EXPORTED, actor=person.login, subjects=[EVERYONE])
    with tempfile.TemporaryDirectory(prefix="riskmodel-overview-") as folder:
        path = Path(folder) / name
        write_output(marked(frames, handed), path)
        content = path.read_bytes()
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Language": page_language(request)}
    return Response(content, media_type=_WORKBOOK, headers=headers)


def _tables(programmes: Sequence[Programme], texts: Mapping[str, Any]) -> list[dict[str, Any]]:
    told = texts["overview"]
    found = []
    for kind, columns in TABLES.items():
        heads = texts["told_reason"] if kind == "reasons" else texts["overview_column"]
        rows = []
        for each in programmes:
            counts: Mapping[str, int | None] = getattr(each, kind)
            rows.append({"name": each.name, "counts": [counts[column] for column in columns], "of": each.funnel["invited"]})
        table = {"key": kind, "title": told[kind], "hint": told[f"{kind}_hint"], "heads": [_capital(heads[column]) for column in columns]}
        found.append({**table, "rows": rows, "bars": kind == "funnel"})
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
