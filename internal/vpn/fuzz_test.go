// SPDX-License-Identifier: AGPL-3.0-or-later

package vpn_test

import (
	"testing"

	"stablemate/internal/vpn"
)

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{"", "0.5", "-1", "NaN", "1e400", `{"result": "0.99"}`, `{"result": {"a": 1}}`, `{"result"`, "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if p := vpn.Read(body); !(p >= 0 && p <= 1) {
			t.Errorf("%q is the probability %v", body, p)
		}
	})
}
