"""Every YAML in conf/ against what is installed: names, arguments, defaults, comments, aliases."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
from omegaconf import MISSING

from trainrun.config import schema
from trainrun.config.rules import settings
from trainrun.registry import common_keys, declaration_reader, lookup, option_files, signatures
from trainrun.util import declarations

COMPONENT_GROUPS = [g for g in lookup.KERAS if g != "layer"]
OPTIONS = [o for g in COMPONENT_GROUPS for o in option_files.options(g).values()]
# The tracking options are settings of one recorder, not components.
WITH_NAME = [o for o in OPTIONS if o.arguments.get("name") and o.group != "tracking"]
# Variations: options of a class that another option shows with its own defaults. Option -> keys that differ.
VARIATIONS = {
    "metric/auc_pr": {"curve"},
    "optimizer/adam_then_sgd": {"switch_at"},
    "optimizer/nag": {"momentum", "nesterov"},
    "optimizer/sgdm": {"momentum"},
    "trainer/custom": {"step"},  # the name; the class gets the step itself
}


def ids(option):
    return f"{option.group}/{option.name}"


# Groups of settings, of Hydra and of sweeps: options that are no components.
SETTINGS_GROUPS = (*schema.SETTINGS, schema.PRUNERS, "hydra/launcher", "hydra/sweeper")
SETTINGS = [o for g in SETTINGS_GROUPS for o in option_files.packaged(g).values()]


def test_first_line_of_each_yaml_has_when_to_use_it():
    options = [*OPTIONS, *SETTINGS]
    assert [ids(o) for o in options if len(o.summary) <= 10 or o.summary.startswith("@")] == []


SHARED = option_files.Option(
    "optimizer", "_shared", "trainrun", option_files.package_conf() / "optimizer" / "_shared.yaml"
)


def test_every_key_of_each_yaml_has_a_comment():
    bare = [
        f"{ids(option)}: {line.strip()}"
        for option in (SHARED, *SETTINGS, *(o for o in OPTIONS if not o.alias_of))
        for line in option.text.splitlines()
        if re.match(r"^\s*\w+:", line) and "#" not in line
        if not re.match(rf"^\s*(name|defaults|{re.escape(option.name)}):", line)
    ]
    assert bare == []


@pytest.mark.parametrize("option", SETTINGS, ids=ids)
def test_an_option_of_a_group_of_settings_has_every_key(option):
    """A preset brings in the others' defaults; the schema has no key that no YAML comments."""
    if option.group in schema.SETTINGS and (option.group not in option_files.MERGED or option.name == "none"):
        fields = {f.name: f.type for f in dataclasses.fields(schema.Root)}
        keys = {f.name for f in dataclasses.fields(getattr(schema, str(fields[option.group])))}
        assert set(option.values) == keys - {"pruner"}
    else:
        assert option.values


def test_the_defaults_of_settings_stand_in_the_yaml_files_alone():
    assert schema.plain()["checkpoint"] == option_files.packaged("checkpoint")["default"].values
    assert all(f.default in (MISSING, dataclasses.MISSING) for f in dataclasses.fields(schema.Failure))


@pytest.mark.parametrize("group", declarations.KINDS)
def test_every_declaration_uses_known_words(group):
    """`faults` is what a plug-in's declaration is held against."""
    for name in lookup.names(group):
        declared = dataclasses.asdict(declaration_reader.of(group, name))
        arguments = {k: v for k, v in declared.items() if v is not None}
        assert declarations.faults(group, arguments) == [], f"{group}/{name}"


def test_every_loss_metric_and_model_declares_what_it_demands():
    undeclared = [
        ids(o)
        for o in WITH_NAME
        if o.group in ("loss", "metric", "model") and o.arguments["name"] != "auto"
        if declaration_reader.of(o.group, o.arguments["name"]) == declarations.kind(o.group)()
    ]
    assert undeclared == []


@pytest.mark.parametrize("group", ["loss", "metric", "callback"])
def test_tables_of_keras_classes_name_no_class_that_keras_lacks(group):
    table = declaration_reader.keras_table(group, "DECLARATIONS")
    assert set(table) <= set(lookup.keras_names(group))


