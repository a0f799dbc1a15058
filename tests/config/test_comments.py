"""No comment in `conf/` changes a result: without any, every config is checked and built as with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
# Prints what is decided about each config: its problems, and for one without any how its labels are encoded, what its head
# is, what is scaled, and what its metrics read.
DECISIONS = """
import json
import tensorflow as tf
from trainrun.hydra_bridge import compose_cache, preflight
from trainrun.registry import lookup, option_files
from trainrun.run import builders

def options(group):
    return [o.name for o in option_files.packaged(group).values() if not o.alias_of and o.values]

def built(config):
    try:
        loaded = builders.dataset(config)
        job = builders.job(config, loaded, tf.distribute.get_strategy())
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    y, compiled, head = job.train.y, job.model._compile_metrics, getattr(job.model.layers[-1], "activation", None)
    metrics = (compiled and (compiled._user_metrics or compiled._user_weighted_metrics)) or []
    loss = job.model.loss.get_config() if hasattr(job.model.loss, "get_config") else ""
    return [str(y.dtype), list(y.shape), y[:2].tolist(), job.probabilities, sorted(loaded.preprocessing),
            getattr(head, "__name__", ""), loss,
            [[type(m).__name__, {k: v for k, v in m.get_config().items() if k != "metric"}] for m in metrics]]

found = {"conf": str(lookup.package_conf())}
with compose_cache.enabled():
    for data in ("breast_cancer", "iris", "diabetes"):
        given = [f"data={data}", "trainer.limit=40", "trainer.batch_size=8", "tracking=none"]
        metrics = [m for m in options("metric") if m not in ("none", "pearson_correlation", "concordance_correlation")]
        _, problems = preflight.overrides([*given, f"metric=[{','.join(metrics)}]"])
        found[f"{data} metrics"] = [f"{p.key}: {p.message}" for p in problems]
        fitting = [m for m in metrics if not any(p.key.startswith(f"metric.{m}") for p in problems)]
        lines = [*(("loss", name, f"metric=[{','.join(fitting)}]") for name in options("loss")),
                 *(("model", name, "metric=none") for name in options("model")
                   if data == "iris" and name not in ("keras_application", "file"))]
        for group, name, metric in lines:
            config, problems = preflight.overrides([*given, metric, f"{group}={name}"])
            found[f"{data} {group}={name}"] = [f"{p.key}: {p.message}" for p in problems] or built(config)
print("DECIDED" + json.dumps(found, sort_keys=True, default=str))
"""


def without_comments(conf: Path) -> None:
    for path in conf.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        # Hydra's own way to say where a config's keys go; it knows no other for a group that sets keys of others.
        header = "# @package _global_\n" if text.startswith("# @package _global_") else ""
        path.write_text(
            header + yaml.safe_dump(yaml.safe_load(text) or {}, sort_keys=False), encoding="utf-8"
        )


def decisions(package: Path, work: Path) -> dict[str, object]:
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", DECISIONS],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rsplit("DECIDED", 1)[1])


@pytest.mark.slow
def test_no_comment_in_conf_changes_a_decision(tmp_path):
    kinds = shutil.ignore_patterns("__pycache__")
    for place in ("with", "without"):
        shutil.copytree(ROOT / "trainrun", tmp_path / place / "trainrun", ignore=kinds)
        shutil.copytree(ROOT / "conf", tmp_path / place / "trainrun" / "conf")
    without_comments(tmp_path / "without" / "trainrun" / "conf")
    kept = [
        p
        for p in (tmp_path / "without" / "trainrun" / "conf").rglob("*.yaml")
        if "#" in p.read_text().replace("# @package _global_", "")
    ]
    assert not kept
    commented = decisions(tmp_path / "with", tmp_path / "a")
    bare = decisions(tmp_path / "without", tmp_path / "b")
    assert commented.pop("conf") == str(tmp_path / "with" / "trainrun" / "conf")
    assert bare.pop("conf") == str(tmp_path / "without" / "trainrun" / "conf")
    assert sum(len(decided) == 8 for decided in commented.values()) > 40, "hardly a config was built"
    assert bare == commented
