"""Wrong input: each fault named by key, with what was expected, what came and the way out; all at once."""

from __future__ import annotations

import pytest

from trainrun.config import check
from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.hydra_bridge import compose, interpolations, preflight
from trainrun.registry import option_files


def faults(*overrides: str) -> list[Problem]:
    return preflight.overrides(list(overrides))[1]


# overrides -> (key of the problem, words of its message)
WRONG = {
    # misspelt keys and options
    "optimizr=adam": ("optimizr", "Did you mean optimizer?"),
    "loss=focl": ("loss", "Did you mean focal?"),
    "metric=[accuracy,auk]": ("metric", "Did you mean auc?"),
    "optimizer.learning_rat=1": ("optimizer.learning_rat", "Did you mean learning_rate?"),
    "optimizer.lr=0.1": ("optimizer.lr", "It is called learning_rate."),
    "optimizer.decay=1e-6": ("optimizer.decay", "schedule=inverse_time_decay"),
    "+optimizer.decay=1e-6": ("optimizer.decay", "schedule=inverse_time_decay"),
    "trainer.nb_epoch=3": ("trainer.nb_epoch", "It is called epochs."),
    "+trainer.workers=4": ("trainer.workers", "leave it out"),
    "trainer.epoch=3": ("trainer.epoch", "Did you mean epochs?"),
    "data=digit": ("data", "Did you mean digits?"),
    "model=mpl": ("model", "no option 'mpl'"),
    "callback=earlystopping": ("callback", "Did you mean early_stopping?"),
    "schedule=cosin": ("schedule", "Did you mean cosine"),
    "experiment=digit_cnn": ("experiment", "Did you mean digits_cnn?"),
    "debug=smoek": ("debug", "Did you mean smoke?"),
    "hardware=gpuu": ("hardware", "no option 'gpuu'"),
    "tracking=mlflo": ("tracking", "Did you mean mlflow?"),
    "data.name.inner=1": ("data.name.inner", "has no key 'inner' inside"),
    "foo=1": ("foo", "no such key or group"),
    "epochs=3": ("epochs", "Did you mean trainer.epochs?"),
    "lr=0.1": ("lr", "Did you mean optimizer.learning_rate?"),
    "+batch_size=64": ("batch_size", "Did you mean trainer.batch_size?"),
    "learning_rte=0.1": ("learning_rte", "Did you mean optimizer.learning_rate?"),
    "nb_epoch=3": ("nb_epoch", "Did you mean trainer.epochs?"),
    "optimizer": ("optimizer", "an override is key=value"),
    "loss=../../etc/passwd": ("loss", "no option '../../etc/passwd'"),
    "loss={a: 1}": ("loss", "expected one option"),
    "loss=[huber,mse]": ("loss", "expected one option"),
    "optimizer=adam,sgd": ("optimizer", "trainrun -m optimizer=adam,sgd"),
    "callback=null": ("callback", "Write callback=none."),
    "+optimizer.wings=2": ("optimizer.wings", "has no argument wings"),
    "+loss._target_=os.system": ("loss._target_", "never followed"),
    "loss.name=os.system": ("loss.name", "no 'os.system'"),
    "optimizer.name=Optimizer": ("optimizer.name", "a base class"),
    # wrong types
    "seed=abc": ("seed", "in [0, 4294967295], got 'abc'"),
    "artifacts.model=maybe": ("artifacts.model", "expected true or false"),
    "plugins=3": ("plugins", "expected a list"),
    "optimizer.learning_rate=fast": ("optimizer.learning_rate", "expected a number above 0, got 'fast'"),
    "trainer.epochs=3.5": ("trainer.epochs", "expected a whole number"),
    "trainer.shuffle=7": ("trainer.shuffle", "expected true or false, got 7"),
    "optimizer.amsgrad=5": ("optimizer.amsgrad", "expected true or false, got 5"),
    "model.units=big": ("model.units", "or a list of such"),
    "trainer.class_weight=heavy": ("trainer.class_weight", "expected null, balanced"),
    # out of range
    "seed=-1": ("seed", "in [0, 4294967295], got -1"),
    "optimizer.learning_rate=-1": ("optimizer.learning_rate", "expected a number above 0, got -1"),
    "optimizer.learning_rate=.nan": ("optimizer.learning_rate", "expected a number above 0"),
    "optimizer.beta_1=1": ("optimizer.beta_1", "in [0, 1), got 1"),
    "trainer.epochs=0": ("trainer.epochs", "of at least 1, got 0"),
    "trainer.batch_size=0": ("trainer.batch_size", "of at least 1, got 0"),
    "model.dropout=1.5": ("model.dropout", "in [0, 1), got 1.5"),
    "data.validation=1.2": ("data.validation", "got 1.2"),
    "hardware.precision=f32": ("hardware.precision", "expected one of float32"),
    "trainer.class_weight={11: 2.0}": ("trainer.class_weight", "expected class ids (0 to 9)"),
    # combinations
    "loss=focal data=diabetes": ("loss", "loss=focal needs labels of two classes or class labels"),
    "loss=huber": ("loss", "Try loss=sparse_categorical_crossentropy"),
    "metric=r2": ("metric.r2_score", "needs real numbers"),
    "metric=auc data=diabetes": ("metric.auc", "Try metric=[rmse,mae]"),
    "model=cnn data=iris": ("model", "model=cnn takes image input"),
    "model=quadratic": ("model", "needs no labels at all"),
    "optimizer=sgd optimizer.nesterov=true": ("optimizer.nesterov", "needs a momentum above 0"),
    "optimizer.clipnorm=1 optimizer.clipvalue=1": ("optimizer.clipnorm", "only one way of clipping"),
    "schedule=cosine optimizer=lookahead": ("schedule.initial_learning_rate", "Set optimizer.learning_rate"),
    "schedule=cosine_decay callback=reduce_lr_on_plateau": ("callback.reduce_lr_on_plateau", "sets the learning rate, and so does"),
    "schedule.decay_steps=fast schedule=cosine_decay": ("schedule.decay_steps", "expected a length"),
    "trainer.batch_size=5000": ("trainer.batch_size", "at most the number of training examples"),
    "data=diabetes trainer.class_weight=balanced": ("trainer.class_weight", "no classes to weigh"),
    "data=diabetes metric=pearson_correlation metric.pearson_correlation.axis=-1": ("metric.pearson_correlation.axis", "has one"),
    "data.validation=0 callback=early_stopping": ("callback.early_stopping.monitor", "val_loss needs validation data"),
    "callback=swap_ema_weights": ("callback.swap_ema_weights", "Set optimizer.use_ema=true"),
    "model=layers model.add_head=false model.layers=[{name: Dense, units: 3}]": ("model.layers[0].units", "expected 10 units"),
    "loss=ctc": ("loss", "needs a sequence of labels"),
    # what components name in turn
    "model.regularizer=l3": ("model.regularizer.name", "Did you mean"),
    "model.regularizer={name: l2, l2: -1}": ("model.regularizer.l2", "at least 0, got -1"),
    "model.regularizer={name: l2, l: 1}": ("model.regularizer.l", "has no argument l"),
    "model.regularizer={class_name: L2}": ("model.regularizer.class_name", "never followed"),
    "model.initializer=5": ("model.initializer", "expected keys under"),
    "model=layers model.layers=[{name: Dens}]": ("model.layers[0].name", "Did you mean Dense?"),
    "model=layers model.layers=[{name: Lambda}]": ("model.layers[0].name", "takes Python code"),
    "optimizer=lookahead optimizer.inner=adm": ("optimizer.inner.name", "Did you mean"),
    # entries of lists, and dictionaries with keys of the user's own
    "model=layers model.layers[0].units=16": ("model.layers[0].units=16", "with a dot: model.layers.0.units=16."),
    'optimizer.groups={"b.*": {scale: 1}}': ('optimizer.groups={"b.*": {scale: 1}}', "keys have no quotes"),
    "optimizer.groups={a: {scale: 1}} optimizer.groups={b: {scale: 1}}": ("optimizer.groups", "++optimizer.groups={…}"),
    # plug-ins and files
    "plugins=[./nowhere.py]": ("plugins", "there is no file ./nowhere.py"),
    "plugins=[no_such_module_at_all]": ("plugins", "there is no module"),
    "data=csv data.path=nowhere.csv data.target=y": ("data.path", "nowhere.csv"),
}  # fmt: skip


