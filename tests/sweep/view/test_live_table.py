"""What one sees of a sweep: the table on a screen, whatever happens to the screen; plain lines elsewhere; the time left."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from trainrun.sweep.trial import Trial
from trainrun.sweep.view.live_table import Board
from trainrun.ui import console

KEYS = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])")


class Screen(io.StringIO):
    """A terminal: what is written to it stands in `lines`, folded at `width`, as on a real one."""

    def __init__(self, width, height=24):
        super().__init__()
        self.width, self.height = width, height
        self.lines, self.row, self.column = [""], 0, 0

    def isatty(self):
        return True

    def write(self, text):
        at = 0
        while at < len(text):
            if match := KEYS.match(text, at):
                self._do(match[1], match[2])
                at = match.end()
                continue
            self._put(text[at])
            at += 1
        return len(text)

    def _put(self, letter):
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self._down()
            self.column = 0
        else:
            if self.column == self.width:
                self._down()
                self.column = 0
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
            self.column += 1

    def _down(self):
        self.row += 1
        while len(self.lines) <= self.row:
            self.lines.append("")

    def _do(self, number, what):
        if what == "A":  # not beyond what can be seen
            self.row = max(self.row - int(number or 1), len(self.lines) - self.height, 0)
        elif what == "K":
            self.lines[self.row] = self.lines[self.row][: self.column]
        elif what == "J":
            self.lines[self.row] = self.lines[self.row][: self.column]
            del self.lines[self.row + 1 :]

    def resize(self, width):
        """Fold the lines anew, as tmux and most terminals do."""
        cursor, lines = None, []
        for i, line in enumerate(self.lines):
            parts = [line[j : j + width] for j in range(0, max(len(line), 1), width)]
            lines += parts
            if i == self.row:
                cursor = len(lines) - 1
        self.lines, self.row, self.width = lines, cursor, width

    def shown(self):
        return [line.rstrip() for line in self.lines if line.strip()]


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def screen(monkeypatch):
    """Return a function that makes both streams one screen of that width."""

    def become(width, height=24):
        made = Screen(width, height)
        monkeypatch.setattr(sys, "stdout", made)
        monkeypatch.setattr(sys, "stderr", made)
        monkeypatch.setattr(console, "width", lambda: made.width)
        monkeypatch.setattr(console, "height", lambda: made.height)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("NO_COLOR", "1")
        return made

    return become


def trial(number, epochs=0, total=10, **more):
    overrides = ["data=iris", f"optimizer.learning_rate={number / 1000:g}"]
    made = Trial(
        number, overrides, overrides[1:], Path(str(number)), {"trainer": {"epochs": total}}, status="RUNNING"
    )
    made.epochs = epochs
    for key, value in more.items():
        setattr(made, key, value)
    return made


def finish(made, loss, seconds=2.0):
    made.status, made.metrics, made.seconds = "FINISHED", {"val_loss": loss}, seconds
    return made


def look(board, running):
    board.clock.now += 1.0
    board.look(running)


def test_the_table_stays_below_what_is_printed_and_goes_at_the_end(screen):
    terminal = screen(100)
    board = Board(12, 2, settings={"objective": None, "direction": "auto"}, clock=Clock())
    running = [trial(0, 3), trial(1)]
    look(board, running)
    board.epoch_done(running[0], {"loss": 0.9, "val_loss": 0.5})
    look(board, running)
    assert terminal.shown()[0].startswith("0/12") and "2 running" in terminal.shown()[0]
    assert (
        "3/10" in terminal.shown()[1]
        and "val_loss 0.5" in terminal.shown()[1]
        and "learning_rate=0 " in terminal.shown()[1] + " "
    )
    assert "begins" in terminal.shown()[2]
    board.ended(finish(running[0], 0.25))
    board.say("the plug-ins were edited")
    board.say("the plug-ins were edited")
    look(board, [running[1]])
    lines = terminal.shown()
    assert lines[0].startswith("[ 0] FINISHED") and "val_loss 0.2500" in lines[0]
    assert lines[1] == "warning: the plug-ins were edited" and lines[2].startswith("1/12")
    assert lines[3].startswith("best val_loss 0.25  [0]") and lines[4].startswith("[ 1]") and len(lines) == 5
    board.close()
    assert terminal.shown() == lines[:2]


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_no_width_breaks_the_table(screen, width):
    terminal = screen(width)
    board = Board(2000, 3, settings={}, clock=Clock())
    running = [trial(n, 5) for n in range(3)]
    for step in range(20):
        for each in running:
            board.epoch_done(each, {"val_loss": 1 / (step + 1)})
        look(board, running)
    lines = terminal.shown()
    assert len(lines) == 4 and all(len(line) < width for line in lines)
    assert lines[0].startswith("0/2000") and [line[:6] for line in lines[1:]] == [
        "[   0]",
        "[   1]",
        "[   2]",
    ]
    if width >= 40:
        assert "left" in lines[0]
    board.close()
    assert terminal.shown() == []


def test_a_terminal_that_is_made_narrower_and_wider_keeps_one_table(screen):
    terminal = screen(120)
    board = Board(8, 2, settings={}, clock=Clock())
    running = [trial(0, 5), trial(1, 4)]
    board.ended(finish(trial(7), 0.5))
    first = terminal.shown()
    for width in (120, 60, 31, 47, 100, 24, 120):
        terminal.resize(width)
        look(board, running)
        lines = terminal.shown()
        assert sum("1/8" in line for line in lines) == 1, lines
        assert sum(line.startswith("[0]") for line in lines) == 1
    assert "".join(lines[: len(lines) - 4]) == "".join(first)


def test_what_control_c_writes_at_the_end_does_not_shift_the_table(screen):
    terminal = screen(40)
    board = Board(8, 2, settings={}, clock=Clock())
    running = [trial(0, 5), trial(1, 4)]
    look(board, running)
    terminal.write("^C")
    look(board, running)
    assert sum("0/8" in line for line in terminal.shown()) == 1 and len(terminal.shown()) == 3


def test_table_shows_as_many_trials_as_fit_the_terminal(screen):
    terminal = screen(80, height=10)
    board = Board(2000, 500, settings={}, clock=Clock())
    running = [trial(n) for n in range(500)]
    for _ in range(5):
        look(board, running)
        board.ended(finish(running.pop(0), 0.5))
    lines = terminal.shown()
    assert sum("running" in line for line in lines) == 1
    assert "more that run" in lines[-1]
    board.close()
    assert len(terminal.shown()) == 5


def test_it_draws_five_times_a_second_at_most(screen, monkeypatch):
    screen(80)
    drawn = []
    monkeypatch.setattr(console, "live", drawn.append)
    board = Board(8, 2, settings={}, clock=Clock())
    for _ in range(1000):
        board.clock.now += 0.01
        board.look([trial(0)])
    assert 40 <= len(drawn) <= 51


def test_output_that_is_no_terminal_gets_plain_lines_at_intervals(capsys):
    board = Board(4, 2, settings={"objective": "val_accuracy", "direction": "auto"}, clock=Clock())
    board.announce()
    running = [trial(0, 2), trial(1, 4)]
    for second in range(25):
        board.clock.now += 1.0
        board.epoch_done(running[0], {"val_accuracy": 0.1 * second})
        board.look(running)
    won = running.pop(0)
    won.status, won.metrics, won.seconds = "FINISHED", {"val_loss": 0.1, "val_accuracy": 0.9}, 25.0
    board.ended(won)
    board.clock.now += 11.0
    board.look(running)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 trials, 2 at once, each in a process of its own"
    for line in lines[1:3]:  # after 10 and after 20 seconds
        assert line.startswith("0/4 done; 2 running: [0] 2/10, [1] 4/10; about ")
    assert "val_accuracy 0.9000" in lines[3] and lines[3].startswith("[0] FINISHED")
    assert lines[4].startswith("1/4 done; 1 running: [1] 4/10; best val_accuracy 0.9 [0]; about ")
    assert len(lines) == 5 and "\x1b" not in "".join(lines)


@pytest.mark.parametrize("total", [8, None])
def test_the_time_left_follows_the_epochs_done(total):
    board = Board(total, 2, done=[finish(trial(9), 1.0)], settings={}, clock=Clock())
    running = [trial(0), trial(1)]
    board.look(running)
    assert board.left(running) is None
    board.clock.now += 30.0
    running[0].epochs, running[1].epochs = 10, 5  # 1.5 trials' worth in 30 s; 8 - 1 before - 1.5 are to come
    left = board.left(running)
    assert left == (None if total is None else pytest.approx(30 / 1.5 * 5.5))
    board.count(finish(running[0], 0.4))
    assert board.left(running[1:]) == left


def test_best_trial_follows_the_objective_and_is_never_nan(screen):
    terminal = screen(100)
    board = Board(5, 1, settings={"objective": "val_accuracy", "direction": "auto"}, clock=Clock())
    for number, value in enumerate([0.5, 0.9, float("nan"), 0.7]):
        made = trial(number)
        made.status, made.metrics = "FINISHED", {"val_accuracy": value}
        board.count(made)
    pruned = trial(4)
    pruned.status, pruned.metrics = "PRUNED", {"val_accuracy": 0.99}
    board.count(pruned)
    look(board, [trial(5)])
    assert terminal.shown()[1].startswith("best val_accuracy 0.9  [1]")
    assert "1 pruned" in terminal.shown()[0] and "4 finished" in terminal.shown()[0]
