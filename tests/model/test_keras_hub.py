"""Presets of Keras Hub: held to a script of Keras Hub alone; files of such a model; what is refused. The presets are made here."""

from __future__ import annotations

import csv
import json
import shutil
import sys

import keras
import numpy as np
import pytest

import trainrun
from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import UserError
from trainrun.model import front, functional, inspected_file, variable_paths
from trainrun.registry.construct import construct
from trainrun.util import hub_preset

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "quick", "brown", "fox", "jump", "##ed", ".", "lazy", "dog"]  # fmt: skip
RATE = "optimizer.learning_rate"
QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "artifacts.weights=last", "hardware=cpu", "trainer.shuffle=false",
         "trainer.batch_size=16"]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with presets `bert` and `resnet`, and a table of texts."""
    import keras_hub.models as hub
    from keras_hub.layers import ResNetImageConverter

    folder = tmp_path_factory.mktemp("hub")
    keras.utils.set_random_seed(3)
    bert = hub.BertBackbone(len(WORDS), 1, 2, 8, 16, dropout=0.0, max_sequence_length=9)
    tokenizer = hub.BertTokenizer(WORDS, lowercase=True)
    preprocessor = hub.BertTextClassifierPreprocessor(tokenizer, sequence_length=9)
    hub.BertTextClassifier(bert, 3, preprocessor, dropout=0.0).save_to_preset(folder / "bert")
    resnet = hub.ResNetBackbone([64], [3], [64], [1], [1], "basic_block", image_shape=(None, None, 3))
    converter = ResNetImageConverter(image_size=(16, 16), scale=[0.02, 0.03, 0.04], offset=[-2.0, -1.9, -1.8])
    of_images = hub.ResNetImageClassifierPreprocessor(converter)
    hub.ResNetImageClassifier(resnet, 3, of_images, pooling="max").save_to_preset(folder / "resnet")
    draw = np.random.RandomState(0)
    with (folder / "texts.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["review", "stars", "part"])
        for i in range(80):
            words = draw.choice(
                ["quick", "fox", "The"] if i % 2 else ["lazy", "dog", "jumped", "strange"], 1 + i % 9
            )
            rows.writerow([" ".join(words), "good" if i % 2 else "bad", "test" if i >= 64 else "train"])
    return folder


@pytest.fixture(scope="module")
def texts(place):
    return ["data=text", f"data.path={place}/texts.csv", "data.text=review", "data.target=stars", "data.split=column", "data.part=part", "data.validation=0",
            "data.sequence_length=9", f"data.preset={place}/bert", "model=keras_hub", f"model.preset={place}/bert"]  # fmt: skip


@pytest.fixture(scope="module")
def start(place):
    """The untrained model as a file, so that the script begins with the same head."""
    inputs = (InputSpec("text", "tokens", (9,), (len(WORDS),)),)
    arguments = {"name": "keras_hub", "preset": str(place / "bert")}
    target = TargetSpec("binary", ("bad", "good"))
    model = construct("model", arguments, inputs=inputs, target=target, head=None)
    model.save(place / "start.keras")
    return model


@pytest.fixture(scope="module")
def trained(texts, place, start, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("trained"))
        yield trainrun.run(
            [*QUIET, *texts, "trainer.epochs=3", f"{RATE}=0.01", f"init_from={place}/start.keras"]
        )


def rows_of(place, part):
    with (place / "texts.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["part"] == part]
    return np.array([row["review"] for row in rows]), np.array([row["stars"] == "good" for row in rows], int)


def test_fine_tuning_a_text_preset_is_the_script_of_keras_hub_and_the_file_takes_texts(trained, start, place):
    import keras_hub

    classifier = keras_hub.models.TextClassifier.from_preset(str(place / "bert"), num_classes=1)
    classifier.output_dense.set_weights(start.get_layer("head").get_weights())
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(0.01), loss)
    reviews, good = rows_of(place, "train")
    history = classifier.fit(reviews, good, batch_size=16, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(trained.history["loss"], history.history["loss"], atol=1e-4)
    weights = [*classifier.backbone.get_weights(), *classifier.output_dense.get_weights()]
    for own, expected in zip(trained.model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-4)
    # Raw texts in, probabilities out: no word of them is in the record as the model sees it.
    unseen = np.array([*rows_of(place, "test")[0], "", "A FOX. jumped?"])
    loaded = keras.saving.load_model(trained.run_dir / "model.keras")
    expected = keras.ops.sigmoid(classifier.predict(unseen, verbose=0))
    for output in (
        loaded.predict(unseen.astype(object), verbose=0),
        loaded(keras.ops.convert_to_tensor(unseen[:, None])),
    ):
        np.testing.assert_allclose(output, expected, atol=1e-4)


def test_missing_texts_of_a_table_have_the_tokens_of_an_empty_one_also_in_the_front(place, inside):
    rows = "the fox jumped,good\nlazy,bad\n,bad\nquick dog.,good\n"
    (inside / "t.csv").write_text(f"note,stars\n{rows * 8}")
    text = {"note": {"preset": str(place / "bert"), "sequence_length": 6}}
    data = trainrun.build("data", "csv", path="t.csv", text=text, target="stars", test=0, validation=0)
    model = construct("model", {"name": "mlp"}, inputs=data.inputs, target=data.target, head="sigmoid")
    model = functional.over(model, data.inputs)
    raw = {"note": keras.ops.convert_to_tensor([["the fox jumped"], ["lazy"], [""], ["quick dog."]])}
    seen = {tuple(ids) for ids in data.train.x.tolist()}
    assert seen == {(2, 5, 8, 9, 10, 3), (2, 12, 3, 0, 0, 0), (2, 3, 0, 0, 0, 0), (2, 6, 13, 11, 3, 0)}
    whole = front.over(model, Preprocessor.of(data))
    expected = np.unique(np.round(model(data.train.x), 5))
    np.testing.assert_allclose(np.unique(np.round(whole(raw), 5)), expected, atol=2e-5)


def test_adapters_are_merged_into_the_layers_of_a_backbone(place, texts, inside):
    lora = "model.lora={rank: 2, layers: [backbone/.*query, backbone/pooled_dense]}"
    run = trainrun.run(
        [*QUIET, *texts, lora, "trainer=custom", "hardware=cpu", "trainer.epochs=1", RATE + "=0.1"]
    )
    ids = run.data().test.x
    expected = run.model.predict(ids, verbose=0)
    loaded = inspected_file.load(run.run_dir / "model.keras", "model")
    raw = rows_of(place, "test")[0].astype(object)
    np.testing.assert_allclose(loaded.predict(raw, verbose=0), expected, atol=1e-5)
    changed = [
        w.path
        for w in variable_paths.weights(run.model)
        if "lora" in w.path and np.abs(w.variable.numpy()).max() > 0
    ]
    assert any(path.endswith("pooled_dense/lora_kernel_b") for path in changed)


@pytest.mark.parametrize("load_weights", [True, False])
def test_images_reach_the_backbone_as_by_its_preprocessor_and_its_classifier_gives_the_head(
    place, load_weights
):
    import keras_hub

    inputs, target = (InputSpec("image", "image", (20, 24, 3)),), TargetSpec("multiclass", tuple("abcd"), 4)
    arguments = {
        "name": "keras_hub",
        "preset": str(place / "resnet"),
        "load_weights": load_weights,
        "trainable": False,
    }
    model = construct("model", arguments, inputs=inputs, target=target, head="softmax")
    classifier = keras_hub.models.ImageClassifier.from_preset(
        str(place / "resnet"), num_classes=4, activation="softmax"
    )
    assert classifier.pooling == "max"
    same = all(
        map(np.array_equal, model.get_layer("backbone").get_weights(), classifier.backbone.get_weights())
    )
    assert same is load_weights
    assert [w.path for w in model.trainable_weights] == ["head/kernel", "head/bias"]
    if load_weights:
        classifier.output_dense.set_weights(model.get_layer("head").get_weights())
        pixels = np.random.RandomState(1).randint(0, 256, (4, 20, 24, 3))
        np.testing.assert_allclose(
            model(pixels.astype("float32") / 255), classifier.predict(pixels, verbose=0), atol=1e-5
        )


def change(folder, name, path, value):
    tree = json.loads((folder / name).read_text())
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    (folder / name).write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("name", "spoil", "kind", "says"),
    [
        ("resnet", lambda f: (f / "config.json").unlink(), None, "has no config.json"),
        ("resnet", lambda f: (f / "config.json").write_text("{"), None, "is damaged"),
        ("resnet", lambda f: (f / "model.weights.h5").unlink(), None, "has no model.weights.h5.*load_weights=false"),
        ("resnet", lambda f: change(f, "task.json", ["module"], "os"), None, "names os.ResNetImageClassifier.*not imported"),
        ("bert", lambda f: change(f, "tokenizer.json", ["registered_name"], "mine>Tok"), None, "neither of Keras nor"),
        ("resnet", lambda f: None, "tokens", "takes images; the data has texts"),
        ("bert", lambda f: (f / "config.json").write_text('{"model_type": "bert"}'), None, "Hugging Face Transformers"),
        ("bert", lambda f: change(f, "config.json", ["config", "image_shape"], [8, 8, 3]), None, "neither one image nor one text"),
    ],
)  # fmt: skip
def test_a_spoilt_preset_is_refused_by_its_files_alone(place, tmp_path, name, spoil, kind, says):
    folder = shutil.copytree(place / name, tmp_path / name)
    assert hub_preset.fault(str(folder), kind, weights=True) is None or kind
    spoil(folder)
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(hub_preset.fault(str(folder), kind, weights=True))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (["data.preset=null"], r"data\.preset: .*tokens of its own tokenizer.*Add data\.preset="),
        (["data.ngrams=2"], r"data\.preset: .*ngrams would not be used"),
        (["data.preset=bert_tiny_en_uncased"], r"data\.preset: .*Name the same preset"),
        (["model.preset=no/where"], r"model\.preset: there is no folder no/where"),
        (["model.preset=null"], r"model\.preset: expected the folder of a preset"),
        (["model.preset=hf://a/b"], r"model\.preset: expected a folder or a name"),
        (["data=digits"], r"model\.preset: .*takes texts; the data has images"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_before_training(texts, changed, says, inside):
    with pytest.raises(UserError, match=says):
        trainrun.run(
            [
                *QUIET,
                *(t for t in texts if changed != ["data=digits"] or "data" not in t.split("=")[0]),
                *changed,
            ]
        )


def test_names_need_the_network_and_the_extra_is_named(texts, monkeypatch):
    import kagglehub

    def refuse(handle):
        raise ConnectionError("no route to api.kaggle.com")

    monkeypatch.setattr(kagglehub, "model_download", refuse)
    with pytest.raises(
        UserError, match=r"Kaggle cannot be reached.*Without a network, save it elsewhere.*copy the folder"
    ):
        hub_preset.folder("bert_tiny_en_uncased", "model.preset")
    with pytest.raises(
        UserError, match=r"no preset 'bert_tiny_en_uncase'.*Did you mean bert_tiny_en_uncased"
    ):
        hub_preset.folder("bert_tiny_en_uncase", "model.preset")
    monkeypatch.setattr(hub_preset, "is_installed", lambda: False)
    assert "pip install 'trainrun[hub]'" in hub_preset.fault("bert_tiny_en_uncased")


def test_a_saved_model_without_keras_hub_says_what_it_needs(trained, monkeypatch):
    monkeypatch.setattr(hub_preset, "is_installed", lambda: False)
    with pytest.raises(UserError, match=r"holds layers of Keras Hub; it needs .*trainrun\[hub\]"):
        inspected_file.inspect(trained.run_dir / "model.keras", "model.path")
    assert "keras_hub" in sys.modules
