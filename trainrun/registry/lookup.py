"""Lookup of components by group and name, by reading files, not by importing them.

A config can name what is listed here and nothing else: the files of ``trainrun/<group>/``, Keras' public
classes of that group, and what the user's plug-ins register. No dotted path is ever followed.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainrun.errors import UserError, did_you_mean, listed
from trainrun.registry import saved_names
from trainrun.registry.keras_groups import EXCLUDED, KERAS
from trainrun.util import declarations, paths

PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Component:
    """A component that a config can name.

    Args:
        group, name: as in the YAML (``loss``, ``Huber`` or ``focal``).
        origin: ``keras``, ``trainrun`` or ``plug-in <file>``.
        module: the module to import.
        attribute: the class or function in it; for ``trainrun`` the file's name, matched without case and
            underscores (`radam.py` holds `RAdam`).
        path: the source file, for reading signature and docstring without importing.
        declared: the declaration of a plug-in's component; `registry.declaration_reader` reads the others.
    """

    group: str
    name: str
    origin: str
    module: str
    attribute: str
    path: Path | None
    declared: declarations.Declaration | None = None

    def load(self, form: str = "class") -> Callable[..., Any]:
        """Import the component.

        Args:
            form: ``class`` (for models, data and trainers: what the file defines) or ``function``.
        """
        if self.origin.startswith("plug-in"):
            if self.name not in _registered.get(self.group, {}):
                raise UserError(f"{self.origin}: its import did not register {self.group}={self.name}.")
            return _registered[self.group][self.name]
        module = importlib.import_module(self.module)
        if form == "function":
            return _function_of(self, module)
        if self.origin == "keras":
            return getattr(module, self.attribute)
        return _match(module, self.attribute, classes_first=True)


def same_name(name: str, other: str) -> bool:
    """Return whether two names are equal but for case and underscores; private names match private ones only."""
    private = name.startswith("_") == other.startswith("_")
    return private and name.replace("_", "").lower() == other.replace("_", "").lower()


def _match(module: Any, name: str, classes_first: bool) -> Callable[..., Any]:
    """Return the class or function of `module` that has the file's name."""
    own = [
        v
        for k, v in vars(module).items()
        if same_name(k, name) and getattr(v, "__module__", "") == module.__name__
    ]
    own.sort(key=lambda v: isinstance(v, type), reverse=classes_first)
    if not own:
        raise AttributeError(f"{module.__file__} defines nothing named {name}")
    return own[0]


def _function_of(component: Component, module: Any) -> Callable[..., Any]:
    """Return the function form: `keras.losses.huber` of `Huber`, `focal` of `Focal`."""
    if component.origin == "keras":
        public = importlib.import_module("keras." + KERAS[component.group].replace("/", "."))
        functions = [
            v
            for k, v in vars(public).items()
            if same_name(k, component.attribute) and not isinstance(v, type)
        ]
    else:
        functions = [_match(module, component.attribute, classes_first=False)]
        functions = [v for v in functions if not isinstance(v, type)]
    if not functions:
        raise UserError(f"{component.group}={component.name} has no function form; omit form='function'.")
    return functions[0]


@functools.cache
def keras_names(group: str) -> dict[str, tuple[str, str]]:
    """Return Keras' public classes of a group, name -> (module, attribute), read from its `__init__` file."""
    folder = KERAS.get(group)
    spec = importlib.util.find_spec("keras") if folder else None
    if spec is None or spec.origin is None:
        return {}
    tree = ast.parse((Path(spec.origin).parent / folder / "__init__.py").read_text())
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if (alias.asname or alias.name)[0].isupper()
    }


@functools.cache
def package_conf() -> Path:
    """Return trainrun's `conf/`: inside the package in a wheel, beside it in a checkout."""
    return PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"


@functools.cache
def own_names(group: str) -> dict[str, Path]:
    """Return the files of `trainrun/<group>/` that define a component, by name: those with a YAML in `conf/<group>/`."""
    if group == "tracking":
        return {}  # its files are the parts of one recorder; its options are settings of that
    # `_shared.yaml` is no option: other files' lists of defaults bring it in.
    folder, options = PACKAGE / group, set(paths.stems(package_conf() / group, ".yaml"))
    return {n: folder / f"{n}.py" for n in paths.stems(folder, ".py") if n in options and n[0] != "_"}


_registered: dict[str, dict[str, Callable[..., Any]]] = {}
_announced: dict[str, dict[str, Component]] = {}
# Group -> file and line of plug-ins' calls of `register` whose name is not written in the file.
_computed: dict[str, dict[str, None]] = {}


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Start without plug-ins' components inside the `with`; at its end the earlier ones are restored."""
    tables = (_registered, _announced, _computed)
    kept = [dict(table) for table in tables]
    for table in tables:
        table.clear()
    try:
        yield
    finally:
        for table, before in zip(tables, kept, strict=True):
            table.clear()
            table.update(before)


def announced() -> list[Component]:
    """Return the components of the plug-ins that were announced in this process."""
    return [component for components in _announced.values() for component in components.values()]


def announce(component: Component) -> None:
    """Register a plug-in's component by name before the plug-in is imported."""
    _announced.setdefault(component.group, {})[component.name] = component


def announce_computed(group: str, place: str) -> None:
    """Remember a plug-in's call of `register` whose name only running the file would tell."""
    _computed.setdefault(group, {})[place] = None


