"""Write pictures/, stripes.csv (many, of six directions) and cloths.csv (few, of three ways to cross two directions)."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

rng = np.random.default_rng(0)
y, x = np.mgrid[:16, :16]
Path("pictures").mkdir(exist_ok=True)


def wave(degrees):
    """Return stripes across a direction, of any width and at any place."""
    angle = np.radians(degrees + rng.normal(0, 4))
    return np.sin((np.cos(angle) * x + np.sin(angle) * y) * rng.uniform(1, 1.6) + rng.uniform(0, 6.3))


def write(name, classes, sizes):
    """Write pictures of waves under each other and a table of them; a class is the directions of its waves."""
    rows = []
    for part, n in sizes.items():
        for i in range(n):
            label = rng.choice(list(classes))
            picture = 128 + 35 * sum(map(wave, classes[label])) + rng.normal(0, 70, (16, 16))
            path = f"pictures/{name}_{part}_{i:03}.png"
            Image.fromarray(picture.clip(0, 255).astype("uint8")).save(path)
            rows.append((path, label, part))
    pd.DataFrame(rows, columns=["picture", "label", "part"]).to_csv(f"{name}.csv", index=False)


directions = {f"{a:03} degrees": [a] for a in range(0, 180, 30)}
write("stripes", directions, {"train": 480, "validation": 120, "test": 120})
cloths = {"upright": [0, 90], "left": [30, 120], "right": [60, 150]}
write("cloths", cloths, {"train": 48, "validation": 60, "test": 120})
