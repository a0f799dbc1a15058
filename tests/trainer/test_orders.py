"""Orders of epochs that are computed ahead."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.trainer import orders
from trainrun.trainer.job import Plan


@pytest.mark.parametrize("examples", [100, orders.LARGE])
def test_each_epoch_has_the_order_of_its_random_words(examples):
    plan = Plan(4, examples, 32, examples, seed=5)
    made = orders.Orders(plan, examples, first=1)
    for epoch in (1, 2, 0, 1):  # again, as after a restart
        words = np.random.Philox(key=np.array([5, epoch], "uint64")).random_raw(examples)
        np.testing.assert_array_equal(made.of(epoch), np.argsort(words, kind="stable"))
