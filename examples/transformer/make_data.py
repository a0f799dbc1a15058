"""Write messages.csv: messages to a shop, whose word of mood may be turned round by the word before it."""

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
things = ["lamp", "chair", "kettle", "clock", "mirror", "shelf", "radio"]
good, bad = ["bright", "sturdy", "quiet", "lovely"], ["dim", "shaky", "loud", "ugly"]
filler = ["the", "a", "my", "this", "and", "it", "really", "of", "on", "for"]
texts, moods = [], []
for _ in range(1000):
    pleased, turned = rng.integers(0, 2, 2)
    word = rng.choice(good if pleased != turned else bad)
    said = [*rng.choice(filler, rng.integers(2, 9)), rng.choice(things)]
    at = rng.integers(0, len(said) + 1)
    texts.append(" ".join([*said[:at], *(["not"] if turned else []), word, *said[at:]]).capitalize() + ".")
    moods.append("pleased" if pleased else "angry")
parts = np.repeat(["train", "validation", "test"], [640, 160, 200])
pd.DataFrame({"message": texts, "mood": moods, "part": parts}).to_csv("messages.csv", index=False)
