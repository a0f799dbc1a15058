"""Random and mutated input: no crash, no hang, nothing accepted in silence."""

from __future__ import annotations

import json
import math
import os
import random
import zipfile

import numpy as np
import pytest
import yaml
from badinput_harness import unspoilt
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trainrun.checkpoint import file
from trainrun.errors import Problem, UserError
from trainrun.hydra_bridge import compose_cache, preflight
from trainrun.tracking import journal

# The same examples at each run: what CI finds once, it finds again.
# TRAINRUN_FUZZ=20 tries twenty times as many, and others each time.
MORE = int(os.environ.get("TRAINRUN_FUZZ", "1"))
FUZZ = {
    "derandomize": MORE == 1,
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
REAL = [
    "optimizer=adam", "loss=focal", "loss.gamma=1.0", "metric=[accuracy,auc]", "model.units=[64,32]", "data=iris", "trainer.epochs=3",
    "schedule=cosine_decay", "schedule.decay_steps=0.5run", "callback=[early_stopping,csv_logger]", "hardware=cpu",
    "callback.early_stopping.patience=5", "tracking=none", "experiment=digits_cnn", "debug=smoke", "seed=7", "name=mine",
    "model.regularizer={name: l2, l2: 0.01}", "plugins=[./mine.py]", "tune.learning_rate=auto", "profile=true",
    "checkpoint.every=2epochs", "data=csv", "data.path=a.csv", "+optimizer.nesterov=true", "~experiment",
    "hydra.run.dir=x", "trainer.class_weight={0: 1.0, 1: 2.0}", "trainer.max_time=10m", "model=layers",
    "model.layers=[{name: Flatten}, {name: Dense, units: 3}]", "name=${seed}", "hydra/launcher=basic",
]  # fmt: skip
ROOT = (
    "data", "model", "loss", "metric", "optimizer", "schedule", "trainer", "hardware", "callback", "tracking", "seed", "plugins",
    "name", "artifacts", "checkpoint", "tune", "profile", "profile_steps", "failure", "sweep", "seeds",
    "augment", "alert", "threshold", "phases", "loss_weights", "init_from", "init_skip", "init_optimizer", "teacher", "teacher_alpha",
    "teacher_temperature",
)  # fmt: skip
LETTERS = st.characters(exclude_categories=())
WORD = st.text(LETTERS, max_size=30)
MARKS = st.sampled_from([*"=[]{}(),.:'\"\\$+~/*&!|>%@#-_ \n\t\0", "${", "..", "é", "\ud800", "\u202e", "１"])


@st.composite
def mutated(draw) -> str:
    """A real override with some letters taken out, doubled, swapped or put in."""
    text = draw(st.sampled_from(REAL))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        kind = draw(st.integers(0, 3))
        inserted = draw(st.one_of(MARKS, st.sampled_from("abcxyz019"), st.sampled_from(REAL)))
        text = {
            0: text[:at] + text[at + 1 :],
            1: text[:at] + inserted + text[at:],
            2: text[:at] + inserted + text[at + 1 :],
            3: text[at:] + text[:at],
        }[kind]
    return text


@pytest.fixture(scope="module")
def composed_once():
    """Each choice of options is composed once: for tests that write no config files."""
    with compose_cache.enabled():
        yield


def checked(overrides: list[str]) -> tuple[dict | None, list[Problem]]:
    """Check overrides; whatever is raised but a message to the user fails the test."""
    with unspoilt():
        try:
            config, problems = preflight.overrides(overrides)
        except UserError as error:
            return None, error.problems
    for problem in problems:
        assert isinstance(problem.message, str) and problem.message.strip(), f"{overrides}: no message"
        assert "Traceback" not in problem.message
    assert config is not None or problems, f"{overrides}: neither a config nor a problem"
    return config, problems


@settings(max_examples=35 * MORE, **FUZZ)
@given(st.lists(st.one_of(mutated(), WORD, st.builds("{}={}".format, WORD, WORD)), min_size=1, max_size=2))
@example(["=".join(["a"] * 100)])
@example(["name=${oc.env:HOME}"])
def test_overrides_are_understood_or_refused(inside, composed_once, overrides):
    config, problems = checked(overrides)
    if not problems:
        assert set(config) <= set(ROOT), "a key that nobody knows was taken"
        assert not list(inside.iterdir())


@settings(max_examples=20 * MORE, **FUZZ)
@given(
    st.sampled_from([*ROOT[:10], "artifacts", "checkpoint", "tune", "failure", "sweep"]),
    st.from_regex(r"[a-z][a-z_]{2,12}", fullmatch=True),
    st.sampled_from(["", "+", "++"]),
)
def test_key_that_does_not_exist_is_never_accepted(inside, composed_once, group, key, plus):
    from trainrun.registry import option_files, signatures
    from trainrun.registry.lookup import find

    node = preflight.overrides([])[0][group]
    known = set(node)
    component = find(group, node["name"]) if "name" in node and group not in ("tracking",) else None
    known |= set((signatures.read(component).parameters if component else {}) or {})
    known |= {k for o in option_files.options(group).values() for k in (o.name, *o.arguments)}
    if key in known:
        return
    _, problems = checked([f"{plus}{group}.{key}=1"])
    assert problems, f"{plus}{group}.{key}=1 was taken in silence"


TREES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), WORD, st.sampled_from(REAL),
        st.sampled_from(["${seed}", "${nowhere}", "${.x}", "${oc.env:HOME}", "${", "os.system", "Huber", "auto", "1e3"]),
    ),
    lambda inside: st.one_of(
        st.lists(inside, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from([*ROOT, "name", "_target_", "class_name", "defaults", "hydra", "units"]), WORD), inside, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip
SCRAPS = st.lists(
    st.one_of(
        MARKS, st.sampled_from(["name", ": ", "\n  ", "- ", "&a ", "*a", "<<: ", "Huber", "!!", "? ", "..."])
    ),
    max_size=40,
)
FILES = [("conf/experiment/mine.yaml", "experiment=mine"), ("conf/loss/mine.yaml", "loss=mine"), ("conf/trainer/mine.yaml", "trainer=mine"),
         ("conf/callback/mine.yaml", "callback=mine"), ("conf/config.yaml", "seed=1")]  # fmt: skip


def put(inside, path: str, content: bytes) -> None:
    target = inside / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


@settings(max_examples=18 * MORE, **FUZZ)
@given(
    st.sampled_from(FILES),
    st.dictionaries(st.sampled_from([*ROOT, "name", "sede", "hydra"]), TREES, max_size=4),
)
def test_yaml_trees_are_understood_or_refused(tmp_path_factory, file, tree):
    path, override = file
    inside = tmp_path_factory.mktemp("tree")
    text = yaml.safe_dump(tree, allow_unicode=True)
    header = "# @package _global_\n" if "experiment" in path else ""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(inside)
        put(inside, path, (header + text).encode("utf-8", "surrogatepass"))
        config, problems = checked([override])
    if not problems:
        assert set(config) <= set(ROOT)
    if "experiment" in path and "sede" in tree:
        assert problems, "an unknown key was taken in silence"
    assert [p.name for p in inside.iterdir()] == ["conf"], "left something behind"


@settings(max_examples=20 * MORE, **FUZZ)
@given(
    st.sampled_from(FILES),
    st.one_of(
        st.binary(max_size=200), SCRAPS.map(lambda scraps: "".join(scraps).encode("utf-8", "surrogatepass"))
    ),
)
def test_files_of_anything_are_understood_or_refused(tmp_path_factory, file, content):
    path, override = file
    inside = tmp_path_factory.mktemp("bytes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(inside)
        put(inside, path, content)
        checked([override])
    assert [p.name for p in inside.iterdir()] == ["conf"], "left something behind"


@pytest.fixture
def written(tmp_path):
    """A real journal."""
    path = tmp_path / "journal.jsonl"
    log = journal.Journal(path)
    log.write("start", run_id="a", config={"$odd": 1, "x": [1.5, None]}, overrides=["é"])
    for epoch in range(5):
        log.write("epoch", epoch=epoch, step=epoch * 3, metrics={"loss": math.nan, "acc": math.inf, "x": 0.1})
    log.write("end", status="FINISHED", reason=None)
    log.close()
    return path


@settings(max_examples=300 * MORE, **FUZZ)
@given(st.binary(max_size=400))
@example(b"[" * 100_000)
@example(b'{"kind": ' * 5000)
@example(b'{"kind": "x", "seq": ' + b"9" * 5000 + b"}")
@example(b'{"kind": "x", "v": 1e999}\n{"kind": "x", "v": NaN}')
@example(b'{"kind": "\\ud800"}\n\xff\xfe\n{}\n[]\nnull\n"kind"')
def test_journal_of_random_bytes_is_read_or_reported_as_damaged(tmp_path, content):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    contents = journal.read(path)
    lines = [line for line in content.split(b"\n") if line.strip()]
    assert len(contents.records) + len(contents.damage) == len(lines), "a line was dropped in silence"
    assert all(isinstance(r, dict) and isinstance(r["kind"], str) for r in contents.records)


@settings(max_examples=200 * MORE, **FUZZ)
@given(st.data())
def test_a_damaged_journal_loses_no_whole_line(tmp_path, written, data):
    whole = written.read_bytes()
    damaged = bytearray(whole)
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["cut", "flip", "zero"]))
    if kind == "cut":
        damaged = damaged[:at]
    elif kind == "flip":
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        damaged[at : at + 50] = bytes(len(damaged[at : at + 50]))
    other = tmp_path / "other.jsonl"
    other.write_bytes(bytes(damaged))
    contents = journal.read(other)
    intact = {line for line in whole.split(b"\n") if line} & set(bytes(damaged).split(b"\n"))
    assert len(contents.records) >= len(intact)
    went_on = journal.Journal(other)  # a run that goes on writes after it, whatever it holds
    record = went_on.write("event", event="went_on")
    went_on.close()
    assert [r["seq"] for r in journal.read(other).records if r.get("event") == "went_on"] == [record["seq"]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A real checkpoint's bytes."""
    path = tmp_path_factory.mktemp("checkpoint") / "last.npz"
    arrays = {
        "weights/0": np.arange(12.0, dtype="float32").reshape(3, 4),
        "random/keras": np.array([1, 2], "uint32"),
        "step": np.int64(7),
    }
    file.write(
        path,
        {k: np.asarray(v) for k, v in arrays.items()},
        {"epoch": 3, "step": 1, "history": {"loss": [0.5]}},
    )
    assert file.read(path).epoch == 3
    return path.read_bytes()


def same(stored: file.Stored, whole: file.Stored) -> bool:
    return (
        dict(stored.about) == dict(whole.about)
        and all(
            np.array_equal(stored.arrays[k], v) and stored.arrays[k].dtype == v.dtype
            for k, v in whole.arrays.items()
        )
        and set(stored.arrays) == set(whole.arrays)
    )


@settings(max_examples=400 * MORE, **FUZZ)
@given(st.data())
def test_a_damaged_checkpoint_is_refused_or_is_the_same(tmp_path, checkpoint, data):
    path, good = tmp_path / "last.npz", tmp_path / "good.npz"
    good.write_bytes(checkpoint)
    damaged = bytearray(checkpoint)
    kind = data.draw(st.sampled_from(["cut", "flip", "zero", "insert", "delete"]))
    at = data.draw(st.integers(0, len(checkpoint) - 1))
    if kind == "cut":
        damaged = damaged[:at]
    elif kind == "flip":
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "zero":
        damaged[at : at + 64] = bytes(len(damaged[at : at + 64]))
    elif kind == "insert":
        damaged[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    else:
        del damaged[at : at + 1 + data.draw(st.integers(0, 8))]
    path.write_bytes(bytes(damaged))
    try:
        stored = file.read(path)
    except file.Damaged as error:
        assert "last.npz" in str(error) and "Traceback" not in str(error)
    else:
        # A bit of the zip's own padding, a date: nothing that is read.
        assert same(stored, file.read(good)), f"{kind} at {at} was taken in silence"


@settings(max_examples=150, **FUZZ)
@given(st.binary(max_size=300))
def test_a_checkpoint_of_anything_is_refused(tmp_path, content):
    path = tmp_path / "last.npz"
    path.write_bytes(content)
    with pytest.raises(file.Damaged):
        file.read(path)


def entries(content: bytes, tmp_path) -> dict[str, bytes]:
    path = tmp_path / "taken.npz"
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def npy(array: np.ndarray) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


ALTERED = {
    "an entry renamed": lambda e: {("weights/1.npy" if k == "weights/0.npy" else k): v for k, v in e.items()},
    "two entries swapped": lambda e: {**e, "weights/0.npy": e["random/keras.npy"], "random/keras.npy": e["weights/0.npy"]},
    "an entry left out": lambda e: {k: v for k, v in e.items() if k != "weights/0.npy"},
    "an entry more": lambda e: {**e, "weights/9.npy": npy(np.zeros(3))},
    "another shape": lambda e: {**e, "weights/0.npy": npy(np.arange(12.0, dtype="float32"))},
    "another type": lambda e: {**e, "weights/0.npy": npy(np.arange(12.0).reshape(3, 4))},
    "objects": lambda e: {**e, "weights/0.npy": npy(np.array([print], dtype=object))},
    "a pickle": lambda e: {**e, "weights/0.npy": b"\x80\x04\x8c\x02os\x8c\x06system\x93."},
    "another position": lambda e: {**e, "about.npy": npy(np.frombuffer(json.dumps({"epoch": 4, "step": 1, "format": 1, "types": {}}).encode(), "uint8"))},
    "no checksum": lambda e: {k: v for k, v in e.items() if k != "sha256.npy"},
    "a checksum of something else": lambda e: {**e, "sha256.npy": npy(np.frombuffer(b"0" * 64, "uint8"))},
    "a shuffled order": lambda e: dict(random.Random(0).sample(list(e.items()), len(e))),
}  # fmt: skip


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_checkpoint_is_refused(how, tmp_path, checkpoint):
    taken = entries(checkpoint, tmp_path)
    altered = ALTERED[how](taken)
    path = tmp_path / "last.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in altered.items():
            archive.writestr(name, content)
    if how == "a shuffled order":  # nothing of the content is another
        (tmp_path / "good.npz").write_bytes(checkpoint)
        assert same(file.read(path), file.read(tmp_path / "good.npz"))
        return
    with pytest.raises(file.Damaged, match=r"last\.npz is damaged"):
        file.read(path)
