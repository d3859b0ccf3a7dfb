"""A firewall: a network of the test's own, where one address drops what comes and no other leads out.

It is a network namespace of Linux, made by system calls alone: a bare machine has no `ip` and no `nft`. It
needs root, or rather the capability CAP_SYS_ADMIN.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from support.skipping import skip_or_fail

DROPS = "192.0.2.1"
"""An address that answers nothing (RFC 5737). Nobody hears what is sent to it, and nobody says so."""
REFUSES = "127.0.0.1"
"""An address that refuses every port on which the test does not listen."""
NO_WAY = "198.51.100.1"
"""An address to which there is no way, and the system says so at once (RFC 5737)."""

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET: unshare(2), setns(2)
_ADD_ROUTE, _GET_FLAGS, _SET_FLAGS = 0x890B, 0x8913, 0x8914  # SIOCADDRT, SIOCGIFFLAGS, SIOCSIFFLAGS
_UP = 1  # RTF_UP of a route, and IFF_UP of a device
_HOST = 4  # RTF_HOST


class _Route(ctypes.Structure):
    """`struct rtentry` (linux/route.h)."""

    _fields_ = (
        ("pad1", ctypes.c_ulong),
        ("destination", ctypes.c_ubyte * 16),
        ("gateway", ctypes.c_ubyte * 16),
        ("mask", ctypes.c_ubyte * 16),
        ("flags", ctypes.c_ushort),
        ("pad2", ctypes.c_short),
        ("pad3", ctypes.c_ulong),
        ("pad4", ctypes.c_void_p),
        ("metric", ctypes.c_short),
        ("device", ctypes.c_char_p),
        ("mtu", ctypes.c_ulong),
        ("window", ctypes.c_ulong),
        ("irtt", ctypes.c_ushort),
    )


@contextmanager
def firewall() -> Iterator[None]:
    """Let this thread be behind the firewall, with all threads and programs that it starts.

    A socket stays in the network in which it was made: make servers within. The rest of the process is where
    it was.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(_NEW_NETWORK):
            code = ctypes.get_errno()
            if code not in {errno.EPERM, errno.ENOSYS, errno.EINVAL, errno.ENOSPC}:
                raise OSError(code, os.strerror(code))
            skip_or_fail(f"this machine lets this user make no network namespace: {os.strerror(code)}")
        try:
            _build()
            yield
        finally:
            if libc.setns(outside, _NEW_NETWORK):
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))
    finally:
        os.close(outside)


def _build() -> None:
    """Start the loopback, and send to it what goes to DROPS.

    The loopback delivers only what is for an address of this machine. The rest is dropped without a word.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = bytearray(struct.pack("16sh22x", b"lo", 0))
        fcntl.ioctl(control, _GET_FLAGS, request)
        (flags,) = struct.unpack_from("h", request, 16)
        struct.pack_into("h", request, 16, flags | _UP)
        fcntl.ioctl(control, _SET_FLAGS, request)
        fcntl.ioctl(control, _ADD_ROUTE, _Route(destination=_address(DROPS), flags=_UP | _HOST, device=b"lo"))


def _address(address: str) -> ctypes.Array[ctypes.c_ubyte]:
    """`struct sockaddr_in` (netinet/in.h)."""
    return (ctypes.c_ubyte * 16)(*struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address)))
