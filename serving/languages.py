"""Which language to answer in: by the Accept-Language header for programs, by a choice kept in a cookie for people. Dutch unless asked otherwise."""

from __future__ import annotations

from fastapi import Request

LANGUAGES = ("nl", "en")
COOKIE = "language"
# Told by hand: a parameter that FastAPI reads costs more than the header is worth.
LANGUAGE_PARAMETER = {
    "name": "accept-language",
    "in": "header",
    "required": False,
    "description": "nl or en, for reasons and phrases.",
    "schema": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Accept-Language"},
    "example": "en",
}


def accepted_language(header: str | None) -> str:
    """Give the best of the languages on offer for an Accept-Language header (RFC 9110); Dutch where it names none of them."""
    best, best_quality = LANGUAGES[0], 0.0
    for part in (header or "").split(","):
        name, _, parameters = part.strip().partition(";")
        language = name.strip().lower().split("-")[0]
        try:
            quality = float(parameters.strip().removeprefix("q=")) if parameters.strip() else 1.0
        except ValueError:
            quality = 0.0
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best


def page_language(request: Request) -> str:
    """Give the language that a person chose, else that of what they were sent, else the browser's."""
    chosen = request.cookies.get(COOKIE) or getattr(request.state, "language", None)
    return chosen if chosen in LANGUAGES else accepted_language(request.headers.get("accept-language"))
