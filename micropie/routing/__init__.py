"""To be described."""

from .discovery import route
from .match import Route

__all__ = ["Route", "route"]