def split(text: str) -> list[str]:
    """Split overrides at the blanks that are outside of brackets."""
    words, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == " " and depth == 0:
            words.append("")
        else:
            words[-1] += letter
    return words


@pytest.mark.parametrize("text", WRONG)
def test_names_the_key_and_the_way_out(text, inside):
    key, words = WRONG[text]
    problems = faults(*split(text))
    assert [p for p in problems if p.key == key and words in p.message], problems
    assert not list(inside.iterdir()), "left something behind"


FINE = [
    "",
    "loss=focal",
    "loss=mse data=diabetes",
    "metric=[accuracy,auc,ks] data=breast_cancer",
    "metric=none",
    "loss=categorical_hinge data=iris model=linear metric=acc",
    "optimizer=nag",
    "optimizer=lookahead optimizer.inner=sgd",
    "optimizer=lookahead optimizer.inner={name: sgd, momentum: 0.9}",
    "optimizer=adam_then_sgd",
    "schedule=cosine_decay schedule.decay_steps=0.5run",
    "schedule=piecewise_constant_decay",
    "callback=[early_stopping,csv_logger]",
    "model.regularizer={name: l2, l2: 0.01} model.initializer=he_normal",
    "model=layers model.layers=[{name: Flatten}, {name: Dense, units: 16, kernel_regularizer: l2}]",
    "trainer.class_weight=balanced",
    "trainer.class_weight={0: 2.0}",
    "data=iris trainer.class_weight={setosa: 2.0}",
    "debug=smoke",
    "debug=overfit",
    "debug=limit",
    "hardware=cpu hardware.deterministic=true hardware.threads=1",
    "experiment=quadratic trainer=minimize",
    "tracking=none",
    "name=my-run seed=7",
]


