"""probe.py: a neighbour who asks a host one thing and says in words what came back.

  probe.py serve PORT              a TCP service that gives every line back, for ever
  probe.py talk ADDRESS PORT       one line there and back; exit status 0 if it worked
  probe.py stay ADDRESS PORT       connects, says "in", and stays
  probe.py ask KIND ADDRESS ...    KIND: udp PORT | syn PORT | syn-ack PORT | esp | ping | arp | ike |
                                   first-half PORT | second-half | transit CLIENT

Answers are read off the wire, so that two answers are seen as two.
"""
import os
import socket
import socketserver
import struct
import sys
import time

PATIENCE = 0.3
FRAGMENT_PATIENCE = 2.5  # the host's ipfrag_time is 1 s, looked after once a second
INTERFACE = "n0"
HERE = os.path.dirname(os.path.abspath(__file__))
MM1 = os.path.join(HERE, "../fuzz/corpus/isakmp/mm1")  # a recorded first message of Main Mode
OUR_PORT = 3333


def serve(port):
    class Echo(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                self.wfile.write(line)

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer(("0.0.0.0", port), Echo).serve_forever()


def talk(address, port):
    with socket.create_connection((address, port), timeout=2) as connection:
        connection.sendall(b"hello\n")
        return connection.recv(6) == b"hello\n"


def stay(address, port):
    with socket.create_connection((address, port), timeout=2):
        print("in", flush=True)
        while True:
            time.sleep(60)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Neighbour:
    def __init__(self, address):
        self.address = address
        self.host = socket.inet_aton(address)
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        self.wire.bind((INTERFACE, 0))
        self.mac = self.wire.getsockname()[4]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            any_socket.connect((address, 9))
            self.ip = socket.inet_aton(any_socket.getsockname()[0])
        self.host_mac = b"\xff" * 6
        self.cookie = os.urandom(8)

    # ---- sending ----

    def frame(self, kind, payload, to=None):
        self.wire.send((to or self.host_mac) + self.mac + struct.pack("!H", kind) + payload)

    def packet(self, protocol, payload, fragment=0, number=77, to=None, ttl=60):
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), number, fragment, ttl,
                             protocol, 0, self.ip, to or self.host)
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        self.frame(0x0800, header + payload)

    def udp(self, port, payload, source=OUR_PORT):
        return struct.pack("!HHHH", source, port, 8 + len(payload), 0) + payload

    def tcp(self, port, flags):
        segment = struct.pack("!HHIIBBHHH", OUR_PORT, port, 1000, 2000, 0x50, flags, 65535, 0, 0)
        pseudo = self.ip + self.host + struct.pack("!BBH", 0, 6, len(segment))
        return segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]

    def arp(self):
        self.frame(0x0806, struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, self.mac, self.ip,
                                       b"\0" * 6, self.host), b"\xff" * 6)

    # ---- hearing ----

    def frames(self, patience):
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            self.wire.settimeout(left)
            try:
                frame, where = self.wire.recvfrom(65536)
            except socket.timeout:
                return
            if where[2] != socket.PACKET_OUTGOING:
                yield frame

    def words(self, frame):
        """None for what has nothing to do with the question."""
        kind = struct.unpack("!H", frame[12:14])[0]
        if kind == 0x0806:
            operation, sender = struct.unpack("!H", frame[20:22])[0], frame[28:32]
            return "arp reply" if operation == 2 and sender == self.host else None
        if kind != 0x0800:
            return None
        packet = frame[14:]
        if packet[12:16] == self.ip:
            return "forwarded"
        if packet[12:16] != self.host:
            return None
        payload = packet[(packet[0] & 15) * 4:]
        if packet[9] == 1:
            return {(0, 0): "echo reply", (3, 2): "protocol unreachable",
                    (3, 3): "port unreachable", (5, 1): None,
                    (11, 1): "reassembly time exceeded"}.get(
                        (payload[0], payload[1]), f"icmp {payload[0]}/{payload[1]}")
        if packet[9] == 6:
            return None if payload[2:4] != struct.pack("!H", OUR_PORT) else (
                "reset" if payload[13] & 4 else "tcp")
        if packet[9] == 17:
            isakmp = payload[8:]
            return "ike" if isakmp[:8] == self.cookie and isakmp[8:16] != bytes(8) else "udp"
        return f"protocol {packet[9]}"

    def resolve(self):
        """An ordinary neighbour knows the host's MAC address before it says anything."""
        self.arp()
        for frame in self.frames(2):
            if self.words(frame) == "arp reply":
                self.host_mac = frame[6:12]
                break
        for _ in self.frames(0.05):
            pass

    def ask(self, kind, more):
        self.resolve()
        patience = PATIENCE
        if kind == "udp":
            self.packet(17, self.udp(int(more[0]), b"what a stranger sends"))
        elif kind == "syn":
            self.packet(6, self.tcp(int(more[0]), 0x02))
        elif kind == "syn-ack":
            self.packet(6, self.tcp(int(more[0]), 0x12))
        elif kind == "esp":
            self.packet(50, bytes.fromhex("c0ffee01 00000001") + bytes(64))
        elif kind == "ping":
            echo = struct.pack("!BBHHH", 8, 0, 0, 7, 1) + b"ping"
            self.packet(1, echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:])
        elif kind == "arp":
            self.arp()
        elif kind == "ike":
            with open(MM1, "rb") as recorded:
                message = self.cookie + recorded.read()[8:]
            self.packet(17, self.udp(500, message, 500))
        elif kind == "first-half":
            self.packet(17, self.udp(int(more[0]), bytes(592)), fragment=0x2000)
            patience = FRAGMENT_PATIENCE
        elif kind == "second-half":
            self.packet(17, bytes(80), fragment=75, number=78)
            patience = FRAGMENT_PATIENCE
        elif kind == "transit":
            self.packet(17, self.udp(7, b"to a client"), to=socket.inet_aton(more[0]))
        heard = [word for frame in self.frames(patience) if (word := self.words(frame))]
        return ", ".join(heard) or "silence"


def main():
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "serve":
        serve(int(arguments[0]))
    elif verb == "talk":
        sys.exit(0 if talk(arguments[0], int(arguments[1])) else 1)
    elif verb == "stay":
        stay(arguments[0], int(arguments[1]))
    else:
        print(Neighbour(arguments[1]).ask(arguments[0], arguments[2:]))


main()
