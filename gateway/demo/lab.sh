# lab.sh (sourced by bash): a small internet in network namespaces, with real Linux clients in
# user-mode Linux and adit between them and a host. The demo and the end-to-end tests stand on it.
#
#   straight:     home1 [c0]------------------------[s0] adit [s1]----[i0] internet
#   behind NAT:   home1 [c0]--[lan1] router [wan]---[s0] adit [s1]----[i0] internet
#                 home2 [c0]--[lan2]
#   twins:        home1 [c0]--[lan] inner1 [wan]--[lan1] router [wan]---[s0] adit [s1]----[i0] internet
#                 home2 [c0]--[lan] inner2 [wan]--[lan2]
#   forwarded:    home1 [c0]--[wan] forwarder [lan]---[s0] adit [s1]----[i0] internet
#
#   home1     192.168.50.10 (straight and forwarded: 203.0.113.10), home2 192.168.51.10, but
#             192.168.50.10 as well among twins; the address is the guest's
#   router    192.168.50.1, 192.168.51.1, outside 203.0.113.2, the kernel's masquerade
#   forwarder 203.0.113.2 outside, 192.168.77.1 inside: IKE and ESP in UDP go on to adit, 192.168.77.2
#   adit      203.0.113.1 on s0 (or 192.168.77.2), 10.200.0.1 on s1; both are adit's own, and the kernel
#             has none there
#   internet  10.200.0.2, with an iperf3 server
#
# Every veth keeps the offloads it was born with, but for those towards guests (wire). Names begin with
# adit$$, so that labs can run side by side; everything else lies in one folder. lab_close takes all of
# it away, however the script ends.
#
# Needs root, the programs of DEMO_TOOLS, and the guests' root file system made by mkguest.

DEMO_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SERVER=203.0.113.1
INTERNET=10.200.0.2
POOL_GATEWAY=10.99.0.1
PSK=first-light-key

# The programs a lab calls, and their Debian packages.
DEMO_TOOLS='linux.uml user-mode-linux
mmdebstrap mmdebstrap
ip iproute2
ethtool ethtool
nft nftables
setpriv util-linux
iperf3 iperf3
ping iputils-ping
sysctl procps'

declare -A GUEST_PID GUEST_JOB
LAB_PIDS=()
GATEWAY_PID=

# ---- the lab itself -------------------------------------------------------------------------------

# lab_open BUILD_DIR [SECONDS]: the lab's folder, and its end in every case: on exit, on a signal, and
# after SECONDS, should something hang.
lab_open() {
  LAB_ROOT=$(mkdir -p "$1" && cd "$1" && pwd)
  LAB=adit$$
  LAB_DIR=$LAB_ROOT/lab.$$
  mkdir -p "$LAB_DIR"
  trap lab_close EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  [ -z "${2:-}" ] || lab_deadline "$2"
}

lab_deadline() {
  local owner=$$
  ( trap 'kill $! 2>/dev/null; wait $!; exit' TERM
    sleep "$1" & wait $!
    echo "lab: time is up after $1 s" >&2
    kill -TERM "$owner" ) >&2 &
  LAB_PIDS+=($!)
}

lab_close() {
  local name pid
  trap '' INT TERM HUP
  for name in "${!GUEST_PID[@]}"; do guest_halt "$name"; done
  [ -z "$GATEWAY_PID" ] || gateway_stop 5 || true
  for pid in "${LAB_PIDS[@]}"; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
  for name in $(ip netns list | awk -v lab="$LAB-" 'index($1, lab) == 1 { print $1 }'); do
    ip netns del "$name"
  done
  rm -rf --one-file-system "$LAB_DIR"
}

# await SECONDS COMMAND...: until it succeeds. Polls quickly, so that only a failure costs the time.
await() {
  local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "${EPOCHREALTIME/[.,]/}" -lt $end ] || return 1
    sleep 0.05
  done
}

# ---- wires ----------------------------------------------------------------------------------------

# inside PLACE COMMAND...; not with & behind it: the process to end would be a shell's.
inside() { local place=$1; shift; ip netns exec "$LAB-$place" "$@"; }

# place NAME...: namespaces without IPv6, which has no part in this.
place() {
  local name
  for name in "$@"; do
    ip netns add "$LAB-$name"
    inside "$name" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip -n "$LAB-$name" link set lo up
  done
}

