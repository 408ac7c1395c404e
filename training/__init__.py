"""Steps that a data team runs: train, evaluate, promote. Knows MLflow; knows no web."""

import os

# Before MLflow is imported anywhere: no request leaves the machine, and no bars are drawn over our own progress.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
