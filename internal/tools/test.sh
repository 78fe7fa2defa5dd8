#!/usr/bin/env bash
# Runs go test with the arguments it is given, then says how long it took and where, and last Go's own lines.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p build
log=build/test.log

go test -timeout 15m "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

printf '\nSlowest packages:\n'
awk '$1 == "ok" && $3 ~ /s$/ { sub(/s$/, "", $3); print $3, $2 }' "$log" | sort -rn | head -n 5 | sed 's/^/  /'
printf 'Packages passed: %d, failed: %d, in %d min %d s.\n\n' \
  "$(grep -cE '^ok[[:space:]]' "$log")" "$(grep -cE '^FAIL[[:space:]]' "$log")" $((SECONDS / 60)) $((SECONDS % 60))
grep -E '^(--- FAIL|FAIL|ok|panic:)' "$log"
exit "$status"
