"""The options of a project are those of its files now, whatever the process has read before."""

from __future__ import annotations

import pytest

from trainrun.registry import option_files


@pytest.mark.parametrize("change", ["added", "edited", "deleted", "base edited"])
def test_options_follow_their_files(inside, change):
    folder = inside / "conf" / "loss"
    folder.mkdir(parents=True)
    option, base = folder / "mine.yaml", folder / "_base.yaml"
    base.write_text("name: Huber\ndelta: 1.0\n")
    if change != "added":
        option.write_text("defaults: [_base, _self_]\nname: Huber\n")
    before = option_files.find("loss", "mine")
    assert (before is None) if change == "added" else (before.values["delta"] == 1.0)
    expected = {"added": 1.0, "edited": 3.0, "deleted": None}.get(change, 2.5)
    if change in ("added", "edited"):
        option.write_text("defaults: [_base, _self_]\n" + ("delta: 3.0\n" if change == "edited" else ""))
    elif change == "deleted":
        option.unlink()
    else:
        base.write_text("name: Huber\ndelta: 2.5\n" + "# more\n")
    after = option_files.find("loss", "mine")
    assert (after.values["delta"] if after else None) == expected
