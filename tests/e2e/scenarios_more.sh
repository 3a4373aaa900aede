# scenarios_more.sh (sourced): what widens first light: other algorithms, other NATs, storms, and other
# ways to live on an interface. As scenarios.sh, each leaves the client as it found it.

# ---- what the two ends agree on ---------------------------------------------------------------------

# algorithms IKE ESP PATTERN: connects with these and nothing else; the client's SAs match the pattern.
algorithms() {
  expect "disconnected" client home1 disconnect || return
  guest_settings home1 IKE="$1" ESP="$2"
  expect "settings taken over" client home1 settings || return
  expect "connected" client home1 connect || return
  NOTE=$(grep '^connected' <<<"$OUTPUT")
  guest home1 5 'ip xfrm state'
  expect "SAs of $3 at the client" says_at_least 2 "$3" || return
  carries || return
  back_to_usual
}

# Small and large, both ways, and TCP over it.
carries() {
  guest home1 20 "ping -c3 -i0.2 -W2 $INTERNET && ping -c2 -i0.2 -W2 -s3000 $INTERNET"
  expect "pings of 56 and 3000 bytes" test $? = 0 || return
  expect "TCP up" guest_iperf3 home1 30 "-t 1 -c $INTERNET" || return
  expect "TCP down" guest_iperf3 home1 30 "-t 1 -R -c $INTERNET"
}

back_to_usual() {
  # shellcheck disable=SC2086
  guest_settings home1 $ALGORITHMS FORCE_ENCAPSULATION=no IKE_LIFETIME=8h ESP_LIFETIME=1h MARGIN=9m
  expect "disconnected again" client home1 disconnect || return
  expect "settings put back" client home1 settings || return
  expect "connected as before" client home1 connect
}

client_encapsulates() {
  expect "disconnected" client home1 disconnect || return
  guest_settings home1 FORCE_ENCAPSULATION=yes
  expect "settings taken over" client home1 settings || return
  expect "connected" client home1 connect || return
  guest home1 5 'ip xfrm state'
  expect "ESP in UDP without a NAT" says 'encap type espinudp' || return
  carries || return
  back_to_usual
}

# Another adit, which takes the client for one behind a NAT. The client is not connected before, nor
# after.
gateway_encapsulates() {
  gateway_config "$SHARDS" 'force_encapsulation = true' >"$LAB_DIR/force.toml"
  expect "adit comes up" gateway_start "$LAB_DIR/force.toml" "$LAB_DIR/force.log" || return
  expect "connected" client home1 connect || return
  guest home1 5 'ip xfrm state'
  expect "ESP in UDP without a NAT" says 'encap type espinudp' || return
  carries || return
  expect "disconnected" client home1 disconnect || return
  expect "adit ends in order" gateway_stop 20
}

# ---- NATs -------------------------------------------------------------------------------------------

# Starts a ping of a pattern, 10 a second for so many seconds; patterns of different clients differ, so
# that an answer on the wrong tunnel shows as wrong data (or as no answer).
ping_pattern() {  # NAME SECONDS PATTERN
  guest "$1" 5 "ping -i0.1 -c$(($2 * 10)) -W2 -s 700 -p $3 $INTERNET >/tmp/pattern 2>&1 & :"
}
pattern_came_back() {  # NAME SECONDS LOST
  guest "$1" $(($2 + 10)) "while pgrep -x ping >/dev/null; do sleep 0.1; done; cat /tmp/pattern"
  expect "no wrong data for $1" eval '! says "wrong data byte|DUP"' || return
  expect "at most $3 of the pings of $1 lost" lost_at_most "$3"
}

