"""Write drops.npz: images of 8 by 8 pixels with a round bright drop, whose place and size differ."""

import numpy as np

rng = np.random.default_rng(0)
n = 800
y, x = np.mgrid[:8, :8]
row, column, size = (rng.uniform(low, high, (n, 1, 1)) for low, high in ((1, 6), (1, 6), (0.8, 1.6)))
images = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * size**2))[..., None].astype("float32")
np.savez("drops.npz", train=images[:640], validation=images[640:])
