"""Folders and archives opened to read from: zip and tar, also within a folder or within one another.

Archives are known by how they begin, whatever they are called. Those in a folder or an archive are opened where hardly
a picture lies beside them; else they are what was unpacked already, and are passed over with a line.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from byod.collection.importers.stores import (
    FolderStore,
    Store,
    is_archive,
    is_picture,
    some,
)
from byod.collection.importers.tar_archives import PACKED, TarStore, unpacked
from byod.collection.importers.zip_archives import ZipStore
from byod.schema.errors import DamagedError, DatasetError, UsageError
from byod.schema.progress import Say

_Opened = FolderStore | ZipStore | TarStore
MOST_WITHIN = 1000
BESIDE = 20
"""With more pictures beside it an archive counts as unpacked; a cover or a preview does not make it so."""
_UNPACK = {b"7z\xbc\xaf\x27\x1c": ("7z", "7z x"), b"Rar!\x1a\x07": ("RAR", "unrar x")}
"""How archives begin that byod cannot read, and the command that unpacks them."""


@contextlib.contextmanager
def opened(paths: Sequence[Path], say: Say = lambda line: None) -> Iterator[tuple[Store, ...]]:
    """Open folders and archives to read from.

    Args:
        paths: of folders, zips and tars.
        say: gets a line before something is unpacked, which takes a while.

    Raises:
        UsageError: there is nothing at one of the paths.
        DatasetError: one of them cannot be read, or is not to be trusted.
    """
    with contextlib.ExitStack() as stack:
        stores: list[Store] = []
        for path in paths:
            if not path.exists():
                raise UsageError(f"there is nothing at {path}")
            store = FolderStore(path) if path.is_dir() else _archive(path, None, stack, say)
            stores.append(store)
            stores += _within(store, stack, say, deeper=True)
        yield tuple(stores)


def _archive(
    where: Path, file: BinaryIO | None, stack: contextlib.ExitStack, say: Say
) -> ZipStore | TarStore:
    """An archive, by how it begins; `file` are its bytes where it lies within another one."""
    try:
        content = file or stack.enter_context(where.open("rb"))
        content.seek(0)
        head = content.read(512)
    except OSError as error:
        raise DatasetError(f"{where} cannot be read ({error.strerror})") from error
    for begin, (kind, command) in _UNPACK.items():
        if head.startswith(begin):
            raise DatasetError(
                f"{where} is a {kind} archive, which byod does not read: unpack it ({command} {where.name}) and give "
                "byod the folder"
            )
    damage = ""
    for begin, opener in PACKED.items():
        if head.startswith(begin):
            say(f"unpacking {where} into a temporary file …")
            content, damage = unpacked(where, content, opener)
            stack.callback(content.close)
            content.seek(0)
            head = content.read(512)
            break
    if head[257:262] == b"ustar" or damage or (content is not file and _is_tar(where)):
        store = TarStore(where, content)
        if damage:
            store.damaged = (damage,)
        return store
    opened = ZipStore(where, file)
    stack.callback(opened.close)
    return opened


def _is_tar(where: Path) -> bool:
    """True for a tar of the time before its magic, going by its ending."""
    return where.suffix.lower() == ".tar"


def _within(store: _Opened, stack: contextlib.ExitStack, say: Say, *, deeper: bool) -> list[_Opened]:
    """The archives within a folder or an archive, and within these; what cannot be opened is damage of `store`."""
    names = [name for name in store.entries if is_archive(name)]
    if not names:
        return []
    if sum(is_picture(name) for name in store.entries) > BESIDE:
        line = (
            f"{store.where}: {len(names)} archives lie beside the pictures and are not opened: {some(names)}"
        )
        store.passed_over = (*store.passed_over, f"{line}; name one to read it")
        return []
    if len(names) > MOST_WITHIN:
        raise DatasetError(f"{store.where} holds {len(names):,} archives: too many for what byod converts")
    found: list[_Opened] = []
    for name in names:
        try:
            inner = _archive(store.where / name, _content(store, name, stack), stack, say)
        except DatasetError as error:
            store.damaged = (*store.damaged, str(error))
            continue
        del store.entries[name]
        found.append(inner)
        if deeper:
            found += _within(inner, stack, say, deeper=False)
    return found


def _content(store: _Opened, name: str, stack: contextlib.ExitStack) -> BinaryIO | None:
    """The bytes of an archive within another one, in a temporary file without a name; None for one in a folder."""
    if isinstance(store, FolderStore):
        return None
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
    stack.callback(file.close)
    try:
        store.copy(name, file)
    except OSError as error:
        raise DamagedError(
            f"{store.where / name} cannot be unpacked into {tempfile.gettempdir()} ({error.strerror or error}); "
            "unpack it yourself and give byod the folder"
        ) from error
    return file
