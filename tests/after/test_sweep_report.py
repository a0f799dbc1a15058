"""`trainrun report SWEEP`, and both reports in a browser: no error of the console, values under the pointer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import made_up_runs
import pytest

from trainrun.cli import main
from trainrun.tracking.journal import Journal

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EVIL = "</pre><script>document.title='run'</script>"
# Moves the pointer over the first chart with values, sorts a table twice, switches the theme, and writes down what the page shows.
DRIVER = """<script>
const line = document.querySelector("svg.chart polyline[data-name]"), box = line.ownerSVGElement.getBoundingClientRect();
line.ownerSVGElement.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2}));
document.body.dataset.shown = document.getElementById("tip").textContent;
const table = [...document.querySelectorAll("table")].find((t) => t.tBodies[0].rows.length > 2), head = table.tHead.rows[0].cells[0];
const column = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent).join("|");
head.firstChild.click(); document.body.dataset.up = column();
head.firstChild.click(); document.body.dataset.down = column();
const colours = () => [document.body, document.querySelector("polyline.s0")].map((e) => getComputedStyle(e)[e === document.body ? "backgroundColor" : "stroke"]).join();
document.body.dataset.before = colours();
document.getElementById("theme").click();
document.body.dataset.after = colours();
document.body.dataset.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
</script></body>"""


def sections(page: str) -> list[str]:
    return re.findall(r'<section id="(\w+)">', page)


@pytest.fixture
def sweep_dir(inside):
    """Return a sweep of learning rates with a pruned and a failed trial."""
    folder = made_up_runs.sweep(
        "rates", [0.5, 0.4, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9], command=["trainrun", "-m", EVIL]
    )
    record = json.loads((folder / "sweep.json").read_text())
    for number, status, overrides in ((8, "PRUNED", []), (9, "FAILED", [f"name={EVIL}"])):
        point = ["optimizer.learning_rate=9", "data=iris", *overrides]
        record["points"].append([number, point])
        made_up_runs.run(f"sweeps/rates/{number}", *point, end=None, metrics={"val_loss": 0.9})
        book = Journal(folder / str(number) / "journal.jsonl")
        book.write("end", status=status, reason=EVIL)
        book.close()
    (folder / "sweep.json").write_text(json.dumps(record))
    return folder


def test_the_report_of_a_sweep(sweep_dir, capsys):
    assert main(["report", "rates"]) == 0
    page = (sweep_dir / "report.html").read_text(encoding="utf-8")
    assert sections(page) == ["leaderboard", "best", "importance", "parameters", "curves", "failed", "asked"]
    assert "trainrun report rates/2" in page and "seeds=3" in page
    assert page.count("<script>") == 1 and "&lt;/pre&gt;" in page
    assert "pruned, where it was" in page and "Parallel coordinates" in page
    assert 'class="line fade"' in page


def test_two_objectives_have_a_pareto_front(inside):
    folder = made_up_runs.sweep(
        "two", [], objective=["val_loss", "val_auc"], direction=["minimize", "maximize"]
    )
    record = json.loads((folder / "sweep.json").read_text())
    for i, (loss, auc) in enumerate([(0.1, 0.5), (0.2, 0.9), (0.3, 0.4)]):
        point = [f"optimizer.learning_rate={i}", "data=iris"]
        record["points"].append([i, point])
        made_up_runs.run(f"sweeps/two/{i}", *point, metrics={"val_loss": loss, "val_auc": auc})
    (folder / "sweep.json").write_text(json.dumps(record))
    assert main(["report", "two"]) == 0
    assert "2 of 3 trials on the front" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium or Chrome on this machine")
@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_in_a_browser_nothing_fails_and_the_pointer_shows_values(kind, request, tmp_path):
    if kind == "run":
        request.getfixturevalue("within")
        path = tmp_path / "report.html"
        assert main(["report", "buyers", "-o", str(path)]) == 0
    else:
        path = request.getfixturevalue("sweep_dir") / "report.html"
        assert main(["report", "rates"]) == 0
    page = path.read_text(encoding="utf-8")

    def opened(file):
        command = [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
        ]
        command += [
            "--enable-logging=stderr",
            "--window-size=400,2000",
            "--dump-dom",
            file.absolute().as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert "CONSOLE" not in done.stderr, done.stderr
        return done.stdout

    dom = opened(path)
    assert sections(dom) == sections(page) and "document.title='run'</script>" not in dom
    driven = tmp_path / "driven.html"
    # The page's own policy would not let the driver run.
    policy = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')
    driven.write_text(policy.sub("", page).replace("</body>", DRIVER), encoding="utf-8")
    body = re.search(r"<body [^>]*>", opened(driven)).group()
    assert re.search(r'data-shown="[^"]*\n  [\d.e+-]+: [\d.e+-]+', body), body
    assert 'data-wide="0"' in body, "the page is wider than the window"
    up, down, before, after = (
        re.search(f'data-{name}="([^"]*)"', body)[1] for name in ("up", "down", "before", "after")
    )
    up = up.split("|")
    assert up == sorted(up, key=lambda text: (not text.isdecimal(), int(text) if text.isdecimal() else text))
    assert down.split("|") == up[::-1]
    assert {before, after} == {"rgb(246, 247, 249),rgb(0, 114, 178)", "rgb(18, 21, 27),rgb(86, 180, 233)"}
