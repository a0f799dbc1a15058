"""What is hidden, and what is not."""

from __future__ import annotations

import pytest

from trainrun.util import redaction


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://me:secret@host:5000/x", "https://***@host:5000/x"),
        ("postgresql+psycopg2://u:p%40ss@db/mlflow", "postgresql+psycopg2://***@db/mlflow"),
        ("http://me:pa@ss@host/", "http://***@host/"),
        ("http://ghp_abc@host", "http://***@host"),
        ("tracking.uri=https://a:b@c loss=focal", "tracking.uri=https://***@c loss=focal"),
        ("http://host/?token=abc&x=1", "http://host/?token=***&x=1"),
        ("trainrun my.password=hunter2 x=1", "trainrun my.password=*** x=1"),
        ("api_key=abc", "api_key=***"),
    ],
)
def test_hides_what_is_secret(text, hidden):
    assert redaction.text(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/me@work/mlflow.db",
        "http://host/a@b",
        "model.num_tokens=5",
        "max_token_length=7",
        "a@b.org",
    ],
)
def test_leaves_text_without_secrets_unchanged(text):
    assert redaction.text(text) == text


def test_hides_by_key_in_a_tree():
    tree = {
        "a": {"password": "x", "api_key": "y", "tokens": 5, "token": ""},
        "b": ["http://u:p@h", 1, None, True],
        "data": {"name": "text", "tokens": "whitespace"},
    }
    assert redaction.tree(tree) == {
        "a": {"password": "***", "api_key": "***", "tokens": 5, "token": ""},
        "b": ["http://***@h", 1, None, True],
        "data": {"name": "text", "tokens": "whitespace"},
    }
