"""PyTorch Lightning on the digits MLP, for `training_speed.py`."""

from __future__ import annotations

import importlib.util
import itertools
import logging
import time
import warnings
from typing import Any

from trainrun.data.dataset import Split


def installed() -> str | None:
    """Return the name of Lightning's package, or None where it or torch is missing."""
    names = [n for n in ("lightning", "pytorch_lightning") if importlib.util.find_spec(n) is not None]
    return names[0] if names and importlib.util.find_spec("torch") is not None else None


def train(package: str, data: Split, batch: int, epochs: int) -> tuple[list[float], float]:
    """Train; return each epoch's seconds and the last loss.

    Args:
        package: as `installed` returns it.
        data: the digits.
        batch: examples of a step.
        epochs: how many.
    """
    import torch

    # Torch's threads spin while they wait, and slow TensorFlow's and each other down in one process. So small a model gains
    # nothing from a second thread.
    torch.set_num_threads(1)
    pl = importlib.import_module("lightning.pytorch" if package == "lightning" else package)
    for name in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=".*lightning.*")
    pl.seed_everything(42, verbose=False)

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            widths = [64, 64, 32, 10]
            layers: list[Any] = [torch.nn.Flatten()]
            for i, (before, after) in enumerate(itertools.pairwise(widths)):
                layers.append(torch.nn.Linear(before, after))
                torch.nn.init.xavier_uniform_(layers[-1].weight)
                torch.nn.init.zeros_(layers[-1].bias)
                layers += [torch.nn.ReLU()] if i < len(widths) - 2 else []
            self.layers = torch.nn.Sequential(*layers)

        def training_step(self, batch: Any, _: int) -> Any:
            x, y = batch
            scores = self.layers(x)
            loss = torch.nn.functional.cross_entropy(scores, y)
            right = (scores.argmax(1) == y).float().mean()
            self.log_dict({"loss": loss, "accuracy": right}, on_step=False, on_epoch=True, batch_size=len(y))
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=1e-3, eps=1e-7)

    class Watch(pl.Callback):
        seconds: list[float] = []

        def on_train_epoch_start(self, *_: Any) -> None:
            self._start = time.perf_counter()

        def on_train_epoch_end(self, *_: Any) -> None:
            self.seconds.append(time.perf_counter() - self._start)

    examples = torch.utils.data.TensorDataset(
        torch.tensor(data.x, dtype=torch.float32), torch.tensor(data.y.reshape(-1), dtype=torch.int64)
    )
    loader = torch.utils.data.DataLoader(examples, batch_size=batch, shuffle=True)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Watch()],
    )
    trainer.fit(Module(), loader)
    return Watch.seconds, float(trainer.callback_metrics["loss"])
