"""The logged model as MLflow runs it: a model made from code that reads the folder of text. Needs `riskmodel` alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from riskmodel.explain.reasons import Teller
from riskmodel.explain.words import load_words
from riskmodel.model import load_model


class RiskPyfunc(PythonModel):
    """Gives a probability per row of ready features, and reasons where they are asked for."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's folder once."""
        self.model = load_model(Path(context.artifacts["riskmodel"]))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
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
        """
        frame = pd.DataFrame(model_input).reset_index(drop=True)
        for feature in self.model.catalogue.values():
            if feature.name not in frame:
                frame[feature.name] = None if feature.kind == "category" else float("nan")
        language = (params or {}).get("reasons") or ""
        teller = Teller(self.model.catalogue, self.model.design.features, load_words(language)) if language else None
        out = pd.DataFrame({"probability": 0.0}, index=frame.index)
        for landmark, rows in frame.groupby("landmark"):
            out.loc[rows.index, "probability"] = self.model.probability(rows, int(landmark))
            if teller is not None:
                told = teller.tell_all(self.model.explain(rows, int(landmark)), rows)
                texts = [json.dumps([reason.text for reason in reasons], ensure_ascii=False) for reasons in told]
                out.loc[rows.index, "reasons"] = pd.Series(texts, index=rows.index)
        return out


mlflow.models.set_model(RiskPyfunc())
