"""TensorFlow operations that draw random numbers from a counter inside their kernel, and not from a variable."""

from __future__ import annotations

# No checkpoint has that counter, and nothing resets it: a resumed process, or a trial that shares a compiled program,
# begins it anew or goes on with another's. These are all of TensorFlow's stateful operations with an attribute `seed`,
# except those that draw nothing in training without being asked to (a test lists them).
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
