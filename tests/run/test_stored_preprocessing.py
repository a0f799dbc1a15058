"""A model on data whose classes are others: they are not taken for its own."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import UserError
from trainrun.run import stored_preprocessing


def data(classes, output=None):
    one = TargetSpec("multiclass", classes, len(classes))
    labels = np.arange(len(classes))
    target, y = (
        (one, labels) if output is None else (TargetSpec("named", named={output: one}), {output: labels})
    )
    split = Split(np.zeros((len(classes), 1), "float32"), y)
    return Dataset("mine", "classification", (InputSpec("x", "numeric", (1,)),), target, split)


@pytest.mark.parametrize("output", [None, "kind"])
@pytest.mark.parametrize(
    ("own", "stored", "fault"),
    [
        (
            ("1", "2", "3"),
            ("0", "1", "2"),
            "the data also has 3",
        ),  # numbers are names, too, where both have them
        (("1", "2", "3"), ("a", "b", "c"), "the data also has 1, 2, 3"),
        (("0", "2"), ("a", "b", "c"), "the data also has 0, 2"),
        (("a", "d"), ("a", "b", "c"), "the data also has d"),
        (("b", "a", "c"), ("a", "b", "c"), "the positive class of the model is 'c'"),
        (("0", "1", "2"), ("a", "b", "c"), None),  # ids of the model's classes
        (("a", "b", "c"), ("0", "1", "2"), None),
    ],
)
def test_classes_of_arrays_are_those_of_the_model_or_refused(own, stored, fault, output):
    fitted = Preprocessor.of(data(stored, output))
    if fault is None:
        assert stored_preprocessing.applied(data(own, output), fitted).target == data(own, output).target
    else:
        with pytest.raises(UserError, match=fault):
            stored_preprocessing.applied(data(own, output), fitted)
