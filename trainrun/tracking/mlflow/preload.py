"""Imports of the delivery to MLflow, for processes that are forked later. Nothing is connected to."""

from trainrun.tracking.mlflow import store, tracker  # noqa: F401

store.import_quietly()
import mlflow.store.tracking.sqlalchemy_store  # noqa: E402
import mlflow.tracking  # noqa: E402, F401
