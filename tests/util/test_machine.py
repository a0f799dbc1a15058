"""Cores and memory of the machine, held against what the standard library and the kernel say."""

from __future__ import annotations

import os
import resource

import psutil
import pytest

from trainrun.util import machine


def test_a_containers_limit_counts_and_its_cached_files_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 8_192_000}))
    assert machine.available_memory(tmp_path) == 8_192_000
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert machine.available_memory(tmp_path) == 4_000_000
    (tmp_path / "memory.stat").write_text("anon 700000\ninactive_file 300000\n")
    assert machine.available_memory(tmp_path) == 4_300_000, "the kernel gives cached files back"
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory(tmp_path) == 8_192_000


def test_cores_are_those_of_the_affinity_mask():
    assert machine.cores() == len(os.sched_getaffinity(0))


def test_memory_is_what_the_kernel_counts():
    assert machine.total_memory() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert machine.resident_memory() == pytest.approx(most, rel=0.5)
