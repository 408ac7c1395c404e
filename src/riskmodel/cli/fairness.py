"""`riskmodel fairness`: the one command that reads `groups`, and hands out aggregates alone."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.cli.context import progress, say, workspace
from riskmodel.cli.scoring import Language
from riskmodel.errors import DataFault
from riskmodel.files import atomic_file

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from riskmodel.catalogue import Catalogue
    from riskmodel.fairness import List
    from riskmodel.policy import Policy

_LARGEST_TRIED = 3


def fairness(
    folder: Annotated[Path, typer.Argument(help="A data folder with dataset.toml and a groups table.")],
    capacity: Annotated[float | None, typer.Option(min=0.01, max=0.99, help="Share of the students; the policy's by default.")] = None,
    cohort: Annotated[str | None, typer.Option(help="A closed cohort with one before it; the latest by default.")] = None,
    landmark: Annotated[int | None, typer.Option(help="The day; the first of promote_at in policy.toml by default.")] = None,
    target: Annotated[str | None, typer.Option(help="dropout or leave; the policy's by default.")] = None,
    output: Annotated[Path | None, typer.Option(help="The page; a .json of the aggregates is written beside it.")] = None,
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.NL,
) -> None:
    """Look at a closed cohort's list by group: who is invited, whom it misses, what features give away, and what a change would cost."""
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.contract.groups import read_groups
    from riskmodel.errors import ModelFault
    from riskmodel.fairness import audit, find_proxies
    from riskmodel.fairness.audit import as_json, group_labels
    from riskmodel.fairness.page import About, page
    from riskmodel.policy import read_policy
    from training.evaluate import best_registered
    from training.rehearsal import rehearse
    from training.tracking import nothing_trained, open_tracking

    policy = read_policy(folder)
    policy = policy.model_copy(update={"capacity_share": capacity or policy.capacity_share, "by_chance_share": 0.0})
    asked = target or policy.target
    found = best_registered(open_tracking(workspace()), asked)
    if found is None:
        raise nothing_trained(workspace(), asked)
    model = found[1]
    day = landmark or next((each for each in policy.promote_at if each in model.landmarks), model.landmarks[-1])
    if day not in model.landmarks:
        raise ModelFault(f"this model has no landmark {day}.", remedy=f"It has {', '.join(map(str, model.landmarks))}.")
    with progress() as listener:
        dataset = load_dataset(folder, progress=listener)
        groups = read_groups(folder, dataset.definition)
        closed = dataset.definition.closed_cohorts
        chosen = cohort or (closed[-1] if closed else "")
        group_labels(groups["student_id"], groups)  # refuses early what can't be audited, before anything is fitted
        done = rehearse(dataset, model, chosen, day, progress=listener)
        frame = done.frame
        labels, _ = group_labels(frame["student_id"], groups)
        listener(0, 3, "looking for proxies")
        X = done.model.design.matrix(frame, day)
        columns = [column.feature for column in done.model.design.columns]
        proxies = find_proxies(X, columns, labels, frame["student_id"].to_numpy(dtype=str))
        carriers = list(dict.fromkeys(name for proxy in proxies for name, _ in proxy.carriers))[:_LARGEST_TRIED]
        tried = {("group", name): [name] for name in _signals(model.catalogue)}
        tried |= {("feature", name): [name] for name in carriers if len(model.catalogue) > 1}
        without = {}
        for step, (key, names) in enumerate(tried.items()):
            listener(step, len(tried), f"fitting without {key[1]}")
            without[key] = done.without(names)
        listener(1, 3, "counting by group")
        on = dataset.definition.cohort(chosen).start + dt.timedelta(days=day)
        students = frame[["student_id"]].assign(
            probability=done.probability, invited=_invited(frame, done.probability, policy, on), left=frame[model.target]
        )
        others = list(_others(frame, done.probability, without, policy, on))
        told = audit(students, groups, others)
        listener(2, 3, "writing")
        about = About(dataset.definition.name, asked, model.version, chosen, day, policy.capacity_share, closed[: closed.index(chosen)])
        html = page(told, proxies, about, model.catalogue, language.value)
        facts = {
            "institution": about.institution, "target": asked, "version": model.version, "cohort": chosen, "landmark": day,
            "capacity_share": policy.capacity_share, "learnt_from": list(about.learnt_from), "fingerprint": dataset.fingerprint,
        }  # fmt: skip
        aggregates = as_json(told, facts, [proxy.to_dict() for proxy in proxies])
    place = output or workspace().folder / "fairness" / f"{asked}-{model.version}.html"
    if place.suffix == ".json":
        raise DataFault("the page can't be called .json; the aggregates get that name.", place=str(place), remedy="Call it something.html.")
    for path, text in (
        (place, html),
        (place.with_suffix(".json"), json.dumps(aggregates, ensure_ascii=False, indent=1, allow_nan=False) + "\n"),
    ):
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    beyond = told.differences[told.differences["beyond"]]
    say(f"{asked}: version {model.version}, {len(frame)} students of {chosen} at day {day}, {100 * policy.capacity_share:g} % invited.")
    for row in beyond.to_dict("records"):
        points, chance = 100 * row["difference"], 100 * row["chance"]
        say(
            f"  {row['attribute']}, {row['measure']}: '{row['highest']}' over '{row['lowest']}' by {points:.1f} points; chance stays under {chance:.1f}."
        )
    if beyond.empty:
        say("  No difference between groups is larger than chance gives in groups of these sizes.")
    say(f"Written: {place} and {place.with_suffix('.json').name}")


def _signals(catalogue: Catalogue) -> list[str]:
    """Give each group of features that a model has, if something is left without it."""
    groups = dict.fromkeys(feature.group for feature in catalogue.values())
    return [group for group in groups if len(catalogue.without([group]))]


def _invited(frame: pd.DataFrame, probability: np.ndarray, policy: Policy, on: dt.date) -> np.ndarray:
    """Make the list by the institution's own rule, nobody picked by chance."""
    from riskmodel.baselines import FIRST_TEST_COLUMN, first_test_failed_or_missed
    from riskmodel.routing import invite

    people = frame[["enrolment_id"]].assign(probability=probability)
    people[FIRST_TEST_COLUMN] = first_test_failed_or_missed(frame).fillna(0.0).to_numpy(dtype=float) > 0
    return invite(people, policy, on)["invited"].to_numpy(dtype=bool)


def _per_programme(frame: pd.DataFrame, probability: np.ndarray, total: int) -> np.ndarray:
    """Share the places of the list out over programmes by their size, largest remainder first, and fill each by rank."""
    import numpy as np

    programme = frame["programme"].to_numpy(dtype=str)
    names, sizes = np.unique(programme, return_counts=True)
    exact = total * sizes / sizes.sum()
    places = np.floor(exact).astype(int)
    for at in np.argsort(-(exact - places), kind="stable")[: total - places.sum()]:
        places[at] += 1
    invited = np.zeros(len(frame), dtype=bool)
    order = np.argsort(-probability, kind="stable")
    for name, room in zip(names, places, strict=True):
        invited[[at for at in order if programme[at] == name][:room]] = True
    return invited


def _others(
    frame: pd.DataFrame, probability: np.ndarray, without: Mapping[tuple[str, str], np.ndarray], policy: Policy, on: dt.date
) -> Iterator[List]:
    from riskmodel.fairness import List

    total = min(len(frame), math.ceil(policy.capacity_share * len(frame)))
    if frame["programme"].nunique() > 1:
        yield List("per_programme", "capacity", probability, _per_programme(frame, probability, total))
    for (kind, name), other in without.items():
        yield List(name, kind, other, _invited(frame, other, policy, on))
