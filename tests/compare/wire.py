"""Asks a server for one version with a hello made here, and says which bytes came back.

It is the referee: neither docksweep's hellos nor any TLS library's, with suites of every kind and a key share.
"""

import socket
import struct

NUMBERS = {"SSLv3": 0x0300, "TLSv1.0": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
NAMES = {number: name for name, number in NUMBERS.items()}
RETRY_REQUEST = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

MODERN = [0x1301, 0x1302, 0x1303, 0x1304, 0x1305]
AEAD = [0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0x9E, 0x9F, 0xCCAA, 0x9C, 0x9D, 0xC027, 0xC028, 0x67, 0x6B]
CBC = [0xC009, 0xC013, 0xC00A, 0xC014, 0x33, 0x39, 0x2F, 0x35, 0x16, 0x0A, 0x05, 0x04, 0x41, 0x84]
# Without a certificate, without encryption, with a key shared beforehand: also these show that a version is spoken.
UNUSUAL = [0x34, 0x3A, 0x18, 0xC018, 0xC019, 0x02, 0x3B, 0xC006, 0xC010, 0x8C, 0x8D, 0xA8, 0xA9, 0xAE, 0x32, 0x38, 0x13, 0xA2]
UNUSUAL_12 = [0x3C, 0x3D, 0xA6, 0xA7, 0xC09C, 0xC0A0, 0xC0AC, 0xC0AE]
GROUPS = [0x1D, 0x17, 0x18, 0x19, 0x1E, 0x100, 0x101]
OLD_GROUPS = GROUPS[:5] + [0x16]
SIGNATURES = [0x403, 0x503, 0x603, 0x807, 0x808, 0x804, 0x805, 0x806, 0x809, 0x401, 0x501, 0x601, 0x203, 0x201, 0x402, 0x202]
PSS_ONLY_LATER = [0x80A, 0x80B]


def words(numbers):
    return b"".join(struct.pack(">H", number) for number in numbers)


def vector(size, data):
    return len(data).to_bytes(size, "big") + data


def client_hello(version, server_name=None):
    """A record with a ClientHello that offers `version` alone."""
    number = NUMBERS[version]
    suites = {
        "TLSv1.3": MODERN,
        "TLSv1.2": AEAD + CBC + UNUSUAL + UNUSUAL_12,
        "SSLv3": [suite for suite in CBC + UNUSUAL if suite < 0xC000],
    }.get(version, CBC + UNUSUAL)
    body = struct.pack(">H", min(number, 0x0303)) + bytes(range(1, 33)) + b"\0"
    body += vector(2, words(suites + ([] if version == "TLSv1.3" else [0xFF]))) + b"\1\0"
    extensions = []
    if server_name:
        extensions.append((0, vector(2, b"\0" + vector(2, server_name.encode()))))
    extensions.append((10, vector(2, words(GROUPS if version == "TLSv1.3" else OLD_GROUPS))))
    extensions.append((11, b"\1\0"))
    if version >= "TLSv1.2":
        extensions.append((13, vector(2, words(SIGNATURES + PSS_ONLY_LATER))))
    if version == "TLSv1.3":
        extensions.append((43, vector(1, words([number]))))
        # A point that any 32 bytes are.
        extensions.append((51, vector(2, struct.pack(">H", 0x1D) + vector(2, bytes(range(32))))))
    if version != "SSLv3":
        body += vector(2, b"".join(struct.pack(">H", kind) + vector(2, data) for kind, data in extensions))
    message = b"\1" + vector(3, body)
    return struct.pack(">BH", 22, min(number, 0x0301)) + vector(2, message)


def asked(address, port, version, server_name=None):
    """(verdict, bytes): "accepted" with the start of the ServerHello, "refused" with what came instead."""
    received, end = b"", ""
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            connection.sendall(client_hello(version, server_name))
            while not complete(handshake(received)) and not fatal(received):
                data = connection.recv(4096)
                if not data:
                    end = "closed"
                    break
                received += data
    except TimeoutError:
        end = "silent for 5 s"
    except ConnectionResetError:
        end = "reset"
    except OSError as error:
        end = f"not connected: {error}"
    return judge(version, received, end)


def records(received):
    at = 0
    while at + 5 <= len(received):
        size = struct.unpack_from(">H", received, at + 3)[0]
        yield received[at], received[at + 5 : at + 5 + size]
        at += 5 + size


def handshake(received):
    return b"".join(data for kind, data in records(received) if kind == 22)


def complete(message):
    return len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big")


def fatal(received):
    return any(kind == 21 and len(data) == 2 and (data[0] == 2 or data[1] == 0) for kind, data in records(received))


def judge(version, received, end):
    message = handshake(received)
    if complete(message) and message[0] == 2:
        chosen = selected(message)
        name = NAMES.get(chosen, f"{chosen:#06x}")
        retry = " HelloRetryRequest" if message[6:38] == RETRY_REQUEST else ""
        what = f"{received[:11].hex(' ')}… ServerHello {name}{retry}, suite {suite(message)}"
        return ("accepted" if name == version else "refused"), what
    alerts = [data for kind, data in records(received) if kind == 21 and len(data) == 2]
    if alerts:
        return "refused", f"{received[:7].hex(' ')} alert {alerts[-1][1]}" + (f", {end}" if end else "")
    if received:
        return "undetermined", f"{received[:16].hex(' ')}, {end}"
    return ("refused" if end in ("closed", "reset") else "undetermined"), end


def suite(message):
    at = 39 + message[38]
    return message[at : at + 2].hex()


def selected(message):
    """The version of a ServerHello: in `supported_versions` if that is there."""
    at = 39 + message[38] + 3
    end = 4 + int.from_bytes(message[1:4], "big")
    at += 2
    while at + 4 <= end:
        kind, size = struct.unpack_from(">HH", message, at)
        if kind == 43 and size == 2:
            return struct.unpack_from(">H", message, at + 4)[0]
        at += 4 + size
    return struct.unpack_from(">H", message, 4)[0]
