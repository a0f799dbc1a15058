"""Words with letters beyond ASCII in overrides."""

from __future__ import annotations

import pytest

from trainrun.config import letters
from trainrun.hydra_bridge import override_grammar, preflight


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("data.target=Käufer", "Käufer"),
        ("data.features=[größe, straße nr,b]", ["größe", "straße nr", "b"]),
        ("data.path=Süd/Größen *.csv", "Süd/Größen *.csv"),
        ("data.positive={churn: weiß, b: no}", {"churn": "weiß", "b": "no"}),
        ("data.features=['größe',b]", ["größe", "b"]),
        ("name=試験", "試験"),
    ],
)
def test_a_word_of_other_letters_needs_no_quotes(typed, value):
    assert override_grammar.parse(letters.quoted(typed)).value() == value


@pytest.mark.parametrize(
    "typed", ["optimizer=аdam", "data.x=l'été", "dаta.x=é", "data.path=a\\,é", "data.x=b"]
)
def test_what_it_would_change_the_meaning_of_stays_as_typed(typed):
    assert letters.quoted(typed) == typed


def test_the_choices_of_a_sweep_are_quoted_each():
    parsed = override_grammar.parse(letters.quoted("data.target=größe,b"))
    assert [getattr(choice, "text", choice) for choice in parsed.value().list] == ["größe", "b"]


def test_what_a_key_lacks_that_cannot_be_read_is_not_reported_beside(inside):
    _, problems = preflight.overrides(["data=csv", "data.path=a=b.csv", "data.target=y"])
    assert [problem.key for problem in problems] == ["data.path=a=b.csv"]
