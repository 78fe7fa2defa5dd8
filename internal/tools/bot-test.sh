#!/usr/bin/env bash
# The bot's checklist as tests against the sandbox, over real HTTP and WebSocket, on both stores. bot-checklist.txt names
# for each area the tests that show it; an area without a test is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

missing=0
while IFS='|' read -r area package pattern; do
  [[ -z "$area" || "$area" == '#'* ]] && continue
  area="${area%"${area##*[![:space:]]}"}" package="${package//[[:space:]]/}" pattern="${pattern//[[:space:]]/}"
  tests=$(go test -list "$pattern" "$package" | grep -c '^Test' || true)
  printf '%-22s %-20s %d\n' "$area" "$package" "$tests"
  if [ "$tests" = 0 ]; then
    printf 'bot-test: nothing shows %s: no test of %s matches %s\n' "$area" "$package" "$pattern" >&2
    missing=1
  fi
done <internal/tools/bot-checklist.txt
[ "$missing" = 0 ]

go test -count=1 -timeout 15m ./internal/discord ./internal/sandbox/... ./commands/...
STABLEMATE_TEST_STORE=postgres go test -count=1 -timeout 15m ./commands
