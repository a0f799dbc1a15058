"""Curves of braille dots: where they are, and what they leave out."""

from __future__ import annotations

import math

from trainrun.ui import braille_chart


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    text = braille_chart.draw([([0.0, 1.0], "blue")], width=14, height=2).plain
    first, second = text.split("\n")
    assert first.split()[0] == "1" and second.split()[0] == "0"
    # Four characters: eight columns of dots over eight rows, so the diagonal has a dot in each.
    assert first[10:] == "  ⡠⠊" and second[10:] == "⡠⠊  "


def test_numbers_that_are_not_finite_are_gaps():
    assert braille_chart.draw([([math.nan, math.inf], "blue")], 20, 3).plain == "no epoch yet"
    text = braille_chart.draw([([1.0, math.nan, 1.0], "blue")], width=14, height=1).plain
    assert text[10] != " " and text[13] != " " and text[11:13].strip() == ""


def test_a_screen_that_is_too_small_draws_nothing():
    assert braille_chart.draw([([1.0, 2.0], "blue")], 5, 0).plain == "no epoch yet"


def test_the_names_at_the_ends_stand_in_the_order_of_the_last_values():
    curves = [([0.0, v], "blue") for v in (0.98, 1.0, 0.0, 0.01)]
    text = braille_chart.draw(curves, width=20, height=5, names="ABCD").plain
    assert [line[-1] for line in text.split("\n")] == ["B", "A", text.split("\n")[2][-1], "D", "C"]
