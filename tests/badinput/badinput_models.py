"""Models that cannot be built, model files that are none or hold code: told once TensorFlow is there; failing training."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from badinput_harness import Case, case

QUICK = "data=iris tracking=none trainer.epochs=1 artifacts.plots=false artifacts.report=false"


def layer(kind: str, within: str | None = "keras.layers", /, **config: Any) -> dict[str, Any]:
    return {"module": within, "class_name": kind, "config": config, "registered_name": None}


def model(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    opened = layer("InputLayer", batch_shape=[None, 4], dtype="float32", name="input")
    return {**layer("Sequential", "keras", name="m", layers=[opened, *layers]), **more}


def keras_file(config: Any, weights: bytes = b"", **entries: bytes) -> Callable[[Path], None]:
    """Make a .keras file of a config of one's own."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(
                "metadata.json", '{"keras_version": "3.15.0", "date_saved": "2026-01-01@00:00:00"}'
            )
            archive.writestr("config.json", config if isinstance(config, str | bytes) else json.dumps(config))
            archive.writestr("model.weights.h5", weights)
            for name, content in entries.items():
                archive.writestr(name, content)

    return make


def external(path: Path) -> None:
    """Weights that are a link to another file of the disk."""
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made.create_group("layers/dense/vars")
        made["layers/dense/vars/0"] = h5py.ExternalLink("/etc/hostname", "x")
        made["layers/dense/vars/1"] = h5py.ExternalLink("/etc/hostname", "y")
    keras_file(model(layer("Dense", units=3, activation="softmax", name="dense")), file.getvalue())(path)


def lambda_layer(path: Path) -> None:
    """What Keras itself writes for a Lambda layer, with a bytecode that would leave a file behind."""
    import keras

    inputs = keras.Input((4,))
    x = keras.layers.Lambda(lambda v: v * 2, name="twice")(inputs)
    keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x)).save(path)


DENSE = layer("Dense", units=3, activation="softmax", name="dense")
FUNCTION = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}


def saved(id: str, make: Any, *says: str, more: str = "") -> Case:
    return case(
        f"model file: {id}",
        f"{QUICK} model=file model.path=m.keras {more}".strip(),
        "model.path",
        *says,
        files={"m.keras": make},
    )


