#!/bin/bash
# demo.sh [--own-client]: what `adit demo` runs. A home client behind a NAT router dials in to adit and
# reaches a host on the other side; the client is a real Linux (strongSwan, xl2tpd, pppd) in user-mode
# Linux. Where there is no user-mode Linux (it is for amd64 alone), and with --own-client, it is adit's
# own: `adit load`. All of it lives in network namespaces of its own and is gone at the end.
#
# Environment: ADIT_BIN the program (default: the release build beside this script's source tree),
# ADIT_BUILD_DIR where the client's root file system is kept (default: the build folder the program lies in,
# else below TMPDIR or /var/tmp).
# Exit status 77: something is missing on this machine, and what was said.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

OWN=
case ${1:-} in
  '') [ "$(uname -m)" = x86_64 ] || OWN=yes ;;
  --own-client) OWN=yes ;;
  *) echo "usage: adit demo [--own-client]" >&2; exit 2 ;;
esac

ADIT_BIN=${ADIT_BIN:-$(find_adit "$DEMO_DIR/../../build/release")}
if [ -z "${ADIT_BUILD_DIR:-}" ]; then
  ADIT_BUILD_DIR=${TMPDIR:-/var/tmp}/adit-demo
  for folder in "$(dirname "$ADIT_BIN")" "$(dirname "$ADIT_BIN")/.."; do
    [ ! -f "$folder/CMakeCache.txt" ] || ADIT_BUILD_DIR=$folder/demo
  done
  mkdir -p "$ADIT_BUILD_DIR"
fi

