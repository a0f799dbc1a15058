"""An exception in the user's own code: their lines and their message, the rest in run.log; no second attempt."""

from __future__ import annotations

import pytest
import tensorflow as tf
from failing import read

from trainrun.errors import UserError
from trainrun.failure import user_traceback
from trainrun.util.user_frames import user_frames

BUG = "model.layers=[{name: Mistaken}]"


@pytest.mark.parametrize("trainer", ["fit", "custom"])
def test_a_loss_with_a_bug(trainer, run):
    with pytest.raises(UserError) as caught_before_training:
        run("loss=mistaken", f"trainer={trainer}")
    first, *rest = str(caught_before_training.value).splitlines()
    assert "faulty.py, line " in first and first.endswith("NameError: name 'unknown_name' is not defined")
    assert "in mistaken: return inner(y_true, y_pred)" in rest[0]
    assert "in inner: return squares(y_true, y_pred) * unknown_name" in rest[1] and len(rest) == 2


@pytest.mark.parametrize("trainer", ["fit", "train_on_batch"])
def test_bug_in_a_layer_shows_the_users_lines(trainer, run):
    message, run_dir = run.fail("model=layers", BUG, f"trainer={trainer}")
    assert "faulty.py, line " in message and "ValueError: the layer has a bug\n" in message
    assert 'in refuse: raise ValueError("the layer has a bug")' in message
    assert "site-packages" not in message and "node" not in message
    assert "The whole traceback is in" in message.splitlines()[-1]
    assert "Traceback (most recent call last)" in (run_dir / "run.log").read_text()
    summary = read(run_dir, "summary.json")
    assert summary["status"] == "FAILED"
    assert [(a["failure"], a["answer"]) for a in summary["attempts"]] == [("other", "stopped")]


def caught(text, kind=ValueError):
    try:
        raise kind(text)
    except kind as error:
        return error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "ValueError: plain"),
        ("", "ValueError"),
        ("two\nlines", "ValueError: two\nlines"),
        (
            'in user code:\n\n    File "/a/mine.py", line 3, in call  *\n        return x + y\n\n    TypeError: no sum\n',
            "TypeError: no sum",
        ),
        (
            "Exception encountered when calling Mine.call().\n\n\x1b[1mnot so\x1b[0m\n\nArguments received by Mine.call():\n  • x",
            "ValueError: not so",
        ),
        (
            "{{function_node __inference_f_1}} Incompatible shapes: [8,1] vs. [9,1]\n\t [[{{node add}}]] [Op:__inference_f]",
            "ValueError: Incompatible shapes: [8,1] vs. [9,1]",
        ),
        (
            "Using a symbolic `tf.Tensor` as a Python `bool` is not allowed. You can attempt the following: AutoGraph …",
            "ValueError: Using a symbolic `tf.Tensor` as a Python `bool` is not allowed. Training is compiled, and a tensor has no value then: in "
            "place of `if`, write keras.ops.where or keras.ops.cond.",
        ),
    ],
)
def test_tensorflow_wrapping_is_stripped_from_the_message(text, expected):
    assert user_traceback.short_message(caught(text)) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: tf.math.segment_mean(x, tf.cast(x, tf.int32)), "XLA does not compile SegmentMean. Set trainer.jit_compile=auto"),
        (lambda x: tf.range(tf.reduce_max(x)), "must be a compile-time constant. Set trainer.jit_compile=auto"),
    ],
)  # fmt: skip
def test_what_xla_does_not_compile_is_told_with_the_way_out(function, expected):

    @tf.function(autograph=False, jit_compile=True)
    def compiled(x):
        return tf.while_loop(lambda at: at < 3.0, lambda at: [at + tf.reduce_sum(function(x * at))], [1.0])

    with pytest.raises(tf.errors.InvalidArgumentError) as caught_error:
        compiled(tf.ones(3))
    message = user_traceback.short_message(caught_error.value)
    assert expected in message and message.startswith("InvalidArgumentError: XLA does not compile")


def test_frames_are_parsed_from_the_message_where_the_traceback_lacks_them(tmp_path):
    text = f'in user code:\n\n    File "{tmp_path}/mine.py", line 3, in call  *\n        return x\n\n    TypeError: no'
    assert [(f.line, f.name) for f in user_frames(caught(text))][-1] == (3, "call")
