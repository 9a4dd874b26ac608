"""An independent implementation of the definitions in float64, one run at a time: numpy statistics, autograd gradients.

It shares nothing with `survey.networks.training` but the draws of its `streams`, and is written for plainness.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from survey.networks.metrics import STATISTICS
from survey.networks.training import streams

EPSILON = 1e-7


def statistics(kind: str, logits: np.ndarray, y: np.ndarray, batch_rows: int | None = None) -> dict[str, float]:
    """The ten statistics of rows [rows, outputs] from the definitions, as means over the rows."""
    return {name: float(np.mean(values)) for name, values in per_row(kind, logits, y, batch_rows).items()} | {
        "root_mean_squared_error": math.sqrt(np.mean((predictions(kind, logits) - y) ** 2))
    }


def predictions(kind: str, logits: np.ndarray) -> np.ndarray:
    if kind == "softmax":
        e = np.exp(logits - logits.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)
    return 1 / (1 + np.exp(-logits))


def per_row(kind: str, logits: np.ndarray, y: np.ndarray, batch_rows: int | None = None) -> dict[str, np.ndarray]:
    p = predictions(kind, logits)
    if kind == "softmax":
        top = logits.max(1)
        loss = top + np.log(np.exp(logits - top[:, None]).sum(1)) - (logits * y).sum(1)
    elif kind == "binary":
        loss = (np.logaddexp(0, logits) - logits * y)[:, 0]
    else:
        loss = ((p - y) ** 2).mean(1)
    accuracy = p.argmax(1) == y.argmax(1) if y.shape[1] > 1 else y[:, 0] == (p[:, 0] > 0.5)
    labels = y.copy()
    for start in range(0, len(y), batch_rows or len(y)):
        part = labels[start : start + (batch_rows or len(y))]
        if np.isin(part, (0, 1)).all():
            part[:] = 2 * part - 1
    margin = np.maximum(1 - labels * p, 0)
    log = [np.log(1 + np.maximum(x, EPSILON)) for x in (p, y)]
    with np.errstate(divide="ignore"):
        units = [x * np.minimum(1 / np.linalg.norm(x, axis=1, keepdims=True), 1e7) for x in (p, y)]
    clipped = [np.clip(x, EPSILON, 1) for x in (p, y)]
    return {
        "loss": loss,
        "accuracy": accuracy.astype(float),
        "mean_squared_error": ((p - y) ** 2).mean(1),
        "mean_absolute_error": np.abs(p - y).mean(1),
        "mean_squared_logarithmic_error": ((log[0] - log[1]) ** 2).mean(1),
        "hinge": margin.mean(1),
        "squared_hinge": (margin**2).mean(1),
        "cosine_similarity": np.nansum(units[0] * units[1], axis=1),
        "kullback_leibler_divergence": (clipped[1] * np.log(clipped[1] / clipped[0])).sum(1),
    }


ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": torch.nn.functional.gelu,
    "elu": torch.nn.functional.elu,
    "swish": torch.nn.functional.silu,
}


class Reference:
    """One run, trained by autograd and a hand-stepped optimizer."""

    def __init__(self, experiment, inputs, targets, task_kind, widths, seed):
        self.experiment, self.seed = experiment, seed
        self.kind = "regression" if task_kind == "regression" else "softmax" if targets.shape[1] > 1 else "binary"
        self.inputs, targets = inputs.double(), targets.double()
        train_rows, test_rows = streams.split(len(inputs), seed=seed)
        held_out = math.ceil(round(experiment.validation_split * len(train_rows), 9))
        left = len(train_rows) - held_out
        self.held_out = [test_rows, *([train_rows[left:]] if held_out else [])]
        train_rows = train_rows[: math.ceil(round(experiment.train_fraction * left, 9))]
        self.train_rows, self.targets = train_rows, targets
        self.train_targets = self._noisy(targets[train_rows])
        initialization = experiment.initialization
        self.layers = streams.initial_parameters(
            widths, inputs.shape[1], seed=seed, dtype=torch.float64, initialization=initialization
        )
        has_norms = experiment.normalization == "layer"
        self.norms = [torch.nn.LayerNorm(width).double() for width in widths[:-1] if has_norms]
        self.parameters = [p.requires_grad_() for layer in self.layers for p in layer]
        self.parameters += [p for norm in self.norms for p in norm.parameters()]
        self.moments = [[torch.zeros_like(p), torch.zeros_like(p)] for p in self.parameters]
        self.steps = self.epoch = 0

    def _noisy(self, targets):
        noise = self.experiment.label_noise
        if not noise:
            return targets
        if self.kind == "regression":
            return streams.noisy_values(targets, noise, seed=self.seed)
        labels = targets.argmax(1) if self.kind == "softmax" else targets[:, 0].long()
        changed = streams.noisy_labels(labels, max(2, targets.shape[1]), noise, seed=self.seed)
        return torch.eye(targets.shape[1])[changed].double() if self.kind == "softmax" else changed[:, None].double()

    def masks(self, rows, step):
        """What the outputs of each hidden layer are multiplied by, [rows, width]: 16 bits decide on each."""
        widths, room = [len(bias) for _, bias in self.layers[:-1]], -(-rows // 32) * 32
        words = torch.zeros(1, sum(widths) * room // 4, dtype=torch.int64)
        streams.Words(words, words.clone()).draw(streams.dropout_keys([self.seed], self.epoch), step)
        share = round(self.experiment.dropout * 65536) / 65536
        kept = words.numpy().view("<i2").reshape(-1, room)[:, :rows] >= 65536 * share - 32768
        return torch.from_numpy(kept.T / (1 - share)).split(widths, 1)

    def forward(self, x, masks=None):
        shape, hidden = self.experiment.shape, len(self.layers) - 1
        for k, (kernel, bias) in enumerate(self.layers):
            z = x @ kernel + bias
            if k == hidden:
                return z
            out = ACTIVATIONS[self.experiment.activation](self.norms[k](z) if self.norms else z)
            out = out * masks[k] if masks else out
            first = 2 if shape.startswith("wide_first") else 1
            x = out + x if shape.endswith("_residual") and k >= first and out.shape == x.shape else out
        raise AssertionError

    def loss(self, logits, y):
        if self.kind == "softmax":
            return torch.nn.functional.cross_entropy(logits, y)
        if self.kind == "binary":
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, y)
        return torch.nn.functional.mse_loss(torch.sigmoid(logits), y)

    def penalty(self):
        e = self.experiment
        kernels = [kernel for kernel, _ in self.layers]
        return e.kernel_regularizer_l1 * sum(k.abs().sum() for k in kernels) + e.kernel_regularizer_l2 * sum(
            (k**2).sum() for k in kernels
        )

    def learning_rate(self):
        """That of PyTorch's schedulers, one step for each update."""
        e, scheduler = self.experiment, torch.optim.lr_scheduler
        if self.steps == 0:
            batches = math.ceil(len(self.train_rows) / e.batch_size)
            warmup, rest = e.warmup_epochs * batches, (e.epochs - e.warmup_epochs) * batches
            optimizer = torch.optim.SGD([torch.zeros(1)], lr=e.learning_rate)
            after = {
                "constant": lambda: scheduler.ConstantLR(optimizer, 1.0),
                "cosine": lambda: scheduler.CosineAnnealingLR(optimizer, rest),
                "linear": lambda: scheduler.LinearLR(optimizer, 1.0, 0.0, rest),
                "step": lambda: scheduler.StepLR(optimizer, e.step_epochs * batches, e.step_factor),
            }[e.schedule]()
            if warmup:
                rising = scheduler.LinearLR(optimizer, 1 / warmup, 1.0, warmup - 1)
                after = scheduler.SequentialLR(optimizer, [rising, after], [warmup])
            self.optimizer, self.scheduler = optimizer, after
        else:
            self.optimizer.step()
            self.scheduler.step()
        return self.optimizer.param_groups[0]["lr"]

    def step(self, gradients):
        e, lr = self.experiment, self.learning_rate()
        self.steps += 1
        t = self.steps
        if e.gradient_clip:
            for p, g in zip(self.parameters, gradients, strict=True):
                p.grad = g.clone()
            torch.nn.utils.clip_grad_norm_(self.parameters, e.gradient_clip)
            gradients = [p.grad for p in self.parameters]
        for p, g, m in zip(self.parameters, gradients, self.moments, strict=True):
            if e.optimizer == "adamw":
                # Epsilon is Keras's, and where Keras has it.
                options = {"eps": EPSILON / math.sqrt(1 - 0.999**t), "weight_decay": e.weight_decay}
                alone = torch.optim.AdamW([p], lr=lr, **options)
                alone.state[p] = {"step": torch.tensor(t - 1.0), "exp_avg": m[0], "exp_avg_sq": m[1]}
                p.grad = g
                alone.step()
            elif e.optimizer == "adam":
                m[0] = 0.9 * m[0] + 0.1 * g
                m[1] = 0.999 * m[1] + 0.001 * g**2
                p -= lr * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m[0] / (m[1].sqrt() + EPSILON)
            elif e.optimizer == "SGD":
                m[0] = e.momentum * m[0] - lr * g
                p += m[0]
            else:
                m[1] = 0.9 * m[1] + 0.1 * g**2
                if e.momentum:
                    m[0] = e.momentum * m[0] + lr * g / (m[1] + EPSILON).sqrt()
                    p -= m[0]
                else:
                    p -= lr * g / (m[1].sqrt() + EPSILON)

    def train_epoch(self) -> np.ndarray:
        """float64 [20], test set first, or [30], validation set last."""
        self.epoch += 1
        rows = len(self.train_rows)
        order = streams.epoch_orders(rows, seeds=[self.seed], epoch=self.epoch)[0]
        collected: list[tuple[int, dict[str, float], float]] = []
        for step, start in enumerate(range(0, rows, self.experiment.batch_size)):
            batch = order[start : start + self.experiment.batch_size]
            y = self.train_targets[batch]
            masks = self.masks(len(batch), step) if self.experiment.dropout else None
            logits = self.forward(self.inputs[self.train_rows[batch]], masks)
            penalty = self.penalty()
            gradients = torch.autograd.grad(self.loss(logits, y) + penalty, self.parameters)
            values = statistics(self.kind, logits.detach().numpy(), y.numpy())
            values["loss"] += float(penalty.detach()) if torch.is_tensor(penalty) else penalty
            collected.append((len(batch), values, 0.0))
            with torch.no_grad():
                self.step(gradients)
        train = {n: sum(b * v[n] for b, v, _ in collected) / rows for n in STATISTICS}
        train["root_mean_squared_error"] = math.sqrt(train["mean_squared_error"])
        test, *validation = map(self._evaluated, self.held_out)
        return np.array([each[name] for each in (test, train, *validation) for name in STATISTICS])

    def evaluate(self) -> np.ndarray:
        """The statistics of the network as it is, float64 in the order of `train_epoch`."""
        test, *validation = map(self._evaluated, self.held_out)
        train = self._evaluated(self.train_rows, self.train_targets)
        return np.array([each[name] for each in (test, train, *validation) for name in STATISTICS])

    def _evaluated(self, rows, targets=None) -> dict[str, float]:
        targets = self.targets[rows] if targets is None else targets
        with torch.no_grad():
            logits = self.forward(self.inputs[rows]).numpy()
            found = statistics(self.kind, logits, targets.numpy(), self.experiment.batch_size)
            found["loss"] += float(self.penalty())
        return found
