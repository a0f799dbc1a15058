"""Column names as the command line and YAML hand them over; both parsers are asked, not imitated."""

from __future__ import annotations

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from trainrun.util.typed_names import quoted, resolve

# Those that are read as a number, a truth value or null, and some that are not.
NAMES = [
    "2019_01", "1_1_1", "yes", "No", "ON", "off", "true", "False", "1e5", "1E-3", "0x10", "0b11", "0o17", "null", "Null", "1.0", "-7",
    "+5", ".5", "5.", "1_0.5", "007", "08", "0", "inf", "-Inf", "nan", "NaN", "1:30", "2019-01-02", "12:30:45", "~", "price", "3d", "_1",
]  # fmt: skip


def typed(name):
    return OverridesParser.create().parse_override(f"data.target={name}").value()


def in_yaml(name):
    return OmegaConf.to_container(OmegaConf.create(f"target: {name}"))["target"]


@pytest.mark.parametrize("read", [typed, in_yaml])
@pytest.mark.parametrize("name", [n for n in NAMES if n != "~"])
def test_a_name_is_matched_as_typed(name, read):
    assert resolve(read(name), ["id", name, "y"]) == name


@pytest.mark.parametrize("name", [*NAMES, '5"', 'a "b" c', "l'an", "back\\", 'both\\"'])
def test_a_quoted_name_is_a_text_as_the_messages_advise(name):
    assert typed(shlex.split(quoted(name))[0]) == name


def test_a_list_is_matched_by_elements():
    values = OverridesParser.create().parse_override("data.features=[2019_01,yes,null,1e5]").value()
    assert [resolve(v, ["2019_01", "yes", "null", "1e5"]) for v in values] == [
        "2019_01",
        "yes",
        "null",
        "1e5",
    ]


def test_what_two_columns_may_mean_is_asked_for_in_quotes():
    with pytest.raises(ValueError, match="'201901' and '2019_01' are both read as 201901") as caught:
        resolve(typed("2019_01"), ["201901", "2019_01"])
    assert quoted("201901") in str(caught.value)
    assert resolve("2019_01", ["201901", "2019_01"]) == "2019_01"
    assert resolve(1, ["1", "01", "1.0", "true"]) == "1"


def test_composed_and_decomposed_accents_are_one_name():
    assert resolve("prénom", ["pre\u0301nom"]) == "pre\u0301nom"
