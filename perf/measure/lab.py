"""lab: two network namespaces, and nothing outside them touched.

    load  [c0] 198.18.1.0...  ---  [w0][w1]  ---  [s0] 198.18.0.1  server
    load  [i0] 198.19.0.2     ---  [x0][x1]  ---  [s1] 198.19.0.1  server

Clients are on c0, all with addresses of their own in 198.18.0.0/16; the host they talk to is on i0.
Both are the measuring client's, so the kernel has no address there. On the server's side the server
decides: adit has its own addresses, the others use the kernel's. (198.18.0.0/15 is for benchmarks,
RFC 2544.)

w and x stand for the network cards of the server's host. A frame that a process sends into a veth is
an interrupt of its own at the other end, and on a busy virtual CPU the interrupt is dearer than all
else done for the frame. A card gathers what comes within some 100 us under load and gives it to its host
in one go, and so do they by NAPI's timers. Lab.gather turns that off, and card=False leaves it out, for the way
of a lone packet.
"""

import os
import signal
import subprocess

import onecore

SERVER = "198.18.0.1"
SERVER_FAR = "198.19.0.1"
FAR = "198.19.0.2"
CLIENTS = "198.18.1.0-198.18.255.250/16"
GATHER_NS = 100000


class Failed(Exception):
    """A command did not do what it should; the text is for the reader of the table."""


def run(*command, check=True, timeout=60, **more):
    """A command's standard output. Failed with the end of what it said, unless check is off."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **more
        )
    except FileNotFoundError as error:
        raise Failed(f"no program {command[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]} took more than {timeout} s") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failed(f"{' '.join(command[:4])}: {said[-1] if said else 'failed'}")
    return done.stdout


class Lab:
    """Open with `with`; a server lives in the namespace `server`, the measuring client in `load`."""

    def __init__(self, cores, card=True):
        self.cores, self.card = cores, card
        self.load, self.server = (f"adit-{os.getpid()}-{name}" for name in ("load", "server"))
        self._children = []

    def __enter__(self):
        for name in (self.load, self.server):
            run("ip", "netns", "add", name)
            self.inside(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                        "net.ipv6.conf.default.disable_ipv6=1")
            run("ip", "-n", name, "link", "set", "lo", "up")
        for near, far in (("w1", "s0"), ("x1", "s1")) if self.card else (("c0", "s0"), ("i0", "s1")):
            run("ip", "-n", self.load, "link", "add", near, "type", "veth", "peer", "name", far,
                "netns", self.server)
            run("ip", "-n", self.load, "link", "set", near, "up")
            run("ip", "-n", self.server, "link", "set", far, "up")
            self._steer(self.load, near, self.cores.other)
            self._steer(self.server, far, self.cores.serving)
        if self.card:
            self._card("c0", "w0", "w1")
            self._card("i0", "x0", "x1")
            self.gather(True)
            self.cut(False)
        return self

    def _card(self, client, card, out):
        run("ip", "-n", self.load, "link", "add", client, "type", "veth", "peer", "name", card)
        for name, other in ((card, out), (out, card)):
            self.inside(self.load, "tc", "qdisc", "add", "dev", name, "clsact")
            self.inside(self.load, "tc", "filter", "add", "dev", name, "ingress", "protocol", "all",
                        "u32", "match", "u32", "0", "0", "action", "mirred", "egress", "redirect",
                        "dev", other)
        # Only with GRO does a veth receive by NAPI, and only from one that does no TSO (cut). It merges
        # TCP, which then comes as the superframes it was, and no UDP.
        self.inside(self.load, "ethtool", "-K", card, "gro", "on")
        for name in (client, card):
            run("ip", "-n", self.load, "link", "set", name, "up")
        self._steer(self.load, client, self.cores.other)

    def gather(self, on, times=1):
        """Whether frames reach the server as from a network card, those of `times` GATHER_NS together."""
        for card in ("w0", "x0"):
            of = f"/sys/class/net/{card}"
            self.inside(self.load, "sh", "-c", f"echo {times * GATHER_NS if on else 0} >{of}/gro_flush_timeout; "
                        f"echo {int(on)} >{of}/napi_defer_hard_irqs")

    def __exit__(self, *_):
        for child in list(self._children):
            self.end(child)
        for name in (self.load, self.server):
            for pid in self.pids(name):
                _kill(pid, signal.SIGKILL)
            run("ip", "netns", "del", name, check=False)

    def _steer(self, namespace, interface, cpus):
        """A veth's receiving softirq runs where the sender ran, unless RPS says otherwise."""
        mask = self.cores.mask(cpus)
        self.inside(namespace, "sh", "-c",
                    f"for queue in /sys/class/net/{interface}/queues/rx-*/rps_cpus; "
                    f"do echo {mask} >$queue; done")

    def cut(self, on):
        """Whether superframes are cut into frames as on a wire, each with its own finished checksum: how
        fast senders send what arrives one by one. What is not cut leaves i0 without being gathered."""
        if not self.card:
            return
        word = "off" if on else "on"
        self.inside(self.load, "ethtool", "-K", "c0", "tx", word, "tx-udp-segmentation", word, "tso", "off")
        self.inside(self.load, "ethtool", "-K", "i0", "tx", word, "tx-udp-segmentation", word, "tso", word)

    def addresses(self):
        """The kernel's addresses, for servers that use the kernel's stack."""
        run("ip", "-n", self.server, "addr", "add", f"{SERVER}/16", "dev", "s0")
        run("ip", "-n", self.server, "addr", "add", f"{SERVER_FAR}/24", "dev", "s1")

    def no_addresses(self):
        for interface in ("s0", "s1"):
            run("ip", "-n", self.server, "addr", "flush", "dev", interface)

    def inside(self, namespace, *command, **more):
        return run("ip", "netns", "exec", namespace, *command, **more)

    def inodes(self):
        return {os.stat(f"/run/netns/{name}").st_ino for name in (self.load, self.server)}

    def pids(self, namespace):
        return [int(pid) for pid in run("ip", "netns", "pids", namespace, check=False).split()]

    def start(self, namespace, command, cpus, **more):
        """A child in a namespace, on these CPUs, in a session of its own."""
        pinned = ["ip", "netns", "exec", namespace,
                  "taskset", "-c", ",".join(str(cpu) for cpu in cpus), *command]
        child = subprocess.Popen(pinned, preexec_fn=onecore.unhurried_session,
                                 stdin=subprocess.DEVNULL, **more)
        self._children.append(child)
        return child

    def end(self, child, patience=10):
        """SIGTERM to its session, and SIGKILL if that is not heard."""
        if child in self._children:
            self._children.remove(child)
        _kill(-child.pid, signal.SIGTERM)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        _kill(-child.pid, signal.SIGKILL)
        child.wait()


def _kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
