"""What is printed where: plain lines, colours, the log, narrow terminals."""

from __future__ import annotations

import io
import os
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


def test_sentences_are_folded_between_words_and_logged_whole(terminal, log):
    stream = terminal(width=40)
    words = "columns: numbers (measurement_0, measurement_1), categories (first-town-of-all)"
    console.say(words, fold=True)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3 and max(map(len, lines)) <= 40
    assert " ".join(" ".join(lines).split()) == words and logged(log) == [words]


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
    problems = [Problem("optimizer.lr", "no such key.\nDid you mean it?"), Problem("", "odd"), "plain"]
    console.problems(problems, "3 problems:")
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


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"


@pytest.mark.parametrize("where", ["terminal", "file"])
def test_control_characters_are_escaped_by_every_way_to_print(where, terminal, capsys, log, monkeypatch):
    stream = terminal(200) if where == "terminal" else None
    console.say(HOSTILE)
    console.note(HOSTILE)
    console.warn(HOSTILE)
    console.error(HOSTILE)
    console.pieces([("a", "bold"), (HOSTILE, "")])
    console.problems([Problem(HOSTILE, HOSTILE)])
    console.table(HOSTILE, ["a"], [[HOSTILE]], marked=[0])
    console.live(Text(HOSTILE))
    console.live(None)
    captured = capsys.readouterr()
    printed = stream.getvalue() if stream else captured.out + captured.err
    for text in (printed, log.read_text(encoding="utf-8")):
        assert "\x1b]0;" not in text and "\x1b[2J" not in text and "\x07" not in text
        assert "\u202e" not in text and "\x9b" not in text
        assert "\\x1b]0;owned" in text


class Gone(io.StringIO):
    """A stream that fails as one does whose terminal is gone, whose disk is full, or that is closed."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError(5, "EIO"), OSError(28, "ENOSPC"), BrokenPipeError(), ValueError("closed")]
)
@pytest.mark.parametrize("tty", [True, False])
def test_a_stream_that_fails_raises_nothing_and_the_log_has_it(error, tty, monkeypatch, log):
    stream = Gone(error)
    stream.isatty = lambda: tty
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    console.say("first")
    console.live(Text("live"))
    console.table("", ["a"], [["cell"]])
    console.warn("second")
    console.live(None)
    sys.stdout.close()
    sys.stderr.close()
    assert logged(log) == ["first", "a", "cell", "warning: second"]


def test_streams_that_do_not_exist_raise_nothing(monkeypatch, log):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with console.hushed():
        console.say("first")
    console.error("second")
    assert logged(log) == ["first", "error: second"]


@pytest.mark.parametrize(
    ("redirection", "code"),
    [("> /dev/full", 0), ("> /dev/full 2>&1", 0), (">&-", 0), ("<&- >&- 2>&-", 0), ("| head -1", 0)],
)
def test_a_command_line_survives_its_streams(redirection, code, tmp_path):
    """From the outside: no traceback, and the exit code of what was done."""
    command = f"{sys.executable} -m trainrun ls loss {redirection}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, "")


def test_letters_that_the_locale_lacks_are_replaced(tmp_path):
    program = "from trainrun.ui import console; console.say('épée'); console.warn('é')"
    env = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "?p?e\n")
