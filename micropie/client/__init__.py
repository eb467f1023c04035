"""To be described."""

from ..sentinels import ELSEWHERE
from .client import Client, Stream, upload
from .decode_response import CallError, UnexpectedResponse

__all__ = ["ELSEWHERE", "CallError", "Client", "Stream", "UnexpectedResponse", "upload"]
