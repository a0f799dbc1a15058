"""Arguments of plug-ins as users write them: what a signature declares counts, and no argument's name."""

from __future__ import annotations

import pytest

from trainrun.config import plugins
from trainrun.hydra_bridge import preflight
from trainrun.registry import construct, lookup, option_files


@pytest.fixture(autouse=True)
def no_other_plugins():
    with lookup.isolated():
        yield


@pytest.fixture
def check(inside):
    """Write a plug-in and check overrides with it."""

    def checked(source, *overrides, name="mine"):
        (inside / f"{name}.py").write_text("import trainrun\n" + source)
        config, problems = preflight.overrides([f"plugins=[./{name}.py]", *overrides])
        return config, [f"{p.key}: {p.message}" for p in problems]

    return checked


def loss(arguments, name="plugged", before=""):
    return f'{before}\n@trainrun.register("loss", "{name}")\ndef {name}(y_true, y_pred, {arguments}):\n    return y_pred\n'


LAYER = """
import keras
@trainrun.register("layer", "Twice")
class Twice(keras.layers.Layer):
    def __init__(self, {arguments}, **kwargs):
        super().__init__(**kwargs)
"""


@pytest.mark.parametrize(
    "arguments, override",
    [
        ('mode="rgb"', "mode=grayscale"),
        ("gamma=2.0", "gamma=-1"),
        ("k=5", "k=0.25"),
        ("k: float = 5", "k=0.25"),
        ("factor=0.5", "factor=12"),
        ("momentum=0.9", "momentum=1.5"),
        ("inner=3", "inner=4"),
        ("step=1", "step=2"),
        ("layers=2", "layers=3"),
        ("first=0.1, second=0.2", "first=7"),
        ("num_layers=3", "num_layers=4"),
        ("write_steps_per_second=1.5", "write_steps_per_second=3"),
        ('filepath="x"', "filepath=/absolute"),
        ("decay_steps=10", "decay_steps=-5"),
        ("epochs=1", "epochs=-1"),
        ("axis: int | list[int] = -1", "axis=[0,1,2]"),
        ("value: 'np.ndarray' = 3", "value=[1,2]"),
    ],
)
def test_no_range_and_no_reference_goes_by_the_name_of_an_argument(check, arguments, override):
    _, problems = check(loss(arguments), "loss=plugged", f"loss.{override}")
    assert problems == []


@pytest.mark.parametrize(
    "arguments, override, message",
    [
        ("k: Annotated[float, Range(0, 1)] = 0.5", "k=2", "loss.k: expected a number in [0, 1], got 2."),
        ("k: Annotated[float, trainrun.Range(above=0)] = 0.5", "k=0", "expected a number above 0, got 0."),
        (
            "k: Annotated[int, Range(1)] | None = None",
            "k=1.5",
            "a whole number of at least 1, or null, got 1.5.",
        ),
        (
            "k: 'Annotated[int, Range(high=TOP)]' = 3",
            "k=11",
            "expected a whole number of at most 10, got 11.",
        ),
        ("k: Share = 0.5", "k=-1", "expected a number in [0, 1), got -1."),
        ("k: Literal['a', 'b'] = 'a'", "k=c", "expected one of a, b, got 'c'."),
        ("k: int = 3", "k=0.5", "expected a whole number, got 0.5."),
        ("k: list[float] = (1.0,)", "k=2", "expected a list, each a number, got 2. Write [2]."),
        ("k: bool = True", "k=3", "expected true or false, got 3."),
        ("k=True", "k=3", "expected true or false, got 3."),
        ("k=0.5", "k=high", "expected a number, got 'high'."),
        ("k: Annotated[object, Reference('regularizer')] = None", "k=l7", "there is no 'l7'"),
        ("k: keras.regularizers.Regularizer = None", "k=l7", "there is no 'l7'"),
        ("k: list[keras.layers.Layer] = ()", "k=Dense", "expected a list, got 'Dense'."),
        ("k: trainrun.RunPath = 'x'", "k=../y", "expected a path inside the run's directory"),
        ("k: trainrun.TrainingLength = 3", "k=3weeks", "expected a length"),
        ("k: trainrun.Duration = 3", "k=soon", "expected a duration"),
    ],
)
def test_what_a_signature_declares_is_checked(check, arguments, override, message):
    before = (
        "import keras\nfrom typing import Annotated, Literal\nfrom trainrun import Range, Reference\n"
        "TOP = 2 * 5\nShare = Annotated[float, Range(0, below=1)]\n"
    )
    _, problems = check(loss(arguments, before=before), "loss=plugged", f"loss.{override}")
    assert len(problems) == 1 and message in problems[0], problems


