"""This module builds redirects, and refuses locations that lead elsewhere than they seem to."""

from typing import Final

from .._utils.lazy_imports import lazy_pattern, urls
from ..types import HeaderItems

# RFC 3986 §2.2 and §2.3: the reserved and unreserved characters, and `%`. All others are percent-encoded in a location.
_URL_CHARACTERS: Final = "%:/?#[]@!$&'()*+,;=-._~"
_STRAY_PERCENT = lazy_pattern("%(?![0-9A-Fa-f]{2})")
_CONTROL = lazy_pattern("[\x00-\x1f\x7f]")
_SCHEME = lazy_pattern(r"([A-Za-z][A-Za-z0-9+.\-]*):")  # RFC 3986 §3.1


def build_redirect(
    location: str, headers: HeaderItems = (), *, external: bool = False
) -> tuple[int, str, list[tuple[str, str]]]:
    """Return a redirect to `location` as `(302, "", headers)`, with `headers` after the `Location`.

    `location` is a path, a query, or an absolute http or https URL. Characters that a URL may not contain are
    percent-encoded as UTF-8, and every %XX is kept.

    Raises ValueError for a control character. Unless `external`, also raises ValueError for a location that leads
    elsewhere than it seems to: `//host`, `/\\host`, and schemes such as `javascript:`.
    """
    target = location.strip(" ")  # as browsers do before they parse a URL
    if _CONTROL.search(target):
        raise ValueError("A redirect's location must not contain a control character")
    if not external:
        _refuse_disguised(target)
    quoted = urls.quote(_STRAY_PERCENT.sub("%25", target), safe=_URL_CHARACTERS)
    return 302, "", [("Location", quoted), *headers]


def _refuse_disguised(target: str) -> None:
    # The URL standard (§4.4) treats `\` as `/`, and a host follows two of them.
    if target[:2].replace("\\", "/") == "//":
        raise ValueError(f"A redirect to {target!r} leaves for another host: pass external=True if that is meant")
    scheme = _SCHEME.match(target)
    if scheme and scheme[1].lower() not in ("http", "https"):
        raise ValueError(f"A redirect to {scheme[1]!r} is not to a web page: pass external=True if that is meant")
