#!/usr/bin/env bash
# Runs every fuzz test of the tree for the time it is given, one after the other. What breaks one stays in its
# package's testdata/fuzz, as a test from then on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
span=${1:-30s}
found=0
while IFS=: read -r file name; do
  found=$((found + 1))
  printf '%s in %s\n' "$name" "$(dirname "$file")"
  # Without a limit Go may spend a minute on making one interesting input smaller.
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$span" -fuzzminimizetime 1s "./$(dirname "$file")" | tail -n 3
done < <(grep -rhoHE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed -E 's/^\.\///; s/func //')
printf '%d fuzz tests, %s each\n' "$found" "$span"
