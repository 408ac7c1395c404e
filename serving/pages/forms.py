"""Forms of the pages: a token that only our own pages can give, and what was filled in, read with care and given back where it won't do."""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData

from serving.problems import Problem
from serving.store.follow_up import HAND_TO, NOT_WHY, REASONS, STAGES, Agreed, Standing
from serving.store.keys import Keys
from serving.store.weeks import now

MOST_NOTE, MOST_TEXT = 10_000, 1_000
TOKEN = "token"  # noqa: S105 - the name of a field
FIELDS = (
    "stage", "not_why", "contact_on", "reason_note", "next_step", "next_on", "handed_to", "handed_coach", "consent", "note", "version",
)  # fmt: skip


def token_for(keys: Keys, login: str, on: dt.date) -> str:
    """Give the token of a person's forms on a day; the same in each of their sessions, so that a form outlives a log-in."""
    return keys.digest("form", f"{login} {on.isoformat()}")


def has_token(keys: Keys, login: str, sent: str) -> bool:
    """Tell whether a form came from a page that this person was given today or yesterday."""
    today = now().date()
    days = (today, today - dt.timedelta(days=1))
    return any(hmac.compare_digest(token_for(keys, login, day).encode(), sent.encode()) for day in days)


async def read_form(request: Request) -> FormData:
    """Give what was filled in; nothing where what was sent is no form."""
    return await request.form()


def require_token(keys: Keys, login: str, form: FormData) -> None:
    """Refuse a form that no page of ours gave to this person.

    Raises
    ------
    Problem
        403.
    """
    if not has_token(keys, login, text_in(form, TOKEN)):
        raise Problem(403, "foreign-origin", "This form is not of a page that was given to you, so nothing was done. Open the page anew.")


def text_in(form: FormData | Mapping[str, Any], name: str) -> str:
    """Give a field as text without space around it; empty where it is absent or a file."""
    value = form.get(name, "")
    return value.replace("\r\n", "\n").replace("\0", "").strip() if isinstance(value, str) else ""


def filled_in(form: FormData) -> dict[str, Any]:
    """Give all fields of the follow-up as they were filled in, to be shown or kept again."""
    reasons = [each for each in form.getlist("reasons") if isinstance(each, str) and each in REASONS]
    return {name: text_in(form, name) for name in FIELDS} | {"reasons": reasons}


def of_standing(stands: Standing) -> dict[str, Any]:
    """Give the fields of a form that shows what stands."""
    agreed = stands.agreed
    return {
        "stage": agreed.stage,
        "not_why": agreed.not_why,
        "contact_on": "" if agreed.contact_on is None else agreed.contact_on.isoformat(),
        "reasons": list(agreed.reasons),
        "reason_note": agreed.reason_note,
        "next_step": agreed.next_step,
        "next_on": "" if agreed.next_on is None else agreed.next_on.isoformat(),
        "handed_to": agreed.handed_to,
        "handed_coach": agreed.handed_coach,
        "consent": "yes" if agreed.consent_on else "",
        "note": "",
        "version": str(stands.version),
    }


def read_agreed(fields: Mapping[str, Any], coaches: Mapping[str, str], before: Agreed, today: dt.date) -> tuple[Agreed, list[str]]:
    """Read a follow-up out of its fields.

    Parameters
    ----------
    fields : mapping
        What `filled_in` gives.
    coaches : mapping of str to str
        To whom a student can be handed over.
    before : Agreed
        What stands; the day of a consent given before stays.
    today : datetime.date

    Returns
    -------
    Agreed
    list of str
        What is wrong, as keys of the texts under `form_error`; empty where all will do.
    """
    wrong: list[str] = []

    def one_of(name: str, known: Any) -> str:
        value = str(fields.get(name, ""))
        return value if value in known else ""

    def day(name: str) -> dt.date | None:
        text = str(fields.get(name, ""))
        if not text:
            return None
        for form in ("%Y-%m-%d", "%d-%m-%Y"):
            try:
                return dt.datetime.strptime(text, form).date()
            except ValueError:
                continue
        wrong.append(name)
        return None

    stage = one_of("stage", STAGES)
    not_why = one_of("not_why", NOT_WHY) if stage == "not" else ""
    handed_to = one_of("handed_to", HAND_TO)
    handed_coach = one_of("handed_coach", coaches) if handed_to == "coach" else ""
    contact_on, next_on = day("contact_on"), day("next_on")
    if stage == "not" and not not_why:
        wrong.append("not_why")
    if contact_on and contact_on > today:
        wrong.append("contact_later")
    if stage == "agreed" and not fields.get("next_step"):
        wrong.append("next_step")
    if handed_to and not fields.get("consent"):
        wrong.append("consent")
    if handed_to == "coach" and not handed_coach:
        wrong.append("handed_coach")
    if (
        max(len(str(fields.get(name, ""))) for name in ("next_step", "reason_note")) > MOST_TEXT
        or len(str(fields.get("note", ""))) > MOST_NOTE
    ):
        wrong.append("too_long")
    if stage in ("reached", "talked", "agreed") and contact_on is None and "contact_on" not in wrong:
        contact_on = before.contact_on if stage == before.stage else today
    same_hand = (handed_to, handed_coach) == (before.handed_to, before.handed_coach)
    agreed = Agreed(
        stage=stage,
        not_why=not_why,
        contact_on=contact_on,
        reasons=tuple(each for each in REASONS if each in fields.get("reasons", ())),
        reason_note=str(fields.get("reason_note", "")),
        next_step=str(fields.get("next_step", "")),
        next_on=next_on,
        handed_to=handed_to,
        handed_coach=handed_coach,
        consent_on=None if not handed_to else before.consent_on if same_hand and before.consent_on else today,
    )
    return agreed, wrong
