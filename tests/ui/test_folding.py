"""Messages are folded to the terminal's width, never inside a word."""

from __future__ import annotations

import re

import yaml

from trainrun.ui.folding import fold, fold_docstring, fold_yaml


def test_no_line_is_longer_than_the_terminal_and_no_word_is_broken():
    text = "no such key in optimizer=adam. Did you mean learning_rate? It takes weight_decay, clipnorm."
    lead = "  • optimizer.learning_rat: "
    folded = lead + fold(text, lead, 50)
    assert max(map(len, folded.splitlines())) <= 50
    assert folded.split() == (lead + text).split()
    assert all(line.startswith("    ") for line in folded.splitlines()[1:])


def test_a_path_that_is_longer_than_the_terminal_stays_whole():
    path = "/" + "/".join(["folder"] * 20)
    assert path in fold(f"there is no file {path}.", "error: ", 40)


def test_an_override_in_quotes_is_not_broken_at_its_blanks():
    override = """'data.exclude=["Unnamed: 0","a b","c d"]'"""
    for columns in range(20, 90):
        assert override in fold(
            f"these columns say nothing. Leave them out: {override}.", "warning: ", columns
        )


def test_each_line_of_a_message_is_indented_and_without_a_terminal_none_is_folded():
    text = f"one\n{'word ' * 40}"
    assert fold(text, "error: ", None) == f"one\n    {'word ' * 40}"
    assert len(fold(text, "error: ", 40).splitlines()) > 2


YAML = """# A comment of the whole file that is too long for a narrow terminal and continues below itself.
number: 1.5 # a comment with several words that do not fit into a line of fifty columns
text: "a # in quotes" # and a comment that is long enough to be folded
list: [a#b, c] # short
"""


def test_yaml_stays_the_same_yaml_when_its_comments_are_folded():
    folded = fold_yaml(YAML, 50)
    assert yaml.safe_load(folded) == yaml.safe_load(YAML)
    assert max(map(len, folded.splitlines())) <= 50
    assert [w for w in folded.split() if w != "#"] == [w for w in YAML.split() if w != "#"]
    assert fold_yaml(YAML, None) == YAML.rstrip()


def test_arguments_of_a_docstring_are_folded_one_by_one_and_formulas_stay():
    docstring = (
        "Summary.\n\n    y = x   *  w\n\n"
        "Args:\n    first: the first argument, which has more words than fit into fifty columns.\n    second: short.\n"
        "    third, fourth: two arguments, whose description continues\n        on a line of its own."
    )
    folded = fold_docstring(docstring, 50).splitlines()
    assert "    y = x   *  w" in folded and "    second: short." in folded
    assert [line for line in folded if line.startswith("    third") or line.startswith("    first")]
    assert max(map(len, folded)) <= 50 and " ".join(folded).split() == docstring.split()
    assert all(line.startswith("        ") for line in folded[5:] if not re.match(r"    \w", line))
