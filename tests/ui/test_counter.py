"""A long loop shows how far it has come."""

from __future__ import annotations

from trainrun.ui import counter


def test_a_long_loop_says_how_far_it_is_and_a_short_one_nothing(capsys, monkeypatch):
    assert list(counter.counted([1, 2, 3], "checking")) == [1, 2, 3]
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(counter, "LINE_S", 0.0)
    assert list(counter.counted(range(3000), "checking points")) == [*range(3000)]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("checking points: 1 of 3,000, about ") and lines[-1].startswith(
        "checking points: 2,999 of 3,000"
    )
