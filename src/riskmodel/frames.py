"""Lazy frames brought into memory, or computed once and kept where they are. Knows the backends, and nothing of what a frame holds."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import narwhals as nw
import pandas as pd

from riskmodel.tables import Frame


def to_pandas(frame: Frame) -> pd.DataFrame:
    """Give a small lazy frame as a pandas frame in memory."""
    native: Any = nw.to_native(frame)
    if hasattr(native, "df"):
        native = native.df()
    elif hasattr(native, "toPandas"):
        native = native.toPandas()
    elif not isinstance(native, pd.DataFrame):
        native = frame.collect(backend="pandas").to_native()
    assert isinstance(native, pd.DataFrame)
    return native


@contextmanager
def computed(frame: Frame) -> Iterator[Frame]:
    """Compute a small lazy frame once, so that what is built on it inside this block does not repeat the work.

    Parameters
    ----------
    frame : Frame
        A reduction whose rows fit in memory.

    Yields
    ------
    Frame
        The same rows on the same backend.
    """
    native: Any = nw.to_native(frame)
    if hasattr(native, "create") and hasattr(native, "query"):  # DuckDB: a table on the relation's own connection
        name = f"computed_{uuid.uuid4().hex}"
        native.create(name)
        try:
            yield nw.from_native(native.query("it", f"SELECT * FROM {name}")).lazy()
        finally:
            native.query("it", f"DROP TABLE {name}")
    elif hasattr(native, "unpersist"):  # PySpark
        cached = native.cache()
        try:
            yield nw.from_native(cached).lazy()
        finally:
            cached.unpersist()
    elif isinstance(native, pd.DataFrame):
        yield frame
    else:
        yield frame.collect().lazy()
