"""Losses and metrics of several outputs in a config: how they are typed, and what does not fit."""

from __future__ import annotations

import pytest

from trainrun.config import outputs
from trainrun.hydra_bridge import preflight

TABLE = ["data=csv", "data.path=t.csv"]
TWO = [*TABLE, "data.target=[churn,spend]"]


@pytest.fixture
def table(inside):
    rows = [f"{i % 7},{i % 5},{'yes' if i % 3 else 'no'},{i * 1.5}" for i in range(60)]
    (inside / "t.csv").write_text("\n".join(["a,total,churn,spend", *rows]))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (
            "loss={churn: focal, spend:huber}",
            ["loss=auto", "+loss@loss.churn=focal", "+loss@loss.spend=huber"],
        ),
        ("metric={churn: [auc, ks]}", ["metric=auto", "+metric@metric.churn=[auc,ks]"]),
        ("loss=focal", ["loss=focal"]),
        ("loss={churn: {name: focal}}", ["loss={churn: {name: focal}}"]),
        ("loss_weights={churn: 1}", ["loss_weights={churn: 1}"]),
    ],
)
def test_a_loss_for_each_output_is_written_as_choices_of_options(typed, expected):
    assert outputs.written_out([typed]) == expected


def test_an_output_that_is_not_named_has_the_default_loss_and_metrics(table):
    config, problems = preflight.overrides(
        [*TWO, "loss={churn: focal}", "metric={churn: [auc]}", "loss.churn.gamma=3"]
    )
    assert not problems
    churn, spend = (outputs.of(config, name) for name in ("churn", "spend"))
    assert (
        churn["loss"]["name"] == "focal" and churn["loss"]["gamma"] == 3 and list(churn["metric"]) == ["auc"]
    )
    assert spend["loss"] == {"name": "auto"} and spend["metric"] == {"auto": {"name": "auto"}}


REFUSED = {
    "an output that there is not": ([*TWO, "loss={chrn: focal}"], "loss.chrn", "Did you mean churn?"),
    "a loss of another kind of target": ([*TWO, "loss={spend: focal}"], "loss.spend", "Try loss=huber."),
    "a metric of another kind": ([*TWO, "metric={spend: [auc]}"], "metric.spend.auc", "regression"),
    "an argument that a loss does not have": ([*TWO, "loss={churn: focal}", "+loss.churn.gama=1"], "loss.churn.gama", "gamma"),
    "one loss": ([*TWO, "loss=mse"], "loss", "each with a loss of its own"),
    "metrics of no output": ([*TWO, "metric=mae"], "metric.mean_absolute_error", "each with metrics of its own"),
    "a loss for an output of one target": ([*TABLE, "data.target=churn", "loss={churn: focal}"], "loss.churn", "one target"),
    "class weights of no output": ([*TWO, "trainer.class_weight=balanced"], "trainer.class_weight", "{churn: balanced}"),
    "class weights of a number": ([*TWO, "trainer.class_weight={spend: balanced}"], "trainer.class_weight.spend", "no classes"),
    "a weight of no class": ([*TWO, "trainer.class_weight={churn: {maybe: 2}}"], "trainer.class_weight.churn", "names (yes, no)"),
    "mixed labels": ([*TWO, "augment=[mixup]"], "augment.mixup", "mixes the labels of one target"),
    "another trainer": ([*TWO, "trainer=gradient_loop"], "trainer", "trainer=fit"),
    "a model with one head": ([*TWO, "model=unet_small"], "model", "several"),
    "a weight of no output": ([*TWO, "loss_weights={spent: 2}"], "loss_weights.spent", "Did you mean spend?"),
    "a weight below 0": ([*TWO, "loss_weights={spend: -2}"], "loss_weights.spend", "at least 0"),
    "weights of one target": ([*TABLE, "data.target=churn", "loss_weights={churn: 2}"], "loss_weights", "one target"),
    "a name of an input": ([*TABLE, "data.target=[churn,numeric]"], "data.target", "numeric"),
    "a positive class": ([*TWO, "data.positive=yes"], "data.positive", "several targets"),
    "an unknown column of the log": ([*TWO, "metric={churn: [auc]}", "sweep.objective=val_churn_acu"], "sweep.objective", "churn_auc"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_what_does_not_go_with_the_outputs(case, table):
    overrides, key, words = REFUSED[case]
    _, problems = preflight.overrides(overrides)
    assert [p for p in problems if p.key == key and words in p.message], problems


def test_an_objective_takes_its_direction_from_the_metric_of_its_output(table):
    _, problems = preflight.overrides([*TWO, "metric={churn: [auc]}", "sweep.objective=val_churn_auc"])
    assert not problems


def test_an_experiment_chooses_options_of_outputs_in_its_defaults(table, inside):
    folder = inside / "conf" / "experiment"
    folder.mkdir(parents=True)
    head = "# @package _global_\n"
    target = "data: {target: [churn, spend]}\n"
    defaults = "defaults: [/loss@loss.churn: focal, /metric@metric.churn: [auc, ks]]\n"
    (folder / "good.yaml").write_text(head + defaults + target)
    config, problems = preflight.overrides([*TABLE, "experiment=good"])
    assert not problems
    assert outputs.of(config, "churn")["loss"]["name"] == "focal"
    assert list(outputs.of(config, "churn")["metric"]) == ["auc", "ks"]
    (folder / "short.yaml").write_text(head + target + "loss: {churn: focal}\nmetric: {churn: [auc, ks]}\n")
    problems = {p.key: p.message for p in reversed(preflight.overrides([*TABLE, "experiment=short"])[1])}
    assert "`- /loss@loss.churn: focal`" in problems["loss.churn"]
    assert "`- /metric@metric.churn: [auc, ks]`" in problems["metric.churn"]
