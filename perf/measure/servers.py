"""servers: the gateways that are compared, each as its users run it.

All of them get one key, one user and one pool, translate what clients send to the far side, and keep
no log of packets. Each runs on the serving core with all its threads.
"""

import os
import re
import shutil
import socket
import subprocess
import time

import lab
from lab import Failed

HERE = os.path.dirname(os.path.abspath(__file__))
KEY = "first-light-key"
USER, PASSWORD = "alice", "wonderland"
POOL_GATEWAY = "10.64.0.1"
POOL_FIRST, POOL_LAST = "10.64.0.10", "10.64.255.250"


class Unavailable(Exception):
    """This machine cannot run the server; the text goes into the table."""


def await_true(seconds, question, what):
    end = time.monotonic() + seconds
    while not question():
        if time.monotonic() > end:
            raise Failed(f"{what} within {seconds} s")
        time.sleep(0.05)


class Server:
    name = title = ""     # the row's key and its head
    most_clients = 50000  # at a time
    likely_pps = 100000   # a rate it may carry: where the search for the highest begins
    refuses = {}          # "tcp" or a Diffie-Hellman group -> why that cannot be measured here

    def __init__(self, place, work):
        self.lab, self.work = place, work
        self.child = None
        self.log = os.path.join(work, f"{self.name}.log")

    def available(self):
        """Raises Unavailable with the reason."""

    def version(self):
        return ""

    def start(self):
        raise NotImplementedError

    def stop(self):
        if self.child:
            self.lab.end(self.child)
            self.child = None

    def pids(self):
        return self.lab.pids(self.lab.server)

    def memory_kib(self):
        """What its processes hold, shared pages divided among their owners."""
        return sum(_pss_kib(pid) for pid in self.pids())

    def alive(self):
        return bool(self.child) and self.child.poll() is None

    def end_of_log(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read().strip().splitlines()[-5:]
        except OSError:
            return []


def _pss_kib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except OSError:
        return 0


# ---- adit -------------------------------------------------------------------------------------------


class Adit(Server):
    """engine, shards, sections, io (of either interface): what is different in this row. The program is
    ADIT_BIN's."""

    def __init__(self, place, work, name="adit", title="adit", engine="auto", shards=1, sections="",
                 cpus=None, io="packet"):
        self.name, self.title = name, title
        super().__init__(place, work)
        self.program = os.environ["ADIT_BIN"]
        self.engine, self.shards, self.sections, self.io = engine, shards, sections, io
        self.cpus = cpus or place.cores.serving
        self.file = os.path.join(work, f"{name}.toml")

    def configuration(self):
        return f"""shards = {self.shards}

[[interface]]
name = "s0"
address = "{lab.SERVER}/16"
presence = "own"
serve = true
io = "{self.io}"

[[interface]]
name = "s1"
address = "{lab.SERVER_FAR}/24"
gateway = "{lab.FAR}"
presence = "own"
nat = true
io = "{self.io}"

[[pool]]
range = "{POOL_FIRST}-{POOL_LAST}"
gateway = "{POOL_GATEWAY}"

[[user]]
name = "{USER}"
password = "{PASSWORD}"

[ike]
psk = "{KEY}"

[limits]
sessions = 60000
half_open = 4096
half_open_per_prefix = 4096

[crypto]
engine = "{self.engine}"

{self.sections}
"""

    def available(self):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(self.configuration())
        done = subprocess.run([self.program, "check", self.file], capture_output=True, text=True,
                              check=False, timeout=30)
        if done.returncode != 0:
            said = [line for line in (done.stderr + done.stdout).splitlines() if " warning: " not in line]
            raise Unavailable(said[0].replace(f"{self.file}:", "line ") if said else "adit check refuses")

    def version(self):
        engine = self._computed_by()
        return lab.run(self.program, "--version").strip() + (f", ESP by {engine}" if engine else "")

    def start(self):
        self.lab.no_addresses()
        with open(self.log, "w", encoding="utf-8") as log:
            self.child = self.lab.start(self.lab.server, [self.program, "run", self.file], self.cpus,
                                        stdout=log, stderr=log)
        await_true(20, lambda: not self.alive() or "adit is running" in self._said(), "adit does not come up")
        if not self.alive():
            raise Failed("adit ended: " + " | ".join(self.end_of_log()[-2:]))
        if self.engine not in ("auto", self._computed_by()):
            raise Unavailable(f"this adit does not compute ESP by {self.engine}")

    def _said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _computed_by(self):
        found = re.search(r"ESP is computed by (\S+)", self._said())
        return found[1] if found else ""


# ---- SoftEther --------------------------------------------------------------------------------------


class SoftEther(Server):
    name, title = "softether", "SoftEther"
    likely_pps = 20000
    most_clients = 500  # the kernel's neighbour table, one of whose limits is 1024 for the whole host
    refuses = {
        "ecp256": "offers MODP groups only",
        "tcp": "its SecureNAT ends TCP connections itself, and bursts of segments without one do not pass",
    }
    WHERE = ("/usr/libexec/softether", "softether/usr/libexec/softether")

    def __init__(self, place, work):
        super().__init__(place, work)
        folders = (os.path.join(os.environ.get("ADIT_PEERS_DIR", ""), folder) for folder in self.WHERE)
        self.folder = next((one for one in folders if os.path.exists(f"{one}/vpnserver/vpnserver")), None)

    def available(self):
        if not self.folder:
            raise Unavailable("the package softether-vpnserver is not to be had here")

    def version(self):
        said = self._command("About", check=False) if self.alive() else ""
        found = re.search(r"Version (\S+) Build (\d+)", said)
        return f"SoftEther VPN {found[1]} build {found[2]}" if found else "SoftEther VPN"

    def _command(self, *words, check=True):
        return self.lab.inside(self.lab.server, f"{self.folder}/vpncmd/vpncmd", "localhost:5555",
                               "/SERVER", *words[:-1], "/CMD", *words[-1].split(), check=check)

    def start(self):
        self.lab.addresses()
        # It writes to folders that its package does not make. The mounts are this child's alone.
        recipe = ("for place in lib log; do mount -t tmpfs tmpfs /var/$place; done;"
                  "mount -t tmpfs tmpfs /run;"
                  "mkdir /var/lib/softether /var/log/softether /run/softether;"
                  f"exec {self.folder}/vpnserver/vpnserver execsvc")
        with open(self.log, "w", encoding="utf-8") as log:
            self.child = self.lab.start(self.lab.server, ["sh", "-c", recipe], self.lab.cores.serving,
                                        stdout=log, stderr=log)
        await_true(20, lambda: "completed successfully" in self._command("About", check=False),
                   "SoftEther does not come up")
        self._configure()

    def _configure(self):
        hub = "/ADMINHUB:VPN"
        self._command("HubCreate VPN /PASSWORD:none")
        self._command("HubDelete DEFAULT")
        self._command(f"IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no /PSK:{KEY} /DEFAULTHUB:VPN")
        self._command(hub, f"UserCreate {USER} /GROUP:none /REALNAME:none /NOTE:none")
        self._command(hub, f"UserPasswordSet {USER} /PASSWORD:{PASSWORD}")
        self._command(hub, f"SecureNatHostSet /MAC:none /IP:{POOL_GATEWAY} /MASK:255.255.0.0")
        self._command(hub, f"DhcpSet /START:{POOL_FIRST} /END:{POOL_LAST} /MASK:255.255.0.0 /EXPIRE:7200 "
                           f"/GW:{POOL_GATEWAY} /DNS:none /DNS2:none /DOMAIN:none /LOG:no /PUSHROUTE:none")
        self._command(hub, "NatSet /MTU:1500 /TCPTIMEOUT:3600 /UDPTIMEOUT:300 /LOG:no")
        self._command(hub, "LogDisable security")
        self._command(hub, "LogDisable packet")
        self._command(hub, "SecureNatEnable")
        await_true(10, lambda: ":1194 " in self.lab.inside(self.lab.server, "cat", "/proc/net/udp"),
                   "SoftEther does not listen on port 4500")

    def stop(self):
        super().stop()
        self.lab.no_addresses()


# ---- the kernel's stack -----------------------------------------------------------------------------

AF_PPPOX, PX_PROTO_OL2TP = 24, 1


class KernelStack(Server):
    """strongSwan, xl2tpd and pppd with the kernel's ESP, L2TP and PPP: kernel/server, in a root of its
    own so that no daemon is installed on the host; the same root and the same script run in user-mode
    Linux (kernel/smoke)."""

    name, title = "kernel", "kernel, strongSwan, xl2tpd"
    likely_pps = 50000
    most_clients = 200  # a pppd and a network device each

    def __init__(self, place, work):
        super().__init__(place, work)
        self.root = os.path.join(os.environ.get("ADIT_PEERS_DIR", work), "guest")
        self.host = os.path.join(work, "kernel")

    def available(self):
        missing = [what for what, there in (("ESP", self._has_esp()), ("L2TP", self._has_l2tp()),
                                            ("PPP", self._has_ppp())) if not there]
        if missing:
            raise Unavailable(f"Linux {os.uname().release} on this host has no {', no '.join(missing)}")
        if not os.path.exists(f"{self.root}/usr/sbin/xl2tpd"):
            raise Unavailable("its root file system could not be made (see gateway/demo/mkguest)")

    def _has_esp(self):
        """By installing an SA: that loads the modules, as charon's first client would."""
        state = ["ip", "xfrm", "state"]
        ends = ["src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x1000"]
        try:
            self.lab.inside(self.lab.server, *state, "add", *ends, "mode", "transport", "auth",
                            "hmac(sha1)", "0x" + "00" * 20, "enc", "cbc(aes)", "0x" + "00" * 32)
            self.lab.inside(self.lab.server, *state, "delete", *ends)
            return True
        except Failed:
            return False

    @staticmethod
    def _has_l2tp():
        try:
            socket.socket(AF_PPPOX, socket.SOCK_DGRAM, PX_PROTO_OL2TP).close()
            return True
        except OSError:
            return False

    @staticmethod
    def _has_ppp():
        try:
            os.close(os.open("/dev/ppp", os.O_RDWR))
            return True
        except OSError:
            return False

    def version(self):
        said = lab.run("chroot", self.root, "ipsec", "--version", check=False)
        found = re.search(r"strongSwan U(\S+?)/", said)
        return f"strongSwan {found[1] if found else ''}, Linux {os.uname().release}"

    def start(self):
        self.lab.addresses()
        shutil.rmtree(self.host, ignore_errors=True)
        shutil.copytree(os.path.join(HERE, "kernel"), os.path.join(self.host, "recipe"))
        with open(os.path.join(self.host, "settings"), "w", encoding="utf-8") as file:
            file.write(f"SERVER={lab.SERVER}\nOUTSIDE=s0\nINSIDE=s1\nPSK='{KEY}'\nUSER={USER}\n"
                       f"PASSWORD={PASSWORD}\nPOOL_GATEWAY={POOL_GATEWAY}\n"
                       f"POOL={POOL_FIRST}-{POOL_LAST}\n")
        with open(self.log, "w", encoding="utf-8") as log:
            self.child = self.lab.start(
                self.lab.server, ["sh", os.path.join(HERE, "kernel", "chroot"), self.root, self.host],
                self.lab.cores.serving, stdout=log, stderr=log)
        await_true(30, lambda: not self.alive() or os.path.exists(f"{self.host}/ready"),
                   "strongSwan and xl2tpd do not come up")
        if not self.alive():
            raise Failed("the kernel stack's daemons ended: " + " | ".join(self.end_of_log()[-2:]))

    def stop(self):
        super().stop()
        for pid in self.lab.pids(self.lab.server):  # its daemons cut themselves off
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        lab.run("ip", "-n", self.lab.server, "xfrm", "state", "flush", check=False)
        lab.run("ip", "-n", self.lab.server, "xfrm", "policy", "flush", check=False)
        self.lab.no_addresses()

    def memory_kib(self):
        """Its sessions live in the kernel, too: that part is of the whole machine, so a quiet one is
        wanted."""
        with open("/proc/meminfo", encoding="ascii") as file:
            fields = {line.split(":")[0]: int(line.split()[1]) for line in file}
        kernel = sum(fields.get(key, 0) for key in ("Slab", "KernelStack", "PageTables", "Percpu"))
        return super().memory_kib() + kernel


# Where the softirq shares the core, the rings have to hold what comes while the shard is kept off it,
# or the search for the highest rate ends early for a moment's loss. The others' packets wait in the
# kernel's queues, which are megabytes long, too.
LARGE_RINGS = "[io]\nring_slots = 16384\nlarge_ring_slots = 480"


def every(place, work):
    """All rows of the comparison, in its order."""
    return [
        Adit(place, work, "adit-botan", "adit, Botan", "botan", sections=LARGE_RINGS),
        Adit(place, work, "adit-ipsec-mb", "adit, ipsec-mb", "ipsec-mb", sections=LARGE_RINGS),
        SoftEther(place, work),
        KernelStack(place, work),
    ]
