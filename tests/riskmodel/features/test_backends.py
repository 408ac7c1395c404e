"""The same numbers on pandas, Polars and DuckDB; PySpark where there is one."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from handmade import BACKENDS, population, population_definition, population_tables

from riskmodel.features import build_features
from riskmodel.window import cut

DEFINITION = population_definition()


@pytest.mark.parametrize("backend", [backend for backend in BACKENDS if backend != "pandas"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("day", [14, 70])
def test_every_backend_gives_the_same_numbers(backend, seed, day):
    rows = population(seed, 60)
    expected = build_features(cut(population_tables(rows), day), DEFINITION)
    found = build_features(cut(population_tables(rows, backend), day), DEFINITION)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-9)


def test_the_order_of_rows_does_not_matter():
    rows = population(5, 40)
    expected = build_features(cut(population_tables(rows), 42), DEFINITION)
    for table in (rows["enrolments"], rows["attendance"], rows["results"], *rows["extra"].values()):
        table.reverse()
    pd.testing.assert_frame_equal(build_features(cut(population_tables(rows), 42), DEFINITION), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_pyspark_gives_the_same_numbers():
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'riskmodel[spark]'")
    if shutil.which("java") is None:
        pytest.skip("PySpark needs Java, and there is no java on the path")
    import narwhals as nw
    from pyspark.sql import SparkSession, types

    from riskmodel.tables import ATTENDANCE_COLUMNS, ENROLMENT_COLUMNS, EXTRA_COLUMNS, OUTCOME_COLUMNS, RESULT_COLUMNS

    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    kinds = {"text": types.StringType(), "date": types.LongType(), "number": types.DoubleType(), "flag": types.DoubleType()}
    columns = {
        "enrolments": {**ENROLMENT_COLUMNS, "extra_load": "number"},
        "attendance": ATTENDANCE_COLUMNS,
        "results": RESULT_COLUMNS,
        "outcomes": OUTCOME_COLUMNS,
    }

    def on_spark(name, frame):
        told = columns.get(name, EXTRA_COLUMNS)
        schema = types.StructType([types.StructField(column, kinds[kind]) for column, kind in told.items()])
        native = nw.to_native(frame)[list(told)]
        rows = [
            tuple(
                None if pd.isna(value) else int(value) if kind == "date" else value for value, kind in zip(row, told.values(), strict=True)
            )
            for row in native.itertuples(index=False)
        ]
        return nw.from_native(spark.createDataFrame(rows, schema)).lazy()

    try:
        rows = population(1, 12)
        tables = population_tables(rows)
        expected = build_features(cut(tables, 42), DEFINITION)
        found = build_features(cut(tables.map(on_spark), 42), DEFINITION)
        pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-9, check_dtype=False)
    finally:
        spark.stop()
