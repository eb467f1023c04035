"""To be described."""

from .upload_file import UploadFile

__all__ = ["UploadFile"]
