"""Shared by all tests: one quiet TensorFlow per process, and a clean place to work in."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("TRAINRUN_WARM", "0")
os.environ.setdefault("TRAINRUN_PROGRAMS", "0")  # tests exchange code that a stored program has already

import sys

import pytest


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Work in an empty folder, as a user does."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def seeded():
    """Seed every random generator of Keras before the test."""
    import keras

    keras.utils.set_random_seed(7)


@pytest.fixture(autouse=True, scope="module")
def operations_as_they_were():
    """Take op determinism back that a run of the module has asked for: it is the process's, and Keras refuses XLA with it."""
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config

        if config.is_op_determinism_enabled():
            config.disable_op_determinism()