@pytest.mark.parametrize("text", FINE)
def test_finds_nothing_wrong_with_a_good_config_and_reads_it_as_hydra_does(text, inside):
    overrides = split(text) if text else []
    config, problems = preflight.overrides(overrides)
    assert problems == []
    assert config == interpolations.plain(compose.compose(overrides))


def test_finds_all_problems_at_once(inside):
    problems = faults(
        "optimizr=adam",
        "loss=focl",
        "trainer.epochs=0",
        "seed=x",
        "hardware.precision=f32",
        "data=diabetes",
        "metric=auc",
    )
    assert {p.key for p in problems} >= {
        "optimizr",
        "loss",
        "trainer.epochs",
        "seed",
        "hardware.precision",
        "metric.auc",
    }


def test_every_point_of_a_sweep_is_checked_and_each_problem_reported_once(inside):
    plan, problems = preflight.sweep(["optimizer=adam,sgd", "trainer.epochs=1,0", "loss=auto,focl"])
    assert plan.total == 8
    assert [p.key for p in problems].count("trainer.epochs") == 1
    assert any("Did you mean focal?" in p.message for p in problems)


def test_broken_yaml_is_named_by_file_and_line(inside):
    (inside / "conf" / "loss").mkdir(parents=True)
    (inside / "conf" / "loss" / "mine.yaml").write_text("# Mine.\nname: [unclosed\n")
    problems = faults("loss=mine")
    assert any("mine.yaml" in str(p) and "line" in str(p) and "not YAML" in p.message for p in problems), (
        problems
    )


def test_a_project_option_hides_ours_of_the_same_name(inside):
    (inside / "conf" / "optimizer").mkdir(parents=True)
    (inside / "conf" / "optimizer" / "adam.yaml").write_text(
        "# Mine.\nname: Adam\nlearning_rate: 0.5 # fast\n"
    )
    config, problems = preflight.overrides([])
    assert problems == []
    assert config["optimizer"] == {"name": "Adam", "learning_rate": 0.5}


def test_a_project_config_sets_its_own_defaults(inside):
    ours = (option_files.package_conf() / "config.yaml").read_text(encoding="utf-8")
    (inside / "conf").mkdir()
    (inside / "conf" / "config.yaml").write_text(ours.replace("data: digits", "data: iris") + "seed: 5\n")
    config, problems = preflight.overrides([])
    assert problems == []
    assert (config["data"]["name"], config["seed"], config["model"]["name"]) == ("iris", 5, "mlp")
    config, problems = preflight.overrides(["experiment=digits_cnn"])
    assert (problems, config["data"]["name"]) == ([], "digits"), (
        "an experiment stands over the project's defaults"
    )


def test_project_config_without_a_group_is_refused_by_name(inside):
    (inside / "conf").mkdir()
    (inside / "conf" / "config.yaml").write_text("defaults:\n  - trainrun\n  - data: iris\n  - _self_\n")
    _, problems = preflight.overrides([])
    assert any("model" in str(p) for p in problems), problems
    assert len(problems) < 12 and all(p.message for p in problems)


@pytest.mark.parametrize("variable, in_file", [("jax", None), (None, "torch"), ("jax", "tensorflow")])
def test_another_backend_of_keras_is_refused(variable, in_file, inside, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(inside))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if variable:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    if in_file:
        (inside / "keras.json").write_text(f'{{"backend": "{in_file}"}}')
    (problem,) = faults("data=iris")
    assert problem.key == ("KERAS_BACKEND" if variable else str(inside / "keras.json"))
    assert f"TensorFlow only; got {variable or in_file}." in problem.message
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # it counts before the file
    assert faults("data=iris") == []


def test_a_wrong_output_of_a_model_is_one_problem(inside):
    layers = "model.layers=[{name: Dense, units: 3, activation: softmax}]"
    problems = faults("data=iris", "model=layers", layers, "model.output=nonsense")
    assert [p.key for p in problems] == ["model.output"]


def test_a_fault_inside_a_dataset_is_not_taken_for_wrong_arguments(monkeypatch):
    def describe(*, seed: int) -> Description:
        return len(seed)

    monkeypatch.setattr("trainrun.data.iris.describe", describe)
    ((_, failed),) = check.describe({"data": {"name": "iris", "seed": 1}}).problems
    assert "TypeError: object of type 'int' has no len()" in failed and "test_check.py, line" in failed
    ((_, refused),) = check.describe({"data": {"name": "iris", "seeds": 1}}).problems
    assert "cannot take these arguments: missing a required" in refused
