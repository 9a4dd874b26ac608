"""The destination of a published data set: a local folder, or an object store."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from survey.dataset.location import Location, one_line, open_location
from survey.errors import ExportError, InputError
from survey.text.names import inside, is_of_system

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder in a file system of pyarrow, in which files are written atomically."""

    store: Location

    @classmethod
    def at(cls, where: str) -> Destination:
        """Open a destination, a local path or `s3://BUCKET/FOLDER`.

        Raises:
            InputError: It is of another kind, or has credentials in it.
        """
        if "://" in where and "@" in where.partition("://")[2].partition("/")[0]:
            scheme = where.partition("://")[0]
            raise InputError(
                f"--publish {scheme}://...@...: there are credentials in the address; they are taken from "
                f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment only"
            )
        return cls(open_location(where))

    @property
    def name(self) -> str:
        """The destination as given."""
        return self.store.name

    def sizes(self) -> dict[str, int]:
        """Return the sizes of all files, in bytes, by relative path; empty if the destination does not exist.

        Files of operating systems are left out, and links to folders are not followed.
        """
        with self._errors("be listed"):
            if not self.store.host:
                return dict(_local_sizes(Path(self.store.root)))
            selector = fs.FileSelector(self.store.root, allow_not_found=True, recursive=True)
            found = self.store.filesystem.get_file_info(selector)
        start = len(self.store.root) + 1
        paths = {info.path[start:]: info.size for info in found if info.type == fs.FileType.File}
        return {path: size for path, size in paths.items() if not any(map(is_of_system, path.split("/")))}

    def _path(self, path: str) -> str:
        """Path of a file in the file system; InputError for a local one if a link leads out of the destination."""
        return self.store.path(path) if self.store.host else str(inside(Path(self.store.root), path))

    def text(self, path: str) -> str:
        """Return the text of a file.

        Raises:
            InputError: A link leads out of the destination; here and in the methods below.
            ExportError: The file system fails; also there.
        """
        where = self._path(path)
        with self._errors("be read"), self.store.filesystem.open_input_stream(where) as stream:
            return stream.read().decode(errors="replace")

    def sha256(self, path: str) -> str:
        """Read a file; return its SHA-256, as hex."""
        digest, where = hashlib.sha256(), self._path(path)
        with self._errors("be read"), self.store.filesystem.open_input_stream(where) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def put(self, path: str, file: Path) -> None:
        """Write a file atomically."""
        target = self._path(path)
        with self._errors("be written to"):
            # Objects of a store appear only when complete; a local file is renamed then.
            beside = target if self.store.host else _beside(target)
            if not self.store.host:
                Path(target).parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as source, self.store.filesystem.open_output_stream(beside) as stream:
                shutil.copyfileobj(source, stream, _CHUNK_BYTES)
            if beside != target:
                self.store.filesystem.move(beside, target)

    def remove(self, path: str) -> None:
        """Remove a file, and local folders that are then empty."""
        where = self._path(path)
        with self._errors("be written to"):
            self.store.filesystem.delete_file(where)
        if not self.store.host:
            root = Path(self.store.root)
            for folder in Path(path).parents:
                if folder == Path() or any((root / folder).iterdir()):
                    break
                (root / folder).rmdir()

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            where = f" at {self.store.host}" if self.store.host else ""
            raise ExportError(
                f"{self.name}{where} cannot {what} ({one_line(error)}); to continue, publish again with these arguments"
            ) from None


def _local_sizes(root: Path) -> Iterator[tuple[str, int]]:
    def refuse(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(root, onerror=refuse) if root.exists() else ():
        folders[:] = (name for name in folders if not is_of_system(name))
        for name in files:
            if not is_of_system(name):
                file = Path(folder, name)
                yield file.relative_to(root).as_posix(), file.lstat().st_size


def is_left_over(path: str) -> bool:
    """Whether a file is the remains of a killed writer."""
    name = path.rpartition("/")[2]
    return name.startswith(".") and name.endswith(".publishing")


def _beside(target: str) -> str:
    folder, _, name = target.rpartition("/")
    return f"{folder}/.{name}.publishing"
