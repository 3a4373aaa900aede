# scenarios.sh (sourced): what the real client does, and the facts that must hold. All of them run in
# a guest booted once; each leaves the client as it found it, unless it says otherwise.

CLIENT_SAS='test $(ip xfrm state | grep -c "proto esp")'

# ---- the program ------------------------------------------------------------------------------------

# CAP_NET_RAW is bit 13.
runs_unprivileged() {
  local status field
  status=$(<"/proc/$GATEWAY_PID/status")
  expect "adit runs as uid and gid 65534" \
    test "$(grep -cP '^[UG]id:(\t65534){4}$' <<<"$status")" = 2 || return
  for field in CapPrm CapEff CapBnd; do
    expect "$field is CAP_NET_RAW alone" grep -qP "^$field:\t0*2000\$" <<<"$status" || return
  done
  for field in CapInh CapAmb; do
    expect "$field is empty" grep -qP "^$field:\t0*\$" <<<"$status" || return
  done
}

# ---- logins that must fail --------------------------------------------------------------------------

wrong_key() {
  log_mark
  WRONG_KEY_TRIED=yes
  guest_settings home1 PSK=not-the-key-at-all IKE_PATIENCE=3
  expect "settings taken over" client home1 settings || return
  client home1 connect
  expect "no connection with a wrong key" test $? = 1 || return
  expect "no ESP SA at the client" guest home1 5 "$CLIENT_SAS = 0" || return
  expect "adit's log names the pre-shared key" log_says 'pre-shared key' || return
  client home1 abandon
  guest_settings home1 PSK="$PSK" IKE_PATIENCE=20
  expect "settings put back" client home1 settings
}

wrong_password() {
  log_mark
  guest_settings home1 PASSWORD=blunderland
  expect "settings taken over" client home1 settings || return
  client home1 connect
  expect "IPsec up and then no PPP link with a wrong password" test $? = 2 || return
  expect "pppd was told that authentication failed" says 'authenticat' || return
  expect "adit's log says wrong password, and whose" log_says 'wrong password.*alice|alice.*wrong password' || return
  client home1 abandon
  guest_settings home1 PASSWORD=wonderland
  expect "settings put back" client home1 settings
}

# ---- the login and what goes through it --------------------------------------------------------------

# Leaves the client connected.
login() {
  if [ $FAILED -gt 0 ]; then  # a failed one before may have left wrong settings
    client home1 abandon
    guest_settings home1 PSK="$PSK" PASSWORD=wonderland IKE_PATIENCE=20
    client home1 settings
  fi
  log_mark
  expect "alice connects" client home1 connect || return
  NOTE=$(grep '^connected' <<<"$OUTPUT")
  expect "an address of the pool" says 'address=10\.99\.0\.[0-9]+$' || return
  expect "two ESP SAs at the client" guest home1 5 "$CLIENT_SAS = 2" || return
  guest home1 5 'ip xfrm state; cat /tmp/pppd.log'
  if [[ $TOPOLOGY =~ ^(nonat|storm|presence)$ ]]; then
    expect "ESP as protocol 50" eval '! says espinudp' || return
  else
    expect "ESP in UDP" says 'encap type espinudp' || return
  fi
  expect "MS-CHAPv2" says 'rcvd \[CHAP Success' || return
  expect "DNS servers by IPCP" says 'primary +DNS address 9\.9\.9\.9' || return
  expect "a log line with user and address" log_says 'alice.*10\.99\.0\.|10\.99\.0\..*alice'
}

pings() {
  local size host
  for host in $POOL_GATEWAY $INTERNET; do
    for size in 56 1000 2000 4000; do
      guest home1 20 "ping -c3 -i0.2 -W3 -s$size $host"
      expect "$host answers 3 pings of $size bytes" says '3 packets transmitted, 3 received' || return
    done
  done
  guest home1 20 "ping -c3 -i0.2 -W3 -s1252 -M do $INTERNET"
  expect "a ping of the whole link MTU with DF" says '3 packets transmitted, 3 received'
}

# Time exceeded comes from adit itself, port unreachable from the host: an ICMP error through the NAT.
traceroute() {
  guest home1 30 "busybox traceroute -n -m4 -q1 -w3 $INTERNET"
  expect "adit as the first hop" says "^ *1 +10\.99\.0\.1 " || return
  expect "the host as the second" says "^ *2 +10\.200\.0\.2 "
}

