"""To be described."""

from .application import App, Resource

__all__ = ["App", "Resource"]
