"""A data folder's students scored as `riskmodel score` does, and given in parts as the store keeps them. It writes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from riskmodel.champion import current
from riskmodel.contract.dataset import load_dataset
from riskmodel.errors import ModelFault, RiskModelError
from riskmodel.explain.certainty import tell_unusual
from riskmodel.explain.words import Words
from riskmodel.model import RiskModel, load_model
from riskmodel.policy import read_policy
from riskmodel.progress import Progress, silent
from riskmodel.scoring import Scored, score_dataset, tellers
from serving.store.runs import NewStudent
from serving.store.scores import NewScore


class DataChanged(RiskModelError):
    """The data are not those that the run began with."""


@dataclass(frozen=True)
class Cohort:
    """A cohort with its scores, in an order that is the same whenever the same data are read.

    Attributes
    ----------
    models : dict of target to str
        The folder of each target's model.
    explained : str
        The target that ranks.
    data : str
        Fingerprint of the data.
    """

    models: dict[str, str]
    explained: str
    data: str
    _loaded: Mapping[str, RiskModel]
    _tellers: Mapping[str, Mapping[str, Any]]
    _words: Mapping[str, Words]
    _scored: Scored
    _order: tuple[tuple[str, bool, int], ...]

    def __len__(self) -> int:
        """Give how many students there are, scored or not."""
        return len(self._order)

    def part(self, first: int, most: int) -> tuple[list[NewStudent], list[NewScore]]:
        """Give students from place `first` on, at most `most`, with the scores of those that are scored, reasons in every language."""
        here = self._order[first : first + most]
        rows = self._scored.rows.iloc[[place for _, scored, place in here if scored]].reset_index(drop=True)
        features = self._scored.features.iloc[[place for _, scored, place in here if scored]].reset_index(drop=True)
        told = {target: self._told(target, rows, features) for target in self._loaded}
        scored_students = self._students(rows)
        others = self._others([place for _, scored, place in here if not scored])
        students = [next(scored_students) if scored else next(others) for _, scored, _ in here]
        scores = [
            self._score(row, target, told[target][place])
            for place, row in enumerate(rows.to_dict(orient="records"))
            for target in self._loaded
        ]
        return students, scores

    def _told(self, target: str, rows: pd.DataFrame, features: pd.DataFrame) -> list[list[dict[str, Any]]]:
        """Give each row's reasons, as they are kept."""
        told: list[list[dict[str, Any]]] = [[] for _ in range(len(rows))]
        landmarks = rows["landmark"].to_numpy()
        for landmark in np.unique(landmarks):
            chosen = landmarks == landmark
            part = features[chosen]
            explanation = self._loaded[target].explain(part, int(landmark))
            by_language = {language: teller.tell_all(explanation, part) for language, teller in self._tellers[target].items()}
            for number, place in enumerate(np.flatnonzero(chosen)):
                own = {language: reasons[number] for language, reasons in by_language.items()}
                told[place] = [
                    {
                        "key": each[0].key, "direction": each[0].direction, "actionable": each[0].actionable, "contribution": each[0].contribution,
                        "label": {language: reason.label for language, reason in zip(own, each, strict=True)},
                        "text": {language: reason.text for language, reason in zip(own, each, strict=True)},
                    }
                    for each in zip(*own.values(), strict=True)
                ]  # fmt: skip
        return told

    def _students(self, rows: pd.DataFrame) -> Iterator[NewStudent]:
        catalogue = self._loaded[self.explained].catalogue
        for row in rows.to_dict(orient="records"):
            unusual = row[f"unusual_{self.explained}"]
            yield NewStudent(
                student_id=row["student_id"],
                enrolment_id=row["enrolment_id"],
                cohort=row["cohort"],
                programme=row["programme"],
                day=int(row["day"]),
                landmark=int(row["landmark"]),
                rank=int(row["rank"]),
                unusual={language: tell_unusual(unusual, catalogue, words) for language, words in self._words.items()} if unusual else None,
            )

    def _others(self, places: Sequence[int]) -> Iterator[NewStudent]:
        for row in self._scored.not_scored.iloc[list(places)].to_dict(orient="records"):
            yield NewStudent(row["student_id"], row["enrolment_id"], "", row["programme"], not_scored=row["reason"])

    def _score(self, row: Mapping[Any, Any], target: str, reasons: list[dict[str, Any]]) -> NewScore:
        low, high = float(row[f"probability_{target}_low"]), float(row[f"probability_{target}_high"])
        return NewScore(
            student_id=row["student_id"],
            enrolment_id=row["enrolment_id"],
            on=self._scored.on,
            day=int(row["day"]),
            landmark=int(row["landmark"]),
            target=target,
            probability=float(row[f"probability_{target}"]),
            low=None if np.isnan(low) else low,
            high=None if np.isnan(high) else high,
            unusual=bool(row[f"unusual_{target}"]),
            model=row[f"model_{target}"],
            reasons=reasons,
        )


def score_cohort(
    folder: Path,
    champions: Path,
    on: dt.date,
    words: Mapping[str, Words],
    *,
    models: Mapping[str, str] | None = None,
    data: str | None = None,
    progress: Progress = silent,
) -> Cohort:
    """Read, check and score a data folder.

    Parameters
    ----------
    folder : Path
        The data folder.
    champions : Path
        The folder that `promote` writes.
    on : datetime.date
        The day as of which students are looked at.
    words : mapping of language to Words
    models : mapping of target to str, optional
        The model folders that the run began with; those that serve now by default.
    data : str, optional
        The fingerprint of the data that the run began with.
    progress : Progress

    Raises
    ------
    DataChanged
        The data are other than those that the run began with.
    RiskModelError
        The data can't be used, or there is no model.
    """
    chosen = dict(current(champions) if models is None else models)
    if not chosen:
        raise ModelFault("no model was promoted yet.", remedy="Run 'riskmodel train' and 'riskmodel promote'.")
    loaded = {target: load_model(champions / name) for target, name in chosen.items()}
    dataset = load_dataset(folder, progress=progress)
    fingerprint = dataset.fingerprint
    if data is not None and data != fingerprint:
        raise DataChanged("the data changed while they were being scored.", remedy="Begin a new run.")
    explained = read_policy(folder).target_among(loaded)
    scored = score_dataset(dataset, loaded, on, ranked_by=explained, progress=progress)
    told = {name: tellers(model, dataset.definition, list(words.values())) for name, model in loaded.items()}
    order = [(identity, True, place) for place, identity in enumerate(scored.rows["enrolment_id"])]
    order += [(identity, False, place) for place, identity in enumerate(scored.not_scored["enrolment_id"])]
    return Cohort(chosen, explained, fingerprint, loaded, told, words, scored, tuple(sorted(order)))
