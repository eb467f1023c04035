"""This module spells the lexical rules of HTTP that several packages check, as sources of regular expressions.

Each stands beside the section that defines it, and is not compiled here: the modules that use a rule compile it when
they need it, most of them with `lazy_pattern`. Rules that a single module checks stay in that module.
"""

from typing import Final

TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105  (a rule, not a secret)
"""RFC 9110 §5.6.2, `token`: methods, the names of headers and cookies, both halves of a media type."""

FIELD_VALUE: Final = r"[\t\x20-\x7e\x80-\xff]*"
"""RFC 9110 §5.5, `field-value`, as senders must write it: tabs and printable Latin-1, no other control character."""

UNSAFE_IN_FIELD_VALUE: Final = r"[\r\n\0]"
"""RFC 9110 §5.5: the characters for which a recipient must refuse or replace a field value."""

COOKIE_OCTET: Final = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]"
"""RFC 6265 §4.1.1, `cookie-octet`: printable ASCII without space, double quote, comma, semicolon and backslash."""
