"""What a person sees who is not logged in, or who may not see a page; what they were writing is kept."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlencode

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from serving.access.guard import LoginNeeded, NotAllowed, as_principal, person_of
from serving.access.scopes import Scope
from serving.pages.acts import keep_for_later
from serving.pages.forms import filled_in, read_form
from serving.pages.rendering import render

# Where those begin who have no list of students.
_INSTEAD = {Scope.WORDS_GIVE: "/teaching", Scope.OWN_READ: "/me"}
_WRITING = re.compile(r"/students/([^/]+)/(follow-up|draft)")


def add_access_handlers(app: FastAPI) -> None:
    """Send whoever is not logged in to do so and back again, and say plainly to others that a page is not for them."""

    @app.exception_handler(LoginNeeded)
    async def _login(request: Request, error: LoginNeeded) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        to = request.url.path + query if request.method == "GET" else "/"
        writing = _WRITING.fullmatch(request.url.path) if request.method == "POST" else None
        if writing is not None:
            form = await read_form(request)
            kept = await run_in_threadpool(keep_for_later, request, form, unquote(writing.group(1)))
            fields = filled_in(form)
            if kept is None and any(fields[name] for name in ("note", "next_step", "reason_note")):
                return render(request, "not_kept.html", 401, fields=fields)
            to = kept or "/"
        return RedirectResponse(f"/login?{urlencode({'to': to})}", status_code=303)

    @app.exception_handler(NotAllowed)
    def _refused(request: Request, error: NotAllowed) -> Response:
        person = person_of(request)
        principal = None if person is None else as_principal(request, person)
        if request.url.path == "/" and principal is not None:
            for scope, own in _INSTEAD.items():
                if principal.may(scope):
                    return RedirectResponse(own, status_code=303)
        return render(request, "not_allowed.html", 403, person=principal)
