"""To be described."""


def escape_token(key: object) -> str:
    """`key` as one reference token of a JSON pointer (RFC 6901 §3)."""
    return str(key).replace("~", "~0").replace("/", "~1")
