"""A classifier of the digits, trained by Lightning: a trainer that owns its loop, surveyed through a callback.

The trainer runs in a thread. At the end of each epoch its callback hands over metrics and state, and waits until the
next epoch is asked for, so that nothing changes them meanwhile.
"""

from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from threading import Thread

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset, random_split


class Classifier(lightning.LightningModule):
    def __init__(self, width: int, rate: float):
        super().__init__()
        self.rate = rate
        self.net = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

    def training_step(self, batch, _):
        loss = cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, _):
        outputs = self.net(batch[0])
        accuracy = (outputs.argmax(1) == batch[1]).float().mean()
        self.log_dict({"test_loss": cross_entropy(outputs, batch[1]), "test_accuracy": accuracy})

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.rate)


class Handover(lightning.Callback):
    """Puts what the generator yields into a queue of one, epoch by epoch."""

    def __init__(self, queue: Queue, checkpoint: Path, order: torch.Generator):
        self.queue, self.checkpoint, self.order = queue, checkpoint, order

    def on_train_epoch_end(self, trainer, module):
        trainer.save_checkpoint(self.checkpoint)
        state = {"checkpoint": self.checkpoint.read_bytes(), "order": self.order.get_state()}
        self.queue.put((dict(trainer.callback_metrics), state))
        self.queue.join()


def train(*, seed, width: int, rate: float = 3e-3, epochs: int = 15, state=None):
    torch.manual_seed(seed)
    images, labels = load_digits(return_X_y=True)
    digits = TensorDataset(torch.tensor(images).float() / 16, torch.tensor(labels))
    train_set, test_set = random_split(digits, [1200, len(digits) - 1200])
    order, queue = torch.Generator().manual_seed(seed), Queue()
    loaders = DataLoader(train_set, 64, shuffle=True, generator=order), DataLoader(test_set, len(test_set))
    with TemporaryDirectory() as folder:
        checkpoint = Path(folder, "last.ckpt")
        if state:
            checkpoint.write_bytes(state["checkpoint"])
            order.set_state(state["order"])
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=[Handover(queue, checkpoint, order)],
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

        def fit():
            try:
                trainer.fit(Classifier(width, rate), *loaders, ckpt_path=checkpoint if state else None)
                queue.put(None)
            except BaseException as error:
                queue.put(error)

        Thread(target=fit, daemon=True).start()
        while epoch := queue.get():
            if isinstance(epoch, BaseException):
                raise epoch
            yield epoch
            queue.task_done()
