"""Write ratings.csv: how 40 readers rate 60 books, by a taste that is hidden in the numbers."""

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
readers, books, n = 40, 60, 1500
taste, style = rng.normal(0, 1, (readers, 2)), rng.normal(0, 1, (books, 2))
pairs = rng.permutation(readers * books)[:n]
reader, book = pairs // books, pairs % books
score = 3 + rng.normal(0, 0.5, books)[book] + (taste[reader] * style[book]).sum(1) + rng.normal(0, 0.3, n)
pd.DataFrame(
    {
        "reader": [f"reader {i:02}" for i in reader],
        "book": [f"book {i:02}" for i in book],
        "rating": score.round(1),
        "part": rng.permutation(np.repeat(["train", "validation", "test"], [900, 300, 300])),
    }
).to_csv("ratings.csv", index=False)
