"""The logged model as MLflow runs it: a model made from code that reads the folder of text. Needs `riskmodel` alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from riskmodel.explain.reasons import Teller
from riskmodel.explain.words import load_words
from riskmodel.model import RiskModel, load_model

ARTEFACT = "riskmodel"


class RiskPyfunc(PythonModel):  # type: ignore[misc]
    """Gives a probability per row of ready features, and reasons where they are asked for."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's folder once."""
        self.model: RiskModel = load_model(Path(context.artifacts[ARTEFACT]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Score rows.

        Parameters
        ----------
        context : PythonModelContext
            Not needed after loading.
        model_input : pandas.DataFrame
            The catalogue's features and `landmark`; a feature that is absent or null is not known.
        params : dict, optional
            `reasons`: 'nl' or 'en' adds a column with reasons as JSON.

        Returns
        -------
        pandas.DataFrame
            `probability`, and `reasons` where asked for, in the order of the input.

        Raises
        ------
        ModelFault
            The model has no such landmark; those it has are named.
        ValueError
            Reasons are asked for in another language.
        """
        frame = pd.DataFrame(model_input).reset_index(drop=True)
        for feature in self.model.catalogue.values():
            if feature.name not in frame:
                frame[feature.name] = None if feature.kind == "category" else float("nan")
        teller = self._teller((params or {}).get("reasons") or "")
        parts = []
        for landmark, rows in frame.groupby(frame["landmark"].astype(int)):
            day = int(str(landmark))
            part = pd.DataFrame({"probability": self.model.probability(rows, day)}, index=rows.index)
            if teller is not None:
                told = teller.tell_all(self.model.explain(rows, day), rows)
                part["reasons"] = [json.dumps([reason.text for reason in reasons], ensure_ascii=False) for reasons in told]
            parts.append(part)
        return pd.concat(parts).sort_index() if parts else pd.DataFrame({"probability": pd.Series(dtype=float)})

    def _teller(self, language: str) -> Teller | None:
        if not language:
            return None
        if language not in ("nl", "en"):
            raise ValueError(f"reasons can be told in nl and en, not in '{language}'")
        chosen: Literal["nl", "en"] = "nl" if language == "nl" else "en"
        kinds = self.model.facts.definition.get("prior_education", {}).get("kinds", {})
        names = {kind: labels[chosen] for kind, labels in kinds.items()}
        return Teller(self.model.catalogue, self.model.design.features, load_words(chosen), names)


mlflow.models.set_model(RiskPyfunc())
