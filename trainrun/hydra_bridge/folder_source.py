"""Hydra's source of config folders, restricted to files inside the folder and within the limits of `yaml_file`.

This module imports Hydra; only `registration.prepare` imports it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainrun.compat import hydra_private
from trainrun.errors import Problem, UserError
from trainrun.hydra_bridge import own_plugins
from trainrun.registry import folder_copies, lookup, option_files
from trainrun.util import yaml_file


class FileConfigSource(hydra_private.file_source()):
    """Hydra's source of the scheme ``file``, for files that are not trusted.

    Hydra 1.3.8 opens whatever path a list of defaults names, `../..` included, and has no hook before it parses a file; nor
    one for reading a sweep's copies. So its source is replaced; tests/badinput and tests/sweep/test_snapshot.py.
    """

    @property
    def path(self) -> str:
        """The folder; while a sweep runs, the sweep's copy of it."""
        return str(folder_copies.of(Path(self._path)))

    @path.setter
    def path(self, path: str) -> None:
        self._path = path

    def is_config(self, config_path: str) -> bool:
        """Return whether the folder has the config; ours has each loss among the metrics, too."""
        return super().is_config(config_path) or self._loss_as_metric(config_path) is not None

    def _loss_as_metric(self, config_path: str) -> option_files.Option | None:
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        if (
            group != "metric"
            or Path(self.path) != option_files.package_conf()
            or lookup.is_plugin(group, name)
        ):
            return None
        option = option_files.find(group, name)
        return option if isinstance(option, option_files.LossAsMetric) else None

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the config at a path relative to this folder.

        Raises:
            UserError: the path leaves the folder, or the file is beyond the limits.
        """
        folder = os.path.normpath(self.path)
        path = Path(os.path.normpath(os.path.join(folder, self._normalize_file_name(config_path))))
        if not path.is_relative_to(folder):
            raise UserError(
                Problem(
                    str(path),
                    f"a config is named within its folder {folder}; this leaves it. Copy the file into it.",
                )
            )
        if not super().is_config(config_path) and (loss := self._loss_as_metric(config_path)) is not None:
            result = self._result(OmegaConf.create(loss.tree), {"package": None})
        elif path.is_relative_to(option_files.package_conf()) or not path.exists():
            result = super().load_config(config_path)
        else:
            result = self._read(path)
        # No YAML may name a `_target_`; that of trainrun's launchers and sweepers is added here.
        target = own_plugins.TARGETS.get(config_path.removesuffix(".yaml"))
        if target is not None and isinstance(result.config, DictConfig) and "_target_" not in result.config:
            result.config["_target_"] = target
        return result

    def _read(self, path: Path) -> ConfigResult:
        """Return the config in a file that is not part of trainrun."""
        text = yaml_file.text(path)
        stream = io.StringIO(text)
        stream.name = str(path)  # for the messages of PyYAML
        try:
            header = hydra_private.header(text[:512])
            config = OmegaConf.load(stream)
        except (ValueError, OverflowError, OmegaConfBaseException) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise UserError(Problem(str(path), f"it holds a value that cannot be read: {first}.")) from error
        return self._result(config, header)

    def _result(self, config: Any, header: dict[str, str | None]) -> ConfigResult:
        place = f"{self.scheme()}://{self.path}"
        return ConfigResult(config=config, path=place, provider=self.provider, header=header)
