"""Write leaves.npz: outlines of leaves as 24 distances from the middle, bent and turned by chance."""

import numpy as np

rng = np.random.default_rng(0)
angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def waves(n, orders, size):
    """Return `n` outlines that are sums of waves, so many times around as `orders` says."""
    height, phase = rng.normal(0, size, (n, len(orders), 1)), rng.uniform(0, 2 * np.pi, (n, len(orders), 1))
    return (height * np.cos(np.array(orders)[:, None] * angles + phase)).sum(1)


species = waves(20, [3, 4, 5, 6], 0.1)


def leaves(each):
    """Return so many outlines of each species, and the species' numbers."""
    kind = rng.permutation(np.repeat(np.arange(len(species)), each))
    turned = (np.arange(24) + rng.integers(0, 24, len(kind))[:, None]) % 24
    lobes = np.take_along_axis(species[kind], turned, axis=1)
    x = 1 + lobes + waves(len(kind), [1, 2], 0.15) + rng.normal(0, 0.03, (len(kind), 24))
    return {"x": x.astype("float32"), "y": kind}


parts = {"train": leaves(64), "validation": leaves(10), "test": leaves(16)}
np.savez(
    "leaves.npz", **{f"{part}_{name}": array for part, of in parts.items() for name, array in of.items()}
)
