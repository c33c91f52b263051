"""SIGTERM and Ctrl-C as a question that work answers when it can be interrupted."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Asked = Callable[[], signal.Signals | None]
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_requests() -> Iterator[Asked]:
    """Hold SIGTERM and Ctrl-C back for the block, which asks for them and ends by itself; a second Ctrl-C interrupts.

    Signals that are ignored stay ignored. Outside the main thread there are no signals to hold back.
    """
    received: list[signal.Signals] = []

    def note(number: int, _: object) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(signal.Signals(number))

    def asked() -> signal.Signals | None:
        return received[0] if received else None

    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS if main}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
