// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestALargeExportIsSplitAndSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	whole := func() export {
		e := export{LeftOut: &exportLeftOut{}, Account: &exportAccount{Name: "Ann"}}
		for i := range 100 {
			e.Documents = append(e.Documents, exportDocument{Key: "k", Value: json.RawMessage(`"` + strings.Repeat("x", 90) + `"`)})
			e.Requests = append(e.Requests, exportedRequest{Asked: asked.Add(-time.Duration(i) * time.Hour), Params: json.RawMessage(`"` + strings.Repeat("y", 90) + `"`)})
		}
		return e
	}
	for name, c := range map[string]struct {
		bytes, most, parts int
		all                bool
	}{
		"one file":         {1 << 20, 10, 1, true},
		"several files":    {10_000, 20, 3, true},
		"more than can be": {10_000, 3, 3, false},
	} {
		parts, err := whole().split(c.bytes, c.most)
		if err != nil {
			t.Fatal(err)
		}
		docs, requests := 0, 0
		for _, p := range parts {
			docs, requests = docs+len(p.Documents), requests+len(p.Requests)
			if data, err := json.MarshalIndent(p, "", "  "); err != nil || len(data) > c.bytes+1000 {
				t.Errorf("%s: a part has %d bytes, %v", name, len(data), err)
			}
		}
		if c.all != (docs == 100 && requests == 100) || c.all != parts[0].LeftOut.Requests.IsZero() || len(parts) < c.parts || len(parts) > c.most {
			t.Errorf("%s: %d parts with %d documents and %d requests, left out %+v", name, len(parts), docs, requests, parts[0].LeftOut)
		}
		if !c.all && !parts[0].LeftOut.Requests.Add(-time.Hour).Before(asked.Add(-time.Duration(requests-1)*time.Hour)) {
			t.Errorf("%s: left out from %v, with %d requests there", name, parts[0].LeftOut.Requests, requests)
		}
	}
}
