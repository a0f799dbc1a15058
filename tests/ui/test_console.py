"""What is printed where: plain lines, colours, the log, narrow terminals."""

from __future__ import annotations

import io
import subprocess
import sys
import threading

import pytest
from rich.text import Text

from trainrun.errors import Problem
from trainrun.ui import console


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes both streams one terminal; pytest undoes it in a fixture's own set-up."""

    def become(width=40):
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(console, "width", lambda: width)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.delenv("NO_COLOR", raising=False)
        return stream

    return become


@pytest.fixture
def log(tmp_path):
    console.attach(tmp_path / "run.log")
    yield tmp_path / "run.log"
    console.detach()


def logged(path):
    return [line[21:] for line in path.read_text(encoding="utf-8").splitlines()]


def test_results_go_to_stdout_and_warnings_to_stderr(capsys, log):
    console.say("a result")
    console.note("a note")
    console.warn("careful")
    console.error("it broke")
    out, err = capsys.readouterr()
    assert out == "a result\na note\n"
    assert err == "warning: careful\nerror: it broke\n"
    assert logged(log) == ["a result", "a note", "warning: careful", "error: it broke"]


def test_brackets_are_text_not_markup(terminal):
    stream = terminal()
    console.say("[bold]metric=[accuracy,auc][/bold]")
    assert "[bold]metric=[accuracy,auc][/bold]" in stream.getvalue()


def test_paths_are_never_broken(terminal):
    stream = terminal()
    path = "/a/" + "long/" * 40
    console.say(path)
    console.warn(path)
    console.table("", ["run", "directory"], [["1", path]])
    assert stream.getvalue().count(path) == 3


def test_quiet_mode_still_prints_warnings_and_writes_the_log(capsys, log):
    console.quiet()
    try:
        console.say("hidden")
        console.table("", ["a"], [["hidden"]])
        console.warn("seen")
    finally:
        console.quiet(False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "warning: seen\n"
    assert "hidden" in logged(log)


def test_problems_are_one_item_each_on_stderr(capsys):
    found = [Problem("optimizer.lr", "no such key.\nDid you mean it?"), Problem("", "odd"), "plain"]
    console.problems(found, "3 problems:")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == ("3 problems:\n  • optimizer.lr: no such key.\n    Did you mean it?\n  • odd\n  • plain\n")


def test_one_problem_is_an_error(capsys):
    console.problems([Problem("loss", "there is no focl.")])
    assert capsys.readouterr().err == "error: loss: there is no focl.\n"


def test_table_aligns_numbers_to_the_right(capsys, log):
    console.table("Runs", ["name", "loss"], [["a", "0.5"], ["long name", "10.25"], ["b", None]])
    assert capsys.readouterr().out.splitlines() == [
        "Runs",
        "name        loss",
        "a            0.5",
        "long name  10.25",
        "b",
    ]
    assert logged(log)[1] == "name        loss"


def test_a_narrow_terminal_folds_the_widest_column(terminal):
    stream = terminal()
    console.table(
        "", ["name", "meaning", "from"], [["focal", "down-weights what is right already", "trainrun"]]
    )
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert "trainrun" in lines[1]


def test_an_empty_table_is_its_heading(capsys):
    console.table("Nothing", ["a", "b"], [])
    assert capsys.readouterr().out == "Nothing\na  b\n"


def test_the_status_line_is_cut_at_the_width_and_makes_room_for_lines(terminal, log):
    stream = terminal()
    console.live(Text("x" * 100, no_wrap=True, overflow="ellipsis"))
    assert "x" * 35 + "…" in stream.getvalue()
    assert "x" * 40 not in stream.getvalue()
    stream.truncate(0)
    console.warn("careful")
    text = stream.getvalue().lstrip("\0")
    assert text.startswith("\r\x1b[2K")
    assert text.index("careful") < text.index("xxx")
    console.live(None)
    assert stream.getvalue().endswith("\x1b[1A\x1b[2K")
    assert logged(log) == ["warning: careful"]


def test_no_status_line_where_there_is_no_terminal(capsys):
    console.live(Text("progress"))
    assert capsys.readouterr().out == ""


def test_a_stream_that_cannot_write_a_letter_gets_a_question_mark(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    console.say("naïve → focal")
    sys.stdout.flush()
    assert raw.getvalue() == b"na?ve ? focal\n"


def test_plain_output_needs_no_rich_and_a_closed_pipe_no_traceback(tmp_path):
    program = (
        "import sys; from trainrun.ui import console\n"
        "for i in range(100000): console.say('line')\n"
        "assert 'rich' not in sys.modules"
    )
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" | head -1', sys.executable, program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "line\n"
    assert done.stderr == ""


def test_threads_may_have_logs_of_their_own(tmp_path, capsys):
    def run(name):
        console.attach(tmp_path / name, this_thread=True)
        console.say(f"from {name}")
        console.detach()

    console.attach(tmp_path / "process")
    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
        thread.join()
    console.say("from the process")
    console.detach()
    for name, line in {"one": "from one", "other": "from other", "process": "from the process"}.items():
        text = (tmp_path / name).read_text()
        assert text.count("from") == 1 and line in text
