"""Write train.npz, validation.npz and test.npz: pictures, visits and profiles of visitors; who leaves, and what they spend."""

import numpy as np

rng = np.random.default_rng(0)
for part, n in {"train": 320, "validation": 96, "test": 96}.items():
    picture = rng.random((n, 8, 8, 1), "float32")
    picture[::2, 2:6, 2:6] += 0.8
    visits = rng.normal(0, 1, (n, 10, 2)).cumsum(axis=1).astype("float32") / 3
    profile = rng.normal(0, 1, (n, 4)).astype("float32")
    trend = visits[:, -1, 0] - visits[:, 0, 0]
    chance = 1 / (1 + np.exp(2 * trend + profile[:, 0] + 1.5))
    spend = 1 + trend + picture.mean(axis=(1, 2, 3)) + 0.5 * profile[:, 1] + rng.normal(0, 0.1, n)
    churn = np.where(rng.random(n) < chance, "yes", "no")
    arrays = {"picture": picture, "visits": visits, "profile": profile, "churn": churn, "spend": spend}
    np.savez(f"{part}.npz", **arrays)
