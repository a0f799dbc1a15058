"""Write cells/*.png and cells.csv: bright cells on an uneven background, and for each image the mask of its cells."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

rng = np.random.default_rng(0)
n, side = 360, 24
y, x = np.mgrid[:side, :side]
Path("cells").mkdir(exist_ok=True)
rows = []
for i in range(n):
    angle, mask = rng.uniform(0, 2 * np.pi), np.zeros((side, side), bool)
    for _ in range(rng.integers(1, 4)):
        (row, column), (height, width) = rng.uniform(3, side - 3, 2), rng.uniform(2, 5, 2)
        mask |= ((y - row) / height) ** 2 + ((x - column) / width) ** 2 < 1
    light = 90 + 60 * (np.cos(angle) * x + np.sin(angle) * y) / side
    image = light + 60 * mask + rng.normal(0, 20, (side, side))
    Image.fromarray(image.clip(0, 255).astype("uint8")).save(f"cells/{i:03}.png")
    Image.fromarray(mask.astype("uint8")).save(f"cells/{i:03}_mask.png")
    part = "train" if i < 240 else "validation" if i < 300 else "test"
    rows.append((f"cells/{i:03}.png", f"cells/{i:03}_mask.png", part))
pd.DataFrame(rows, columns=["image", "mask", "part"]).to_csv("cells.csv", index=False)
