"""Jinja2 behind one door: a directory of templates, built when the first one is rendered.

Owns the defaults that matter for safety (what is escaped) and for an event loop (async rendering).
Knows nothing of requests or responses, and does not import Jinja2 before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .errors import MissingDependency

if TYPE_CHECKING:
    import jinja2

ESCAPED: Final = ("html", "htm", "xhtml", "svg", "xml", "j2", "jinja2", "jinja")
"""Templates whose names end so, in any case, are markup: values are HTML-escaped in them, as in templates from strings.
`.j2` and its like do not tell what they become, so they are taken for markup."""


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
        """The template `name` with the names in `context`.

        Raises jinja2.TemplateNotFound, naming the directory that was searched, and whatever the template raises.
        """
        return await self.env.get_template(name).render_async(context)


def _environment(directory: str | os.PathLike[str]) -> jinja2.Environment:
    try:
        import jinja2
    except ImportError:
        raise MissingDependency("jinja2", "Rendering templates", "standard") from None
    # Made absolute here: a later chdir() must not change where templates come from, and Jinja2 names it in its errors.
    loader = jinja2.FileSystemLoader(Path(directory).absolute())
    escaped = jinja2.select_autoescape(ESCAPED, default_for_string=True)
    return jinja2.Environment(loader=loader, autoescape=escaped, enable_async=True)  # noqa: S701 - select_autoescape
