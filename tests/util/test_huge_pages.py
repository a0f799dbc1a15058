"""Gathering memory in large pages changes none of it."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

import pytest

from trainrun.util import huge_pages

KINDS = Path("/sys/kernel/mm/transparent_hugepage/enabled")
OFFERED = KINDS.exists() and "[never]" not in KINDS.read_text()
KERNEL = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])


def in_large_pages() -> int:
    """Return how many kB of this process are in large pages."""
    return int(Path("/proc/self/smaps_rollup").read_text().partition("AnonHugePages:")[2].split()[0])


@pytest.mark.skipif(sys.platform != "linux" or not OFFERED or KERNEL < (6, 1), reason="the kernel cannot")
def test_memory_is_gathered_and_keeps_its_content():
    content = bytes(range(250)) * 80_000
    copy = bytearray(content)
    huge_pages.collapse()
    assert copy == content
    assert in_large_pages() > 20_000