def test_a_default_that_is_no_literal_is_evaluated_or_left_to_python(check):
    source = (
        "import math\nTOP = 4\ndef made(): return 11.0\n"
        "@trainrun.register('loss', 'plugged')\nclass Plugged:\n"
        "    def __init__(self, a=1 / 3, b=TOP, c=math.pi, d=made()):\n        self.values = (a, b, c, d)\n"
    )
    config, problems = check(source, "loss=plugged")
    assert problems == []
    assert config["loss"] == {
        "name": "plugged",
        "a": 1 / 3,
        "b": 4,
        "c": pytest.approx(3.14159265),
        "d": None,
    }
    plugins.load(["./mine.py"])
    assert construct.construct("loss", config["loss"], complete=True).values == (
        1 / 3,
        4,
        3.141592653589793,
        11.0,
    )
    assert construct.construct("loss", {**config["loss"], "d": 2}, complete=True).values[3] == 2


def test_a_declared_reference_arrives_built(check):
    import keras

    source = (
        "from typing import Annotated, Any\n@trainrun.register('loss', 'plugged')\nclass Plugged:\n"
        "    def __init__(self, inner=3, penalty: Annotated[Any, trainrun.Reference('regularizer')] = 'l2'):\n"
        "        self.inner, self.penalty = inner, penalty\n"
    )
    config, problems = check(source, "loss=plugged", "loss.inner=5")
    assert problems == []
    plugins.load(["./mine.py"])
    built = construct.construct("loss", config["loss"], complete=True)
    assert built.inner == 5 and isinstance(built.penalty, keras.regularizers.L2)


def test_a_function_beside_a_class_of_nearly_the_same_name_has_its_own_arguments(check):
    source = "class PlugGed:\n    def __init__(self, width): ...\n" + loss("power=2.0")
    config, problems = check(source, "loss=plugged")
    assert problems == [] and config["loss"] == {"name": "plugged", "power": 2.0}


def test_a_registration_by_call_is_known_before_the_import(check):
    source = "def error(y_true, y_pred, power: int = 2):\n    return y_pred\ntrainrun.register('loss', 'called')(error)\n"
    config, problems = check(source, "loss=called", "loss.power=3")
    assert problems == [] and config["loss"] == {"name": "called", "power": 3}
    _, problems = check(source, "loss=called", "loss.power=0.5")
    assert problems == ["loss.power: expected a whole number, got 0.5."]


@pytest.mark.parametrize(
    "body", ["pass", "def __init__(self, mine=1, **kwargs):\n        super().__init__(**kwargs)"]
)
def test_an_optimizer_without_its_own_rate_has_that_of_its_base(check, body):
    source = (
        "import keras\n@trainrun.register('optimizer', 'plain')\n"
        f"class Plain(keras.optimizers.SGD):\n    {body}\n"
    )
    config, problems = check(source, "optimizer=plain", "schedule=cosine_decay")
    assert problems == []
    assert config["optimizer"]["learning_rate"] == config["schedule"]["initial_learning_rate"] == 0.01
    _, problems = check(source, "optimizer=plain", "optimizer.learning_rate=-1")
    assert "optimizer.learning_rate: expected a number above 0, got -1." in problems


@pytest.mark.parametrize(
    "name, owner", [("huber", "conf/loss/huber.yaml"), ("Huber", "losses.py"), ("focal", "focal.yaml")]
)
def test_a_name_that_trainrun_or_keras_uses_is_refused(check, name, owner):
    _, problems = check(loss("a=1", name=name), f"loss={name}")
    assert "./mine.py, line 3" in problems[0] and owner in problems[0], problems
    assert f"Choose another one, such as my_{name.lower()}." in problems[0]