# A third interface, without NAT, and a network behind a router there, which knows the way back to the
# clients. Makes them, and says what adit has to know of them. The router counts who pings it.
corporate_network() {
  place corporate
  wire adit s2 corporate b0
  ip -n "$LAB-corporate" addr add 10.50.0.2/24 dev b0
  ip -n "$LAB-corporate" addr add 10.60.0.1/32 dev lo
  ip -n "$LAB-corporate" route add 10.99.0.0/24 via 10.50.0.1
  inside corporate nft -f - <<NFT
table ip seen {
  counter clients { }
  counter others { }
  chain in {
    type filter hook input priority 0;
    icmp type echo-request ip saddr 10.99.0.0/24 counter name clients accept
    icmp type echo-request counter name others
  }
}
NFT
  cat <<TOML

[[interface]]
name = "s2"
address = "10.50.0.1/24"

[[route]]
prefix = "10.60.0.0/16"
via = "10.50.0.2"
TOML
}
seen() { inside corporate nft list counter ip seen "$1" | awk '/packets/ { print $2 }'; }

# What leaves by that interface keeps the client's own address, while the internet is behind NAT.
routed() {
  guest home1 20 "ping -c4 -i0.2 -W2 10.60.0.1"
  expect "4 of 4 answered" says '4 packets transmitted, 4 received' || return
  expect "from the client's own address" test "$(seen clients)" = 4 || return
  expect "and nobody else's" test "$(seen others)" = 0
}

# tcp up|down: iperf3 says Mbit/s and resent segments on its sender line. The guest's packet socket is
# the narrow place and loses some of what comes too fast, so TCP has to resend; but not 1 in 5.
tcp() {
  local reverse= rate resent bytes
  [ "$1" = up ] || reverse=-R
  guest_iperf3 home1 60 "-f m -t ${IPERF_SECONDS:-4} $reverse -c $INTERNET"
  expect "iperf3 comes to its end" test $? = 0 || return
  rate=$(awk '/receiver$/ { for (i = 2; i <= NF; i++) if ($i == "Mbits/sec") print int($(i - 1)) }' <<<"$OUTPUT")
  resent=$(awk '/sender$/ { print $(NF - 1) }' <<<"$OUTPUT")
  bytes=$(awk '/sender$/ { print int($5 * 1000000) }' <<<"$OUTPUT")
  NOTE="$rate Mbit/s, $resent segments resent"
  expect "more than 1 Mbit/s, not ${rate:-nothing}" test "${rate:-0}" -gt 1 || return
  expect "few segments resent, not ${resent:-unknown} in ${bytes:-0} bytes" \
    test "${resent:-999999}" -le $((${bytes:-0} / 1200 / 5 + 100))
}

# The client renews its ESP SAs after 7 s each and its IKE SA after 10 s, while a ping runs.
rekey() {
  local children phases
  guest_settings home1 IKE_LIFETIME=13s ESP_LIFETIME=10s MARGIN=3s
  expect "disconnected" client home1 disconnect || return
  expect "settings taken over" client home1 settings || return
  client home1 mark
  expect "connected" client home1 connect || return
  guest home1 60 "ping -i0.2 -c150 -W2 $INTERNET"
  NOTE=$(grep 'packets transmitted' <<<"$OUTPUT" | cut -d, -f1-3)
  expect "at most 2 of 150 pings lost" lost_at_most 2 || return
  client home1 since
  children=$(grep -c 'CHILD_SA l2tp{[0-9]*} established' <<<"$OUTPUT")
  phases=$(grep -c 'IKE_SA l2tp\[[0-9]*\] established' <<<"$OUTPUT")
  NOTE+=", $((phases - 1)) new phase 1, $((children - 1)) new SA pairs"
  expect "at least 3 times a new pair of SAs" test "$children" -ge 4 || return
  expect "at least 2 times a new phase 1" test "$phases" -ge 3 || return
  expect "one PPP link all the while" test "$(grep -c 'rcvd \[CHAP Success' <<<"$OUTPUT")" = 1 || return
  guest_settings home1 IKE_LIFETIME=8h ESP_LIFETIME=1h MARGIN=9m
  expect "disconnected again" client home1 disconnect || return
  expect "settings put back" client home1 settings || return
  expect "connected as before" client home1 connect
}

reconnect() {
  client home1 mark
  expect "an orderly disconnect" client home1 disconnect || return
  client home1 since
  expect "LCP Terminate answered" says 'rcvd \[LCP TermAck' || return
  expect "connected again" client home1 connect || return
  NOTE=$(grep '^connected' <<<"$OUTPUT")
  guest home1 10 "ping -c2 -i0.2 -W2 $INTERNET"
  expect "and it carries" says '2 packets transmitted, 2 received'
}

# ---- two of them ------------------------------------------------------------------------------------

# The shard of a user's session, from the report; a session line names the user.
shard_of() {
  grep -E "session.*\b$1\b" <<<"$REPORT" |
    sed -nE 's/.*shard[= ]([0-9]+).*/\1/p; t; s/^[^[]*\[([0-9]+)\].*/\1/p' | head -1
}

