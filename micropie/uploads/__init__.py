"""To be described."""

from .multipart import UploadFile

__all__ = ["UploadFile"]
