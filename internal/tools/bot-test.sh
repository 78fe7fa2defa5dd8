#!/usr/bin/env bash
# The bot's checklist as tests against the sandbox, over real HTTP and WebSocket, on both stores. bot-checklist.txt names
# for each area the tests that show it; a name without a test is a failure. With "list" nothing is run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Every name of a pattern must be one of a test: a test that is gone, or has another name, would not be noticed otherwise.
missing=0
declare -A tests
while IFS='|' read -r area package pattern; do
  [[ -z "$area" || "$area" == '#'* ]] && continue
  area="${area%"${area##*[![:space:]]}"}" package="${package//[[:space:]]/}" pattern="${pattern//[[:space:]]/}"
  [[ -v tests[$package] ]] || tests[$package]=$(go test -list . "$package" | grep '^Test' || true)
  printf '%-22s %-28s %d\n' "$area" "$package" "$(grep -cE "$pattern" <<<"${tests[$package]}" || true)"
  while read -r name; do
    grep -qE "$name" <<<"${tests[$package]}" && continue
    printf 'bot-test: nothing shows %s: no test of %s matches %s\n' "$area" "$package" "$name" >&2
    missing=1
  done <<<"${pattern//|/$'\n'}"
done <internal/tools/bot-checklist.txt
[ "$missing" = 0 ]
[ "${1:-}" != list ] || exit 0

go test -count=1 -timeout 15m ./internal/discord ./internal/sandbox/... ./commands/... ./emojikudos
STABLEMATE_TEST_STORE=postgres go test -count=1 -timeout 15m ./commands
