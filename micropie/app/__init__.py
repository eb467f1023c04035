"""To be described."""

from .application import App
from .resource import Resource

__all__ = ["App", "Resource"]
