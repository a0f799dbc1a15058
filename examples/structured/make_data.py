"""Write customers.csv: who cancels a subscription, from numbers, categories and a gap here and there."""

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 800
age, months = rng.integers(18, 80, n), rng.integers(1, 60, n)
plan, region = rng.choice(["basic", "plus", "pro"], n), rng.choice(["north", "south", "east", "west"], n)
price = np.select([plan == "basic", plan == "plus"], [9.0, 15.0], 29.0) + rng.normal(0, 2, n)
chance = 1 / (1 + np.exp(months / 10 - 1 + (plan == "pro") - 1.5 * (region == "south") + (age - 50) / 20))
pd.DataFrame(
    {
        "age": age,
        "months": months,
        "price": np.where(rng.random(n) < 0.1, np.nan, price.round(2)),
        "plan": plan,
        "region": region,
        "cancels": np.where(rng.random(n) < chance, "yes", "no"),
        "part": rng.permutation(np.repeat(["train", "validation", "test"], [480, 160, 160])),
    }
).to_csv("customers.csv", index=False)
