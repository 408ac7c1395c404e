"""The logged model as MLflow runs it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from institution import LANDMARKS, Shop

from riskmodel.contract.dataset import load_dataset
from riskmodel.landmarks import landmark_frames
from riskmodel.model import RiskModel
from training.tracking import CHALLENGER, open_tracking, registered_name

TARGET = "leave"
URI = f"models:/{registered_name(TARGET)}@{CHALLENGER}"


@pytest.fixture(scope="module")
def loaded(trained: Shop) -> mlflow.pyfunc.PyFuncModel:
    open_tracking(trained.workspace)
    return mlflow.pyfunc.load_model(URI)


@pytest.fixture(scope="module")
def students(trained: Shop) -> dict[int, pd.DataFrame]:
    return {day: frame.head(20) for day, frame in landmark_frames(load_dataset(trained.folder)).frames.items()}


def ready(model: RiskModel, students: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """Give ready features of all landmarks, shuffled."""
    parts = [frame[list(model.catalogue)].assign(landmark=day) for day, frame in students.items()]
    return pd.concat(parts).sample(frac=1, random_state=1).reset_index(drop=True)


def test_it_gives_the_model_s_own_probabilities_in_the_order_of_the_rows(
    loaded: mlflow.pyfunc.PyFuncModel, trained: Shop, students: dict[int, pd.DataFrame]
) -> None:
    model = trained.trained[TARGET].model
    rows = ready(model, students)
    told = loaded.predict(rows)["probability"].to_numpy()
    for day in LANDMARKS:
        chosen = (rows["landmark"] == day).to_numpy()
        assert (told[chosen] == model.probability(rows[chosen], day)).all()


def test_a_feature_that_is_absent_is_not_known(loaded: mlflow.pyfunc.PyFuncModel, trained: Shop, students: dict[int, pd.DataFrame]) -> None:
    model = trained.trained[TARGET].model
    rows = ready(model, students)
    without = loaded.predict(rows.drop(columns=["attendance_share", "prior_education"]))
    unknown = loaded.predict(rows.assign(attendance_share=np.nan, prior_education=None))
    assert (without == unknown).all(axis=None)


@pytest.mark.parametrize(("language", "expected"), [("nl", "aanwezigheid"), ("en", "attendance")])
def test_reasons_are_told_in_the_language_asked_for(
    language: str, expected: str, loaded: mlflow.pyfunc.PyFuncModel, trained: Shop, students: dict[int, pd.DataFrame]
) -> None:
    told = loaded.predict(ready(trained.trained[TARGET].model, students), params={"reasons": language})
    reasons = [json.loads(text) for text in told["reasons"]]
    assert all(reasons)
    assert any(expected in text for texts in reasons for text in texts)


def test_another_language_and_another_landmark_are_refused(
    loaded: mlflow.pyfunc.PyFuncModel, trained: Shop, students: dict[int, pd.DataFrame]
) -> None:
    rows = ready(trained.trained[TARGET].model, students)
    with pytest.raises(Exception, match="nl and en, not in 'fr'"):
        loaded.predict(rows, params={"reasons": "fr"})
    with pytest.raises(Exception, match="It has 28, 56"):
        loaded.predict(rows.assign(landmark=30))


def test_no_rows_give_no_rows(loaded: mlflow.pyfunc.PyFuncModel, trained: Shop, students: dict[int, pd.DataFrame]) -> None:
    assert len(loaded.predict(ready(trained.trained[TARGET].model, students).head(0))) == 0


def test_it_loads_where_unpickling_is_impossible(trained: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    import cloudpickle

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something was unpickled")

    open_tracking(trained.workspace)
    for module in (pickle, cloudpickle):
        monkeypatch.setattr(module, "load", refuse)
        monkeypatch.setattr(module, "loads", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    assert len(mlflow.pyfunc.load_model(URI).input_example) == 1


def test_signature_and_example_say_what_it_takes(loaded: mlflow.pyfunc.PyFuncModel, trained: Shop) -> None:
    model = trained.trained[TARGET].model
    assert loaded.metadata.signature is not None
    assert [each.name for each in loaded.metadata.signature.inputs] == ["landmark", *model.catalogue]
    assert [each.name for each in loaded.metadata.signature.inputs if each.required] == ["landmark"]
    assert 0.0 < float(loaded.predict(loaded.input_example)["probability"].iloc[0]) < 1.0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _environment(shop: Shop) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PATH": path}
    return {**os.environ, **quiet, "MLFLOW_TRACKING_URI": shop.workspace.tracking_uri}


@pytest.mark.slow
def test_mlflow_s_own_server_answers_with_the_model_s_probabilities(trained: Shop, students: dict[int, pd.DataFrame]) -> None:
    model = trained.trained[TARGET].model
    rows = ready(model, students)
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", URI, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env=_environment(trained), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        body = {"dataframe_split": json.loads(rows.to_json(orient="split", index=False)), "params": {"reasons": "nl"}}
        told = _post(process, f"http://127.0.0.1:{port}", json.dumps(body).encode())
        for day in LANDMARKS:
            chosen = (rows["landmark"] == day).to_numpy()
            answered = np.array([each["probability"] for each in told["predictions"]])[chosen]
            assert answered == pytest.approx(model.probability(rows[chosen], day), rel=1e-12)
        assert all(json.loads(each["reasons"]) for each in told["predictions"])
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _post(process: subprocess.Popen[bytes], address: str, body: bytes) -> dict[str, Any]:
    request = urllib.request.Request(f"{address}/invocations", data=body, headers={"Content-Type": "application/json"})
    for _ in range(240):
        assert process.poll() is None, process.communicate()[1].decode()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not start in two minutes")


@pytest.mark.slow
@pytest.mark.spark
def test_spark_scores_rows_with_it(trained: Shop, students: dict[int, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("java") is None:
        pytest.skip("PySpark needs Java, and there is none on the path")
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is not installed: pip install 'riskmodel[spark]'")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    open_tracking(trained.workspace)
    model = trained.trained[TARGET].model
    rows = ready(model, students)
    spark = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        score = mlflow.pyfunc.spark_udf(spark, URI, env_manager="local", result_type="double")
        frame = spark.createDataFrame(
            rows.astype(object).where(rows.notna(), None).assign(place=range(len(rows))), schema=_schema(model, sql)
        )
        told = frame.withColumn("p", score(*["landmark", *model.catalogue])).select("place", "p").toPandas().sort_values("place")["p"]
        expected = mlflow.pyfunc.load_model(URI).predict(rows)["probability"]
        assert told.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)
    finally:
        spark.stop()


def _schema(model: RiskModel, sql: Any) -> Any:
    types = sql.types
    fields = [
        types.StructField(f.name, types.StringType() if f.kind == "category" else types.DoubleType()) for f in model.catalogue.values()
    ]
    fields += [types.StructField("landmark", types.LongType()), types.StructField("place", types.LongType())]
    return types.StructType(fields)
