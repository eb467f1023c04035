"""To be described."""

from .decorator import route
from .route import Route

__all__ = ["Route", "route"]
