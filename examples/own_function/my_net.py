"""A convolutional network on the digits of scikit-learn, with dropout and a schedule: plain PyTorch."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy


def train(*, seed, width: int, dropout: float = 0.0, rate: float = 3e-3, epochs: int = 20, device="cpu", state=None):
    torch.manual_seed(seed)
    images, labels = (torch.tensor(part, device=device) for part in load_digits(return_X_y=True))
    images, rows = images.float().reshape(-1, 1, 8, 8) / 16, torch.randperm(len(images))
    train_rows, test_rows = rows[:1200], rows[1200:]
    layers = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(dropout)]
    net = nn.Sequential(*layers, nn.Linear(16 * width, 10)).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    parts = {"net": net, "optimizer": optimizer, "schedule": schedule}
    if state:
        for name, part in parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["random"])
    for epoch in range(state["epoch"] if state else 0, epochs):
        for batch in train_rows[torch.randperm(len(train_rows))].split(64):
            loss = cross_entropy(net.train()(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        with torch.no_grad():
            outputs, expected = net.eval()(images[test_rows]), labels[test_rows]
        accuracy = (outputs.argmax(1) == expected).float().mean()
        metrics = {"train_loss": loss, "test_loss": cross_entropy(outputs, expected), "test_accuracy": accuracy}
        states = {name: part.state_dict() for name, part in parts.items()}
        yield metrics, {**states, "random": torch.get_rng_state(), "epoch": epoch + 1}
