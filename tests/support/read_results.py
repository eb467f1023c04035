"""This module reads what a test has left behind: the errors in the log and the end of a WebSocket connection."""

import logging

import pytest

from micropie.types import Message


def error_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def read_close(sent: list[Message]) -> tuple[int, str]:
    """Return the code and the reason of the close message, which must be the only one and the last in `sent`."""
    assert [message["type"] for message in sent].index("websocket.close") == len(sent) - 1
    return sent[-1]["code"], sent[-1]["reason"]
