"""This package receives multipart/form-data: text fields, and files that are read as they arrive.

- `upload_file`: `UploadFile`, one file as a handler reads it, and the buffer behind it
- `multipart`: the body of a request, parsed as far as readers ask for
- `spool`: the temporary file of a body, and a file that is being saved
- `chunk_queue`: the documented `asyncio.Queue` of a file's chunks
"""

from .upload_file import UploadFile

__all__ = ["UploadFile"]
