"""A folder that belongs to one process: how it is made, locked, taken over and removed.

Files are opened relative to the folder's own descriptor where the system allows it, and never
through a symbolic link, so that nobody who can write to a parent folder can lead us elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from alexobs.errors import SpoolError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_NAME: Final = "lock"
_NOFOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
_BINARY: Final[int] = getattr(os, "O_BINARY", 0)
_DIRECTORY: Final[int] = getattr(os, "O_DIRECTORY", 0)
# A folder without a lock file is being made by its owner, unless it has been so for an hour.
_HALF_MADE_S: Final = 3600.0
_ATTEMPTS: Final = 8


class ProcessFolder:
    """One process's folder, open and, after ``create`` or ``claim``, locked until ``release``.

    Raises:
        OSError: it is gone, or a symbolic link stands in its place.
        SpoolError: it belongs to another user, or others may read it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_fd = -1
        self._dir_fd = -1
        if os.open in os.supports_dir_fd:
            self._dir_fd = os.open(path, os.O_RDONLY | _DIRECTORY | _NOFOLLOW)
            self._check_owner()

    @classmethod
    def create(cls, parent: Path, *, pid: int, now_ns: int) -> ProcessFolder:
        """Make and lock a new folder for this process.

        Raises:
            OSError: the folder cannot be made, or the file system knows no locks.
            SpoolError: the new folder is not what was made.
        """
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):
            path = parent / f"{pid}-{now_ns // 1_000_000:x}-{token_hex(4)}"
            path.mkdir(mode=0o700)
            with contextlib.suppress(FileNotFoundError), _removed_on_failure(path):
                folder = cls(path)
                try:
                    if folder._try_lock(os.O_CREAT):
                        return folder
                except OSError:
                    folder.unlink(LOCK_NAME)
                    raise
                finally:
                    if folder._lock_fd < 0:
                        folder.forget()
        raise SpoolError(f"{parent}: another process takes every new folder away")

    @classmethod
    def claim(cls, path: Path) -> ProcessFolder | None:
        """Take over the folder of a dead process; None when it lives or cannot be had."""
        try:
            folder = cls(path)
        except (OSError, SpoolError):
            return None
        try:
            if folder._try_lock(0):
                return folder
        except OSError:
            folder._remove_half_made()
        folder.forget()
        return None

    def open(self, name: str, flags: int) -> int:
        """Open a file of this folder, readable by its user alone; returns the descriptor."""
        flags |= _NOFOLLOW | _BINARY
        if self._dir_fd < 0:
            return os.open(self.path / name, flags, 0o600)
        return os.open(name, flags, 0o600, dir_fd=self._dir_fd)

    def names(self) -> list[str]:
        """Return the names of the files, sorted."""
        if self._dir_fd < 0:
            return sorted(file.name for file in self.path.iterdir())
        return sorted(os.listdir(self._dir_fd))  # noqa: PTH208 - a descriptor, not a path

    def unlink(self, name: str) -> None:
        """Remove a file; one that is gone already, or cannot go, is no error."""
        with contextlib.suppress(OSError):
            if self._dir_fd < 0:
                (self.path / name).unlink()
            else:
                os.unlink(name, dir_fd=self._dir_fd)

    def release(self) -> None:
        """Give up the lock, and remove the folder when nothing is in it but the lock."""
        if self._lock_fd < 0:
            return
        with contextlib.suppress(OSError):
            empty = self.names() == [LOCK_NAME]
            if empty and sys.platform != "win32":
                # While it is locked: whoever waits for this lock then sees that it is void.
                self.unlink(LOCK_NAME)
            _unlock_fd(self._lock_fd)
            self.forget()
            if empty:
                (self.path / LOCK_NAME).unlink(missing_ok=True)
                self.path.rmdir()
        self.forget()

    def forget(self) -> None:
        """Close the descriptors, and leave a lock to those that share it: the fork's parent."""
        for fd in (self._lock_fd, self._dir_fd):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self._lock_fd = self._dir_fd = -1

    def _check_owner(self) -> None:
        found = os.fstat(self._dir_fd)
        if found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            return
        self.forget()
        raise SpoolError(
            f"{self.path}: expected a folder of user {os.geteuid()} with mode 700,"
            f" found user {found.st_uid} and mode {stat.S_IMODE(found.st_mode):o}"
        )

    def _try_lock(self, flags: int) -> bool:
        fd = self.open(LOCK_NAME, os.O_RDWR | flags)
        try:
            # Whoever held it before may have removed the file that is locked now.
            held = _lock_fd(fd) and os.path.samestat(os.fstat(fd), self._lock_stat())
        except FileNotFoundError:
            held = False
        except OSError:
            os.close(fd)
            raise
        if held:
            self._lock_fd = fd
        else:
            os.close(fd)
        return held

    def _lock_stat(self) -> os.stat_result:
        return (self.path / LOCK_NAME).lstat()

    def _remove_half_made(self) -> None:
        with contextlib.suppress(OSError):
            if time.time() - self.path.lstat().st_mtime > _HALF_MADE_S:
                self.path.rmdir()


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SpoolError):
        with contextlib.suppress(OSError):
            path.rmdir()
        raise


def is_live(path: Path) -> bool:
    """Return whether a process holds this folder."""
    folder = ProcessFolder.claim(path)
    if folder is not None:
        folder.forget()
    return folder is None and (path / LOCK_NAME).exists()


if sys.platform == "win32":

    def _lock_fd(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
        return True

    def _unlock_fd(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:

    def _lock_fd(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock_fd(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
