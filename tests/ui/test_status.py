"""What happens in a stage without a progress bar is shown on a terminal, and only there."""

from __future__ import annotations

import pytest

from trainrun.ui import console
from trainrun.ui.status import status


@pytest.mark.parametrize("terminal, shown", [(True, True), (True, False), (False, True)])
def test_a_status_is_shown_on_a_terminal_and_removed_also_after_an_error(terminal, shown, monkeypatch):
    drawn = []
    monkeypatch.setattr(console, "is_terminal", lambda: terminal)
    monkeypatch.setattr(console, "live", lambda text: drawn.append(text and str(text)))
    with pytest.raises(KeyError), status("saving", shown=shown):
        raise KeyError
    assert drawn == (["saving", None] if terminal and shown else [])