# wire PLACE INTERFACE PLACE INTERFACE: a veth between two places, as it is born. A guest sits at a c0
# with a packet socket, and its kernel (6.1) does not know superframes of UDP datagrams, which a veth
# would show it whole: these are cut up before.
wire() {
  ip -n "$LAB-$1" link add "$2" type veth peer name "$4" netns "$LAB-$3"
  ip -n "$LAB-$1" link set "$2" up
  ip -n "$LAB-$3" link set "$4" up
  [ "$2" != c0 ] || inside "$3" ethtool -K "$4" tx-udp-segmentation off >/dev/null 2>&1 || true
}

lab_straight() {
  place home1 adit internet
  wire home1 c0 adit s0
  lab_internet
}

# masquerade PLACE INTERFACE [FIRST-LAST]: a home router's NAT, the kernel's. With a range, every UDP
# flow gets a random port of it; without, ports are kept where they can be.
masquerade() {
  local moved=
  [ -z "${3:-}" ] || moved="oifname $2 meta l4proto udp masquerade to :$3 random"
  inside "$1" sysctl -qw net.ipv4.ip_forward=1
  inside "$1" nft -f - <<NFT
table ip home {
  chain post {
    type nat hook postrouting priority srcnat;
    $moved
    oifname $2 masquerade
  }
}
NFT
}

# lab_behind_nat [FIRST-LAST]: see masquerade.
lab_behind_nat() {
  local n
  place home1 home2 router adit internet
  for n in 1 2; do
    wire home$n c0 router lan$n
    ip -n "$LAB-router" addr add 192.168.$((49 + n)).1/24 dev lan$n
  done
  wire router wan adit s0
  ip -n "$LAB-router" addr add 203.0.113.2/24 dev wan
  masquerade router wan "${1:-}"
  lab_internet
}

# Two homes with the same addresses inside, each behind a router of its own, and these behind one: all
# that a server sees of the two is alike but the port.
lab_twins() {
  local n
  place home1 home2 inner1 inner2 router adit internet
  for n in 1 2; do
    wire home$n c0 inner$n lan
    wire inner$n wan router lan$n
    ip -n "$LAB-inner$n" addr add 192.168.50.1/24 dev lan
    ip -n "$LAB-inner$n" addr add 172.16.$n.2/24 dev wan
    ip -n "$LAB-inner$n" route add default via 172.16.$n.1
    ip -n "$LAB-router" addr add 172.16.$n.1/24 dev lan$n
    masquerade inner$n wan
  done
  wire router wan adit s0
  ip -n "$LAB-router" addr add 203.0.113.2/24 dev wan
  masquerade router wan
  lab_internet
}

# adit itself is behind a router, which forwards the two ports of IKE to it.
lab_forwarded() {
  place home1 forwarder adit internet
  wire home1 c0 forwarder wan
  wire forwarder lan adit s0
  ip -n "$LAB-forwarder" addr add 203.0.113.2/24 dev wan
  ip -n "$LAB-forwarder" addr add 192.168.77.1/24 dev lan
  inside forwarder sysctl -qw net.ipv4.ip_forward=1
  inside forwarder nft -f - <<'NFT'
table ip forwarder {
  chain pre {
    type nat hook prerouting priority dstnat;
    iifname wan udp dport { 500, 4500 } dnat to 192.168.77.2
  }
  chain post {
    type nat hook postrouting priority srcnat;
    oifname wan masquerade
  }
}
NFT
  lab_internet
}

lab_internet() {
  wire adit s1 internet i0
  ip -n "$LAB-internet" addr add $INTERNET/24 dev i0
  ip netns exec "$LAB-internet" iperf3 -s >"$LAB_DIR/iperf3.log" 2>&1 &
  LAB_PIDS+=($!)
}

# ---- guests ---------------------------------------------------------------------------------------
# A guest has a folder $LAB_DIR/NAME, its /host: settings, the recipe, and the jobs (see guest/boot).

# guest_boot NAME [INTERFACE2 [RECIPE_DIR]]: boots in the place NAME on c0 and does not wait. A second
# interface and a further folder of scripts are for servers in a guest.
guest_boot() {
  local name=$1 second=${2:-} more=${3:-} dir=$LAB_DIR/$1 ram=/dev/shm first=c0
  mkdir -p "$dir"
  cp -r "$DEMO_DIR/guest" "$dir/recipe"
  [ -z "$more" ] || cp -r "$more/." "$dir/recipe/"
  [ -z "$second" ] || first=s0
  # The guest's memory is a sparse, unlinked file; where /dev/shm is too small for it, on disk.
  [ "$(df --output=avail /dev/shm | tail -1)" -gt 400000 ] || ram=$dir
  # shellcheck disable=SC2086
  TMPDIR=$ram HOME=$dir setsid ip netns exec "$LAB-$name" nice -n "${GUEST_NICE:-10}" linux.uml \
    mem=256M root=/dev/root rootfstype=hostfs rootflags="$LAB_ROOT/guest" ro init=/init \
    umid=guest uml_dir="$dir/uml/" con=null con0=null,fd:1 ssl=null quiet \
    vec0:transport=raw,ifname=$first,depth=128 \
    ${second:+vec1:transport=raw,ifname=$second,depth=128} \
    HOST="$dir" NAME="$name" >"$dir/console.log" 2>&1 </dev/null &
  GUEST_PID[$name]=$!
  GUEST_JOB[$name]=0
}

