"""Hydra's own node: what would call, import, write or set something of a config's choice."""

from __future__ import annotations

from badinput_harness import Case, case

OVERRIDES = {
    "hydra.launcher._target_=os.system": "hydra.launcher._target_",
    "hydra.sweeper._target_=os.system": "hydra.sweeper._target_",
    "hydra.sweeper._target_=hydra._internal.core_plugins.basic_sweeper.BasicSweeperX": "is no launcher, sweeper",
    "+hydra.callbacks.x._target_=subprocess.Popen": "hydra.callbacks.x._target_",
    "+hydra.callbacks.x._target_=hydra.experimental.callbacks.PickleJobInfoCallback": "hydra.callbacks.x._target_",
    "hydra.callbacks={a: {_target_: os.system}}": "hydra.callbacks",
    "hydra.searchpath=[pkg://antigravity]": "--config-dir",
    "++hydra.searchpath=[file:///etc]": "--config-dir",
    "hydra.job_logging={version: 1, handlers: {x: {class: os.system}}}": "hydra.job_logging",
    "+hydra.job_logging.handlers.x.class=subprocess.Popen": "hydra.job_logging",
    "+hydra.hydra_logging.formatters.x.()=os.system": "hydra.hydra_logging",
    "hydra/job_logging=default hydra.job_logging.handlers.file.filename=/tmp/x.log": "hydra.job_logging",
    "hydra/job_logging=default hydra.job_logging.handlers.console.stream=ext://os.system": "hydra.job_logging",
    "+hydra.job.env_set.LD_PRELOAD=/tmp/x.so": "hydra.job.env_set.LD_PRELOAD",
    "+hydra.job.env_set.PYTHONPATH=/tmp": "Set it in the shell",
    "+hydra.job.env_set.PATH=/tmp": "hydra.job.env_set.PATH",
    "+hydra.job.env_set.GIT_EXTERNAL_DIFF=/tmp/x": "hydra.job.env_set.GIT_EXTERNAL_DIFF",
    "hydra.job.name=../../x": "hydra.job.name",
    "hydra.output_subdir=../../x": "hydra.output_subdir",
    "hydra.output_subdir=/etc": "hydra.output_subdir",
    "hydra.output_subdir=..": "hydra.output_subdir",
    "hydra.job.chdir=true": "hydra.job.chdir",
    "hydra.mode=MULTIRUN": "only -m starts a sweep",
    "hydra.mode=NONSENSE": "hydra.mode",
    "hydra.rn.dir=x": "hydra.rn",
    "hydra.run=x": "hydra.run",
    "hydra.run.dir=null": "hydra.run.dir",
    "hydra.run.dir=[a]": "hydra.run.dir",
    "hydra.run.dir=${nowhere}": "nowhere",
    "hydra.verbosity=true": "Did you mean verbose?",
    "+hydra.x=1": "hydra",
    "hydra/launcher=nonsense": "there is no option 'nonsense'",
    "hydra/launcher=joblib": "It is one of auto, basic, local",
    "hydra/launcher=../../x": "there is no option",
    "hydra/sweeper=optunaa": "hydra/sweeper",
    "hydra/launchr=basic": "hydra/launchr",
    "hydra/job_logging=nonsense": "there is no option 'nonsense'",
    "+hydra/callbacks=pickle": "hydra/callbacks",
    "hydra=default": "hydra",
    "~hydra.run": "hydra.run",
}
CASES: list[Case] = [case(line[:90], line, message) for line, message in OVERRIDES.items()]
CASES += [
    case(f"sweep: {line[:80]}", f"-m seed=1,2 {line}", message)
    for line, message in list(OVERRIDES.items())[:8]
]
CASES += [
    case(f"shown: {line[:80]}", f"--cfg job {line}", message)
    for line, message in list(OVERRIDES.items())[:11]
]
CASES += [
    case("checked: a launcher of a config's choice", "check hydra.launcher._target_=os.system", "hydra.launcher._target_"),
    case("a sweep into a folder that is not empty", "-m seed=1,2 hydra.sweep.dir=mine", "hydra.sweep.dir", "not empty", files={"mine/a.txt": "a"}),
    case("hydra's node in a YAML: callbacks", "hydra/callbacks=mine", "hydra.callbacks.x._target_", files={"conf/hydra/callbacks/mine.yaml": "x:\n  _target_: os.system\n"}),
    case("hydra's node in a YAML: a launcher", "hydra/launcher=mine", "hydra.launcher._target_", files={"conf/hydra/launcher/mine.yaml": "_target_: os.system\n"}),
    case("hydra's node in a YAML: a launcher's commands", "experiment=e", "hydra.launcher.setup", files={"conf/experiment/e.yaml": "# @package _global_\nhydra:\n  launcher:\n    setup: [touch stray]\n"}),
    case("hydra's node in a YAML: logging", "hydra/job_logging=mine", "hydra.job_logging", files={"conf/hydra/job_logging/mine.yaml": "version: 1\nhandlers:\n  x:\n    (): subprocess.Popen\n    args: [touch, stray]\nroot:\n  handlers: [x]\n"}),
    case("hydra's node in a YAML: logging, shown", "--cfg job hydra/hydra_logging=mine", "hydra.hydra_logging", files={"conf/hydra/hydra_logging/mine.yaml": "version: 1\nhandlers:\n  x:\n    (): subprocess.Popen\n    args: [touch, stray]\nroot:\n  handlers: [x]\n"}),
    case("hydra's node in a YAML: the environment", "experiment=e", "hydra.job.env_set.LD_PRELOAD", files={"conf/experiment/e.yaml": "# @package _global_\nhydra:\n  job:\n    env_set:\n      LD_PRELOAD: /tmp/x.so\n"}),
    case("hydra's node in a YAML: a search path by -cn", "-cn other", "hydra.searchpath", files={"conf/other.yaml": "hydra:\n  searchpath: [pkg://antigravity]\n"}),
    case("hydra's node in a YAML: a run directory", "experiment=e", "hydra.run.dir", "not empty", files={"conf/experiment/e.yaml": "# @package _global_\nhydra:\n  run:\n    dir: outputs/runs/2026-01-02_03-04-05_decoy1\n"}),
]  # fmt: skip
