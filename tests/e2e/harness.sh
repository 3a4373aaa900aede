# harness.sh (sourced): a line a scenario, and on failure what everybody had to say about it.

# shellcheck shell=bash disable=SC2034
FAILED=0
NOTE=""  # what a scenario wants to have on its line: figures
WHY=""   # what was expected and did not come

# scenario TITLE FUNCTION [ARGUMENT...]: the function says nothing and returns 0, or is told on.
scenario() {
  local title=$1 start=${EPOCHREALTIME/[.,]/} verdict=PASS
  shift
  NOTE="" WHY="${1} gave up" OUTPUT=""
  "$@" || verdict=FAIL
  printf '%s  %-44s %5.1f s  %s\n' "$verdict" "$title" \
    "$(((${EPOCHREALTIME/[.,]/} - start) / 100000))e-1" "$NOTE"
  [ $verdict = FAIL ] || return 0
  FAILED=$((FAILED + 1))
  printf 'expected: %s\n' "$WHY"
  tell_all
}

# expect WHAT COMMAND...: states a fact. A scenario is a chain of them: "expect ... || return".
expect() {
  WHY=$1
  shift
  "$@"
}

skipped() { printf 'SKIP  %-44s          %s\n' "$1" "$2"; }

tell_all() {
  local name output=$OUTPUT
  {
    [ -z "$output" ] || printf '%s\n' "--- last answer of a guest" "$(tail -n 60 <<<"$output")"
    for name in "${!GUEST_PID[@]}"; do
      [ "$name" != adit ] || continue
      client "$name" logs 25
      printf '%s\n' "=== $name" "$OUTPUT"
    done
    if [ -n "${REFERENCE:-}" ]; then
      guest adit 10 'sh /host/recipe/server logs'
      printf '%s\n' "=== reference gateway" "$OUTPUT"
    else
      printf '%s\n' "=== adit"
      tail -40 "$GATEWAY_LOG"
    fi
  } 2>&1 | sed 's/^/    /'
}

# ---- what adit's log says ---------------------------------------------------------------------------

log_mark() { LOG_MARK=$(wc -c <"$GATEWAY_LOG"); }
log_since() { tail -c +$((LOG_MARK + 1)) "$GATEWAY_LOG"; }

# log_says PATTERN [SECONDS]: since the mark, an extended pattern, in upper or lower case.
log_says() { [ -n "${REFERENCE:-}" ] || await "${2:-5}" eval "log_since | grep -qiE '$1'"; }

# ---- what a guest's output says ---------------------------------------------------------------------

says() { grep -qE -e "$1" <<<"$OUTPUT"; }
says_at_least() { [ "$(grep -cE -e "$2" <<<"$OUTPUT")" -ge "$1" ]; }

# lost_at_most N: pings, from ping's own summary.
lost_at_most() {
  local sent got
  sent=$(sed -nE 's/^([0-9]+) packets transmitted.*/\1/p' <<<"$OUTPUT")
  got=$(sed -nE 's/.* ([0-9]+) received.*/\1/p' <<<"$OUTPUT")
  [ -n "$sent" ] && [ -n "$got" ] && [ $((sent - got)) -le "$1" ]
}
