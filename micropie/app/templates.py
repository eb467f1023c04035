"""This module renders Jinja2 templates from a directory.

It sets the defaults that matter for safety (what is escaped) and for an event loop (async rendering, few disk
accesses). Jinja2 is imported when the first template is rendered.
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
"""Endings of template names, in any case, that mean markup: values in such templates are HTML-escaped.

`.j2` and the like do not say what the template becomes, so they count as markup. Templates from strings do, too.
"""

LOOK_EVERY: Final = 1.0
"""Seconds between two checks of a template's file for changes. A check takes as long as rendering a small template."""


class Templates:
    """The templates of one app, in `directory`.

    A relative directory is relative to the working directory at the time of the first use.
    """

    def __init__(self, directory: str | os.PathLike[str] = "templates") -> None:
        self.directory = directory
        self._env: jinja2.Environment | None = None

    @property
    def env(self) -> jinja2.Environment:
        """The Jinja2 environment, made on first use. It may be replaced by one with `enable_async=True`.

        Raises MissingDependency without Jinja2.
        """
        if self._env is None:
            self._env = _make_environment(self.directory)
        return self._env

    @env.setter
    def env(self, env: jinja2.Environment) -> None:
        if not env.is_async:
            raise ValueError("templates are rendered with await: create the Environment with enable_async=True")
        self._env = env

    async def render(self, name: str, context: Mapping[str, object], /) -> str:
        """Return the template `name`, rendered with `context`. A changed file is read again within LOOK_EVERY seconds.

        Raises jinja2.TemplateNotFound, naming the directory that was searched, and whatever the template raises.
        """
        env = self.env
        template = env.get_template(name)
        names = template.new_context(_collect_names(template.globals, context), shared=True)
        # Jinja2 types it as the function of a synchronous environment.
        parts = cast("AsyncIterator[str]", template.root_render_func(names))
        try:
            return env.concat([part async for part in parts])
        except Exception:  # noqa: BLE001  # raises it again, with the template's lines in its traceback
            env.handle_exception()


def _collect_names(template_globals: Mapping[str, object], context: Mapping[str, object]) -> dict[str, object]:
    """Return the names that a template sees, as Template.render_async puts them together.

    A template's globals are a ChainMap. They are copied map by map, since `dict(globals)` takes longer than rendering a
    small template.
    """
    names: dict[str, object] = {}
    for layer in reversed(template_globals.maps) if isinstance(template_globals, ChainMap) else (template_globals,):
        names.update(layer)
    names.update(context)
    return names


def _make_environment(directory: str | os.PathLike[str]) -> jinja2.Environment:
    try:
        import jinja2
    except ImportError:
        raise MissingDependency("jinja2", "Rendering templates", "standard") from None

    class Loader(jinja2.FileSystemLoader):
        def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
            source, file, unchanged = super().get_source(environment, template)
            return source, file, _check_rarely(unchanged)

    # Absolute, because a later chdir() must not change where templates come from. Jinja2 names the path in its errors.
    loader = Loader(pathlib.Path(directory).absolute())
    escaped = jinja2.select_autoescape(ESCAPED, default_for_string=True)
    return jinja2.Environment(loader=loader, autoescape=escaped, enable_async=True)  # noqa: S701 - select_autoescape


def _check_rarely(unchanged: Callable[[], bool]) -> Callable[[], bool]:
    """Return a function that calls `unchanged` at most every LOOK_EVERY seconds and returns True in between."""
    last_check = time.monotonic()

    def is_unchanged() -> bool:
        nonlocal last_check
        now = time.monotonic()
        if now - last_check < LOOK_EVERY:
            return True
        last_check = now
        return unchanged()

    return is_unchanged
