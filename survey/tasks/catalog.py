"""The tasks known by name: those of BUTTER, from PMLB, and the sets that come with scikit-learn.

Pure data, so that a plan can be made without reading a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class PublishedTask:
    """A task of the published BUTTER data set.

    Attributes:
        name: Name in the Penn Machine Learning Benchmarks (PMLB).
        rows: Rows of the table.
        num_inputs: Columns once prepared; None where only the data can tell.
        num_outputs: Columns of the prepared target.
        kind: As BUTTER uses it; for `201_pol` it differs from PMLB's.
    """

    name: str
    rows: int
    num_inputs: int | None
    num_outputs: int
    kind: Kind

    @property
    def sha256(self) -> str:
        """SHA-256 of the published `NAME.tsv.gz`, as hex."""
        return _SHA256[self.name]


@dataclass(frozen=True, slots=True)
class BundledTask:
    """A set that comes with scikit-learn: rows, and columns once prepared."""

    name: str
    rows: int
    num_inputs: int
    num_outputs: int
    kind: Kind


_PUBLISHED = (
    PublishedTask("201_pol", 15000, 26, 11, "classification"),
    PublishedTask("529_pollen", 3848, 4, 1, "regression"),
    PublishedTask("537_houses", 20640, 8, 1, "regression"),
    PublishedTask("connect_4", 67557, 126, 3, "classification"),
    PublishedTask("mnist", 70000, 784, 10, "classification"),
    PublishedTask("sleep", 105908, None, 5, "classification"),
    PublishedTask("wine_quality_white", 4898, 11, 7, "classification"),
    PublishedTask("nursery", 12958, 26, 4, "classification"),
    PublishedTask("adult", 48842, None, 1, "classification"),
    PublishedTask("505_tecator", 240, 124, 1, "regression"),
    PublishedTask("294_satellite_image", 6435, 36, 6, "regression"),
    PublishedTask("splice", 3188, None, 3, "classification"),
    PublishedTask("banana", 5300, 2, 1, "regression"),
)

_SHA256 = {
    "201_pol": "bfd1b9c6e5f6314f6ddfc285ace11381570ad688c6c857562c3155a4e478530d",
    "529_pollen": "2e9414f0216e75296ba4211c567dd8a60d269273b38f8e00bd8fea3a37d2e654",
    "537_houses": "d383fd58bb79760ffaf0b615942fd47d926a19e75a8f980b79fbe9ad479d9cbf",
    "connect_4": "e283074e1123d23361332bd83414c172640d2596fc076d1e20e8f4a64a658137",
    "mnist": "5b1d8788d9512819fd46d1acf1e86e70cb5f4418c8e8bfe299ebd3abf2188217",
    "sleep": "da326113ba8074a5931eb92db0c9acbe8a0ffff62aa916b11a761bdef11231ce",
    "wine_quality_white": "0d39f17afc3a1712bd6c460aa941aed7835b3feb142538adfdd31ddc2451d60d",
    "nursery": "5e56c09fc2c6a983c031879fe7de5fc945c44db2ca65f10fc5f5b6fc770489ff",
    "adult": "fb8bc76eafa39558b6044907f23416faf99099cefb8afd06a2cf5afbdae1b506",
    "505_tecator": "4a2bfb8dd7b1b617c1d7ffe8ae85a3dade9178e5d5dd6aa049189843321e1ff3",
    "294_satellite_image": "4a65cdd640642af2c5d3c6a53b61e563156feb14bd26486dc9d5f47140c0690f",
    "splice": "30f7c126059de9f5962c41bbfbdee2926ea9432e4d620930ce6db79a43885510",
    "banana": "546c047502ad902c099a627f831f338bc77e824d2e7cadcc2733bd3d6a0a949e",
}

_BUNDLED = (
    BundledTask("sklearn:digits", 1797, 64, 10, "classification"),
    BundledTask("sklearn:iris", 150, 4, 3, "classification"),
    BundledTask("sklearn:wine", 178, 13, 3, "classification"),
    BundledTask("sklearn:breast_cancer", 569, 30, 1, "classification"),
    BundledTask("sklearn:diabetes", 442, 10, 1, "regression"),
)

PUBLISHED = {task.name: task for task in _PUBLISHED}
"""Tasks of the published BUTTER data set, by name."""

BUNDLED = {task.name: task for task in _BUNDLED}
"""Sets that come with scikit-learn, by name, which begins with `sklearn:`."""

LIKELY_INPUTS = {"sleep": 13, "adult": 81, "splice": 287}
"""Likely numbers of inputs of tasks whose number only the data can tell: from PMLB's metadata on the columns (sleep:
continuous; adult: the codes of its categories) and, for splice, the usual one-hot coding."""

PIXEL_MAXIMUM = {"mnist": 255.0, "sklearn:digits": 16.0}
"""Image tasks: their inputs are divided by this, and no column is dropped."""
