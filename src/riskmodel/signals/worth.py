"""The worth of each signal: a model is fitted again without it and loses something on students that neither has seen, or does not.

Signals are groups of features, the programme, and each column that an institution declares. Knows nothing of folders, files or pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from riskmodel.catalogue import Catalogue
from riskmodel.contract.describing import FEWEST, suppressed
from riskmodel.errors import DataFault
from riskmodel.families.recipe import Recipe
from riskmodel.metrics import Ranked, found_at_capacity, interval, ranked, resamples, roc_auc
from riskmodel.model import fit_model
from riskmodel.progress import Progress, silent

MARGIN = 0.01
PRIOR_EDUCATION = "prior_education"
_GROUPS = ("attendance", "tests", PRIOR_EDUCATION, "start")
_SEED = 20
_CONFIDENCE = 0.95
_LEVEL = 0.95

Decisions = Mapping[tuple[str, int], np.ndarray]
Frames = Mapping[int, pd.DataFrame]


@dataclass(frozen=True)
class Signal:
    """One thing that could be left out.

    Attributes
    ----------
    name : str
        A group of features, 'programme', or 'extra.NAME' for a declared column.
    features : tuple of str
        The features that go with it.
    left_out : tuple of str
        What `left_out_features` in dataset.toml has to hold to leave it out.
    label_nl, label_en : str
        What a declared column is called; empty for the others, which the words files name.
    """

    name: str
    features: tuple[str, ...]
    left_out: tuple[str, ...]
    label_nl: str = ""
    label_en: str = ""


@dataclass(frozen=True)
class Worth:
    """What was measured on one cohort.

    Attributes
    ----------
    learnt, tested : tuple of str, str
        Cohorts learnt from, and the one measured on.
    capacity : float
        Share of the students that are invited.
    margin : float
        The loss of ROC AUC that counts as none.
    signals : tuple of Signal
    losses : pandas.DataFrame
        One row per signal, target and landmark: `auc`, `found` (leavers on a list at capacity) lost without it, with the ends of their 95 %
        intervals `_low` and `_high`, `_least` (the lower end that holds for all comparisons at once) and `auc_most` (one-sided, 95 %).
    verdicts : dict of signal to str
        'needed', 'can_go' or 'unsure'.
    advised : tuple of str
        Signals that can go together without loss.
    together : pandas.DataFrame
        As `losses`, without all that are advised at once; empty where none or one is.
    days : pandas.DataFrame
        One row per target and landmark: students, leavers still enrolled, auc and found with intervals, invited.
    prior_education : pandas.DataFrame
        One row per target and kind of prior education, at `prior_day`: students, leavers, invited and found, with it and without; cells
        under ten are missing. Empty where the model has no prior education.
    prior_day : int
    same_invited : dict of target to (int, int)
        Of how many invited with prior education how many are invited without it too.
    """

    learnt: tuple[str, ...]
    tested: str
    capacity: float
    margin: float
    signals: tuple[Signal, ...]
    losses: pd.DataFrame
    verdicts: dict[str, str]
    advised: tuple[str, ...]
    together: pd.DataFrame
    days: pd.DataFrame
    prior_education: pd.DataFrame
    prior_day: int
    same_invited: dict[str, tuple[int, int]]

    @property
    def comparisons(self) -> int:
        """How many losses were looked at, each of which chance could have made."""
        return len(self.losses)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What `left_out_features` would hold if the advice is followed."""
        return tuple(name for signal in self.signals if signal.name in self.advised for name in signal.left_out)


def signals_of(catalogue: Catalogue) -> tuple[Signal, ...]:
    """Give the signals of a catalogue: groups, the programme, and each declared column."""
    found = []
    for group in _GROUPS:
        names = tuple(name for name, feature in catalogue.items() if feature.group == group and name != "programme")
        if names:
            # The programme stands in the group 'start' and is a signal of its own, so that group is left out by its features.
            found.append(Signal(group, names, names if group == "start" else (group,)))
    if "programme" in catalogue:
        found.append(Signal("programme", ("programme",), ("programme",)))
    for reason in dict.fromkeys(feature.reason for feature in catalogue.values() if feature.group == "declared"):
        own = [feature for feature in catalogue.values() if feature.reason == reason]
        names = tuple(feature.name for feature in own)
        found.append(Signal(reason, names, names, *(_common([getattr(f, f"label_{each}") for f in own]) for each in ("nl", "en"))))
    return tuple(signal for signal in found if len(signal.features) < len(catalogue))


def _common(labels: Sequence[str]) -> str:
    """Give the name of a declared column from those of its features, which are told as 'name, how it is summed'."""
    return labels[0].split(", ")[0] if len(labels) > 1 else labels[0]


