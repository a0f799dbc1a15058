"""Arguments of old tutorials point to arguments that exist."""

from __future__ import annotations

import pytest

from trainrun.registry import lookup, old_arguments, option_files, signatures


@pytest.mark.parametrize("group", old_arguments.OLD)
def test_what_an_old_argument_is_called_today_is_an_argument_of_the_group(group):
    components = [lookup.find(group, name) for name in lookup.names(group)]
    known = {k for c in components if (read := signatures.read(c)) for k in read.parameters}
    known |= {k for option in option_files.options(group).values() for k in option.arguments}
    table = old_arguments.OLD[group]
    assert {new for new in table.values() if " " not in new} <= known
    assert known & table.keys() <= {"input_dim", "output_dim", "weights"}  # of Embedding today, of Dense then
