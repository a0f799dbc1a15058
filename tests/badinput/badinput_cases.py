"""The whole table of bad input."""

from __future__ import annotations

import badinput_arrays
import badinput_config
import badinput_files
import badinput_hydra
import badinput_models
import badinput_runs
import badinput_tables
from badinput_harness import Case

CASES: list[Case] = [
    *badinput_config.CASES,
    *badinput_files.CASES,
    *badinput_hydra.CASES,
    *badinput_tables.CASES,
    *badinput_arrays.CASES,
    *badinput_models.CASES,
    *badinput_runs.CASES,
]
