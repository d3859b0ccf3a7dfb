"""The floor: what a fetch costs in Python when nothing is looked at and nothing is kept.

Logs in, asks for every message and its deletion ahead (RETR and DELE pipelined, RFC 2449 §6.6), and throws away
what comes until the server hangs up. With `--wait` it asks for one thing at a time, as it must where PIPELINING
is not advertised. Runs as a process of its own, on as few imports as it can.
"""

import socket
import ssl
import sys


def _answer(connection: ssl.SSLSocket, end: bytes) -> bytes:
    """Everything up to `end`."""
    answer = b""
    while not answer.endswith(end):
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("the server hung up")
        answer = answer[-8:] + chunk if len(answer) > 65536 else answer + chunk
    return answer


def _ask(connection: ssl.SSLSocket, command: str, end: bytes = b"\r\n") -> bytes:
    connection.sendall(f"{command}\r\n".encode())
    answer = _answer(connection, end)
    if not answer.startswith(b"+OK"):
        raise ConnectionError(f"the server refused {command.split()[0]}")
    return answer


def main(port: int, ca_file: str, address: str, password: str, *, wait: bool) -> None:
    """Fetch and delete everything."""
    context = ssl.create_default_context(cafile=ca_file)
    raw = socket.create_connection(("127.0.0.1", port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=True)
    _answer(connection, b"\r\n")
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
