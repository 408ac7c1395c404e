"""`riskmodel shadow score` and `report`: a model on paper, and later what it would have done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riskmodel.cli.context import person, progress, say, workspace
from riskmodel.cli.scoring import _DATE, _FOLDER, Language, read_date
from riskmodel.files import atomic_file

if TYPE_CHECKING:
    import pandas as pd

    from riskmodel.shadow import ShadowList, WouldHave

app = typer.Typer(
    no_args_is_help=True, help="Let a model score and invite on paper, shown to nobody, and see later what it would have done."
)
_RULES = {"model": "the model", "first_test": "first-test rule", "lot": "a lot"}


@app.command()
def score(
    folder: Annotated[Path, _FOLDER],
    date: Annotated[str, _DATE],
    model: Annotated[
        str | None, typer.Option(help="leave@3, leave@challenger or a model folder; the challenger of the policy's target by default.")
    ] = None,
) -> None:
    """Score and invite on paper. The list goes into the workspace's shadow record; no page, no API and no file shows it."""
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.errors import DataFault
    from riskmodel.listing import lists_on
    from riskmodel.policy import read_policy
    from riskmodel.shadow import ShadowFacts, ShadowList, keep
    from training.registry import find_model
    from training.tracking import CHALLENGER, now

    on = read_date(date)
    policy = read_policy(folder)
    used = find_model(workspace(), model or f"{policy.target}@{CHALLENGER}")
    name = used.version if used.version.startswith(f"{used.target}-") else f"{used.target}-{used.version}"
    with progress() as listener:
        dataset = load_dataset(folder, progress=listener)
        lists = lists_on(dataset, {name: used}, on, policy, progress=listener)
    rows = lists.rows[name]
    if rows.empty:
        raise DataFault(f"nobody could be scored on {on.isoformat()}.", place=str(folder), remedy="Choose a day after the first landmark.")
    facts = ShadowFacts(
        on=on.isoformat(), target=used.target, model=name, trained_on=used.facts.trained_on, policy=policy.model_dump(mode="json"),
        not_scored=len(lists.not_scored), by=person(), at=now(),
    )  # fmt: skip
    path = keep(workspace().shadow, ShadowList(facts, rows))
    say(f"{name} would invite {int(rows['invited'].sum())} of {len(rows)} students on {on.isoformat()}; nobody is shown anything.")
    say(f"Kept: {path}")


@app.command()
def report(
    folder: Annotated[Path, _FOLDER],
    model: Annotated[str | None, typer.Option(help="One model's lists alone, as leave-3.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as JSON.")] = None,
    output: Annotated[Path | None, typer.Option(help="The page; shadow.html in the workspace by default.")] = None,
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.NL,
) -> None:
    """Hold the shadow lists against the outcomes of a data folder: who of those it would have invited left, and who left uninvited."""
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.errors import DataFault
    from riskmodel.landmarks import labels
    from riskmodel.shadow import at_least_once, late_lists, read_shadow, would_have
    from training.shadow_page import OnPaper, shadow_page

    lists = read_shadow(workspace().shadow, model)
    with progress() as listener:
        dataset = load_dataset(folder, progress=listener)
    enrolments = _enrolments(dataset)
    outcomes = dataset.outcomes().set_index("enrolment_id")["outcome"]

    def held(rows: pd.DataFrame, target: str) -> WouldHave:
        ids = rows["enrolment_id"]
        return would_have(rows, labels(ids.map(outcomes), target), ids.map(enrolments["student_id"]).fillna(ids))

    told: list[dict[str, Any]] = []
    pages: list[OnPaper] = []
    waiting = 0
    for name in dict.fromkeys(each.facts.model for each in lists):
        own = [each for each in lists if each.facts.model == name]
        known = [each for each in own if each.rows["enrolment_id"].isin(outcomes.index).any()]
        waiting += len(own) - len(known)
        if not known:
            continue
        target = known[0].facts.target
        say(f"{name} ({target}), {_lists(len(known))} with known outcomes:")
        learnt, late = _learnt_from(known, enrolments["cohort"]), late_lists(known)
        for note in _notes(learnt, late):
            say(f"  Note: {note}")
        by_day, over_all = [], None
        for each in known:
            figures = held(each.rows, target)
            _print(each.facts.on, figures)
            told.append({"model": name, "target": target, "on": each.facts.on, **figures.to_json()})
            by_day.append((each.facts.on, figures))
        if len(known) > 1:
            over_all = held(at_least_once(known), target)
            _print("at least once, over all these days", over_all)
            told.append({"model": name, "target": target, "on": None, **over_all.to_json()})
        pages.append(OnPaper(name, target, tuple(by_day), over_all, tuple(learnt), tuple(late)))
    if not told:
        raise DataFault(
            "of none of the students on these lists is the outcome known.",
            place=str(folder),
            remedy="Deliver outcomes with closed = true for their cohort in dataset.toml, then ask again.",
        )
    if waiting:
        say(f"{_lists(waiting)} still without outcomes.")
    page = output or workspace().folder / "shadow.html"
    with atomic_file(page) as temporary:
        temporary.write_text(shadow_page(pages, dataset.definition.name, waiting, language.value), encoding="utf-8")
    say(f"Written: {page}")
    if json_file is not None:
        with atomic_file(json_file) as temporary:
            temporary.write_text(json.dumps({"results": told}, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        say(f"Written: {json_file}")


def _enrolments(dataset: Any) -> pd.DataFrame:
    from riskmodel.frames import to_pandas

    return to_pandas(dataset.tables.enrolments.select("enrolment_id", "student_id", "cohort")).set_index("enrolment_id")


def _learnt_from(lists: Sequence[ShadowList], cohorts: pd.Series) -> list[str]:
    ids = {identity for each in lists for identity in each.rows["enrolment_id"]}
    return sorted(set(cohorts[cohorts.index.isin(ids)]) & set(lists[0].facts.trained_on))


def _notes(learnt: Sequence[str], late: Sequence[str]) -> list[str]:
    notes = [f"it has learnt from {', '.join(learnt)}, so these figures are too good."] if learnt else []
    if late:
        notes.append(f"made more than a week after their day, perhaps from data that were corrected since: {', '.join(late)}.")
    return notes


def _print(when: str, told: WouldHave) -> None:
    unknown = f"; of {told.unknown} more the outcome is not known" if told.unknown else ""
    say(f"  {when}: {told.invited} of {told.students} students invited, {told.leavers} left in all{unknown}")
    say("                      left of those invited     share of the invited     share of all leavers")
    for name, words in _RULES.items():
        figures = told.figures[name]
        if figures is None:
            say(f"    {words:<16}  no test was due yet")
            continue
        left, precision, recall = figures["left"], _percent(figures["precision"]), _percent(figures["recall"])
        say(f"    {words:<16}  {left.value:5.0f} ({left.low:.0f} to {left.high:.0f})".ljust(48) + f"{precision:<25}{recall}")
    for name, more in (("the first-test rule", told.more_than_first_test), ("a lot", told.more_than_lot)):
        if more is not None:
            say(f"    leavers more than by {name}: {more.value:+.0f} ({more.low:+.0f} to {more.high:+.0f})")


def _percent(told: Any) -> str:
    if told.value != told.value:
        return "-"
    return f"{100 * told.value:.0f} % ({100 * told.low:.0f} to {100 * told.high:.0f})"


def _lists(count: int) -> str:
    return f"{count} list{'' if count == 1 else 's'}"
