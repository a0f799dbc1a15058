"""TensorFlow operations that draw random numbers from a counter inside their kernel, and not from a variable."""

from __future__ import annotations

# Checkpoints do not contain that counter, and nothing resets it: a resumed process starts a new one, and a trial that shares a
# compiled program continues the counter of another trial. These are all of TensorFlow's stateful operations with an attribute
# `seed`, except those that ordinary training does not use (a test lists them).
RANDOM_OPERATIONS = frozenset(
    {
        "AllCandidateSampler",
        "FixedUnigramCandidateSampler",
        "LearnedUnigramCandidateSampler",
        "LogUniformCandidateSampler",
        "Multinomial",
        "ParameterizedTruncatedNormal",
        "RandomCrop",
        "RandomGamma",
        "RandomPoisson",
        "RandomPoissonV2",
        "RandomShuffle",
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "SampleDistortedBoundingBox",
        "SampleDistortedBoundingBoxV2",
        "ThreadUnsafeUnigramCandidateSampler",
        "TruncatedNormal",
        "UniformCandidateSampler",
    }
)
