"""What a person sees who is not logged in, or who may not see a page."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from serving.access.guard import LoginNeeded, NotAllowed, as_principal, person_of
from serving.pages.rendering import render


def add_access_handlers(app: FastAPI) -> None:
    """Send whoever is not logged in to do so and back again, and say plainly to others that a page is not for them."""

    @app.exception_handler(LoginNeeded)
    def _login(request: Request, error: LoginNeeded) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        to = request.url.path + query if request.method == "GET" else "/"
        return RedirectResponse(f"/login?{urlencode({'to': to})}", status_code=303)

    @app.exception_handler(NotAllowed)
    def _refused(request: Request, error: NotAllowed) -> Response:
        person = person_of(request)
        return render(request, "not_allowed.html", 403, person=None if person is None else as_principal(request, person))