FILES = [
    case("model file: no path", f"{QUICK} model=file", "model.path", "got null"),
    case("model file: not there", f"{QUICK} model=file model.path=nowhere.keras", "there is no file nowhere.keras"),
    case("model file: a folder", f"{QUICK} model=file model.path=m", "m is no run's directory", files={"m/a": "a"}),
    case("model file: another ending", f"{QUICK} model=file model.path=m.h5", "ending in .keras", files={"m.h5": "a"}),
    case("model file: an address", f"{QUICK} model=file model.path=https://e.org/m.keras", "https://e.org/m.keras is an address"),
    case("model file: a run that is not there", f"{QUICK} model=file model.path=long_ago", "model.path", "no run 'long_ago'"),
    saved("empty", b"", "is empty"),
    saved("text", "not a model", "is no Keras model, or is damaged"),
    saved("an empty zip", lambda p: zipfile.ZipFile(p, "w").close(), "is no Keras model, or is damaged"),
    saved("a config that is no JSON", keras_file("not json"), "is no Keras model, or is damaged"),
    saved("a config that is a list", keras_file("[1, 2]"), "holds no model"),
    saved("a config that is a number", keras_file("3"), "holds no model"),
    saved("a config of nothing", keras_file({}), "cannot be loaded"),
    saved("a config nested without end", keras_file('{"config": ' * 20_000 + "1" + "}" * 20_000), "damaged"),
    saved("a config that is no UTF-8", keras_file(b"\xff\xfe{}"), "damaged"),
    saved("no weights", keras_file(model(DENSE)), "cannot be loaded"),
    saved("weights that are text", keras_file(model(DENSE), b"not h5"), "cannot be loaded"),
    saved("weights in another file", external, "cannot be loaded"),
    saved("a Lambda layer", lambda_layer, "holds Python code in the Lambda layer twice, which is not run"),
    saved("a Lambda layer by hand", keras_file(model(layer("Lambda", name="evil", function={"class_name": "__lambda__", "config": {"code": "4wAA"}}), DENSE)), "holds Python code in the Lambda layer evil"),
    saved("a lambda as activation", keras_file(model(layer("Dense", units=3, activation={"class_name": "__lambda__", "config": {"value": "4wAA"}}, name="d"))), "holds Python code"),
    saved("a SavedModel inside", keras_file(model(layer("TFSMLayer", filepath="/tmp/x", name="evil"), DENSE)), "holds Python code in the TFSMLayer layer evil"),
    saved("a Torch module inside", keras_file(model(layer("TorchModuleWrapper", module="x", name="evil"), DENSE)), "holds Python code"),
    saved("a function of os", keras_file(model(layer("Dense", units=3, activation=FUNCTION, name="d"))), "holds os.system", "nothing else is imported"),
    saved("a class of subprocess", keras_file(model(layer("Popen", "subprocess", args=["touch", "stray"]), DENSE)), "holds subprocess.Popen"),
    saved("a module that is not imported yet", keras_file(model(layer("Nothing", "antigravity"), DENSE)), "holds antigravity.Nothing"),
    saved("Keras' own downloads", keras_file(model(layer("Dense", units=3, activation={"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}, name="d"))), "holds keras.utils.get_file"),
    saved("Keras' own loader", keras_file(model(layer("Dense", units=3, activation={"module": "keras.models", "class_name": "function", "config": "load_model", "registered_name": "load_model"}, name="d"))), "model.path"),
    saved("Keras' own switch of safe mode", keras_file(model(layer("enable_unsafe_deserialization", "keras.config"), DENSE)), "holds keras.config.enable_unsafe_deserialization"),
    saved("a package of Keras' that is not ours", keras_file(model(layer("X", "keras_hub.models"), DENSE)), "holds keras_hub.models.X"),
    saved("a module's name with a trick", keras_file(model(layer("X", "keras.layers.../../os"), DENSE)), "model.path"),
    saved("a layer that is not registered", keras_file(model({**layer("Mine", "my_package.layers"), "registered_name": "mine>Mine"}, DENSE)), "plugins=[./my_layers.py]"),
    saved("a class that is a number", keras_file(model({**DENSE, "class_name": 3})), "model.path"),
    saved("a class that is a list", keras_file(model({**DENSE, "class_name": ["Dense"]})), "names a class ['Dense']"),
    saved("a module that is a number", keras_file(model({**DENSE, "module": 3})), "model.path"),
    saved("a layer of Keras that is none", keras_file(model(layer("Dens", units=3, name="d"))), "cannot be loaded"),
    saved("a layer with arguments that are none", keras_file(model(layer("Dense", unit=3, name="d"))), "cannot be loaded"),
    saved("a words' list from another file", keras_file(model(layer("StringLookup", vocabulary="/etc/passwd", name="s"), DENSE)), "cannot be loaded"),
    saved("other inputs", lambda p: _built(p, 7, 3), "the data has numeric [4]"),
    saved("other outputs", lambda p: _built(p, 4, 5), "the data needs [3]"),
]  # fmt: skip


def _built(path: Path, inputs: int, outputs: int) -> None:
    import keras

    opened = keras.Input((inputs,))
    keras.Model(opened, keras.layers.Dense(outputs, activation="softmax")(opened)).save(path)


BUILDING = [
    case("model: an activation that is none", f"{QUICK} model.activation=reluu", "model", "reluu"),
    case("model: a dimension that does not fit", f"{QUICK} model=layers model.layers=[{{name: Conv2D, filters: 4, kernel_size: 3}}]", "model.layers[0]", "Put Flatten, Reshape"),
    case("model: layers without their arguments", f"{QUICK} model=layers model.layers=[{{name: Dense}}]", "model.layers[0]"),
    case("model: layers that end wrongly", f"{QUICK} model=layers model.add_head=false model.layers=[{{name: Dense, units: 7}}]", "model.layers[0].units"),
    case("model: a network that is none", "tracking=none model=keras_application model.application=MobilNet", "model.application", "Did you mean MobileNet?"),
    case("model: a network's weights that are not there", "tracking=none model=keras_application model.weights=nowhere.h5", "model.weights", "there is no file nowhere.h5"),
    case("optimizer: arguments that Keras refuses", f"{QUICK} optimizer.ema_momentum=0.5 optimizer.use_ema=true optimizer.ema_overwrite_frequency=-1", "optimizer.ema_overwrite_frequency"),
    case("metric: arguments that Keras refuses", f"{QUICK} metric=auc metric.auc.curve=XYZ", "metric.auc", "XYZ"),
    case("loss: arguments that Keras refuses", "tracking=none data=diabetes loss=huber loss.dtype=nonsense", "loss"),
    case("initializer: arguments that Keras refuses", f"{QUICK} model.initializer={{name: variance_scaling, mode: sideways}}", "model.initializer", "sideways"),
    case("schedule: arguments that Keras refuses", f"{QUICK} schedule=polynomial_decay schedule.power=high", "schedule.power"),
    case("hardware: a GPU that is none", f"{QUICK} hardware=gpu hardware.index=99", "hardware"),
    case("hardware: no TPU", f"{QUICK} hardware=tpu", "hardware"),
]  # fmt: skip

FAILING = "import keras, trainrun\n@trainrun.register('{group}', '{name}')\n{body}"
TRAINING = [
    case("building: a plug-in's model that calls sys.exit(0)", f"{QUICK} plugins=[./mine.py] model=leaving", "SystemExit", "run.log", code=1,
         files={"mine.py": FAILING.format(group="model", name="leaving", body="def leaving(inputs, target, head):\n    raise SystemExit(0)\n")}),
    case("building: into an empty folder that was there", f"{QUICK} hydra.run.dir=mine model.activation=reluu", "reluu", files={"mine": lambda path: path.mkdir()}),
    case("training: a loss that raises", f"{QUICK} plugins=[./mine.py] loss=raising", "mine.py, line 4", "RuntimeError", "boom",
         files={"mine.py": FAILING.format(group="loss", name="raising", body="def raising(y_true, y_pred):\n    raise RuntimeError('boom')\n")}),
    case("training: a callback that raises", f"{QUICK} plugins=[./mine.py] callback=raiser", "mine.py, line 4", "boom", "run.log", code=1,
         files={"mine.py": FAILING.format(group="callback", name="raiser", body="class Raiser(keras.callbacks.Callback):\n    def on_epoch_end(self, epoch, logs=None): raise RuntimeError('boom')\n")}),
    case("training: a callback that calls sys.exit", f"{QUICK} plugins=[./mine.py] callback=leaver", "boom", code=1,
         files={"mine.py": FAILING.format(group="callback", name="leaver", body="class Leaver(keras.callbacks.Callback):\n    def on_epoch_end(self, epoch, logs=None): raise SystemExit('boom')\n")}),
    case("training: a message with a password", f"{QUICK} plugins=[./mine.py] callback=teller", "https://***@host", code=1,
         files={"mine.py": FAILING.format(group="callback", name="teller", body="class Teller(keras.callbacks.Callback):\n    def on_epoch_end(self, epoch, logs=None): raise RuntimeError('https://me:s3cret@host is down')\n")}),
    case("data: a plug-in's dataset that is none", "tracking=none plugins=[./mine.py] data=odd", "expected a trainrun.data.dataset.Dataset, but odd returned int",
         files={"mine.py": "import trainrun\n@trainrun.register('data', 'odd')\ndef odd():\n    return 3\n"}),
]  # fmt: skip

CASES: list[Case] = [*FILES, *BUILDING, *TRAINING]
