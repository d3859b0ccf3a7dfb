"""The floor: what a fetch costs in Python if no message is looked at or kept.

It logs in, sends RETR and DELE for every message without waiting (pipelined, RFC 2449 §6.6), and throws away
what comes until the server closes the connection. With `--wait` it sends one command at a time, as clients
must if PIPELINING is not advertised. It is a process of its own with few imports.

Owns the least that a fetch can cost. Must never look at a message, nor import mailsluice.
"""

import socket
import ssl
import sys


def _ask(connection: ssl.SSLSocket, command: str, end: bytes = b"\r\n") -> bytes:
    """How the answer to `command` begins; all of it up to `end` is read. An empty command is the connect."""
    if command:
        connection.sendall(f"{command}\r\n".encode())
    begin = tail = connection.recv(65536)
    while not tail.endswith(end):
        chunk = connection.recv(65536)
        if not chunk:
            break
        tail = tail[-8:] + chunk
    if not (begin.startswith(b"+OK") and tail.endswith(end)):
        raise ConnectionError(f"the server did not agree to {command[:4]}")
    return begin


def main(port: int, ca_file: str, address: str, password: str, *, wait: bool) -> None:
    """Fetch and delete everything."""
    context = ssl.create_default_context(cafile=ca_file)
    raw = socket.create_connection(("127.0.0.1", port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=True)
    _ask(connection, "")
    _ask(connection, f"USER {address}")
    _ask(connection, f"PASS {password}")
    messages = range(1, int(_ask(connection, "STAT").split()[1]) + 1)
    if wait:
        for number in messages:
            _ask(connection, f"RETR {number}", b"\r\n.\r\n")
            _ask(connection, f"DELE {number}")
        _ask(connection, "QUIT")
        return
    everything = "".join(f"RETR {number}\r\nDELE {number}\r\n" for number in messages)
    connection.sendall(f"{everything}QUIT\r\n".encode())
    thrown_away = memoryview(bytearray(256 * 1024))
    while connection.recv_into(thrown_away):
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], wait="--wait" in sys.argv)
