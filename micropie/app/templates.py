"""Jinja2 behind one door: a directory of templates, built when the first one is rendered.

Owns the defaults that matter for safety (what is escaped) and for an event loop (async rendering, few looks at the
disk). Knows nothing of requests or responses, and does not import Jinja2 before it is needed.
"""

from __future__ import annotations

import os
import time
from collections import ChainMap
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

from .._utils.lazy_imports import pathlib
from ..errors import MissingDependency

if TYPE_CHECKING:
    import jinja2

ESCAPED: Final = ("html", "htm", "xhtml", "svg", "xml", "j2", "jinja2", "jinja")
"""Templates whose names end so, in any case, are markup: values are HTML-escaped in them, as in templates from strings.
`.j2` and its like do not tell what they become, so they are taken for markup."""

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at whether a template's file changed: a look takes as long as a small template does."""


class Templates:
    """The templates of one app, from `directory` (relative to the working directory when first used)."""

    def __init__(self, directory: str | os.PathLike[str] = "templates") -> None:
        self.directory = directory
        self._env: jinja2.Environment | None = None

    @property
    def env(self) -> jinja2.Environment:
        """The Jinja2 environment, made when first asked for. It may be replaced by one with `enable_async=True`.

        Raises MissingDependency without Jinja2.
        """
        if self._env is None:
            self._env = _environment(self.directory)
        return self._env

    @env.setter
    def env(self, env: jinja2.Environment) -> None:
        if not env.is_async:
            raise ValueError("templates are rendered with await: create the Environment with enable_async=True")
        self._env = env

    async def render(self, name: str, context: Mapping[str, object], /) -> str:
        """The template `name` with the names in `context`; a file that changed is read anew after LOOK_EVERY seconds.

        Raises jinja2.TemplateNotFound, naming the directory that was searched, and whatever the template raises.
        """
        env = self.env
        template = env.get_template(name)
        names = template.new_context(_names(template.globals, context), shared=True)
        # Its type is that of a template of an environment that is not asynchronous.
        parts = cast("AsyncIterator[str]", template.root_render_func(names))
        try:
            return env.concat([part async for part in parts])
        except Exception:  # noqa: BLE001  # Jinja2 raises it again, with the template's lines in its traceback
            env.handle_exception()


def _names(known: Mapping[str, object], context: Mapping[str, object]) -> dict[str, object]:
    """The names that a template sees.

    As Template.render_async would put them together, but map by map: a template's globals are a ChainMap, and to make
    one dict of that takes longer than to render a small template.
    """
    names: dict[str, object] = {}
    for layer in reversed(known.maps) if isinstance(known, ChainMap) else (known,):
        names.update(layer)
    names.update(context)
    return names


def _environment(directory: str | os.PathLike[str]) -> jinja2.Environment:
    try:
        import jinja2
    except ImportError:
        raise MissingDependency("jinja2", "Rendering templates", "standard") from None

    class Loader(jinja2.FileSystemLoader):
        def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
            source, file, unchanged = super().get_source(environment, template)
            return source, file, _now_and_then(unchanged)

    # Made absolute here: a later chdir() must not change where templates come from, and Jinja2 names it in its errors.
    loader = Loader(pathlib.Path(directory).absolute())
    escaped = jinja2.select_autoescape(ESCAPED, default_for_string=True)
    return jinja2.Environment(loader=loader, autoescape=escaped, enable_async=True)  # noqa: S701 - select_autoescape


def _now_and_then(unchanged: Callable[[], bool]) -> Callable[[], bool]:
    """What `unchanged` says, asked at most every LOOK_EVERY seconds and taken to be true in between."""
    asked = time.monotonic()

    def still_unchanged() -> bool:
        nonlocal asked
        now = time.monotonic()
        if now - asked < LOOK_EVERY:
            return True
        asked = now
        return unchanged()

    return still_unchanged