def test_every_alias_leads_to_an_option():
    aliases = [o for o in OPTIONS if o.alias_of]
    assert aliases and [ids(o) for o in aliases if option_files.find(o.group, o.name) is None] == []


@pytest.mark.parametrize("option", WITH_NAME, ids=ids)
def test_keys_and_defaults_are_the_signature(option):
    component = lookup.find(option.group, option.arguments["name"])
    # The first parameters of a model or a loss function are run-time values, not config.
    target = component.load()
    signature = {
        k: p
        for k, p in inspect.signature(target).parameters.items()
        if p.kind is not p.VAR_KEYWORD
        and not (option.group == "model" and p.kind is not p.KEYWORD_ONLY)
        and not (component.origin == "keras" and k == "name")
        # What only the run knows and no YAML holds: `auto(task, target, /)`.
        and p.kind is not p.POSITIONAL_ONLY
        and k not in ("self", "name", "num_examples")
        and not (option.group == "data" and k in signatures.FILLED_IN["data"])
    }
    keys = {k: v for k, v in option.arguments.items() if k != "name"}
    if option.group in ("hardware", "trainer"):
        # They also hold what the run's plan takes: epochs, batch_size, scale_batch …
        assert set(signature) - {"device"} <= set(keys), f"{option.path}: no {set(signature) - set(keys)}"
        keys = {k: v for k, v in keys.items() if k in signature}
    keys = common_keys.without(option.group, keys, signature)
    assert set(keys) == set(signature) - {"device"}, (
        f"{option.path}: {set(keys) ^ set(signature)} are in one only"
    )
    for key, value in keys.items():
        default = signature[key].default
        if default is inspect.Parameter.empty or (isinstance(value, str) and "${" in value):
            continue
        if value is None and option.name and key in ("from_logits",):
            continue
        if key in signatures.references(component) and default is not None and not isinstance(default, str):
            continue
        if isinstance(default, tuple):
            default = list(default)
        if key in VARIATIONS.get(ids(option), ()):
            assert value != default, f"{option.path}: {key} is no variation any more"
            continue
        assert value == default, f"{option.path}: {key} is {value!r}, the signature's default is {default!r}"


def test_keys_that_all_optimizers_have_in_common_stand_in_one_file():
    shared = {"clipnorm", "use_ema", "gradient_accumulation_steps"}
    assert shared <= set(option_files.find("optimizer", "adam").values)
    repeated = [o.name for o in option_files.options("optimizer").values() if shared & set(o.tree)]
    assert repeated == ["multi"]  # whose comments say what holds for all parts of the model together


def test_files_behind_an_underscore_are_no_options():
    assert "_shared" not in option_files.options("optimizer")
    assert (option_files.package_conf() / "optimizer" / "_shared.yaml").is_file()


@pytest.mark.parametrize("group", [g for g in COMPONENT_GROUPS if lookup.KERAS[g]])
def test_every_public_class_of_keras_has_an_option_or_a_reason(group):
    import importlib

    public = importlib.import_module("keras." + lookup.KERAS[group].replace("/", "."))
    classes = {}
    for name, thing in vars(public).items():
        if isinstance(thing, type) and not name.startswith("_"):
            classes.setdefault(thing, set()).add(name)
    named = {o.arguments.get("name") for o in option_files.options(group).values()}
    missing = [
        names for names in classes.values() if not names & named and not names & set(lookup.EXCLUDED[group])
    ]
    assert not missing, f"keras.{lookup.KERAS[group]} has {missing}, conf/{group}/ does not"


@pytest.mark.parametrize("group", COMPONENT_GROUPS)
def test_every_file_of_ours_has_an_option(group):
    named = {o.arguments.get("name") for o in option_files.options(group).values()}
    assert set(lookup.own_names(group)) <= named


@pytest.mark.parametrize("option", option_files.options("trainer").values(), ids=lambda o: o.name)
def test_every_trainer_has_the_keys_that_the_builder_reads(option):
    of_steps = {*settings.OF_STEPS} if "epochs" in option.arguments else set()
    assert {"class_weight", "limit", *of_steps} <= set(option.arguments), "copy them from train_on_batch.yaml"
