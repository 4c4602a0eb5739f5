"""protocol.py - a client by the page: written from harness/core/PROTOCOL.md
alone, for socket/stream and fifo/perclient, with what Python brings along.

    python3 protocol.py fifo/perclient      $IPCLAB_DIR says where the server is

Exit status 0: each answer was as the page says (test_protocol.c)."""

import os
import random
import select
import socket
import stat
import struct
import sys

DIR = os.environ["IPCLAB_DIR"]
HEADER = struct.Struct("<4sBBHIIQH6x")
REQUEST, REPLY, NOTICE = 0, 1, 2
BYTE_ORDER = {"u32": "<I", "i32": "<i", "u64": "<Q", "i64": "<q"}


def string(text):
    return struct.pack("<H", len(text)) + text.encode()


def data(some):
    return struct.pack("<I", len(some)) + some


def fields(types, payload):
    """The fields in order, nothing between them, nothing after them."""
    found, at = [], 0
    for kind in types.split():
        if kind in BYTE_ORDER:
            one = struct.Struct(BYTE_ORDER[kind])
            found.append(one.unpack_from(payload, at)[0])
            at += one.size
            continue
        length = struct.Struct("<H" if kind == "string" else "<I")
        begin = at + length.size
        at = begin + length.unpack_from(payload, at)[0]
        found.append(payload[begin:at])
    assert at == len(payload), (types, payload)
    return found


class Client:
    """What is the same for all mechanisms; they have put() and get(n)."""

    def __init__(self):
        self.id = random.getrandbits(63)

    def next_id(self):
        self.id += 1
        return self.id

    def frame(self, method, payload, kind=REQUEST, version=1, number=None):
        number = self.next_id() if number is None else number
        self.put(HEADER.pack(b"IPC1", version, kind, method, len(payload), 0,
                             number, 0) + payload)
        return number

    def reply(self):
        magic, version, kind, method, length, status, number, nfds = \
            HEADER.unpack(self.get(HEADER.size))
        assert (magic, version, kind, nfds) == (b"IPC1", 1, REPLY, 0)
        return method, status, number, self.get(length)

    def call(self, method, payload, types, number=None, expect=0):
        number = self.frame(method, payload, number=number)
        got, status, echoed, result = self.reply()
        assert (got, echoed, status) == (method, number, expect), status
        return fields(types if status == 0 else "i32 string", result)


class Stream(Client):
    def __init__(self):
        super().__init__()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(DIR + "/socket-stream")
        who = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        assert struct.unpack("3i", who)[1] == os.stat(DIR).st_uid
        assert self.get(1) == b"+"

    def put(self, frame):
        self.socket.sendall(frame)

    def get(self, size):
        found = b""
        while len(found) < size:
            more = self.socket.recv(size - len(found))
            if not more:
                raise EOFError
            found += more
        return found


class Fifo(Client):
    def __init__(self):
        super().__init__()
        name = DIR + "/fifo-perclient"
        self.requests = os.open(name, os.O_WRONLY | os.O_NONBLOCK)
        st = os.fstat(self.requests)
        assert stat.S_ISFIFO(st.st_mode) and st.st_uid == os.stat(DIR).st_uid
        self.me = (os.getpid(), random.getrandbits(32))
        mine = "%s.d/%d.%d" % (name, *self.me)
        os.mkfifo(mine, 0o600)
        self.replies = os.open(mine, os.O_RDONLY | os.O_NONBLOCK)
        self.record(1, bytes(16), struct.pack("<I", os.geteuid()))
        self.nonce = self.get(16)
        os.unlink(mine)

    def record(self, kind, nonce, body):
        size = 32 + len(body)
        record = struct.pack("<4sHHII", b"FIFO", size, kind, *self.me)
        assert os.write(self.requests, record + nonce + body) == size

    def put(self, frame):
        self.record(2, self.nonce, frame)

    def get(self, size):
        found = b""
        wait = select.poll()
        wait.register(self.replies, select.POLLIN)
        while len(found) < size:
            wait.poll()
            more = os.read(self.replies, size - len(found))
            if not more:
                raise EOFError
            found += more
        return found


def main(mechanism):
    client = {"socket/stream": Stream, "fifo/perclient": Fifo}[mechanism]()
    assert client.call(1, string("World"), "string") == [b"Hello World"]

    who = client.call(2, b"", "string i64 i64 i64 string string string string")
    assert who[0] == mechanism.encode() and who[2] == os.geteuid()

    # The largest message there and back, and one byte more.
    most = client.call(18, b"", "u64 u32 u32 u64 u64")[0] - HEADER.size - 4
    some = os.urandom(most)
    assert client.call(3, data(some), "bytes") == [some]
    assert client.call(5, struct.pack("<I", most), "bytes") == \
        [bytes(i % 256 for i in range(most))]
    client.call(5, struct.pack("<I", most + 1), "bytes", expect=6)

    # Sent again under its id, it is carried out once.
    add = string("python") + struct.pack("<q", 5)
    again = client.next_id()
    first = client.call(11, add, "i64", number=again)
    assert client.call(11, add, "i64", number=again) == first
    assert client.call(11, add, "i64") == [first[0] + 5]

    # A notice is carried out, and nothing comes back.
    client.frame(11, add, kind=NOTICE)
    assert client.call(11, add, "i64") == [first[0] + 15]

    no_file = string("/no/such") + struct.pack("<QI", 0, 1)
    number, _ = client.call(9, no_file, "bytes u32", expect=1)
    assert number in (1, 2)  # EPERM: no file of root's; ENOENT
    client.call(9, no_file + b"x", "bytes u32", expect=4)
    client.call(9999, b"", "", expect=3)

    # Another version is told so, and then we are cut off.
    client.frame(1, string("x"), version=2)
    assert client.reply()[1] == 5
    try:
        client.get(1)
    except EOFError:
        return
    raise AssertionError("not cut off")


if __name__ == "__main__":
    main(sys.argv[1])
