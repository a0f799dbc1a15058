"""Write visitors.csv: visitors of four museums on 200 days, by weekday, season, and the rain of the day before."""

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
days = pd.date_range("2025-01-06", periods=200)
rows = []
for museum, usual in {"art": 300, "ships": 200, "toys": 150, "trains": 400}.items():
    weekday = rng.permutation([0.5, 0.8, 0.9, 1.0, 1.2, 1.5, 1.7])[days.day_of_week]
    season = 1 + 0.2 * np.sin(2 * np.pi * np.arange(200) / 90 + rng.uniform(0, 6))
    rain = rng.exponential(3, 200)
    visitors = usual * weekday * season * (1 + 0.04 * np.roll(rain, 1)) * rng.normal(1, 0.05, 200)
    rows.append(
        pd.DataFrame({"museum": museum, "day": days, "visitors": visitors.round(), "rain": rain.round(1)})
    )
pd.concat(rows).to_csv("visitors.csv", index=False)
