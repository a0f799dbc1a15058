import numpy as np

import trainrun


@trainrun.register("data", "visitors")
def visitors():
    return {part: dict(np.load(f"{part}.npz")) for part in ("train", "validation", "test")}
