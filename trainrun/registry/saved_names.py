"""The names by which Keras finds the classes of plug-ins in a saved model."""

from __future__ import annotations

import sys
from typing import Any

from trainrun.registry import function_parts


def offer(module: str, group: str = "", registered: Any = None) -> None:
    """Have Keras find the classes of a plug-in, as if each were registered with it by its own name; nothing if Keras is not imported.

    Args:
        module: in `sys.modules`, also while it is imported: then those that it has defined so far.
        group, registered: of a call of `trainrun.register`, and what it decorates, which is no attribute of the module yet.
    """
    keras = sys.modules.get("keras")
    if not hasattr(keras, "saving"):  # while Keras itself is imported
        return
    things = [*vars(sys.modules[module]).values(), registered]
    if function_parts.is_part(group, registered, {}):
        things.append(function_parts.as_class(group, registered))
    for thing in things:
        if (
            isinstance(thing, type)
            and thing.__module__ == module
            and any(base.__module__.startswith("keras.") for base in thing.__mro__)
            and keras.saving.get_registered_name(thing) == thing.__name__
        ):
            keras.saving.get_custom_objects()[thing.__name__] = thing