if [ -t 1 ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD= PLAIN=; fi
STEP=0
step() { STEP=$((STEP + 1)); printf '\n%s%d. %s%s\n' "$BOLD" $STEP "$1" "$PLAIN"; }
say() { printf '   %s\n' "$@"; }
give_up() {
  printf '\n%s\n' "The demo cannot go on: $1"
  [ -z "${OUTPUT:-}" ] || printf '%s\n' "$OUTPUT"
  [ ! -s "$LAB_DIR/adit.log" ] || { echo "The end of adit's log:"; tail -15 "$LAB_DIR/adit.log"; }
  exit 1
}

require() {
  local tool package missing=()
  [ "$(id -u)" = 0 ] || { echo "adit demo needs root: it makes network namespaces." >&2; exit 77; }
  while read -r tool package; do
    [[ -z $OWN || $package != @(user-mode-linux|mmdebstrap|iperf3) ]] || continue
    command -v "$tool" >/dev/null || missing+=("$package")
  done <<<"$DEMO_TOOLS"
  [ ${#missing[@]} = 0 ] || {
    echo "adit demo needs some packages first:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 77
  }
  [ -x "$ADIT_BIN" ] || { echo "adit demo: no program at $ADIT_BIN" >&2; exit 1; }
}

# adit's own lines since the client began to dial, with seconds instead of the time of day.
timeline() {
  tail -c +$(($1 + 1)) "$LAB_DIR/adit.log" | awk '
    match($1, /T[0-9:.]+Z$/) {
      split(substr($1, RSTART + 1), t, /[:Z]/)
      now = t[1] * 3600 + t[2] * 60 + t[3]
      if (first == "") first = now
      line = $0
      sub(/^[^ ]+ +[a-z]+ +/, "", line)
      printf "   %+8.3f s  %s\n", now - first, line
    }'
}

process() { awk -v field="$1:" '$1 == field { print $2 }' "/proc/$GATEWAY_PID/status"; }

# iperf3's figure at the receiving end.
rate() {
  awk '/receiver$/ { for (i = 2; i <= NF; i++) if ($i ~ /bits\/sec$/) print int($(i - 1)) " " $i }' \
    <<<"$OUTPUT"
}

picture() {
  cat <<PICTURE

  $1 dials in to adit:

     client             home router (NAT)             adit                       internet host
     192.168.50.10 ---- 192.168.50.1 | 203.0.113.2 -- 203.0.113.1 | 10.200.0.1 -- $2

  Network namespaces of their own on this machine; nothing outside them is touched.
PICTURE
}

start_adit() {
  gateway_config 2 >"$LAB_DIR/adit.toml"
  gateway_start "$LAB_DIR/adit.toml" "$LAB_DIR/adit.log" || give_up "adit does not come up"
  say "$("$ADIT_BIN" --version), process $GATEWAY_PID" \
    "uid $(process Uid), capabilities $(process CapEff): CAP_NET_RAW and nothing else" \
    "The kernel has no address on these two interfaces; what answers there is adit:"
  awk '/^\[\[(interface|pool)/ { on = 1; line = ""; next }
       /^\[/ { on = 0 }
       on && NF { line = line "  " $0 }
       on && !NF { print "    " line; on = 0 }' "$LAB_DIR/adit.toml"
}

what_next() {
  cat <<NEXT

Done in $((EPOCHSECONDS - BEGAN)) s; everything the demo made is being taken away.

What to do next:
  conf/adit.toml          a configuration with every key explained
  adit check FILE         finds its mistakes, adit run FILE runs it (as root, or with CAP_NET_RAW alone)
  kill -USR1 PID          writes counters and sessions to the log
  adit load --help        the measuring client, against this gateway or another
  ./tests/run             builds with sanitizers and runs all tests, with a real Linux client among them
NEXT
}

with_guest() {
  local size before summary

  picture "A real Linux client" $INTERNET

  step "The client's root file system"
  [ -f "$LAB_ROOT/guest/recipe" ] || say "made once, from Debian packages (half a minute) ..."
  "$DEMO_DIR/mkguest" "$LAB_ROOT" || give_up "no root file system for the client"
  say "$LAB_ROOT/guest: Debian 12 with strongSwan, xl2tpd and pppd"

  step "adit starts, with two shards"
  lab_behind_nat 30000-40000 || give_up "no network namespaces"
  home_settings home1 alice wonderland
  guest_boot home1
  start_adit

  step "The client boots in user-mode Linux"
  { guest_ready home1 && client home1 start; } || give_up "the client does not boot"
  guest home1 5 'uname -r; ipsec --version | sed -n "s/.*strongSwan U\([^/]*\).*/\1/p"'
  say "Linux $(sed -n 1p <<<"$OUTPUT") with strongSwan $(sed -n 2p <<<"$OUTPUT"), unmodified" \
    "The router gives each of its flows a random port, so adit sees neither 500 nor 4500 from it."

  step "alice dials in"
  before=$(wc -c <"$LAB_DIR/adit.log")
  client home1 connect || give_up "the login failed"
  sleep 0.2
  timeline "$before"
  say "" "The client's side: $OUTPUT"

  step "Pings from the client to the internet host"
  for size in 56 1000 4000; do
    guest home1 20 "ping -c4 -i0.2 -W3 -s$size $INTERNET" || give_up "pings of $size bytes get lost"
    summary=$(awk -F'[ =/]' '/packets transmitted/ { got = $4 " of " $1 " answered" }
      /^rtt/ { printf "%s, %.2f ms on average", got, $9 }' <<<"$OUTPUT")
    say "$(printf '%5d bytes  %s' "$size" "$summary")"
  done

  step "TCP between them, 4 s each way"
  guest_iperf3 home1 40 "-t 4 -c $INTERNET" || give_up "no TCP to the host"
  say "up    $(rate)"
  guest_iperf3 home1 40 "-t 4 -R -c $INTERNET" || give_up "no TCP from the host"
  say "down  $(rate)"
  say "(The client is the bottleneck: a user-mode kernel with ciphers in plain C.)"

  step "The client hangs up, and adit ends"
  before=$(wc -c <"$LAB_DIR/adit.log")
  client home1 disconnect || give_up "the client cannot hang up"
  gateway_stop 20 || give_up "adit ended with status $?"
  timeline "$before" | grep -v ' drop '
}

# Both ends of the traffic are one process, so the client's cable and the host's are in one namespace.
with_own_client() {
  local before

  picture "adit's own client, adit load," 10.200.0.3

  step "adit starts, with two shards"
  place router adit internet
  wire internet c0 router lan1
  wire router wan adit s0
  wire adit s1 internet i0
  ip -n "$LAB-router" addr add 192.168.50.1/24 dev lan1
  ip -n "$LAB-router" addr add 203.0.113.2/24 dev wan
  ip -n "$LAB-internet" addr add $INTERNET/24 dev i0
  masquerade router wan 30000-40000 || give_up "no network namespaces"
  start_adit

  step "alice dials in, sends 5,000 packets a second each way for 4 s, pings, and hangs up"
  before=$(wc -c <"$LAB_DIR/adit.log")
  OUTPUT=$(inside internet "$ADIT_BIN" load --interface c0 --source 192.168.50.10/24 --gateway 192.168.50.1 \
    --server $SERVER --psk $PSK --user alice --password wonderland --far i0 --far-address 10.200.0.3/24 \
    --traffic up:udp:1200:5000 --traffic down:udp:1200:5000 --ping 100 --duration 4 2>&1) ||
    give_up "the client failed"
  timeline "$before" | grep -v ' drop '

  step "What the client has to say"
  printf '%s\n' "$OUTPUT" | sed 's/^/   /'

  step "adit ends"
  before=$(wc -c <"$LAB_DIR/adit.log")
  gateway_stop 20 || give_up "adit ended with status $?"
  timeline "$before" | grep -v ' drop '
}

require
lab_open "$ADIT_BUILD_DIR" 300
BEGAN=$EPOCHSECONDS
if [ -n "$OWN" ]; then with_own_client; else with_guest; fi
what_next
