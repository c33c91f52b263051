"""What this project prints: text from data cannot steer a terminal, and a stream that takes no more ends no work.

Every stage, tool and worker prints through these streams: prints, log, progress bars, argparse, warnings, tracebacks.
"""

import logging
import os
import sys
from contextlib import suppress
from typing import Any, Final, TextIO, cast

from tqdm import tqdm

_LINES: Final = frozenset("\n\t")


class OutputError(Exception):
    """Standard output takes nothing more, as on a full disk. No OSError, which would be taken for that of a file."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror)
        self.errno = error.errno


class PlainFormatter(logging.Formatter):
    """Log records of one line each, whatever names stand in them."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Format the record's one line; a traceback below it keeps its lines."""
        return readable(super().formatMessage(record))


class PlainStream:
    """A text stream in which characters that are not printable become `?`, save line feeds and tabs.

    A carriage return passes at either end, where progress bars have theirs. What the encoding lacks becomes `?`, too.
    """

    def __init__(self, stream: TextIO, keeps_going: bool) -> None:
        """`keeps_going`: what cannot be written is dropped; else it is an OutputError."""
        self._stream, self._keeps_going = stream, keeps_going
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text without what could steer a terminal; raises BrokenPipeError and OutputError."""
        try:
            self._stream.write(steady(text))
        except OSError as error:
            self._failed(error)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts, as `write` does."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is written; raises BrokenPipeError and OutputError."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        forget(self._stream)
        if not self._keeps_going:
            raise OutputError(error) from None


def readable(message: str) -> str:
    """A message in which names from the data cannot steer a terminal: what is not printable becomes `?`."""
    return "".join(character if character.isprintable() else "?" for character in message)


def steady(text: str) -> str:
    """A text of several lines, or a progress bar's, as `readable` makes a message."""
    if text.isprintable():
        return text
    start = int(text.startswith("\r"))
    stop = max(start, len(text) - text.endswith("\r"))
    inner = "".join(c if c in _LINES or c.isprintable() else "?" for c in text[start:stop])
    return text[:start] + inner + text[stop:]


def log(sentence: str, file: TextIO | None = None) -> None:
    """Print one line at once, whatever names stand in it, above the progress bar; to stdout unless `file` is given.

    Without tqdm's lock, which serves several processes that draw bars: a signal within its making left a traceback.
    """
    tqdm.write(readable(sentence), file, nolock=True)
    (file or sys.stdout).flush()


def guard_output() -> None:
    """Make stdout and stderr PlainStreams. Where one is closed, as by `>&-`, what is printed vanishes.

    Its number then belongs to the null device: no file that is opened later takes what others print.
    """
    with suppress(OSError):  # too many open files: then none is closed
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(number, True)
        os.close(number)
    sys.stdout = _guarded(sys.stdout, keeps_going=False)
    sys.stderr = _guarded(sys.stderr, keeps_going=True)


def forget(stream: TextIO) -> None:
    """Let what a stream holds and gets vanish, instead of failing once more when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def log_to_stderr(form: str, level: int = logging.WARNING) -> None:
    """Show log records on stderr, one line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter(form))
    logging.basicConfig(handlers=[handler], level=level)


def _guarded(stream: TextIO | None, keeps_going: bool) -> TextIO:
    if stream is None or stream.closed:
        stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    return stream if isinstance(stream, PlainStream) else cast(TextIO, PlainStream(stream, keeps_going))
