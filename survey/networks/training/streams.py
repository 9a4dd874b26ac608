"""Random draws of a run: its split, initial parameters, epoch orders, label noise and dropped units.

Every draw comes from a counter-based stream keyed by (run seed, purpose, index), so it depends on nothing else: not on
device, bundle, order or restarts. Any other implementation can be trained on the same draws.

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): the
n-th word of a stream is `mix(key + n * golden)`, which needs no state. A permutation is the order of N such words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

from survey.networks.rows import RowCounts, num_test_rows
from survey.networks.training.initialization import INITIALIZATIONS
from survey.tasks.parts import PARTS

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_MIXES = ((30, _MIX_1), (27, _MIX_2), (31, None))
_MASK = (1 << 64) - 1


class Purpose(IntEnum):
    """What a stream is for; the numbers never change their meaning."""

    SPLIT = 1
    PARAMETERS = 2
    ORDER = 3
    NOISE_ROWS = 4
    NOISE_VALUES = 5
    DROPOUT = 6
    MODULE_PARAMETERS = 7
    MODULE_DRAWS = 8
    MODULE_DROPOUT = 9


def split(num_rows: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Draw a run's shuffled split.

    Returns:
        `(train_rows, test_rows)`, int64 row numbers on the CPU; the test set has ceil(0.2 * num_rows) rows.
    """
    num_test = num_test_rows(num_rows)
    order = _permutation(num_rows, _keys([_key(seed, Purpose.SPLIT)]))[0]
    return order[num_test:], order[:num_test]


class Rows(NamedTuple):
    """The rows of a run: int64 row numbers on the CPU.

    Attributes:
        train: Those that it is trained on, in the order in which its label noise counts them.
        validation: Those of its validation set.
        test: Those of its test set.
    """

    train: Tensor
    validation: Tensor
    test: Tensor


def draw_rows(num_rows: int, counts: RowCounts, *, seed: int, parts: Tensor | None = None) -> Rows:
    """Draw a run's rows: those of the test set as `split` does, and of the others, in their drawn order, the first ones
    to train on and the last ones to validate with.

    So the test set is the same with and without validation, a smaller validation set is part of a larger one, and fewer
    training rows are part of more.

    Args:
        num_rows: Rows of the task.
        counts: How many of them are for what.
        seed: Seed of the run.
        parts: [num_rows], the part of each row of a task with a split of its own, as numbers of
            `survey.tasks.parts.PARTS`. Only the order of its training rows is drawn then.
    """
    if parts is None:
        left, test = split(num_rows, seed=seed)
        return Rows(left[: counts.train], left[len(left) - counts.validation :], test)
    train, validation, test = ((parts == part).nonzero()[:, 0] for part in range(len(PARTS)))
    left = train[_permutation(len(train), _keys([_key(seed, Purpose.SPLIT)]))[0]]
    validation = validation if len(validation) else left[len(left) - counts.validation :]
    return Rows(left[: counts.train], validation, test)


def epoch_orders(num_rows: int, *, seeds: Sequence[int], epoch: int, device: torch.device | str = "cpu") -> Tensor:
    """Draw the order in which each run visits its training rows in an epoch.

    Args:
        num_rows: Number of training rows.
        seeds: Seed of each run.
        epoch: Number of the epoch, from 1.
        device: Where to draw; the result is the same everywhere.

    Returns:
        int64 [runs, num_rows]: positions within the run's training rows.
    """
    return orders(num_rows, order_keys(seeds, epoch).to(device))


def order_keys(seeds: Sequence[int], epoch: int) -> Tensor:
    """Return the key of each run's order in an epoch: int64 [runs] on the CPU, for `orders`."""
    return _keys([_key(seed, Purpose.ORDER, epoch) for seed in seeds])


def orders(num_rows: int, keys: Tensor) -> Tensor:
    """Draw the orders of `epoch_orders` on the device of the keys [runs] from `order_keys`."""
    return _permutation(num_rows, keys)


