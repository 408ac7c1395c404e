"""`/problems` and `/problems/{kind}`: what each type of problem means, in English, for whoever builds on the API."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from serving.access.guard import open_to_all
from serving.pages.rendering import render
from serving.problems import KINDS

router = APIRouter(include_in_schema=False)


@router.get("/problems", dependencies=[Depends(open_to_all)])
def problems(request: Request) -> HTMLResponse:
    """List the types."""
    return render(request, "problems.html", kinds=KINDS)


@router.get("/problems/{kind}", dependencies=[Depends(open_to_all)])
def problem(request: Request, kind: str) -> HTMLResponse:
    """Tell what one type means and what to do about it."""
    told = KINDS.get(kind)
    if told is None:
        raise HTTPException(404)
    return render(request, "problem.html", kind=kind, title=told.title, statuses=told.status, meaning=told.meaning, remedy=told.remedy)
