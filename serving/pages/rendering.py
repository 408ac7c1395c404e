"""Templates, texts and dates of the pages, prepared once."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from riskmodel import __version__
from serving.languages import LANGUAGES, page_language

_HERE = Path(__file__).resolve().parents[1]
TEXTS = {language: tomllib.loads((_HERE / "texts" / f"{language}.toml").read_text(encoding="utf-8")) for language in LANGUAGES}
_HERE_CLOCK = ZoneInfo("Europe/Amsterdam")
_environment = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=select_autoescape(("html", "svg")),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def long_date(date: dt.date, language: str) -> str:
    """Write a date in full: '26 oktober 2026'."""
    return format_date(date, format="long" if language == "nl" else "d MMMM y", locale=language)


def day_and_month(date: dt.date, language: str) -> str:
    """Write a date without its year: '26 oktober'."""
    return format_date(date, format="d MMMM", locale=language)


def today() -> dt.date:
    """Give the day that it is on a Dutch clock."""
    return dt.datetime.now(_HERE_CLOCK).date()


def moment(at: dt.datetime, language: str) -> str:
    """Write a moment of the store, which is UTC, as it was on a Dutch clock: '3 november, 16:30'."""
    local = at.replace(tzinfo=dt.UTC).astimezone(_HERE_CLOCK)
    return f"{day_and_month(local.date(), language)}, {local:%H:%M}"


def when(at: dt.datetime, language: str) -> str:
    """Write a moment of the store, which is UTC, with its weekday on a Dutch clock: 'dinsdag 3 november, 16:30 uur'."""
    local = at.replace(tzinfo=dt.UTC).astimezone(_HERE_CLOCK)
    day = format_date(local.date(), format="EEEE d MMMM", locale=language)
    return f"{day}, {local:%H:%M}" + (" uur" if language == "nl" else "")


def from_clock(text: str) -> dt.datetime | None:
    """Read a moment on a Dutch clock, as a form gives it, into UTC; None where it is none, or on the night that the clock skips it."""
    try:
        local = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if local.tzinfo is not None:
        return None
    at = local.replace(tzinfo=_HERE_CLOCK).astimezone(dt.UTC)
    return at.replace(tzinfo=None) if at.astimezone(_HERE_CLOCK).replace(tzinfo=None) == local else None


def on_clock(at: dt.datetime) -> str:
    """Write a moment of the store as a form takes it, on a Dutch clock."""
    return at.replace(tzinfo=dt.UTC).astimezone(_HERE_CLOCK).strftime("%Y-%m-%dT%H:%M")


def day_of(at: dt.datetime) -> dt.date:
    """Give the day on a Dutch clock of a moment of the store."""
    return at.replace(tzinfo=dt.UTC).astimezone(_HERE_CLOCK).date()


def present(today: dt.date, at: dt.datetime) -> dt.datetime:
    """Give the moment that it is, UTC, on the day that pages take for today; in the demo that is another one than the clock's."""
    return at + (today - day_of(at))


def end_of_day(on: dt.date) -> dt.datetime:
    """Give the moment, UTC, at which a day ends on a Dutch clock."""
    local = dt.datetime.combine(on + dt.timedelta(days=1), dt.time(), _HERE_CLOCK)
    return local.astimezone(dt.UTC).replace(tzinfo=None)


def texts_of(request: Request) -> Mapping[str, Any]:
    """Give the texts in the language of the person who asks, in the institution's own terms."""
    named: Mapping[str, Mapping[str, Any]] = request.app.state.desk.texts
    return named[page_language(request)]


def safe_path(to: str) -> str:
    """Give a path on this site to go to, or the list where it would lead elsewhere."""
    fits = to.startswith("/") and not to.startswith(("//", "/\\")) and "\n" not in to and "\r" not in to
    return to if fits else "/"


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Give a page in the language of the person who asks."""
    language = page_language(request)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    page = _environment.get_template(template).render(
        t=texts_of(request),
        language=language,
        other=next(each for each in LANGUAGES if each != language),
        here=here,
        version=__version__,
        person=values.pop("person", None),
        institution=values.pop("institution", ""),
        date=lambda date: long_date(date, language),
        short_date=lambda date: format_date(date, format="d MMM", locale=language),
        day_and_month=lambda date: day_and_month(date, language),
        moment=lambda at: moment(at, language),
        when=lambda at: when(at, language),
        **values,
    )
    return HTMLResponse(page, status, headers={"Content-Language": language, "Vary": "Cookie, Accept-Language"})


def error_page(request: Request, status: int) -> HTMLResponse | None:
    """Give an error as a page where a person asked for one; None where a program did."""
    if request.url.path.startswith(("/v1/", "/healthz", "/readyz", "/openapi")) or "text/html" not in request.headers.get("accept", ""):
        return None
    texts = texts_of(request)
    known = status if status in (404, 500, 503) else None
    heading = texts[f"error_{known}_title"] if known else texts["error_title"]
    text = texts[f"error_{known}"] if known else texts["error"]
    return render(request, "error.html", status, heading=heading, text=text)
