package discord_test

import (
	"sync"
	"testing"

	"stablemate/internal/sandbox"
	"stablemate/internal/sandbox/apirules"
)

// loadRules reads Discord's own API description once for all tests.
var loadRules = sync.OnceValues(apirules.Load)

// validator checks every exchange, both sides of it, with Discord's own API description.
func validator(t *testing.T) func(sandbox.Exchange) []string {
	t.Helper()
	rules, err := loadRules()
	if err != nil {
		t.Fatal(err)
	}
	return rules.Check
}
