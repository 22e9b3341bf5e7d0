"""Hot reload: a file that is looked at now and then, and a good configuration that stays."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from alexobs.config import document
from alexobs.config.followed import FollowedFile
from alexobs.config.load import config_file, load_content
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alexobs.config.model import Config


class Watcher:
    """Looks at a configuration file when it is polled; starts no thread.

    A broken file never replaces a working one: `on_error` is told once per content, and once when
    the file has been deleted; the last good configuration stays.

    Args:
        path: the file; None for the one that `load` reads.
        on_change: gets a new configuration that differs from the last one.
        on_error: gets the error that the file has now.
        interval_s: seconds between two looks; polls in between return at once.
        current: the configuration in use; default: what the file says now.
        overrides: arguments of `init()`, which stay above the file.
        environ: the environment; default: the process's at each load.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        on_change: Callable[[Config], None],
        on_error: Callable[[ConfigError], None],
        interval_s: float = 1.0,
        *,
        current: Config | None = None,
        overrides: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = config_file(environ) if path is None else FilePath(path).expanduser()
        self._file = FollowedFile(self.path, interval_s, clock=clock)
        self._on_change = on_change
        self._on_error = on_error
        self._overrides = overrides
        self._environ = environ
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._content: bytes | None = None
        self.problem: ConfigError | None = None
        """What is wrong with the file now, while the last good configuration stays."""
        self.current = self._loaded() if current is None else current

    def poll(self, *, now: bool = False) -> bool:
        """Look at the file when it is time, and return whether the configuration changed.

        Args:
            now: look and load at once, whether or not anything seems to have changed.
        """
        if not (now or self._file.due):
            return False
        self._renew_after_fork()
        if not self._lock.acquire(blocking=now):
            return False
        try:
            return self._file.changed(now=now) and self._read(now)
        finally:
            self._lock.release()

    def _renew_after_fork(self) -> None:
        if self._pid != os.getpid():  # the parent may have held it
            self._pid = os.getpid()
            self._lock = threading.RLock()

    def _read(self, now: bool) -> bool:
        try:
            content = document.read_bytes(self.path)
            if content == self._content and not (now or self.problem):
                return False
            gone = content is None and self._content is not None
            self._content = content
            if gone:
                message = "deleted; the last good configuration stays in use"
                raise document.failure(self.path, message)
            if content is None:
                return False
            config = self._parsed(content)
        except ConfigError as error:
            self._report(error, now)
            return False
        self.problem = None
        return self._take(config)

    def _report(self, error: ConfigError, now: bool) -> None:
        if self.problem is not None and self.problem.problems == error.problems and not now:
            return
        self.problem = error
        self._on_error(error)

    def _take(self, config: Config) -> bool:
        if config == self.current:
            return False
        self.current = config
        self._on_change(config)
        return True

    def _loaded(self) -> Config:
        self._content = document.read_bytes(self.path)
        return self._parsed(self._content)

    def _parsed(self, content: bytes | None) -> Config:
        return load_content(
            self.path, content, overrides=self._overrides, environ=self._environ
        ).config
