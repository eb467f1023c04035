"""This module offers modules and patterns that are loaded when they are first used, and not by `import micropie`.

Write `from .lazy_imports import asyncio` in place of `import asyncio`, unless a class body, a default or an annotation
outside quotes uses the module. An app that never uses a module never loads it. Requests pay nothing, because each
attribute that was looked up once is kept.
"""

import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, AnyStr

__all__ = [
    "asyncio",
    "email_utils",
    "futures",
    "http",
    "lazy_pattern",
    "logging",
    "mimetypes",
    "pathlib",
    "pickle",
    "secrets",
    "tempfile",
    "threading",
    "traceback",
    "urls",
]  # fmt: skip


class LazyModule:
    """A stand-in for the object that `load` returns at the first access. It keeps each attribute that was read."""

    def __init__(self, load: Callable[[], object]) -> None:
        self._load = load

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._load(), name)
        setattr(self, name, value)
        return value


def lazy_pattern(source: AnyStr, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[AnyStr]:
    """Return a pattern that is compiled at its first use, for what few requests need."""
    compiled: Any = LazyModule(partial(re.compile, source, flags))
    return compiled  # type: ignore[no-any-return]  # it has the attributes of a pattern


if TYPE_CHECKING:
    import asyncio
    import http
    import logging
    import mimetypes
    import pathlib
    import pickle
    import secrets
    import tempfile
    import threading
    import traceback
    import urllib.parse as urls
    from concurrent import futures
    from email import utils as email_utils
else:
    asyncio = LazyModule(partial(import_module, "asyncio"))
    email_utils = LazyModule(partial(import_module, "email.utils"))
    futures = LazyModule(partial(import_module, "concurrent.futures"))
    http = LazyModule(partial(import_module, "http"))
    logging = LazyModule(partial(import_module, "logging"))
    mimetypes = LazyModule(partial(import_module, "mimetypes"))
    pathlib = LazyModule(partial(import_module, "pathlib"))
    pickle = LazyModule(partial(import_module, "pickle"))
    secrets = LazyModule(partial(import_module, "secrets"))
    tempfile = LazyModule(partial(import_module, "tempfile"))
    threading = LazyModule(partial(import_module, "threading"))
    traceback = LazyModule(partial(import_module, "traceback"))
    urls = LazyModule(partial(import_module, "urllib.parse"))
