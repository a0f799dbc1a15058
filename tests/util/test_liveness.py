"""Whether a recorded process lives: by what the kernel says of it, not by clocks, host names or bare numbers."""

from __future__ import annotations

import pytest

from trainrun.util import liveness

HERE = {"time": 0.0, **liveness.identity()}
OTHER_BOOT = {"process": "another boot/1"}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (HERE, True),
        ({**HERE, "pid": 2**22 + 1}, False),
        ({**HERE, **OTHER_BOOT}, False),  # the machine was started again
        ({**HERE, "host": "renamed"}, True),
        ({**HERE, "host": "renamed", "pid": 2**22 + 1}, False),
        ({**HERE, "host": "another", **OTHER_BOOT}, None),
        ({**HERE, "pid_namespace": "pid:[1]"}, None),  # a container of this machine
        ({"host": None}, False),
    ],
)
def test_a_process_lives_as_far_as_this_kernel_can_tell(start, expected):
    assert liveness.lives(start) is expected
