"""gate.py FILE: stands before real servers and mistreats hellos as some real ones do.

FILE is a JSON list of {"listen": [address, port], "before": [address, port], "when": CONDITION, "then": ACTION}.
The condition is looked up in CONDITIONS and the action in ACTIONS; a hello that does not meet the condition goes
to the server behind as it came.
"""

import asyncio
import json
import socket
import struct
import sys

HANDSHAKE, CHANGE_CIPHER_SPEC, APPLICATION_DATA = 22, 20, 23


class Hello:
    """A ClientHello: `raw` is all that was read, the rest what conditions ask for."""

    def __init__(self, raw, message):
        self.raw = raw
        self.length = len(message)
        at = 4
        self.highest = struct.unpack_from(">H", message, at)[0]
        at += 34
        at += 1 + message[at]
        self.suites = struct.unpack_from(">H", message, at)[0] // 2
        at += 2 + 2 * self.suites
        at += 1 + message[at]
        self.extensions = {}
        if at + 2 <= len(message):
            at += 2
            while at + 4 <= len(message):
                kind, size = struct.unpack_from(">HH", message, at)
                self.extensions[kind] = message[at + 4 : at + 4 + size]
                at += 4 + size
        listed = self.extensions.get(43, b"\0")[1:]
        versions = [struct.unpack_from(">H", listed, i)[0] for i in range(0, len(listed) - 1, 2)]
        known = [version for version in versions if version <= 0x0304]
        if known:
            self.highest = max(known)


async def read_hello(reader):
    """None for what is no TLS."""
    raw = message = b""
    while True:
        head = await reader.readexactly(5)
        if head[0] != HANDSHAKE:
            return None
        body = await reader.readexactly(struct.unpack(">H", head[3:])[0])
        raw += head + body
        message += body
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            return Hello(raw, message)


CONDITIONS = {
    "always": lambda hello: True,
    "offers-1.3": lambda hello: hello.highest >= 0x0304,
    "offers-1.2": lambda hello: hello.highest >= 0x0303,
    "over-255-bytes": lambda hello: hello.length > 255,
    "256-to-511-bytes": lambda hello: 256 <= hello.length <= 511,
    "over-64-suites": lambda hello: hello.suites > 64,
    "any-extension": lambda hello: bool(hello.extensions),
    "no-server-name": lambda hello: 0 not in hello.extensions,
}


async def close(_hello, _reader, writer, _gate):
    writer.close()


async def reset(_hello, _reader, writer, _gate):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def alert(description):
    async def send(_hello, _reader, writer, _gate):
        writer.write(bytes([21, 3, 1, 0, 2, 2, description]))
        await writer.drain()
        writer.close()

    return send


async def silence(_hello, reader, writer, _gate):
    while await reader.read(4096):
        pass
    writer.close()


async def forward(hello, reader, writer, gate):
    await relay(hello.raw, reader, writer, gate, copy)


async def one_byte_records(hello, reader, writer, gate):
    await relay(hello.raw, reader, writer, gate, in_one_byte_records)


async def hide_tls13(hello, reader, writer, gate):
    """As an attacker between the two would: the server believes that the client has no TLS 1.3."""
    versions = hello.extensions.get(43, b"")
    hidden = versions.replace(b"\x03\x04", b"\x7a\x7a")
    raw = hello.raw.replace(struct.pack(">HH", 43, len(versions)) + versions, struct.pack(">HH", 43, len(versions)) + hidden)
    await relay(raw, reader, writer, gate, copy)


async def delay(hello, reader, writer, gate):
    await asyncio.sleep(1.2)
    await forward(hello, reader, writer, gate)


async def three_in_ten_seconds(hello, reader, writer, gate):
    """As fail2ban or a firewall's rate limit would: whoever comes too often is dropped."""
    now = asyncio.get_running_loop().time()
    recent = [moment for moment in gate.setdefault("recent", []) if moment > now - 10]
    gate["recent"] = recent + [now]
    await (forward if len(recent) < 3 else reset)(hello, reader, writer, gate)


async def answers_tls12(_hello, reader, writer, _gate):
    """A ServerHello of TLS 1.2 to whatever was offered, as no server may answer."""
    body = b"\x03\x03" + bytes(range(32)) + b"\0" + b"\x00\x2f" + b"\0"
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    writer.write(b"\x16\x03\x03" + struct.pack(">H", len(message)) + message)
    await writer.drain()
    await silence(None, reader, writer, None)


ACTIONS = {
    "close": close,
    "reset": reset,
    "alert-40": alert(40),
    "alert-50": alert(50),
    "alert-70": alert(70),
    "alert-80": alert(80),
    "silence": silence,
    "one-byte-records": one_byte_records,
    "hide-1.3": hide_tls13,
    "delay": delay,
    "three-in-ten-seconds": three_in_ten_seconds,
    "answers-1.2": answers_tls12,
}


async def relay(first, reader, writer, gate, back):
    server_reader, server_writer = await asyncio.open_connection(*gate["before"])
    server_writer.write(first)
    await asyncio.gather(copy(reader, server_writer), back(server_reader, writer), return_exceptions=True)


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def in_one_byte_records(reader, writer):
    clear = True
    try:
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(struct.unpack(">H", head[3:])[0])
            clear = clear and head[0] not in (CHANGE_CIPHER_SPEC, APPLICATION_DATA)
            if clear and head[0] == HANDSHAKE:
                for byte in body:
                    writer.write(head[:3] + b"\0\x01" + bytes([byte]))
            else:
                writer.write(head + body)
            await writer.drain()
    finally:
        writer.close()


async def open_gate(gate):
    async def connected(reader, writer):
        try:
            hello = await read_hello(reader)
            if hello is None:
                return writer.close()
            action = ACTIONS[gate["then"]] if CONDITIONS[gate["when"]](hello) else forward
            await action(hello, reader, writer, gate)
        except (asyncio.IncompleteReadError, ConnectionError, IndexError, struct.error):
            writer.close()

    return await asyncio.start_server(connected, *gate["listen"], backlog=64)


async def main(file):
    with open(file) as gates:
        servers = [await open_gate(gate) for gate in json.load(gates)]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main(sys.argv[1]))
