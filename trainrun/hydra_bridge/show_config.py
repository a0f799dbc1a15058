"""Flags that show and do not train: `--cfg`, `--info`, `--hydra-help` and `-sc` (completion). Hydra answers them."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from trainrun.compat import hydra_private
from trainrun.config import override_text, plugins
from trainrun.errors import UserError
from trainrun.hydra_bridge import compose, hydra_errors, hydra_node_rules, override_errors, registration
from trainrun.registry import option_files

_COMPLETION = re.compile(r"(install|uninstall|query)=(bash|zsh|fish)")


def show(flags: Any, complete: Callable[[str], None]) -> int:
    """Have Hydra answer the flags; its errors become messages of trainrun.

    Args:
        flags: as `compose.arguments` reads them.
        complete: prints the verbs and words that fit the command line that is being typed.

    Returns:
        The exit code.

    Raises:
        UserError: the config does not compose, or Hydra's own node breaks a rule.
    """
    if flags.shell_completion:
        return _complete(flags, complete)
    overrides, where = flags.overrides, (flags.config_name, flags.config_path)
    named = plugins.early(overrides) if overrides else []
    plugins.announce(named)
    if overrides and (offered := plugins.entry_points()) and override_errors.examine(overrides, *where)[1]:
        plugins.announce([*named, *offered])
    if problems := hydra_node_rules.search_path(overrides, *where):
        raise UserError(problems)
    if (
        len(option_files.search_path()) > 1
        or flags.config_path
        or any(map(override_text.is_hydra, overrides))
    ):
        # Hydra configures logging before it shows a config, and a logging config can call anything.
        _, problems = override_errors.examine(overrides, *where)
        if problems := [p for p in problems if p.key.startswith("hydra")]:
            raise UserError(problems)
    name = flags.config_name or compose.CONFIG_NAME
    try:
        with compose.application(flags.config_path) as hydra:
            if flags.cfg:
                hydra.show_cfg(name, overrides, flags.cfg, flags.package, flags.resolve)
            elif flags.info is not None:
                registration.launchers_and_sweepers()
                hydra.show_info(flags.info, name, overrides)
            else:
                hydra.hydra_help(name, hydra_private.flag_parser(), flags)
    except SystemExit:
        return 2  # Hydra has printed that there is no such package
    except Exception as error:
        _, problems = override_errors.examine(overrides, *where)
        raise UserError(problems or [hydra_errors.from_hydra(error)]) from error
    return 0


def _complete(flags: Any, complete: Callable[[str], None]) -> int:
    """Install completion in a shell, or answer it: trainrun's words, then Hydra's groups and keys."""
    action = "".join(flags.overrides)
    if not _COMPLETION.fullmatch(action):
        raise UserError(f"-sc: expected install=bash, zsh or fish, got {action!r}.")
    if action.startswith("query"):
        complete(os.environ.get("COMP_LINE", ""))
    if problems := hydra_node_rules.search_path([], flags.config_name, flags.config_path):
        raise UserError(problems)
    typed = sys.argv
    # Hydra 1.3.8 names the program in its script after `sys.argv[0]`, which is a file's name for `python -m trainrun`.
    sys.argv = ["trainrun"]
    try:
        # The user is typing: no message may disturb the line.
        with contextlib.suppress(Exception), compose.application(flags.config_path) as hydra:
            hydra.shell_completion(flags.config_name or compose.CONFIG_NAME, flags.overrides)
    finally:
        sys.argv = typed
    return 0
