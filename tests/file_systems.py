"""What file systems and limits refuse, for real: locks and open files. Linux alone."""

import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_FLOCK: Final = {"x86_64": 73, "aarch64": 32}
_SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def take_locks_away() -> None:
    """Let flock fail with ENOLCK in this process and those it starts, as on a file system without locks.

    By a filter of system calls (seccomp), so that it holds for HDF5's calls as for Python's. It stays until the end:
    for `preexec_fn`.
    """
    instructions = (
        (_LOAD, 0, 0, 0),  # the number of the system call
        (_JUMP_IF_EQUAL, 0, 1, _FLOCK[platform.machine()]),
        (_RETURN, 0, 0, _FAIL | errno.ENOLCK),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in instructions))
    program = _Program(len(instructions), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def limit_open_files(number: int) -> None:
    """Let this process and those it starts have so many open files at most: for `preexec_fn`."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no further file within the block."""
    with _limit(resource.RLIMIT_NOFILE, 1):
        yield


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file that this process writes grow beyond so many bytes within the block."""
    with _limit(resource.RLIMIT_FSIZE, size):
        yield


@contextmanager
def _limit(kind: int, number: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))
