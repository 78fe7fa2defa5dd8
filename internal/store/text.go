// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// hexMark begins a text that is stored as the hexadecimal digits of its bytes.
const hexMark = `\x`

// plain makes a text that every engine can hold. PostgreSQL refuses NUL and broken UTF-8, and one refused text would fail
// a whole batch; so such a text, which only a hostile client sends, is stored in hexadecimal. Different texts stay
// different, and unplain gives back what was put in.
func plain(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, hexMark) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return hexMark + hex.EncodeToString([]byte(s))
}

func unplain(s string) (string, error) {
	digits, ok := strings.CutPrefix(s, hexMark)
	if !ok {
		return s, nil
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return "", fmt.Errorf("read the text %q: %w", s, err)
	}
	return string(b), nil
}
