"""`riskmodel token` and `riskmodel stand-in`: machines that may call the service, and who sees a coach's students in their place."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from riskmodel.cli.context import person, say, workspace
from riskmodel.cli.scoring import read_date
from riskmodel.cli.store import open_store
from riskmodel.errors import RiskModelError

token_app = typer.Typer(help="Tokens for machines that call the service.", no_args_is_help=True)
LONGEST_STAND_IN = 92


@token_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Which machine it is for, as in student-system.")],
    scope: Annotated[
        list[str],
        typer.Option(help="What it may, as scores:compute or runs:make; docs/access.md has them all. May be given more than once."),
    ],
    days: Annotated[int, typer.Option(help="After how many days it ends.")] = 90,
) -> None:
    """Make a token and show it this once; the store keeps no more than its digest."""
    from sqlalchemy.orm import Session

    from serving.access.tokens import make_token
    from serving.store.audit import Event, record
    from serving.store.weeks import now

    with open_store(workspace()) as store, Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.OPERATOR_TOKEN_MADE, actor=person(), at=now(), why=", ".join(sorted(scope)), heads=store.heads)
        made = make_token(session, name, scope, days, at=now(), by=store.keys.digest("actor", person()))
    say(made.text)
    say(f"It ends on {made.ends_at:%Y-%m-%d}, and can't be shown again. Send it as 'Authorization: Bearer ...'.")


@token_app.command("list")
def list_all() -> None:
    """List every token: what it may, and until when."""
    from serving.access.tokens import list_tokens
    from serving.store.weeks import now

    with open_store(workspace()) as store, store.session() as session:
        for token in list_tokens(session):
            state = "revoked" if token.revoked_at else "ended" if token.ends_at <= now() else f"until {token.ends_at:%Y-%m-%d}"
            say(f"{token.name:<24} {state:<17} {', '.join(token.scopes)}")


@token_app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="The token's name.")]) -> None:
    """End a token now."""
    from sqlalchemy.orm import Session

    from serving.access.tokens import revoke_token
    from serving.store.audit import Event, record
    from serving.store.weeks import now

    with open_store(workspace()) as store, Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.OPERATOR_TOKEN_REVOKED, actor=person(), at=now(), heads=store.heads)
        revoke_token(session, name, now())
    say(f"{name} opens nothing any more.")


def stand_in(
    coach: Annotated[str, typer.Option(help="The coach's id, whose students are seen.")],
    login: Annotated[str, typer.Option(help="The login subject of whoever stands in.")],
    until: Annotated[str, typer.Option(help="The last day, as 2026-12-18 or 18-12-2026.")],
    since: Annotated[str | None, typer.Option(help="The first day; today by default.")] = None,
) -> None:
    """Let somebody see a coach's students in their place, for a stated time."""
    from sqlalchemy.orm import Session

    from serving.store.audit import Event, record
    from serving.store.tables import StandIn
    from serving.store.weeks import now

    ends, begins = read_date(until), read_date(since) if since else now().date()
    if not begins <= ends <= begins + dt.timedelta(days=LONGEST_STAND_IN):
        raise RiskModelError(
            f"from {begins} to {ends} is no time to stand in for.", remedy=f"Choose a last day within {LONGEST_STAND_IN} days of the first."
        )
    with open_store(workspace()) as store, Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.OPERATOR_STAND_IN_MADE, actor=person(), at=now(), why=f"{begins} to {ends}", heads=store.heads)
        who = store.keys.digest("actor", login)
        session.add(StandIn(person=who, coach_id=coach, begins_on=begins, ends_on=ends, made_at=now()))
    say(f"From {begins} to {ends} this person sees the students of coach {coach}.")