def test_two_plugins_with_one_name_are_refused(inside):
    for name in ("one", "two"):
        (inside / f"{name}.py").write_text("import trainrun\n" + loss("a=1"))
    _, problems = preflight.overrides(["plugins=[./one.py,./two.py]", "loss=plugged"])
    assert [p.message for p in problems] == [
        "./two.py, line 3: register('loss', 'plugged'): ./one.py, line 3 registers this name, too. Rename one of them."
    ]


def test_a_plugin_that_is_listed_twice_is_one(inside):
    (inside / "one.py").write_text("import trainrun\n" + loss("a=1"))
    assert preflight.overrides(["plugins=[./one.py,./one.py]", "loss=plugged"])[1] == []


def test_a_trainer_plugin_may_have_arguments_of_its_own(check):
    source = (
        "@trainrun.register('trainer', 'mine')\nclass Mine:\n    def __init__(self, momentum=1.5, validation_freq=1): ...\n"
        "    def train(self, job, callbacks): ...\n"
    )
    _, problems = check(source, "trainer=mine", "trainer.momentum=2.5")
    assert problems == []
    _, problems = check(source, "trainer=mine", "trainer.epochs=-1")
    assert problems == ["trainer.epochs: expected a whole number of at least 1, got -1."]


@pytest.mark.parametrize(
    "layer",
    [
        "{name: RandomFlip, mode: vertical}",
        "{name: RandomRotation, factor: [-0.1, 0.2]}",
        "{name: RandomErasing, factor: [0.1, 0.2]}",
        "{name: LayerNormalization, axis: [1]}",
        "{name: Dense, units: 4, kernel_constraint: {name: MaxNorm, max_value: 0.5, axis: [0, 1]}}",
        "{name: Dense, units: 4, kernel_constraint: {name: max_norm, max_value: 1.5}}",
        "{name: LeakyReLU, negative_slope: 0}",
    ],
)
def test_layers_take_the_values_that_keras_takes(inside, layer):
    _, problems = preflight.overrides(["model=layers", f"model.layers=[{layer}]"])
    assert problems == []


@pytest.mark.parametrize(
    "layer, message",
    [
        ("{name: Dropout, rate: 1}", "model.layers[0].rate: expected a number in [0, 1), got 1."),
        ("{name: Dense, units: 0}", "model.layers[0].units: expected a whole number of at least 1, got 0."),
        ("{name: Dense, units: 3, kernel_regularizer: l3}", "model.layers[0].kernel_regularizer.name: "),
        ("{name: TimeDistributed, layer: [Dense]}", "expected one layer, got a list of 1."),
    ],
)
def test_layers_are_still_checked(inside, layer, message):
    _, problems = preflight.overrides(["model=layers", f"model.layers=[{layer}]"])
    assert len(problems) == 1 and message in f"{problems[0].key}: {problems[0].message}"


def test_a_layer_of_a_plugin_may_name_its_arguments_as_it_likes(check):
    source = LAYER.format(arguments='cells=3, kernel_initializer="he_normal", rate=2.0')
    layer = "{name: Twice, cells: 4, kernel_initializer: mine, rate: 3.5, trainable: false}"
    _, problems = check(source, "model=layers", f"model.layers=[{layer}]")
    assert problems == []


def test_muon_takes_a_ratio_that_is_no_whole_number(inside):
    assert preflight.overrides(["optimizer=muon", "optimizer.adam_lr_ratio=0.1"])[1] == []


def test_every_default_of_an_option_fits_its_hint():
    from trainrun.registry import hints, signatures

    for group in lookup.KERAS:
        for option in option_files.packaged(group).values():
            name = option.arguments.get("name")
            if name in lookup.names(group):
                for key, p in signatures.read(lookup.find(group, name)).parameters.items():
                    if not p.unread and p.default != signatures.REQUIRED:
                        fits = hints.allows(p.hint, p.value) or p.value is None
                        assert fits, f"{group}/{option.name}: {key}={p.default}"