def initial_parameters(
    widths: Sequence[int],
    num_inputs: int,
    *,
    seed: int,
    dtype: torch.dtype = torch.float32,
    initialization: str = "glorot_uniform",
) -> list[tuple[Tensor, Tensor]]:
    """Draw a run's initial parameters: kernels by an initialization, zero biases.

    Args:
        widths: Width of each layer.
        num_inputs: Number of input features.
        seed: Seed of the run.
        dtype: Type of the parameters.
        initialization: One of `survey.networks.training.initialization.INITIALIZATIONS`. All turn the same uniform
            draws into weights, so that the greater of two weights is so with each.

    Returns:
        For each layer `(kernel [fan_in, fan_out], bias [fan_out])` on the CPU, in the layout of Keras. The draws have
        24 bits and are scaled in float64, so that float32 parameters are the rounded float64 ones.
    """
    layers = []
    for index, (fan_in, fan_out) in enumerate(zip((num_inputs, *widths), widths, strict=False)):
        uniform = _uniform(fan_in * fan_out, _key(seed, Purpose.PARAMETERS, index))
        weights = INITIALIZATIONS[initialization](uniform, fan_in, fan_out)
        layers.append((weights.to(dtype).view(fan_in, fan_out), torch.zeros(fan_out, dtype=dtype)))
    return layers


def dropout_keys(seeds: Sequence[int], epoch: int) -> Tensor:
    """Return the key of each run's dropped units in an epoch: int64 [runs] on the CPU, for `Words`."""
    return _keys([_key(seed, Purpose.DROPOUT, epoch) for seed in seeds])


class Words:
    """Random words of each run for a step of an epoch, drawn again and again into the same place in memory.

    Attributes:
        words: int64 [runs, count], the words of the last draw: in step s, those of key + (s 2^32 + n) golden, from
            n = 1.
    """

    def __init__(self, words: Tensor, scratch: Tensor) -> None:
        self.words, self._scratch = words, scratch
        count = words.shape[1]
        self._places = torch.arange(1, count + 1, dtype=torch.int64, device=words.device).mul_(_signed(_GOLDEN))

    def draw(self, keys: Tensor, step: int) -> None:
        """Draw the words of a step, from 0, by the keys of the runs, int64 [runs], on the device."""
        first = keys + _signed((step << 32) * _GOLDEN)
        torch.add(first[:, None], self._places, out=self.words)
        _mix(self.words, self._scratch)


def noisy_labels(labels: Tensor, num_classes: int, noise: float, *, seed: int) -> Tensor:
    """Change the class of floor(noise * rows) training rows to another class, chosen uniformly.

    Args:
        labels: int64 [rows], classes of the training rows on the CPU, in the order of `split`'s train_rows.
        num_classes: Number of classes, at least 2.
        noise: Fraction of the rows whose label changes, from 0 to 1.
        seed: Seed of the run.

    Returns:
        int64 [rows], a new tensor.
    """
    num_rows = len(labels)
    order = _permutation(num_rows, _keys([_key(seed, Purpose.NOISE_ROWS)]))[0]
    rows = order[: math.floor(noise * num_rows)]
    shift = 1 + (_uniform(len(rows), _key(seed, Purpose.NOISE_VALUES)) * (num_classes - 1)).long()
    changed = labels.clone()
    changed[rows] = (labels[rows] + shift) % num_classes
    return changed


def noisy_values(targets: Tensor, noise: float, *, seed: int) -> Tensor:
    """Add Gaussian noise to training targets of a regression.

    Args:
        targets: float [rows, outputs] on the CPU, in the order of `split`'s train_rows.
        noise: Standard deviation of the noise, as a multiple of the targets' own (population, per output).
        seed: Seed of the run.

    Returns:
        float [rows, outputs], a new tensor; the noise is made in float64 by the Box-Muller transform.
    """
    count = targets.numel()
    uniform = _uniform(2 * count, _key(seed, Purpose.NOISE_VALUES))
    radius = torch.sqrt(-2.0 * torch.log(uniform[:count]))
    gaussian = (radius * torch.cos(2.0 * math.pi * uniform[count:])).view(targets.shape)
    deviation = targets.double().std(dim=0, correction=0)
    return (targets.double() + noise * deviation * gaussian).to(targets.dtype)


def key_of(seed: int, purpose: Purpose, index: int = 0) -> int:
    """Return the key of a stream, 64 bits, from which another generator can be seeded too."""
    return _key(seed, purpose, index)


def stream_keys(seeds: Sequence[int], purpose: Purpose, index: int = 0) -> Tensor:
    """Return the key of a stream of each run: int64 [runs] on the CPU."""
    return _keys([_key(seed, purpose, index) for seed in seeds])


