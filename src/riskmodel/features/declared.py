"""Signals of the institution's own, as `dataset.toml` declares them: no code is needed for other columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import narwhals as nw
import numpy as np
import pandas as pd

from riskmodel.catalogue import Feature
from riskmodel.contract.definition import DEFAULT_RECENT_DAYS, RECENT_LABELS, DatasetDefinition, ExtraColumn
from riskmodel.features.context import ProgrammeContext
from riskmodel.tables import Frame

_AGGREGATES_NL = {
    "sum": "totaal", "mean": "gemiddeld", "last": "laatst bekend", "count": "aantal keer",
    "days_since": "dagen sinds de laatste",
}  # fmt: skip
_AGGREGATES_EN = {
    "sum": "in all", "mean": "mean", "last": "last known", "count": "number", "days_since": "days since the last",
}  # fmt: skip
ZERO_WITHOUT_ROWS = ("sum", "sum_recent", "count")
_TURNED = {"up": "down", "down": "up", "none": "none"}


def features(definition: DatasetDefinition) -> tuple[Feature, ...]:
    """Give the features that the declared columns stand for."""
    return tuple(feature for extra in definition.extra for feature in _features_of(extra, definition.recent_days))


def _features_of(extra: ExtraColumn, recent_days: int) -> list[Feature]:
    def feature(name: str, nl: str, en: str, direction: str, transform: Literal["none", "log1p"] = extra.transform) -> Feature:
        return Feature(
            name, "declared", extra.kind, f"extra.{extra.name}", nl, en, extra.unit, direction, extra.actionable,  # type: ignore[arg-type]
            extra.justification, extra.categories, extra.phrase.nl, extra.phrase.en, transform,
        )  # fmt: skip

    if extra.source == "enrolment":
        return [feature(f"extra_{extra.name}", extra.label.nl, extra.label.en, extra.direction)]
    found = []
    for aggregate in extra.aggregate:
        name = f"extra_{extra.name}_{aggregate}"
        direction = _TURNED[extra.direction] if aggregate == "days_since" else extra.direction
        recent_nl, recent_en = RECENT_LABELS[recent_days]
        over_nl, over_en = (recent_nl, recent_en) if aggregate == "sum_recent" else (_AGGREGATES_NL[aggregate], _AGGREGATES_EN[aggregate])
        nl, en = f"{extra.label.nl}, {over_nl}", f"{extra.label.en}, {over_en}"
        found.append(feature(name, nl, en, direction, "none" if aggregate in ("count", "days_since") else extra.transform))
        if extra.compare and aggregate != "days_since":
            found.append(feature(f"{name}_vs_programme", f"{nl}, naast de opleiding", f"{en}, beside the programme's", direction))
    return found


def reduce(rows: Frame, recent_days: int = DEFAULT_RECENT_DAYS) -> Frame:
    """Reduce dated rows of one declared column to one row per enrolment.

    Parameters
    ----------
    rows : Frame
        enrolment_id, day, cut_day, value; known by the cut.
    recent_days : int
        How many days up to the cut count as recent.

    Returns
    -------
    Frame
        enrolment_id, sum, sum_recent, mean, count, last_day, last.
    """
    recent = nw.col("day") > nw.col("cut_day") - recent_days
    rows = rows.filter(~nw.col("value").is_null())
    rows = rows.select("enrolment_id", "day", "cut_day", "value").with_columns(
        value_recent=nw.when(recent).then(nw.col("value")).otherwise(0.0)
    )
    totals = rows.group_by("enrolment_id").agg(
        nw.col("value").sum().alias("sum"),
        nw.col("value_recent").sum().alias("sum_recent"),
        nw.col("value").mean().alias("mean"),
        nw.col("value").count().alias("count"),
        nw.col("day").max().alias("last_day"),
    )
    last = rows.select("enrolment_id", "day", "value").join(totals.select("enrolment_id", "last_day"), on="enrolment_id", how="inner")
    last = last.filter(nw.col("day") == nw.col("last_day")).group_by("enrolment_id").agg(nw.col("value").mean().alias("last"))
    return totals.join(last, on="enrolment_id", how="left")


def measure(
    reduced: Mapping[str, pd.DataFrame], enrolments: pd.DataFrame, cut_day: pd.Series, definition: DatasetDefinition
) -> pd.DataFrame:
    """Give the declared columns' own figures, before any comparison; null where nothing is known, unless no rows were declared to mean zero.

    Parameters
    ----------
    reduced : mapping of name to pandas.DataFrame
        What `reduce` gives, indexed by enrolment_id.
    enrolments : pandas.DataFrame
        Enrolments with their declared columns.
    cut_day : pandas.Series
        Day of the cut per enrolment.
    definition : DatasetDefinition
        What was declared.
    """
    out: dict[str, pd.Series] = {}
    for extra in definition.extra:
        if extra.source == "enrolment":
            name = f"extra_{extra.name}"
            values = enrolments[name] if name in enrolments else pd.Series(np.nan, index=enrolments.index)
            known = cut_day >= extra.known_from_day
            if extra.kind == "category":
                out[name] = values.astype(object).where(known & values.notna(), None)
            else:
                out[name] = _transformed(values.astype(float), extra).where(known)
            continue
        rows = reduced.get(extra.name)
        for aggregate in extra.aggregate:
            name = f"extra_{extra.name}_{aggregate}"
            if rows is None:
                out[name] = pd.Series(np.nan, index=enrolments.index)
            elif aggregate == "days_since":
                out[name] = cut_day - rows["last_day"].reindex(enrolments.index)
            else:
                values = rows[aggregate].reindex(enrolments.index).astype(float)
                if extra.no_rows == "zero" and aggregate in ZERO_WITHOUT_ROWS:
                    values = values.fillna(0.0)
                out[name] = values if aggregate == "count" else _transformed(values, extra)
    return pd.DataFrame(out, index=enrolments.index)


def _transformed(values: pd.Series, extra: ExtraColumn) -> pd.Series:
    return np.log1p(values.clip(lower=0)) if extra.transform == "log1p" else values


def compared(definition: DatasetDefinition) -> tuple[str, ...]:
    """Give the names of declared figures that are told against the programme's median."""
    dated = [extra for extra in definition.extra if extra.source == "dated" and extra.compare]
    return tuple(f"extra_{extra.name}_{aggregate}" for extra in dated for aggregate in extra.aggregate if aggregate != "days_since")


def compare(own: pd.DataFrame, context: ProgrammeContext, place: pd.DataFrame, definition: DatasetDefinition) -> pd.DataFrame:
    """Add the comparison with the programme's median."""
    names = compared(definition)
    if not names:
        return own
    usual = context.medians(place, names)
    more = {f"{name}_vs_programme": own[name] - usual[name] for name in names}
    told = context.medians(place, names, stand_in=False)
    facts = {f"fact_programme_{name}": told[name] for name in names}
    return pd.concat([own, pd.DataFrame({**more, **facts}, index=own.index)], axis=1)
