"""The Python API: `trainrun.build`, `trainrun.compose`, `trainrun.run`."""

from __future__ import annotations

from typing import Any


def build(group: str, name: str, form: str = "class", **arguments: Any) -> Any:
    """Return a bare Keras object, for use on its own in a notebook.

    Args:
        group: ``loss``, ``metric``, ``optimizer``, ``schedule``, ``callback``, ``layer``, ``model``, ``data`` …
        name: an option (``huber``, ``mse``), or a registered component's name (``Huber``).
        form: ``function`` gives the function instead of the object, its arguments bound.
        arguments: over the defaults of the option's YAML.

    Example:
        >>> trainrun.build("loss", "huber", delta=2.0)
        <Huber(reduction="sum_over_batch_size", delta=2.0)>
    """
    from trainrun.construct import construct

    return construct(group, {"name": name, **arguments}, form=form)
