"""Steps that a data team runs: train, evaluate, promote. Knows MLflow; knows no web."""

import os

# Before MLflow is imported anywhere: no request leaves the machine.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
