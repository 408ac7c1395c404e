"""Sensitive attributes, for the fairness audit alone. An import rule keeps features, models and the service away from this module."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from riskmodel.contract.definition import DatasetDefinition
from riskmodel.contract.reading import connect, read_raw


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
    with tempfile.TemporaryDirectory(prefix="riskmodel-", ignore_cleanup_errors=True) as scratch, connect() as connection:
        raw = read_raw(connection, folder, "groups", table, Path(scratch))
        frame = connection.execute(f"SELECT * EXCLUDE (_row) FROM {raw.relation}").df().astype("str")
    return frame.rename(columns={source: canonical for canonical, source in table.columns.items()})