# Two clients that look the same from outside and from inside, apart from their names.
twins() {
  local a b
  guest home1 5 'sh /host/recipe/client address'
  a=$OUTPUT
  expect "the second client's daemons run" client home2 start || return
  HOME2_STARTED=yes
  expect "bob connects with the same address and port" client home2 connect || return
  b=$(sed -n 's/^connected.*address=//p' <<<"$OUTPUT")
  NOTE="alice $a, bob $b"
  expect "two addresses, not $a and $b" test -n "$a" -a -n "$b" -a "$a" != "$b" || return
  ping_pattern home1 6 a1a1a1a1
  ping_pattern home2 6 b2b2b2b2
  guest_iperf3 home1 20 "-t 3 -b 20M -c $INTERNET" # at full speed it would crowd out pings
  expect "alice's TCP" test $? = 0 || return
  pattern_came_back home1 6 3 || return
  pattern_came_back home2 6 3 || return
  expect "alice dials anew" client home1 disconnect || return
  guest home2 10 "ping -c5 -i0.2 -W2 $INTERNET"
  expect "bob does not notice" says '5 packets transmitted, 5 received' || return
  expect "alice is back" client home1 connect || return
  guest home2 10 "ping -c5 -i0.2 -W2 $INTERNET"
  expect "bob does not notice that either" says '5 packets transmitted, 5 received' || return
  guest home1 10 "ping -c3 -i0.2 -W2 $b"
  expect "alice reaches bob" says '3 packets transmitted, 3 received'
}

# The router's outer address changes; with the old one the kernel forgets the flows that had it, as a
# modem does that dials in anew.
router_moves() {  # FROM TO
  ip -n "$LAB-router" addr del "$1/24" dev wan
  ip -n "$LAB-router" addr add "$2/24" dev wan
}

# The client knows nothing of it: its next packet shows the new place, and all goes on.
rebinding() {
  guest home1 5 "ping -i0.2 -c60 -W2 $INTERNET >/tmp/moving 2>&1 & :"
  sleep 3
  log_mark
  router_moves 203.0.113.2 203.0.113.77
  guest home1 30 "while pgrep -x ping >/dev/null; do sleep 0.1; done; cat /tmp/moving"
  NOTE=$(grep 'packets transmitted' <<<"$OUTPUT" | cut -d, -f1-3)
  expect "at most 5 of 60 pings lost" lost_at_most 5 || return
  expect "adit's log says where the client moved" log_says 'moved.*203\.0\.113\.77|203\.0\.113\.77.*moved' || return
  router_moves 203.0.113.77 203.0.113.2
  guest home1 20 "ping -c8 -i0.3 -W2 $INTERNET"
  expect "and back again" lost_at_most 3
}

# As a phone that sleeps and wakes in another network: a new IKE SA from a new address, the old one never
# ended, and the L2TP tunnel with its PPP session is the old one.
roaming() {
  local address
  guest home1 5 'sh /host/recipe/client address'
  address=$OUTPUT
  client home1 mark
  router_moves 203.0.113.2 203.0.113.78
  SUSPICIOUS=${SUSPICIOUS/foreign_tunnel|/} # what it sends before it has proved who it is
  expect "new SAs from the new place" client home1 reseal || return
  guest home1 60 "for i in \$(seq 40); do ping -c1 -W1 $INTERNET >/dev/null && exit 0; done; exit 1"
  expect "the tunnel goes on over them" test $? = 0 || return
  guest home1 10 "ping -c5 -i0.2 -W2 $INTERNET"
  expect "5 of 5 pings" says '5 packets transmitted, 5 received' || return
  guest home1 5 'sh /host/recipe/client address'
  NOTE="address $OUTPUT as before"
  expect "the same PPP link with $address" test "$OUTPUT" = "$address" || return
  client home1 since
  expect "PPP never went down" eval '! says "Connection terminated|LCP TermReq"' || return
  router_moves 203.0.113.78 203.0.113.2
  # Where bob is adit learns from what he sends: keepalives prove nothing.
  [ -z "$HOME2_STARTED" ] || guest home2 10 "ping -c2 -i0.2 -W2 $POOL_GATEWAY"
  expect "disconnected" client home1 disconnect || return
  expect "connected as before" client home1 connect
}

# ---- storms -----------------------------------------------------------------------------------------

