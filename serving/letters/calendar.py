"""An appointment as a calendar file (RFC 5545), written by icalendar. It says with whom, when and where, and nothing of how it came about."""

from __future__ import annotations

import datetime as dt

from icalendar import Calendar, Event, vCalAddress


def calendar_file(
    number: str,
    starts_at: dt.datetime,
    minutes: int,
    *,
    summary: str,
    place: str,
    organizer: str,
    at: dt.datetime,
    changes: int = 0,
    cancelled: bool = False,
) -> bytes:
    """Give a calendar file of one appointment.

    Parameters
    ----------
    number : str
        The same for every change of one appointment, so that calendars move it rather than add another.
    starts_at, at : datetime.datetime
        When it begins, and now; UTC.
    minutes : int
    summary, place : str
    organizer : str
        E-mail address; empty where none is known.
    changes : int
        How often it was moved.
    cancelled : bool
    """
    starts = starts_at.replace(tzinfo=dt.UTC)
    event = Event()
    event.add("uid", f"{number}@riskmodel")
    event.add("dtstamp", at.replace(tzinfo=dt.UTC, microsecond=0))
    event.add("dtstart", starts)
    event.add("dtend", starts + dt.timedelta(minutes=minutes))
    event.add("summary", summary)
    event.add("sequence", changes + cancelled)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    if place:
        event.add("location", place)
    if organizer:
        event.add("organizer", vCalAddress(f"mailto:{organizer}"))
    calendar = Calendar()
    calendar.add("prodid", "-//riskmodel//invitations//")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
