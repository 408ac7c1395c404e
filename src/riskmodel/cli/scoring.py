"""`riskmodel score` and `publish`: this week's list as a file, and on the coaches' page."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say, workspace
from riskmodel.cli.handing_out import Purpose, hand_out
from riskmodel.errors import RiskModelError

_FOLDER = typer.Argument(help="A data folder with dataset.toml.")
_DATE = typer.Option("--date", help="The day, as 2026-10-26 or 26-10-2026; nothing that became known later is looked at.")
_WORDS = typer.Option(help="A file with an institution's own phrases.")


class Language(StrEnum):
    """Languages that reasons are told in."""

    NL = "nl"
    EN = "en"


class Rule(StrEnum):
    """Rules that list students without a model."""

    FIRST_TEST = "first-test"


def read_date(text: str) -> dt.date:
    """Read an ISO or a Dutch date.

    Raises
    ------
    RiskModelError
        It is neither.
    """
    for form in ("%Y-%m-%d", "%d-%m-%Y"):
        try:
            return dt.datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise RiskModelError(f"'{text}' is no date.", place="--date", remedy="Write it as 2026-10-26 or 26-10-2026.")


def score(
    folder: Annotated[Path, _FOLDER],
    date: Annotated[str, _DATE],
    output: Annotated[Path, typer.Option(help="A .csv (for Excel, with semicolons), .xlsx, .parquet or .json file.")],
    language: Annotated[Language, typer.Option(help="Language of the reasons.")] = Language.NL,
    words: Annotated[Path | None, _WORDS] = None,
    rule: Annotated[Rule | None, typer.Option(help="List by this rule instead: needs no model and no history, gives no scores.")] = None,
    purpose: Annotated[
        Purpose, typer.Option(help="What the file is for; it stands in every row. The binding study advice is none.")
    ] = Purpose.INVITATION,
) -> None:
    """Score the students of a data folder on a date, with reasons in words, into a file that carries its purpose and a mark and is listed."""
    if rule is not None:
        _list_by_first_test(folder, read_date(date), output, language, purpose)
        return
    from riskmodel.champion import read_champions
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.explain.words import load_words
    from riskmodel.output import check_output
    from riskmodel.policy import read_policy
    from riskmodel.scoring import as_tables, score_dataset

    on = read_date(date)
    check_output(output)
    phrases = load_words(language.value, words)
    models = read_champions(workspace().champion)
    policy = read_policy(folder)
    target = policy.target_among(models)
    with progress() as listener:
        dataset = load_dataset(folder, progress=listener)
        scored = score_dataset(dataset, models, on, ranked_by=target, progress=listener)
        tables = as_tables(scored, models, dataset.definition, language.value, explained=target, words=phrases)
    written = hand_out(tables, output, purpose, students=len(scored.rows))
    say(f"{len(scored.rows)} students scored on {on.isoformat()}, {len(scored.not_scored)} not (each with the reason).")
    say(f"Written: {', '.join(map(str, written))}")


def _list_by_first_test(folder: Path, on: dt.date, output: Path, language: Language, purpose: Purpose) -> None:
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.first_test import first_test_list
    from riskmodel.output import check_output

    check_output(output)
    with progress() as listener:
        tables = first_test_list(load_dataset(folder, progress=listener), on, language.value, listener)
    written = hand_out(tables, output, purpose, students=sum(map(len, tables.values())))
    say(
        f"{len(tables['first_test'])} students failed or missed the first test as known on {on.isoformat()}; {len(tables['others'])} others."
    )
    say("This is a rule, not a model: it gives no score, and before the first test it lists nobody.")
    say(f"Written: {', '.join(map(str, written))}")


def publish(
    folder: Annotated[Path, _FOLDER],
    date: Annotated[str, _DATE],
    words: Annotated[Path | None, _WORDS] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy file; the folder's policy.toml by default.")] = None,
) -> None:
    """Score a date, invite as many students as the coaches have time for, and put the list on the coaches' page."""
    from riskmodel.cli.publishing import publish_week

    on = read_date(date)
    with progress() as listener:
        counted = publish_week(folder, workspace(), on, policy_file=policy, own_words=words, progress=listener)
    if counted.scored:
        say(
            f"{counted.invited} of {counted.scored} students are invited in the week of {on.isoformat()}; {counted.not_scored} could not be scored."
        )
    else:
        say(
            f"{counted.invited} of {counted.not_scored} students are invited in the week of {on.isoformat()}, by rules, wishes and lot alone."
        )
        say("No model was promoted yet: 'riskmodel train' and 'riskmodel promote' make one that ranks.")
    if counted.waiting:
        say(f"{counted.waiting} more should be invited and wait for a place: see them with 'riskmodel route --dry-run'.")
