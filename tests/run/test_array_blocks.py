"""Images of a folder, to predict: the files that training reads."""

import keras
import numpy as np
import pytest
from PIL import Image

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import UserError
from trainrun.run import array_blocks, image_blocks


def test_hidden_files_are_no_images_to_predict_as_they_are_none_to_train_on(tmp_path):
    (tmp_path / "a").mkdir()
    for name, value in (("a/1.png", 3), ("2.png", 9)):
        Image.new("RGB", (5, 4), (value,) * 3).save(tmp_path / name)
    (tmp_path / "a" / "._1.png").write_bytes(b"written by another system beside the image")
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    blocks = [*image_blocks.of_images(model, model, str(tmp_path), ["file"])]
    outputs = np.concatenate([output for output, _ in blocks])
    files = [name for _, rows in blocks for name in rows.further["file"].to_pylist()]
    assert dict(zip(files, outputs[:, 0].tolist(), strict=True)) == {"2.png": 9, "a/1.png": 3}
    (tmp_path / "a" / "1.png").unlink()
    (tmp_path / "2.png").unlink()
    with pytest.raises(UserError, match="has no images"):
        [*image_blocks.of_images(model, model, str(tmp_path), [])]


def test_the_only_input_is_the_array_that_training_took(tmp_path):
    """A file may have others of the same shape, also by the names that an input has where none is known."""
    kind = InputSpec("numeric", "numeric", (2,))
    fitted = Preprocessor("t", "regression", (kind,), TargetSpec("real"))
    arrays = {name: np.full((3, 2), value) for value, name in enumerate(["x", "numeric", "signal"])}
    np.savez(tmp_path / "t.npz", **arrays)
    x = keras.Input((2,), name="numeric")
    model = keras.Model(x, keras.ops.sum(x, axis=1))

    def taken(**options):
        ((output, _),) = array_blocks.of_npz(model, model, fitted, str(tmp_path / "t.npz"), [], 9, **options)
        ((same, _),) = array_blocks.of_arrays(model, model, fitted, arrays, [], 9, **options)
        np.testing.assert_array_equal(output, same)
        return set(np.ravel(output) / 2)

    assert taken(key="signal") == {2} and taken(key="x") == {0}
    assert taken() == {1} and taken(key="absent") == {1}


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ma.masked_greater(np.ones((3, 2)) * [1, 9], 5), "the array has masked values"),
        ((np.ones((3, 2)), np.ones(3)), "expected an array, or arrays by name; got a tuple"),
    ],
)
def test_what_is_no_array_to_predict_is_refused(array, message):
    x = keras.Input((2,), name="numeric")
    model = keras.Model(x, keras.ops.sum(x, axis=1))
    fitted = Preprocessor("t", "regression", (InputSpec("numeric", "numeric", (2,)),), TargetSpec("real"))
    with pytest.raises(UserError, match=message):
        [*array_blocks.of_arrays(model, model, fitted, {"x": array}, [], 9)]


def test_images_in_grey_are_taken_as_training_takes_them():
    image = keras.Input((4, 5, 1), name="image")
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    fitted = Preprocessor("t", "regression", (InputSpec("image", "image", (4, 5, 1)),), TargetSpec("real"))
    x = np.arange(60.0).reshape(3, 4, 5)
    for array in (x, x[..., None]):
        blocks = array_blocks.of_arrays(model, model, fitted, {"x": array}, [], 2)
        output = np.concatenate([output for output, _ in blocks])
        np.testing.assert_allclose(output[:, 0], x.mean(axis=(1, 2)), rtol=1e-6)


def test_one_image_is_predicted_as_in_its_folder(tmp_path):
    Image.new("RGB", (5, 4), (7,) * 3).save(tmp_path / "7.PNG")
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    fitted = Preprocessor(
        "t", "classification", (InputSpec("image", "image", (4, 5, 3)),), TargetSpec("real")
    )
    path = str(tmp_path / "7.PNG")
    assert image_blocks.are_images(path, fitted) and not image_blocks.are_images("t.csv", fitted)
    ((output, rows),) = image_blocks.of_images(model, model, path, ["file"])
    assert rows.further["file"].to_pylist() == ["7.PNG"] and output.tolist() == [[7, 7, 7]]
    with pytest.raises(UserError, match="there is no image or folder"):
        [*image_blocks.of_images(model, model, str(tmp_path / "8.png"), [])]
