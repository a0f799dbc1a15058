"""Where Keras keeps the public classes of each group, and which of them no YAML can name."""

# Where Keras keeps each group's public names, relative to the package `keras`; None: Keras has no such group.
KERAS = {
    "loss": "losses",
    "metric": "metrics",
    "optimizer": "optimizers",
    "schedule": "optimizers/schedules",
    "callback": "callbacks",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "layer": "layers",
    "model": None,
    "data": None,
    "trainer": None,
    "step": None,
    "hardware": None,
    "tracking": None,
    "augment": None,
}

_BASE = "a base class, which does nothing by itself"
_CODE = "it takes Python code, which a YAML cannot hold; write a plug-in instead"
# Public classes that no YAML can name, and the reason that the error gives.
EXCLUDED = {
    "loss": {"Loss": _BASE},
    "metric": {
        "Metric": _BASE,
        "MeanMetricWrapper": _CODE,
    },
    "optimizer": {
        "Optimizer": _BASE,
        "LossScaleOptimizer": "hardware.precision=mixed_float16 wraps any optimizer in it",
        "MultiOptimizer": "optimizer=multi is it, with optimizer.map={backbone/.*: sgd, .*: adam}",
        "OptimizerMap": _CODE,
    },
    "schedule": {"LearningRateSchedule": _BASE},
    "callback": {
        "Callback": _BASE,
        "CallbackList": _BASE,
        "History": "every run has it",
        "LambdaCallback": _CODE,
        "LearningRateScheduler": _CODE + ", or take one of the group schedule",
        "ProgbarLogger": "trainrun shows its own progress bar",
        "RemoteMonitor": "it posts each epoch to an address; tracking= is the way to record a run",
        "OrbaxCheckpoint": "it needs the package orbax; trainrun writes its own checkpoints",
    },
    "initializer": {"Initializer": _BASE, "RandomInitializer": _BASE},
    "regularizer": {"Regularizer": _BASE},
    "constraint": {"Constraint": _BASE},
    "layer": {
        "Layer": _BASE,
        "Wrapper": _BASE,
        "Lambda": _CODE,
        "InputLayer": "the inputs' shapes come from the data",
        "TFSMLayer": "it runs a SavedModel's code, which safe mode forbids",
        "TorchModuleWrapper": "it needs torch",
        "FlaxLayer": "it needs JAX",
        "JaxLayer": "it needs JAX",
    },
}
