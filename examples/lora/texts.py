import numpy as np

import trainrun


@trainrun.register("data", "texts")
def texts():
    return {part: dict(np.load(f"{part}.npz")) for part in ("train", "validation", "test")}
