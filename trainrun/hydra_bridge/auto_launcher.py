"""`hydra/launcher=auto`, the default: the seeds of one setting in one graph where that pays, else each trial in a process.

A grid over numbers is not trained in one graph by default: its trials would not be bit-identical to separate runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainrun.errors import UserError
from trainrun.hydra_bridge import compose_cache, interpolations
from trainrun.hydra_bridge.launcher_plugins import SweepLauncher
from trainrun.sweep import trial
from trainrun.sweep.launchers import launcher_settings

if TYPE_CHECKING:
    from trainrun.sweep.launchers.interface import Engine


class AutoLauncher(SweepLauncher):
    """Runs the points of a sweep as `hydra/launcher=vectorized` where that pays, else as `hydra/launcher=local`.

    The choice is recorded in the sweep's settings, so that a resumed sweep keeps it. With `n_jobs` or `per_gpu` it is `local`.
    """

    _why: str | None = None

    def settled(self, settings: dict[str, Any], known: Sequence[tuple[int, Sequence[str]]]) -> dict[str, Any]:
        """Return the settings with the chosen launcher."""
        local = {**settings, "launcher": {**settings["launcher"], "name": "local"}}
        # Points that are drawn one by one depend on the results of earlier trials.
        if settings["launcher"] != launcher_settings.complete({"name": "auto"}) or not known:
            return local
        from trainrun.sweep.launchers.resources import Resources
        from trainrun.vectorized import heuristics

        if settings.get("folds"):  # they differ in their data
            return local
        if len({trial.setting(overrides) for _, overrides in known}) > 1:
            return local
        one = self._composed(known[0][1])  # the others have other seeds
        if one is None:
            return local
        trials = len(known) * (settings["seeds"] or 1)
        self._why = heuristics.against(one, trials, settings, Resources.divide("auto", trials))
        if self._why is not None:
            return local
        self._why = f"they differ in their seeds only, and have {heuristics.length(one)} each"
        return {**settings, "launcher": launcher_settings.complete({"name": "vectorized"})}

    def engine(self, settings: Mapping[str, Any], trials: int) -> Engine:
        """Return the engine that runs the trials; its description gives the reason for the choice."""
        engine = super().engine(settings, trials)
        if self._why is not None:
            engine.how = f"{engine.how}: {self._why}"
        return engine

    def _composed(self, overrides: Sequence[str]) -> dict[str, Any] | None:
        """Return the config of a point, without making a directory; None if it cannot be composed: that trial fails when it begins."""
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        try:
            config = self._composer(overrides)
            compose_cache.look_up_in(config)
            return interpolations.plain(config)
        except (HydraException, OmegaConfBaseException, UserError):
            return None
