"""`/language/{language}` and `/docs`: the language that a person chose, and the API's documentation."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from serving.access.guard import open_to_all
from serving.languages import COOKIE, LANGUAGES
from serving.pages.rendering import render, safe_path

router = APIRouter(include_in_schema=False)
_YEAR = 365 * 24 * 3600


@router.get("/language/{language}", dependencies=[Depends(open_to_all)])
def language(language: str, to: str = "/") -> Response:
    """Keep the language that a person chose and go back to the page; never to another site."""
    if language not in LANGUAGES:
        raise HTTPException(404)
    answer = RedirectResponse(safe_path(to), status_code=303)
    answer.set_cookie(COOKIE, language, max_age=_YEAR, httponly=True, samesite="lax")
    return answer


@router.get("/docs", dependencies=[Depends(open_to_all)])
def docs(request: Request) -> HTMLResponse:
    """Show the API's documentation, which is in English, from files of our own."""
    page = render(request, "docs.html")
    page.headers["Content-Language"] = "en"
    return page