# ESP SAs live for 3 s and IKE SAs for 6 s, for a minute, while pings and a TCP stream run. Leaves
# "sent got" in $STORM, and the client with these lifetimes.
weather() {
  # A message that the wire loses must come again before the SAs end.
  guest_settings home1 IKE_LIFETIME=9s ESP_LIFETIME=6s MARGIN=3s RETRANSMIT=0.5
  STORM=
  expect "disconnected" client home1 disconnect || return
  expect "settings taken over" client home1 settings || return
  client home1 mark
  expect "connected" client home1 connect || return
  guest home1 5 "{ iperf3 -t 55 -b 4M -c $INTERNET; echo rc=\$?; } >/tmp/stream 2>&1 & :"
  guest home1 90 "ping -i0.2 -c280 -W2 $INTERNET"
  STORM=$(sed -nE 's/^([0-9]+) packets transmitted, ([0-9]+) received.*/\1 \2/p' <<<"$OUTPUT")
  guest home1 30 "while pgrep -x iperf3 >/dev/null; do sleep 0.1; done; cat /tmp/stream"
  expect "the TCP stream came to its end" says '^rc=0' || return
  STREAM=$(awk '/receiver$/ { print $5 " " $6 }' <<<"$OUTPUT")
  client home1 since
  CHILDREN=$(grep -c 'CHILD_SA l2tp{[0-9]*} established' <<<"$OUTPUT")
  PHASES=$(grep -c 'IKE_SA l2tp\[[0-9]*\] established' <<<"$OUTPUT")
  expect "one PPP link all the while" test "$(grep -c 'rcvd \[CHAP Success' <<<"$OUTPUT")" = 1
}

storm() {
  weather || return
  STORM_ADIT=$STORM
  NOTE="pings ${STORM/ /\/}, $STREAM by TCP, $((PHASES - 1)) new phase 1, $((CHILDREN - 1)) new SA pairs"
  expect "at least 10 new pairs of SAs" test "$CHILDREN" -ge 11 || return
  expect "at least 5 new phase 1s" test "$PHASES" -ge 6
}

# Nothing dropped for want of the right SA.
no_suspicious_drop() {
  expect "a report on SIGUSR1" gateway_report || return
  NOTE=$(sed -nE 's/.*drop ([a-z0-9_]+) ([0-9]+).*/\1=\2/p' <<<"$REPORT" | tr '\n' ' ')
  expect "no drops of kind $SUSPICIOUS|unknown_spi|sa_expired" eval \
    '! grep -qE "drop ($SUSPICIOUS|unknown_spi|sa_expired) [1-9]" <<<"$REPORT"' || return
  expect "disconnected" client home1 disconnect || return
  expect "adit ends in order" gateway_stop 20
}