guest_up() { [ -f "$LAB_DIR/$1/ready" ] || ! kill -0 "${GUEST_PID[$1]}" 2>/dev/null; }

# guest_ready NAME [SECONDS]: it takes jobs.
guest_ready() {
  await "${2:-120}" guest_up "$1"
  [ -f "$LAB_DIR/$1/ready" ] || { echo "guest $1 does not boot:"; tail "$LAB_DIR/$1/console.log"; return 1; }
}

# guest_settings NAME VARIABLE=VALUE...: adds to what the guest's scripts read; the last one counts.
guest_settings() {
  local name=$1 setting
  shift
  mkdir -p "$LAB_DIR/$name"
  for setting in "$@"; do
    echo "${setting%%=*}='${setting#*=}'" >>"$LAB_DIR/$name/settings"
  done
}

# guest NAME SECONDS COMMAND: runs it in the guest, leaves its output in $OUTPUT, returns its status
# (124: no answer in time, after which the guest is of no more use).
guest() {
  local name=$1 limit=$2 dir=$LAB_DIR/$1 n=$((${GUEST_JOB[$1]} + 1))
  while [ -e "$dir/job.$n" ]; do n=$((n + 1)); done  # given from a subshell
  GUEST_JOB[$name]=$n
  OUTPUT=
  echo "$3" >"$dir/job.new"
  mv "$dir/job.new" "$dir/job.$n"
  await "$limit" test -f "$dir/rc.$n" || { OUTPUT="guest $name: no answer in $limit s to: $3"; return 124; }
  OUTPUT=$(<"$dir/out.$n")
  return "$(<"$dir/rc.$n")"
}

# guest_iperf3 NAME SECONDS ARGUMENTS: the same with iperf3. Its server takes one test at a time, and for
# a moment calls itself busy with the one before.
guest_iperf3() {
  local tries=6
  until guest "$1" "$2" "iperf3 $3"; do
    [[ $((--tries)) -gt 0 && $OUTPUT == *"the server is busy"* ]] || return 1
    sleep 0.5
  done
}

# client NAME VERB: guest/client in the guest, see there.
client() { local name=$1; shift; guest "$name" "${CLIENT_PATIENCE:-90}" "sh /host/recipe/client $*"; }