def measure_worth(
    frames: Frames,
    targets: Sequence[str],
    catalogue: Catalogue,
    recipe: Recipe,
    learnt: Sequence[str],
    tested: str,
    capacity: float,
    *,
    margin: float = MARGIN,
    prior_day: int | None = None,
    progress: Progress = silent,
) -> Worth:
    """Measure what each signal is worth.

    Parameters
    ----------
    frames : mapping of landmark to pandas.DataFrame
        Features and labels of the cohorts learnt from and of the one measured on.
    targets : sequence of str
        What is asked; a signal can go only where no target loses.
    catalogue : Catalogue
    recipe : Recipe
        How each model is fitted, with all signals and without.
    learnt : sequence of str
        Cohorts to learn from.
    tested : str
        The cohort to measure on.
    capacity : float
        Share of the students that the coaches have time for.
    margin : float
        The loss of ROC AUC that counts as none.
    prior_day : int, optional
        The landmark at which the list with prior education and without are compared; the middle one by default.
    progress : Progress
        Told which signal is left out.

    Raises
    ------
    DataFault
        There is one signal alone, the cohort measured on has no leavers or no stayers, or there are too few of them to learn from.
    """
    signals = signals_of(catalogue)
    if not signals:
        raise DataFault(
            "the model looks at one signal alone, so nothing can be left out.",
            remedy="Take something out of left_out_features to compare with.",
        )
    asked = {
        (target, day): frame[(frame["cohort"] == tested) & frame[target].notna()] for day, frame in frames.items() for target in targets
    }
    for (target, day), frame in asked.items():
        if frame[target].nunique() < 2:
            raise DataFault(
                f"at day {day} the students of {tested} all have the same outcome for '{target}'.", remedy="Check the outcomes."
            )
    training = {day: frame[frame["cohort"].isin(list(learnt))] for day, frame in frames.items()}
    steps = (len(signals) + 2) * len(targets)
    done = 0

    def decisions(gone: Sequence[str], what: str) -> dict[tuple[str, int], np.ndarray]:
        nonlocal done
        found: dict[tuple[str, int], np.ndarray] = {}
        for target in targets:
            progress(min(done, steps - 1), steps, what)
            done += 1
            model = fit_model(training, target, catalogue.without(gone), recipe, intervals=False)
            found |= {(target, day): model.decision(asked[target, day], day) for day in frames}
        return found

    draws = _draws(asked)
    whole = decisions((), "with every signal")
    own = {key: _ranked(asked[key], key[0], whole[key], capacity, draws[key]) for key in asked}

    def losses_of(other: Decisions) -> dict[tuple[str, int], dict[str, _Loss]]:
        return {
            key: _losses(asked[key][key[0]].to_numpy(dtype=float), whole[key], other[key], own[key], capacity, draws[key]) for key in asked
        }

    without = {signal.name: decisions(signal.features, f"without {signal.name}") for signal in signals}
    lost = {name: losses_of(other) for name, other in without.items()}
    reach = _reach([loss for by_key in lost.values() for both in by_key.values() for loss in both.values()])

    def told(name: str, by_key: Mapping[tuple[str, int], Mapping[str, _Loss]]) -> list[dict[str, object]]:
        return [{"signal": name, "target": key[0], "landmark": key[1], **_ends(both, reach)} for key, both in by_key.items()]

    losses = pd.DataFrame([row for name, by_key in lost.items() for row in told(name, by_key)])
    verdicts = {signal.name: verdict(losses[losses["signal"] == signal.name], margin) for signal in signals}
    most = losses.groupby("signal")["auc_most"].max()
    candidates = sorted((name for name, judged in verdicts.items() if judged == "can_go"), key=lambda name: float(most[name]))
    together = pd.DataFrame()
    by_name = {signal.name: signal for signal in signals}
    while len(candidates) > 1:
        # What can each be missed alone may tell the same thing twice; so they must be missed together as well.
        gone = [feature for name in candidates for feature in by_name[name].features]
        if len(gone) < len(catalogue):
            together = pd.DataFrame(told("together", losses_of(decisions(gone, "without all that could go"))))
            if verdict(together, margin) == "can_go":
                break
        candidates = candidates[:-1]
        together = pd.DataFrame()
    progress(steps, steps, "measured")
    day = prior_day if prior_day is not None and prior_day in frames else sorted(frames)[len(frames) // 2]
    prior, same = pd.DataFrame(), {}
    if PRIOR_EDUCATION in without and PRIOR_EDUCATION in next(iter(frames.values())):
        parts = {t: _invited(asked[t, day], t, whole[t, day], without[PRIOR_EDUCATION][t, day], capacity) for t in targets}
        prior = pd.concat([part.assign(target=target) for target, (part, _) in parts.items()], ignore_index=True)
        same = {target: counts for target, (_, counts) in parts.items()}
    return Worth(
        tuple(learnt),
        tested,
        capacity,
        margin,
        signals,
        losses,
        verdicts,
        tuple(candidates),
        together,
        pd.DataFrame([_day(asked[key], key, whole[key], own[key], capacity) for key in asked]),
        prior,
        day,
        same,
    )


def verdict(losses: pd.DataFrame, margin: float) -> str:
    """Judge one signal by its losses at every landmark and for every target.

    'needed' where any loss is beyond chance, all comparisons of all signals counted. 'can_go' where no loss is, and at every one
    the loss of ROC AUC is under the margin with 95 % confidence: all of these have to hold at once, so no correction is needed (an
    intersection-union test; Berger, 1982, Technometrics 24). 'unsure' where the students are too few to say either.
    """
    if ((losses["auc_least"] > 0) | (losses["found_least"] > 0)).any():
        return "needed"
    return "can_go" if (losses["auc_most"] <= margin).all() else "unsure"


def _ranked(frame: pd.DataFrame, target: str, decision: np.ndarray, capacity: float, draws: np.ndarray) -> Ranked:
    return ranked(frame[target].to_numpy(dtype=float), decision, capacity, draws)


@dataclass(frozen=True)
class _Loss:
    """A loss on the students themselves, and in every resample."""

    value: float
    drawn: np.ndarray

    @property
    def spread(self) -> float:
        return float(np.nanstd(self.drawn))


def _draws(asked: Mapping[tuple[str, int], pd.DataFrame]) -> dict[tuple[str, int], np.ndarray]:
    """Draw students with replacement, the same ones at every landmark and for every target."""
    people = np.unique(np.concatenate([frame["student_id"].to_numpy(dtype=str) for frame in asked.values()]))
    drawn = resamples(people, _SEED)
    return {key: drawn[:, np.searchsorted(people, frame["student_id"].to_numpy(dtype=str))] for key, frame in asked.items()}


def _losses(y: np.ndarray, whole: np.ndarray, other: np.ndarray, own: Ranked, capacity: float, draws: np.ndarray) -> dict[str, _Loss]:
    theirs = ranked(y, other, capacity, draws)
    found = found_at_capacity(y, whole, capacity) - found_at_capacity(y, other, capacity)
    return {
        "auc": _Loss(roc_auc(y, whole) - roc_auc(y, other), own.roc_auc - theirs.roc_auc),
        "found": _Loss(found, own.found - theirs.found),
    }


def _reach(losses: Sequence[_Loss]) -> float:
    """Give how many standard errors below all losses at once the truth may lie, from the largest deviation in each resample.

    References
    ----------
    Westfall and Young (1993), Resampling-Based Multiple Testing: single-step max-T, which takes into account that landmarks resemble each other.
    """
    deviations = [(loss.drawn - loss.value) / loss.spread for loss in losses if loss.spread > 0]
    return float(np.quantile(np.nanmax(deviations, axis=0), _LEVEL)) if deviations else 0.0


def _ends(both: Mapping[str, _Loss], reach: float) -> dict[str, float]:
    told: dict[str, float] = {}
    for name, loss in both.items():
        ends = interval(loss.value, loss.drawn)
        told |= {name: loss.value, f"{name}_low": ends.low, f"{name}_high": ends.high, f"{name}_least": loss.value - reach * loss.spread}
    told["auc_most"] = float(np.nanquantile(both["auc"].drawn, _CONFIDENCE))
    return told


def _day(frame: pd.DataFrame, key: tuple[str, int], decision: np.ndarray, own: Ranked, capacity: float) -> dict[str, object]:
    y = frame[key[0]].to_numpy(dtype=float)
    auc, found = interval(roc_auc(y, decision), own.roc_auc), interval(found_at_capacity(y, decision, capacity), own.found)
    told: dict[str, object] = {
        "target": key[0],
        "landmark": key[1],
        "students": len(y),
        "leavers": int(y.sum()),
        "invited": capacity * len(y),
    }
    for name, each in (("auc", auc), ("found", found)):
        told |= {name: each.value, f"{name}_low": each.low, f"{name}_high": each.high}
    return told


def _invited(
    frame: pd.DataFrame, target: str, whole: np.ndarray, other: np.ndarray, capacity: float
) -> tuple[pd.DataFrame, tuple[int, int]]:
    """Count by kind of prior education who is invited with it and without it; a list holds whole students, of equal ones the first."""
    size = round(capacity * len(frame))
    lists = {}
    for name, decision in (("with", whole), ("without", other)):
        chosen = np.zeros(len(frame), dtype=bool)
        chosen[np.argsort(-decision, kind="stable")[:size]] = True
        lists[name] = chosen
    kind = frame[PRIOR_EDUCATION].astype(object).where(frame[PRIOR_EDUCATION].notna(), "").to_numpy()
    left = frame[target].to_numpy(dtype=float) > 0
    parts = {"students": np.ones(len(frame), dtype=bool), "leavers": left}
    parts |= {f"invited_{name}": chosen for name, chosen in lists.items()} | {
        f"found_{name}": chosen & left for name, chosen in lists.items()
    }
    table = pd.DataFrame({name: pd.Series(part).groupby(kind).sum().astype(float) for name, part in parts.items()})
    hidden = suppressed(table, FEWEST) if len(table) > 1 else table
    return hidden.rename_axis("kind").reset_index(), (size, int((lists["with"] & lists["without"]).sum()))