reference_storm() {
  # shellcheck disable=SC2034
  REFERENCE=yes
  boot_reference
  expect "the reference boots" guest_ready adit || return
  expect "the reference comes up" guest adit 60 'sh /host/recipe/server start' || return
  client home1 abandon
  guest home1 5 'ip neigh flush all' # the address has another MAC now
  expect "connected to the reference" client home1 connect || return
  # That it does not survive is not adit's fault; but it has to be there.
  local survived=survived
  weather || { [ -z "$STORM" ] && weather; } || survived="did not survive ($WHY)"
  [ -n "$STORM" ] || return
  NOTE="reference ${STORM/ /\/} (sent/received), $survived; adit ${STORM_ADIT/ /\/}"
  # One in a hundred is the wire's: the guest's packet socket drops when the machine is busy.
  expect "adit lost no more pings than the reference" \
    test $((${STORM_ADIT% *} - ${STORM_ADIT#* })) -le $((${STORM% *} - ${STORM#* } + 3))
  local verdict=$?
  REFERENCE=
  return $verdict
}

# ---- beside the kernel ------------------------------------------------------------------------------

# What the host is, apart from counters and ages.
host_state() {
  ip -n "$LAB-adit" -o link | sed 's/ state [A-Z]*//'
  ip -n "$LAB-adit" -o -4 addr
  ip -n "$LAB-adit" route show table all
  inside adit nft list ruleset
  inside adit sysctl net.ipv4.ip_forward net.ipv4.ip_local_port_range net.ipv4.conf.s0.forwarding
}
host_is_as_before() { diff <(echo "$HOST_BEFORE") <(host_state); }

kernel_addresses() {
  ip -n "$LAB-adit" addr add $SERVER/24 dev s0
  ip -n "$LAB-adit" addr add 10.200.0.1/24 dev s1
  ip netns exec "$LAB-adit" iperf3 -s -p 22 >"$LAB_DIR/service.log" 2>&1 &
  SERVICE_PID=$!
  LAB_PIDS+=($SERVICE_PID)
  guest home1 5 'ip neigh flush all' # the addresses had another MAC
  ip -n "$LAB-internet" neigh flush all
  await 5 inside internet iperf3 -c 10.200.0.1 -p 22 -n 1K
}
# A service of the kernel on adit's addresses, standing for SSH: from inside and from outside.
service_answers() {
  inside internet iperf3 -c 10.200.0.1 -p 22 -n 100K >/dev/null 2>&1 &&
    guest_iperf3 home1 20 "-c $SERVER -p 22 -n 100K"
}

# presence_start NAME CAPS PRESENCE_LINES...: adit with these lines for both interfaces.
presence_start() {
  local name=$1 caps=$2 lines
  shift 2
  lines=$(printf '%s\n' "$@")
  { gateway_interfaces "$SHARDS" "$lines" "$lines"; gateway_users
    printf '\n[ike]\npsk = "%s"\n' "$PSK"; } >"$LAB_DIR/$name.toml"
  GATEWAY_CAPS=$caps gateway_start "$LAB_DIR/$name.toml" "$LAB_DIR/$name.log"
}

# The previous adit has its own addresses: killed hard, it leaves nothing.
own_killed() {
  HOST_BEFORE=$(host_state)
  gateway_config "$SHARDS" >"$LAB_DIR/own.toml"
  expect "adit comes up" gateway_start "$LAB_DIR/own.toml" "$LAB_DIR/own.log" || return
  expect "connected" client home1 connect || return
  gateway_kill
  expect "the host is as before" host_is_as_before || return
  client home1 abandon
  return 0
}

share() {
  expect "a service of the kernel on both addresses" kernel_addresses || return
  HOST_BEFORE=$(host_state)
  expect "adit comes up" presence_start share +net_raw,+net_admin 'presence = "share"' || return
  expect "connected" client home1 connect || return
  NOTE=$(grep '^connected' <<<"$OUTPUT")
  carries || return
  expect "the kernel's service answers beside it" service_answers || return
  guest home1 20 "ping -c3 -i0.2 -W2 $POOL_GATEWAY"
  expect "the pool's gateway answers" says '3 packets transmitted, 3 received' || return
  expect "disconnected" client home1 disconnect || return
  expect "adit ends in order" gateway_stop 20 || return
  expect "the host is as before" host_is_as_before
}

# share|adopt
beside_killed() {
  expect "adit comes up" presence_start "$1-killed" +net_raw,+net_admin "presence = \"$1\"" || return
  expect "connected" client home1 connect || return
  gateway_kill
  expect "the host is as before" await 5 host_is_as_before || return
  client home1 abandon
  expect "the kernel's service answers as before" service_answers
}

# As in a plain container: no table, but sockets held for each port.
share_unprivileged() {
  inside adit sysctl -qw net.ipv4.ip_unprivileged_port_start=0
  expect "adit comes up" presence_start share-plain +net_raw 'presence = "share"' || return
  expect "and says what is weaker" log_since_start 'CAP_NET_ADMIN' || return
  expect "connected" client home1 connect || return
  carries || return
  expect "the kernel's service answers beside it" service_answers || return
  expect "disconnected" client home1 disconnect || return
  expect "adit ends in order" gateway_stop 20 || return
  inside adit sysctl -qw net.ipv4.ip_unprivileged_port_start=1024
  expect "the host is as before" host_is_as_before
}
log_since_start() { grep -qE -e "$1" "$GATEWAY_LOG"; }

adopt() {
  expect "adit comes up" presence_start adopt +net_raw,+net_admin 'presence = "adopt"' || return
  expect "connected" client home1 connect || return
  NOTE=$(grep '^connected' <<<"$OUTPUT")
  carries || return
  expect "the kernel's service does not answer" eval \
    '! timeout 2 ip netns exec $LAB-internet iperf3 -c 10.200.0.1 -p 22 -n 1K' || return
  expect "disconnected" client home1 disconnect || return
  expect "adit ends in order" gateway_stop 20 || return
  expect "the host is as before" host_is_as_before || return
  expect "and the kernel's service answers" service_answers
}
