"""To be described."""

from .server_sent_events import ServerSentEvent

__all__ = ["ServerSentEvent"]
