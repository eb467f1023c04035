"""To be described."""

from .checks import check

__all__ = ["check"]
