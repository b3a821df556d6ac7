"""The canary: a tiny server that drills harm in place of a real one. ``python -I -S canary.py PORT FOLDER``.

It answers every connection with 200 and does nothing else. FOLDER only tells whose it is. Standard library alone.
"""

from __future__ import annotations

import socket
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


def serve(port: int) -> None:
    """Answer until killed."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        print(f"the canary sings on port {port}", flush=True)
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(1.0)
                try:
                    connection.recv(65536)
                    connection.sendall(ANSWER)
                except OSError:  # whoever asked has gone
                    continue


if __name__ == "__main__":
    serve(int(sys.argv[1]))
