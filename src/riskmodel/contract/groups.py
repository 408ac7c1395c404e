"""Sensitive attributes, for the fairness audit alone. An import rule keeps features, models and the service away from this module."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from riskmodel.contract.definition import DatasetDefinition
from riskmodel.contract.reading import read_as_text


def read_groups(folder: Path, definition: DatasetDefinition) -> pd.DataFrame:
    """Give student_id and every sensitive attribute of an institution, as text; empty where it has none.

    Parameters
    ----------
    folder : Path
        The data folder.
    definition : DatasetDefinition
        What `dataset.toml` says.
    """
    table = definition.tables.get("groups")
    if table is None:
        return pd.DataFrame({"student_id": pd.Series(dtype="str")})
    return read_as_text(folder, "groups", table, "student_id")
