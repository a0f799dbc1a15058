"""Write parts.csv: which of four machines made a part, from six measurements; four in ten training labels are drawn at random."""

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n, machines = 2000, 4
# Each machine is run at one of two settings, so that its parts are two clouds.
clouds = rng.normal(0, 1.6, (machines, 2, 6))
machine, setting = rng.integers(0, machines, n), rng.integers(0, 2, n)
part = np.repeat(["train", "validation", "test"], [1200, 300, 500])
drawn = (part == "train") & (rng.random(n) < 0.4)
table = pd.DataFrame(clouds[machine, setting] + rng.normal(0, 0.7, (n, 6)), columns=list("abcdef")).round(3)
labels = np.where(drawn, rng.integers(0, machines, n), machine)
table["machine"] = np.array(["lathe", "mill", "press", "saw"])[labels]
table["part"] = part
table.to_csv("parts.csv", index=False)
