"""Images of a folder, to predict: the files that training reads."""

import keras
import numpy as np
import pytest
from PIL import Image

from trainrun.errors import UserError
from trainrun.run import array_blocks


def test_hidden_files_are_no_images_to_predict_as_they_are_none_to_train_on(tmp_path):
    (tmp_path / "a").mkdir()
    for name, value in (("a/1.png", 3), ("2.png", 9)):
        Image.new("RGB", (5, 4), (value,) * 3).save(tmp_path / name)
    (tmp_path / "a" / "._1.png").write_bytes(b"written by another system beside the image")
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    blocks = [*array_blocks.of_images(model, model, str(tmp_path), ["file"])]
    outputs = np.concatenate([output for output, _ in blocks])
    files = [name for _, rows in blocks for name in rows.further["file"].to_pylist()]
    assert dict(zip(files, outputs[:, 0].tolist(), strict=True)) == {"2.png": 9, "a/1.png": 3}
    (tmp_path / "a" / "1.png").unlink()
    (tmp_path / "2.png").unlink()
    with pytest.raises(UserError, match="has no images"):
        [*array_blocks.of_images(model, model, str(tmp_path), [])]
