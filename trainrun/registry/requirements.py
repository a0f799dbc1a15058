"""What single components demand that no directive says: several outputs, sequences of labels, a package."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield what a component of the config cannot do without and does not have."""
    source = f"data={(config.get('data') or {}).get('name')}"
    for name, spec in (config.get("metric") or {}).items():
        alone = data.outputs == 1 and isinstance(spec, Mapping) and spec.get("axis") == -1
        if alone and spec.get("name") in ("PearsonCorrelation", "ConcordanceCorrelation"):
            text = f"with axis=-1 it correlates across an example's outputs; {source} has one. Set metric.{name}.axis=0."
            yield Problem(f"metric.{name}.axis", text)
    if (config.get("loss") or {}).get("name") == "CTC" and data.target is not None:
        yield Problem(
            "loss", f"loss=ctc needs a sequence of labels for each example; {source} has one label for each."
        )
    for name, spec in (config.get("callback") or {}).items():
        wants = isinstance(spec, Mapping) and spec.get("name") == "TensorBoard"
        if wants and importlib.util.find_spec("tensorboard") is None:
            yield Problem(f"callback.{name}", "it needs the package tensorboard: pip install tensorboard.")
