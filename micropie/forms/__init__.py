"""To be described."""

from .form_result import FormResult

__all__ = ["FormResult"]
