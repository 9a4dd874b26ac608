"""Publishing a data set in a folder or an object store: `survey publish FOLDER WHERE`.

Only files whose checksums differ are sent, so an interrupted upload continues, and a repeated one sends the changes.
`SHA256SUMS` is written last: it marks the publication as complete. Until then, `SHA256SUMS.partial` lists the files
sent; files at the destination that it lacks are read back and compared.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from survey.dataset.experiments_table import EXPERIMENTS
from survey.dataset.layout import EXECUTIVE, REPETITIONS, SUMMARY, is_file_of_table, sweep_of, sweep_table
from survey.dataset.sweep_names import name_problem, sweep_problem
from survey.errors import ExportError, OutputError
from survey.export.publish.croissant import CROISSANT, croissant
from survey.export.publish.data_card import data_card
from survey.export.publish.description import About, describe
from survey.export.publish.destination import Destination, is_left_over
from survey.export.publish.files import FLAT, Piece, experiments_piece, flat_piece, table_pieces, text_piece
from survey.spaces.search_space import BaseSpace
from survey.spaces.yaml_file import dump_space
from survey.workloads.columns import Columns

SUMS = "SHA256SUMS"
JOURNAL = "SHA256SUMS.partial"

_WORKERS = 8
"""Files sent at a time: most of the time is spent waiting for the store."""

_TABLES = (REPETITIONS, SUMMARY, EXECUTIVE)
_CARD, _COLUMNS, _SPACES = "README.md", "columns.md", "search_spaces"

_UNKNOWN = "0" * 64
"""Stands for the checksum of a file of an earlier publication, which may have been replaced since."""


@dataclass(frozen=True)
class PublishResult:
    """The numbers of files of a publication, of those sent, of bytes sent, and of old files removed."""

    num_files: int
    num_sent: int
    num_bytes_sent: int
    num_removed: int


def publish(
    dataset: Path,
    where: str,
    about: About,
    *,
    spaces: Sequence[BaseSpace] = (),
    hostnames: bool = False,
    journal_s: float = 10.0,
) -> PublishResult:
    """Publish a data set.

    Args:
        dataset: Folder of the data set.
        where: A local folder or `s3://BUCKET/FOLDER`: empty, or an earlier publication, which is updated.
        about: Title, licence and other details.
        spaces: Search spaces to publish with it, without the paths of a user's own tasks.
        hostnames: Publish the names of the hosts that trained the runs.
        journal_s: Seconds between updates of the list of files sent.

    Raises:
        InputError: There is no data set, a name or a link in it leads elsewhere, or the destination is invalid.
        OutputError: The destination has other files, or is in the data set.
        ExportError: A file cannot be read or sent; the same call continues where it stopped.
    """
    facts = describe(dataset)
    destination = Destination.at(where)
    if not destination.store.host and Path(destination.store.root).resolve().is_relative_to(dataset.resolve()):
        raise OutputError(f"{where}: is inside the data set to publish; choose another folder")
    tables = sorted({*_TABLES, *map(sweep_table, facts.sweeps)})
    pieces = list(table_pieces(dataset, tables, hostnames=hostnames))  # what is refused sends nothing
    with (
        tempfile.TemporaryDirectory(prefix="publish-") as scratch,
        _Upload.to(destination, Path(scratch), facts.columns, journal_s) as upload,
    ):
        upload.send(pieces)
        upload.send([experiments_piece(dataset), flat_piece(dataset)])
        upload.send(
            [
                text_piece(_CARD, data_card(facts, about, hostnames=hostnames)),
                text_piece(_COLUMNS, facts.columns_page()),
                *(text_piece(f"{_SPACES}/{each.name}.yaml", dump_space(each.without_paths())) for each in spaces),
                text_piece(CROISSANT, croissant(facts, about, tables=tables, sums=upload.sums)),
            ]
        )
        return upload.finish()


@dataclass
class _Upload:
    """An upload of files, with what is known of those at the destination."""

    destination: Destination
    scratch: Path
    columns: Columns
    journal_s: float
    there: dict[str, int]
    known: dict[str, str]
    is_whole: bool
    sums: dict[str, str] = field(default_factory=dict)
    num_sent: int = 0
    num_bytes_sent: int = 0
    _written_at: float = field(default_factory=time.monotonic)
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def to(cls, destination: Destination, scratch: Path, columns: Columns, journal_s: float) -> _Upload:
        """Begin an upload, or continue the one at the destination.

        Raises:
            OutputError: It has files that are not of a publication.
        """
        there = destination.sizes()
        lists = [name for name in (SUMS, JOURNAL) if name in there]
        foreign = sorted(path for path in there if not is_left_over(path))
        if foreign and not lists:
            raise OutputError(
                f"{destination.name}: holds other things, such as {foreign[0]}, and no {SUMS} of an earlier "
                f"publication; choose an empty or new folder"
            )
        known: dict[str, str] = {}
        for name in lists:
            known |= _parse(destination.text(name), f"{destination.name}/{name}", columns)
        known = {path: digest for path, digest in known.items() if path in there}
        return cls(destination, scratch, columns, journal_s, there, known, is_whole=lists == [SUMS])

    def __enter__(self) -> _Upload:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self.num_sent:
            with suppress(ExportError):  # the destination may be out of reach
                self._write_journal()

    def send(self, pieces: Iterable[Piece]) -> None:
        """Send the files that are missing or differ, several at a time."""
        pool = ThreadPoolExecutor(_WORKERS)
        try:
            for _ in pool.map(self._send, pieces):
                pass
        finally:
            pool.shutdown(cancel_futures=True)

    def finish(self) -> PublishResult:
        """Remove files of earlier publications only, and write the list of all files."""
        folders = {path.partition("/")[0] for path in self.sums if "/" in path}
        of_tables = {path for path in self.there if path.partition("/")[0] in folders and _is_ours(path, self.columns)}
        left_over = {path for path in self.there if is_left_over(path)}
        old = sorted({*self.known, *of_tables, *left_over} & {*self.there} - {*self.sums})
        if old:
            self._open()
        for path in old:
            self.destination.remove(path)
        text = _format(self.sums)
        if not self.is_whole:
            self._put_text(SUMS, text)
            self.destination.remove(JOURNAL)
        return PublishResult(len(self.sums), self.num_sent, self.num_bytes_sent, len(old))

    def _send(self, piece: Piece) -> None:
        temporary = self.scratch / hashlib.sha256(piece.path.encode()).hexdigest()
        try:
            file = piece.make(temporary)
            digest, size = _sha256(file), file.stat().st_size
            is_there = self._is_there(piece.path, digest, size)
            if not is_there:
                self._open()
                self.destination.put(piece.path, file)
        finally:
            temporary.unlink(missing_ok=True)
        with self._lock:
            self.sums[piece.path] = digest
            self.num_sent += not is_there
            self.num_bytes_sent += 0 if is_there else size
            if not self.is_whole and time.monotonic() - self._written_at > self.journal_s:
                self._write_journal()

    def _is_there(self, path: str, digest: str, size: int) -> bool:
        if self.there.get(path) != size:
            return False
        known = self.known.get(path, _UNKNOWN)
        return (self.destination.sha256(path) if known == _UNKNOWN else known) == digest

    def _open(self) -> None:
        """Before the first change: the destination is no whole publication from here on."""
        with self._lock:
            if self.is_whole or JOURNAL not in self.there:
                self._write_journal()
                self.there[JOURNAL] = 0
            if SUMS in self.there:
                self.destination.remove(SUMS)
                del self.there[SUMS]
            self.is_whole = False

    def _write_journal(self) -> None:
        self._put_text(JOURNAL, _format(dict.fromkeys(self.known, _UNKNOWN) | self.sums))
        self._written_at = time.monotonic()

    def _put_text(self, path: str, text: str) -> None:
        file = self.scratch / path
        file.write_text(text, encoding="utf-8", newline="\n")
        self.destination.put(path, file)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _format(sums: dict[str, str]) -> str:
    """As `sha256sum` writes it, and as `sha256sum --check` reads it."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))


def _parse(text: str, where: str, columns: Columns) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        digest, _, path = line.partition("  ")
        # What a list names may be removed, so it has to be one of ours.
        if not _is_ours(path, columns):
            raise OutputError(
                f"{where}: lists {path!r}, which is no file of a publication: it is the list of something else; "
                f"choose an empty or new folder"
            )
        yield path, digest


def _is_ours(path: str, columns: Columns) -> bool:
    """Whether a publication can have a file of this path."""
    folder, _, name = path.partition("/")
    if not name:
        return path in (_CARD, _COLUMNS, CROISSANT, EXPERIMENTS, FLAT)
    if folder == _SPACES:
        return name.endswith(".yaml") and not name_problem(name.removesuffix(".yaml"))
    return (folder in _TABLES or not sweep_problem(sweep_of(folder), columns)) and is_file_of_table(name, columns)