# home_settings NAME USER PASSWORD [VARIABLE=VALUE...]: the settings of a client at one of the homes.
home_settings() {
  local name=$1 user=$2 password=$3 n=$((49 + ${1#home})) net address gateway= server=$SERVER
  shift 3
  net=$n
  [ ! -e "/run/netns/$LAB-inner1" ] || net=50
  [ ! -e "/run/netns/${LAB:-}-forwarder" ] || server=203.0.113.2
  if [ -e "/run/netns/$LAB-router" ]; then
    address=192.168.$net.10/24 gateway=192.168.$net.1
  else
    address=203.0.113.10/24
  fi
  guest_settings "$name" MAC="02:00:00:00:00:$n" ADDRESS=$address GATEWAY=$gateway SERVER=$server \
    PSK=$PSK USER="$user" PASSWORD="$password" "$@"
}

guest_gone() { ! kill -0 "${GUEST_PID[$1]}" 2>/dev/null; }

guest_halt() {
  local pid=${GUEST_PID[$1]}
  # Its own poweroff never answers; a guest in the middle of a job would not even hear of it.
  [ ! -f "$LAB_DIR/$1/ready" ] || guest "$1" 0 'busybox poweroff -f' || await 3 guest_gone "$1"
  kill -KILL -- "-$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  unset "GUEST_PID[$1]"
}

# ---- adit -----------------------------------------------------------------------------------------

# find_adit FOLDER: the program in a build folder.
find_adit() {
  local path
  for path in "$1/adit" "$1/gateway/adit"; do
    [ ! -f "$path" ] || { echo "$path"; return; }
  done
  echo "no program adit below $1" >&2
  return 1
}

# gateway_config SHARDS [IKE_LINE...]: the configuration of the lab, on standard output; the lines go
# into [ike].
gateway_config() {
  local shards=$1 outside="address = \"$SERVER/24\""
  shift
  [ ! -e "/run/netns/${LAB:-}-forwarder" ] ||
    outside='address = "192.168.77.2/24"
gateway = "192.168.77.1"'
  gateway_interfaces "$shards" "$outside" 'address = "10.200.0.1/24"'
  gateway_users
  printf '\n[ike]\npsk = "%s"\n' "$PSK"
  [ $# = 0 ] || printf '%s\n' "$@"
}

# gateway_interfaces SHARDS OUTSIDE_LINES INSIDE_LINES: how adit lives on s0 and on s1.
gateway_interfaces() {
  local io=${FRAME_IO:+"io = \"$FRAME_IO\""}
  cat <<TOML
shards = $1

[[interface]]
name = "s0"
$2
$io
serve = true

[[interface]]
name = "s1"
$3
$io
nat = true
TOML
}

gateway_users() {
  cat <<TOML

[[pool]]
range = "10.99.0.10-10.99.0.250"
gateway = "$POOL_GATEWAY"
dns = ["9.9.9.9", "1.1.1.1"]

[[user]]
name = "alice"
password = "wonderland"

[[user]]
name = "bob"
password = "builder"

[log]
level = "${LOG_LEVEL:-info}"
TOML
  [ -z "${ENGINE:-}" ] || printf '[crypto]\nengine = "%s"\n' "$ENGINE"
  [ -z "${SUPERFRAMES:-}" ] || printf '[io]\nsuperframes = %s\n' "$SUPERFRAMES"
}

# gateway_start CONFIG LOG: adit in its place, as nobody with CAP_NET_RAW and nothing else, unless
# GATEWAY_CAPS names more (+net_raw,+net_admin). The program may lie under a folder that nobody cannot
# enter (/root, say): a private mount shows it what it needs.
gateway_start() {
  [ -z "$GATEWAY_PID" ] || gateway_stop 5 || : # where a scenario failed before it came to its end
  # shellcheck disable=SC2016
  setsid ip netns exec "$LAB-adit" bash -c '
    mount -t tmpfs -o mode=755 tmpfs /mnt && touch /mnt/adit && mount --bind "$0" /mnt/adit &&
      install -m 644 "$1" /mnt/adit.toml &&
      exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps="$2" \
        --ambient-caps="$2" --bounding-set="-all,$2" /mnt/adit run /mnt/adit.toml' \
    "$ADIT_BIN" "$1" "${GATEWAY_CAPS:-+net_raw}" >"$2" 2>&1 </dev/null &
  GATEWAY_PID=$!
  GATEWAY_LOG=$2
  await "${GATEWAY_PATIENCE:-30}" gateway_answers || {
    echo "adit does not answer on s1:"
    tail -20 "$2"
    return 1
  }
}

gateway_runs() { kill -0 "$GATEWAY_PID" 2>/dev/null; }
gateway_gone() { ! gateway_runs; }
# An address that is shared with the kernel answers always: so the log counts, too.
gateway_answers() {
  gateway_gone || { grep -q 'adit is running' "$GATEWAY_LOG" && inside internet ping -c1 -W1 10.200.0.1; }
}

# gateway_stop [SECONDS]: SIGTERM, and its exit status (124: it had to be killed).
gateway_stop() {
  local pid=$GATEWAY_PID status
  GATEWAY_PID=
  kill -TERM "$pid" 2>/dev/null
  if ! await "${1:-20}" eval "! kill -0 $pid"; then
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return 124
  fi
  wait "$pid" 2>/dev/null
}

# gateway_kill: SIGKILL, as if it had crashed.
gateway_kill() {
  local pid=$GATEWAY_PID
  GATEWAY_PID=
  kill -KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
}

# gateway_report: SIGUSR1; the drop counters and the list of sessions adit then logs, in $REPORT.
gateway_report() {
  local before now
  before=$(wc -c <"$GATEWAY_LOG")
  now=$before
  kill -USR1 "$GATEWAY_PID"
  await 5 eval '[ "$(wc -c <"$GATEWAY_LOG")" -gt '"$before" ']' || return 1
  until [ "$(wc -c <"$GATEWAY_LOG")" = "$now" ]; do
    now=$(wc -c <"$GATEWAY_LOG")
    sleep 0.3
  done
  REPORT=$(tail -c +$((before + 1)) "$GATEWAY_LOG")
}