# The shard of a session falls with its first message, so bob dials until his is another than alice's
# (where there is another).
# Both come from port 1701 of one outer address, which is where the reference gives up. Leaves both
# connected.
two_clients() {
  local a b alice bob try
  [ -n "$HOME2_STARTED" ] || expect "the second guest's daemons run" client home2 start || return
  HOME2_STARTED=yes
  guest home1 5 'sh /host/recipe/client address'
  alice=$OUTPUT
  for try in 1 2 3 4 5 6 7 8; do
    expect "bob connects from behind the same router" client home2 connect || return
    bob=$(sed -n 's/^connected.*address=//p' <<<"$OUTPUT")
    expect "a report on SIGUSR1" gateway_report || return
    a=$(shard_of alice) b=$(shard_of bob)
    expect "both sessions with their shards in the report" test -n "$a" -a -n "$b" || return
    [ "$a" = "$b" ] && [ "$SHARDS" != 1 ] || break
    expect "bob disconnects" client home2 disconnect || return
  done
  NOTE="alice $alice on shard ${a:-?}, bob $bob on shard ${b:-?}, attempt $try"
  [ "$SHARDS" = 1 ] || expect "two shards" test "${a:-x}" != "${b:-y}" || return
  guest home1 20 "ping -c5 -i0.2 -W2 $bob && ping -c2 -i0.2 -W2 -s1252 -M do $bob && ping -c2 -i0.2 -s3000 $bob"
  expect "alice's pings reach bob" test $? = 0 || return
  expect "none of five lost" says '5 packets transmitted, 5 received' || return
  guest home2 20 "ping -c5 -i0.2 -W2 $alice"
  expect "bob's pings reach alice" says '5 packets transmitted, 5 received' || return
  guest home2 20 "ping -c2 -i0.2 -W2 $INTERNET"
  expect "bob reaches the internet as well" says '2 packets transmitted, 2 received'
}

# ---- the end ----------------------------------------------------------------------------------------

# What must never happen here, whatever the scenarios did.
SUSPICIOUS='bad_icv|replayed|foreign_tunnel|spoofed_source|pool_dry|mailbox_full'  # see roaming

# A wrong key leaves traces among the counters: so a report without any counter is no good report.
report_is_clean() {
  expect "a report on SIGUSR1" gateway_report || return
  expect "alice in the list of sessions" grep -qE 'session.*\balice\b' <<<"$REPORT" || return
  [ -z "${WRONG_KEY_TRIED:-}" ] || expect "the wrong key counted" \
    grep -qE 'drop ike_(undecryptable|bad_hash) [1-9]' <<<"$REPORT" || return
  NOTE=$(sed -nE 's/.*drop ([a-z0-9_]+) ([0-9]+).*/\1=\2/p' <<<"$REPORT" | tr '\n' ' ')
  expect "no drops of kind $SUSPICIOUS" eval \
    '! grep -qE "drop ($SUSPICIOUS) [1-9]" <<<"$REPORT"'
}

sas_deleted() { client "$1" since && says 'received DELETE for IKE_SA'; }

# In what a client's log got since its mark. A line that ends behind the addresses is the socket's own.
either_delete() {
  says 'received DELETE for ESP CHILD_SA' ||
    says_at_least 2 'received packet: from [0-9.]+\[[0-9]+\] to [0-9.]+\[[0-9]+\]$'
}

# SIGTERM: every client hears of it on every layer, and adit is gone without a complaint.
orderly_end() {
  local name status
  for name in home1 ${HOME2_STARTED:+home2}; do client "$name" mark; done
  gateway_stop 20
  status=$?
  expect "exit status 0, not $status" test $status = 0 || return
  for name in home1 ${HOME2_STARTED:+home2}; do
    expect "the link of $name goes down" \
      guest "$name" 15 'for i in $(seq 100); do ip link show ppp0 >/dev/null 2>&1 || exit 0; sleep 0.1; done; exit 1' || return
    await 5 sas_deleted "$name" # its log may be behind
    expect "LCP Terminate-Request at $name" says 'rcvd \[LCP TermReq' || return
    expect "CDN or StopCCN at $name" says 'Connection closed to 203\.0\.113\.' || return
    # The two leave in one burst, and charon's threads may take the second first: then there is no IKE SA
    # any more for the first, which is dropped without a word. Its socket has seen both in any case.
    expect "delete of the IKE SA at $name" says 'received DELETE for IKE_SA' || return
    expect "delete of the ESP SA at $name, or a message beside that of the IKE SA" either_delete || return
    expect "no SA left at $name" guest "$name" 5 "$CLIENT_SAS = 0" || return
  done
}

log_is_clean() {
  expect "no report of a sanitizer" eval \
    '! grep -E "(Address|Leak|Thread|Undefined)[A-Za-z]*Sanitizer|runtime error:" "$GATEWAY_LOG"' || return
  expect "no line of level error" eval '! grep -E "^[0-9T:.Z-]+ error " "$GATEWAY_LOG"' || return
  expect "no lost log line" eval '! grep -iE "log lines? lost" "$GATEWAY_LOG"'
}
