"""Python runs this at its start where the folder is on PYTHONPATH: no socket reaches beyond this machine."""

import sys

LOCAL = ("127.", "localhost", "::1", "0.0.0.0")
EVENTS = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")


def refuse(event: str, args: tuple) -> None:
    """An audit hook: raises for an address of another machine."""
    if event not in EVENTS:
        return
    address = args[1] if event in ("socket.connect", "socket.sendto") else args[0]
    host = address[0] if isinstance(address, tuple) else address
    if isinstance(address, tuple) or event in ("socket.getaddrinfo", "socket.gethostbyname"):
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name and not name.startswith(LOCAL):
            raise ConnectionRefusedError(f"no network in tests: {event} {name}")


sys.addaudithook(refuse)