def why_unknown(group: str) -> str:
    """Return why a name that a plug-in registers may not be known, as a sentence after a message; "": there is no such call."""
    if not (places := _computed.get(group)):
        return ""
    return (
        f" {listed([*places], 3)}: register({group!r}, …) has a name that is not written there, as in a loop, and names are read without "
        f"running the file. Write each as text: register({group!r}, 'my_name')(thing)."
    )


def forget(module: str) -> None:
    """Forget the components that a plug-in's module has registered or announced."""
    for components in _announced.values():
        for name in [name for name, component in components.items() if component.module == module]:
            del components[name]
    for things in _registered.values():
        for name in [k for k, thing in things.items() if getattr(thing, "__module__", "") == module]:
            del things[name]


def register(
    group: str, name: str | None = None, **declared: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated class or function, so that a YAML or the command line can name it.

    Args:
        group: one of `KERAS`' keys (``loss``, ``metric``, ``optimizer``, ``data``, ``model`` …).
        name: by default that of the class or function.
        declared: its demands and capabilities (`trainrun.util.declarations` has a dataclass for each group), as literals:
            ``targets=["binary"]``, ``direction="max"``, ``whole_batch=True``.

    Raises:
        UserError: there is no such group, or a declaration is none of the group's.

    Example:
        >>> @trainrun.register("loss", "my_loss", targets=["real"], labels="real")
        ... def my_loss(y_true, y_pred): ...
    """
    if group not in KERAS:
        raise UserError(
            f"register({group!r}): no such group; the groups are {', '.join(KERAS)}.{did_you_mean(group, KERAS)}"
        )
    try:
        declaration = declarations.made(group, declared)
    except ValueError as error:
        raise UserError(f"register({group!r}, {name!r}): {error}") from None

    def keep(thing: Callable[..., Any]) -> Callable[..., Any]:
        known = name or thing.__name__
        if fault := name_fault(group, known):
            raise UserError(fault)
        file = getattr(sys.modules.get(getattr(thing, "__module__", "")), "__file__", None)
        path = Path(file) if file else None
        _registered.setdefault(group, {})[known] = thing
        announced = _announced.get(group, {}).get(known)
        if announced is None:
            origin = f"plug-in {thing.__module__}"
            announce(Component(group, known, origin, thing.__module__, thing.__name__, path, declaration))
        if path is not None:
            saved_names.offer(thing.__module__, group, thing)
        return declarations.declare(**declared)(thing)

    return keep


def name_fault(group: str, name: Any) -> str | None:
    """Return why a plug-in cannot register a name, or None: it must be typable, a file name, and not taken."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w{0,99}", name, re.ASCII):
        return f"register(…, {name!r}): expected a name of letters, digits and underscores, such as my_loss."
    option = package_conf() / group / f"{name}.yaml"
    if option.is_file():
        owner = f"trainrun's option {option}"
    elif name in own_names(group):
        owner = f"trainrun's component {own_names(group)[name]}"
    elif name in keras_names(group):
        owner = f"Keras' class {keras_source(keras_names(group)[name][0])}"
    else:
        return None
    return f"register({group!r}, {name!r}): the name belongs to {owner}. Choose another one, such as my_{name.lower()}."


def names(group: str) -> list[str]:
    """Return every name that a config may use in `group`: those of plug-ins first, then trainrun's, then Keras'."""
    keras = [n for n in keras_names(group) if n not in EXCLUDED.get(group, {})]
    return list(dict.fromkeys([*_announced.get(group, {}), *own_names(group), *keras]))


def is_plugin(group: str, name: str) -> bool:
    """Return whether the component `name` of `group` is a plug-in's."""
    return name in names(group) and find(group, name).origin.startswith("plug-in")


def find(group: str, name: str) -> Component:
    """Return the component `name` of `group`; nothing is imported.

    Raises:
        UserError: there is none, or a YAML cannot name it; the message gives the reason and a way out.
    """
    if group not in KERAS:
        raise UserError(
            f"{group}: no such group.{did_you_mean(group, KERAS)} The groups are {', '.join(KERAS)}."
        )
    if name in _announced.get(group, {}):
        return _announced[group][name]
    if name in own_names(group):
        return Component(group, name, "trainrun", f"trainrun.{group}.{name}", name, own_names(group)[name])
    reason = EXCLUDED.get(group, {}).get(name)
    if name in keras_names(group) and not reason:
        module, attribute = keras_names(group)[name]
        return Component(group, name, "keras", module, attribute, keras_source(module))
    if group == "metric" and not reason and name in names("loss"):
        return find("loss", name)  # the component keeps its group: `construct` makes a metric of it
    because = f": {reason}." if reason else f".{did_you_mean(name, names(group))}"
    raise UserError(
        f"{group}: there is no {name!r} to choose{because} `trainrun ls {group}` lists what there is.{why_unknown(group)}"
    )


@functools.lru_cache(maxsize=256)
def keras_source(module: str) -> Path | None:
    """Return the file of a module of Keras, without importing anything."""
    spec = importlib.util.find_spec("keras")
    base = Path(spec.origin).parent.parent.joinpath(*module.split(".")) if spec and spec.origin else None
    if base is None:
        return None
    file = base.with_suffix(".py")
    return file if file.exists() else base / "__init__.py"
