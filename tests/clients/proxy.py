"""A network that misbehaves: passes bytes between clients and a server, as its standard input tells it to.

    proxy.py LISTEN_HOST LISTEN_PORT SERVER_HOST SERVER_PORT

Each line of standard input is a mode; the line comes back on standard output when it holds:

    pass          as if it weren't there
    slow SECONDS  what the server says comes so much later
    refuse        connections are refused, those there are reset
    reset         a connection is reset in the middle of what the server says next
    swallow       what clients say goes nowhere, and nothing is said; new connections are taken
"""

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


class Proxy:
    def __init__(self, listen, server):
        self.listen, self.server_address = listen, server
        self.mode, self.seconds = "pass", 0.0
        self.listener = None
        self.connections = set()  # writers, of both sides

    async def apply(self, mode, seconds=0.0):
        self.mode, self.seconds = mode, float(seconds)
        if mode == "refuse":
            if self.listener:
                self.listener.close()
                self.listener = None
            for writer in list(self.connections):
                reset(writer)
        elif self.listener is None:
            self.listener = await asyncio.start_server(self.take, *self.listen)

    async def take(self, from_client, to_client):
        try:
            from_server, to_server = await asyncio.open_connection(*self.server_address)
        except OSError:
            return reset(to_client)
        if self.mode == "refuse":  # since it was accepted
            reset(to_server)
            return reset(to_client)
        writers = {to_client, to_server}
        self.connections |= writers
        ways = [asyncio.create_task(self.pass_on(from_client, to_server, False)),
                asyncio.create_task(self.pass_on(from_server, to_client, True))]
        # The first end is both ends': HTTP has no use for a connection that is half closed.
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for writer in writers:
            writer.close()
        self.connections -= writers

    async def pass_on(self, reader, writer, answers):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if self.mode == "swallow":
                    continue
                if answers and self.mode == "slow":
                    await asyncio.sleep(self.seconds)
                if answers and self.mode == "reset":
                    writer.write(data[:len(data) // 2])
                    await taken(writer)  # or the reset overtakes it
                    return reset(writer)
                writer.write(data)
                await writer.drain()


async def taken(writer):
    """Until the other end's system has all that was written."""
    await writer.drain()
    connection = writer.get_extra_info("socket")
    waiting = bytearray(4)
    with contextlib.suppress(TimeoutError):  # it may not answer any more
        async with asyncio.timeout(5):
            while not fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, waiting) and any(waiting):
                await asyncio.sleep(0)


def reset(writer):
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def main(listen_host, listen_port, server_host, server_port):
    proxy = Proxy((listen_host, int(listen_port)), (server_host, int(server_port)))
    await proxy.apply("pass")
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print("pass", flush=True)
    while line := (await commands.readline()).decode().strip():
        await proxy.apply(*line.split())
        print(line, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
