"""A region that is far away: passes what clients say at once, and what the server says so much later.

    far.py PORT SERVER_PORT DELAY_MS

Requests go from socket to socket within the kernel (splice); answers are small. What it passes alone is a row of the
benchmark, beside what is measured through it.
"""

import collections
import os
import selectors
import socket
import sys
import threading
import time

PIPE_BYTES = 1 << 20
ANSWER_BYTES = 1 << 16


def pass_on(client, server):
    """All that the client says, until its end."""
    source, sink = os.pipe()
    try:
        while count := os.splice(client.fileno(), sink, PIPE_BYTES):
            while count > 0:
                count -= os.splice(source, server.fileno(), count)
    except OSError:
        pass  # one of them is gone, and answer() ends the other
    finally:
        os.close(source)
        os.close(sink)
        end(server)


def end(*sockets):
    for one in sockets:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def answer(client, server, delay):
    """All that the server says, each part `delay` after it came."""
    waiting = collections.deque()  # (when it is due, what)
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        while True:
            wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
            if selector.select(wait):
                try:
                    part = server.recv(ANSWER_BYTES)
                except OSError:
                    part = b""
                if not part:
                    return end(client, server)
                waiting.append((time.monotonic() + delay, part))
            while waiting and waiting[0][0] <= time.monotonic():
                try:
                    client.sendall(waiting.popleft()[1])
                except OSError:
                    return end(client, server)


def main():
    port, server_port, delay_ms = (int(argument) for argument in sys.argv[1:])
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listener:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", server_port))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=answer, args=(client, server, delay_ms / 1000), daemon=True).start()


if __name__ == "__main__":
    main()
