"""Messages are folded to the terminal's width, never inside a word."""

from __future__ import annotations

from trainrun.ui.folding import fold


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


def test_each_line_of_a_message_is_indented_and_without_a_terminal_none_is_folded():
    text = f"one\n{'word ' * 40}"
    assert fold(text, "error: ", None) == f"one\n    {'word ' * 40}"
    assert len(fold(text, "error: ", 40).splitlines()) > 2