def bernoulli(shape: Sequence[int], probability: float, key: Tensor) -> Tensor:
    """Draw from a stream whether something happens: bool of a shape.

    Args:
        shape: Of the draws; each takes 16 bits of the stream.
        probability: Of each; it is rounded to a multiple of 2^-16.
        key: int64 without dimensions, where the stream goes on; also one of many of `torch.vmap`.
    """
    count = math.prod(shape)
    words = key + torch.arange(1, _words_for(count) + 1, dtype=torch.int64, device=key.device).mul_(_signed(_GOLDEN))
    for shift, factor in _MIXES:  # not as `_mix` does: `torch.vmap` takes no results in given places
        words = words ^ (words >> shift).bitwise_and_((1 << (64 - shift)) - 1)
        words = words * _signed(factor) if factor else words
    bits = torch.stack([(words >> shift).bitwise_and_((1 << 16) - 1) for shift in (0, 16, 32, 48)])
    return (bits.flatten()[:count] < round(probability * (1 << 16))).view(tuple(shape))


def advance(key: Tensor, count: int) -> None:
    """Let a stream go on behind so many draws of `bernoulli`, in place."""
    key.add_(_signed(_words_for(count) * _GOLDEN))


def _words_for(count: int) -> int:
    """Words of 64 bits for so many draws of 16."""
    return -(-count // 4)


def _key(seed: int, purpose: Purpose, index: int = 0) -> int:
    """Key of a stream: each part is mixed in before the next is added, so that no two triples coincide."""
    return _mix_int(_mix_int(_mix_int(seed & _MASK) + purpose * _GOLDEN) + index * _GOLDEN)


def _mix_int(word: int) -> int:
    word &= _MASK
    word = ((word ^ (word >> 30)) * _MIX_1) & _MASK
    word = ((word ^ (word >> 27)) * _MIX_2) & _MASK
    return word ^ (word >> 31)


def _signed(word: int) -> int:
    """The same 64 bits as a signed number, as torch's int64 needs."""
    word &= _MASK
    return word - (1 << 64) if word >> 63 else word


def _keys(keys: Sequence[int]) -> Tensor:
    """Keys as a tensor: int64 [keys] on the CPU."""
    return torch.tensor([_signed(key) for key in keys], dtype=torch.int64)


def _words(count: int, keys: Tensor) -> Tensor:
    """int64 [keys, count]: the first words of each stream, as 64 random bits: those of key + n * golden, from n = 1."""
    words = keys[:, None] + torch.arange(1, count + 1, dtype=torch.int64, device=keys.device).mul_(_signed(_GOLDEN))
    _mix(words, torch.empty_like(words))
    return words


def _mix(words: Tensor, scratch: Tensor) -> None:
    """Mix the bits of int64 words in place; both have the same shape."""
    for shift, factor in _MIXES:
        # torch shifts int64 arithmetically: the mask makes the shift a logical one.
        torch.bitwise_right_shift(words, shift, out=scratch)
        words ^= scratch.bitwise_and_((1 << (64 - shift)) - 1)
        if factor:
            words *= _signed(factor)


def _permutation(count: int, keys: Tensor) -> Tensor:
    """int64 [keys, count]: a permutation of 0 .. count-1 for each key.

    The words are sorted with their own number in the low bits: no two are equal, so that every sorting algorithm gives
    the same order, and sorting needs no second array.
    """
    bits = max(1, (count - 1).bit_length())
    packed = _words(count, keys)
    packed &= -1 << bits
    packed |= torch.arange(count, dtype=torch.int64, device=keys.device)
    packed = _sort(packed)
    packed &= (1 << bits) - 1
    return packed


def _sort(words: Tensor) -> Tensor:
    """Sort each row, perhaps in place."""
    if words.device.type != "cpu":
        return words.sort(dim=1).values
    words.numpy().sort(axis=1)  # several times as fast as torch.sort, which carries an index along
    return words


def _uniform(count: int, key: int) -> Tensor:
    """float64 [count] in the open interval (0, 1), of 24 bits each."""
    words = _words(count, _keys([key]))[0]
    return (((words >> 40) & ((1 << 24) - 1)).double() + 0.5) / (1 << 24)
