"""Points whose options were composed once are held to what Hydra composes for each."""

from __future__ import annotations

import pytest
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from trainrun.hydra_bridge import compose, compose_cache, interpolations, override_errors, preflight

POINTS = [
    ["optimizer.learning_rate=0.1"],
    ["optimizer.learning_rate=0.2", "model.units=[8,4]"],
    ["optimizer=sgd", "optimizer.learning_rate=0.1"],
    ["optimizer=sgd", "optimizer.momentum=0.5"],
    ["optimizer=sgd", "optimizer.learning_rate=0.3"],
    ["trainer.epochs=3", "optimizer=sgd"],
    ["+sweep.space={a: 1}", "seed=1"],
    ["++trainer.epochs=9", "hydra.job.name=other"],
    ["~callback", "seed=2"],
    ["metric=[auc,accuracy]", "metric.auc.num_thresholds=50"],
    ["name=a b", "sweep.objective=val_auc"],
]


@pytest.fixture(scope="module")
def master():
    with compose.application() as hydra:
        loader = hydra.config_loader
        overrides = ["data=iris", "hydra/launcher=local", "hydra.sweep.dir=outputs/${trainrun.unique:}"]
        yield loader, loader.load_configuration("config", overrides, run_mode=RunMode.MULTIRUN)


def test_a_point_is_what_hydra_makes_of_it(master):
    loader, config = master
    assert config.hydra.sweep.dir, "from now on its name is known"
    composer = compose_cache.Composer(loader, config)
    for _ in range(2):  # the second time all of them from copies
        for point in POINTS:
            overrides, plain = composer(point), loader.load_sweep_config(config, point)
            assert OmegaConf.to_container(overrides) == OmegaConf.to_container(plain), point
            for key in ("model", "optimizer", "trainer", "data", "seed", "metric"):
                assert interpolations.plain(overrides)[key] == interpolations.plain(plain)[key]
            assert overrides.hydra.sweep.dir == plain.hydra.sweep.dir == config.hydra.sweep.dir


def test_a_point_that_hydra_refuses_is_refused(master):
    loader, config = master
    composer = compose_cache.Composer(loader, config)
    composer(["optimizer=sgd"])
    for wrong in ("optimizer.nothing=1", "optimizer=none_such", "seed=1,2", "optimizer.learning_rate"):
        with pytest.raises(HydraException):
            loader.load_sweep_config(config, ["optimizer=sgd", wrong])
        with pytest.raises(HydraException):
            composer(["optimizer=sgd", wrong])
    assert "nothing" not in composer(["optimizer=sgd"]).optimizer


def test_the_preflight_finds_the_same_inside_and_outside():
    points = [*POINTS[:6], ["optimizer=sgd", "optimizer.momentm=1"], ["optimizer=sgd", "trainer.epochs=-1"]]
    outside = [preflight.overrides(p, multirun=True) for p in points]
    with compose_cache.enabled():
        for _ in range(2):
            assert [preflight.overrides(p, multirun=True) for p in points] == outside


def test_files_are_read_again_after_it(inside):
    (inside / "conf" / "optimizer").mkdir(parents=True)
    option = inside / "conf" / "optimizer" / "mine.yaml"
    option.write_text("name: SGD\nlearning_rate: 0.5\n")
    with compose_cache.enabled():
        assert override_errors.examine(["optimizer=mine"])[0]["optimizer"]["learning_rate"] == 0.5
        option.write_text("name: SGD\nlearning_rate: 0.25\n")
        assert override_errors.examine(["optimizer=mine"])[0]["optimizer"]["learning_rate"] == 0.5
    assert override_errors.examine(["optimizer=mine"])[0]["optimizer"]["learning_rate"] == 0.25


def test_the_cache_forgets_the_oldest_configs():
    from omegaconf import DictConfig

    made = []

    def config(number):
        return compose_cache.of(number, lambda: made.append(number) or DictConfig({"number": number}))

    with compose_cache.enabled():
        for number in range(compose_cache.LIMIT + 1):
            config(number)
        assert config(compose_cache.LIMIT).number == compose_cache.LIMIT and config(1).number == 1
        assert made == [*range(compose_cache.LIMIT + 1)]
        config(0)
    assert made[-1] == 0 and made.count(0) == 2
