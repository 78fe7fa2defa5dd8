package diffusion

import (
	"strings"
	"testing"
)

// TestWindows is inside the package: windows exist only between the tokenizer and the encoder.
func TestWindows(t *testing.T) {
	t.Parallel()
	tok, err := LoadTokenizer("testdata/tokenizer", 24)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		prompt string
		limit  int
		count  int
		plain  bool
	}{
		{"nothing at all", "", 8, 1, true},
		{"a few words", "a red apple", 8, 1, true},
		{"exactly one window", strings.Repeat("apple ", 22), 8, 1, true},
		{"one word more", strings.Repeat("apple ", 23), 8, 2, true},
		{"more than allowed", strings.Repeat("apple ", 500), 3, 3, true},
		{"a word longer than a window", strings.Repeat("!?", 40), 8, 4, true},
		{"a weight", "a (red:1.4) apple", 8, 1, false},
		{"a weight of one", "a (red:1) apple", 8, 1, true},
		{"a textual inversion", "embedding:style", 8, 1, true},
	} {
		w := tok.windows(c.prompt, c.limit)
		if w.count(tok.length) != c.count || len(w.ids)%tok.length != 0 || len(w.ids) != len(w.weights) {
			t.Errorf("%s: %d ids and %d weights, want %d windows of %d", c.name, len(w.ids), len(w.weights), c.count, tok.length)
			continue
		}
		if w.plain != c.plain {
			t.Errorf("%s: plain is %v", c.name, w.plain)
		}
		for i := 0; i < len(w.ids); i += tok.length {
			if w.ids[i] != tok.start {
				t.Errorf("%s: window %d begins with %d", c.name, i/tok.length, w.ids[i])
			}
			ends := 0
			for _, id := range w.ids[i : i+tok.length] {
				if id == tok.end {
					ends++
				}
			}
			if ends != 1 {
				t.Errorf("%s: window %d has %d ends", c.name, i/tok.length, ends)
			}
		}
	}
	// A word of few tokens moves to the next window as a whole.
	word := "owlqz"
	tokens := tok.Tokens(nil, word)
	if len(tokens) < 2 || len(tokens) >= longWord {
		t.Fatalf("%q has %d tokens; pick another word", word, len(tokens))
	}
	w := tok.windows(strings.Repeat("apple ", 21)+word, 8)
	if w.count(tok.length) != 2 || w.ids[22] != tok.end || w.ids[25] != tokens[0] {
		t.Errorf("a short word was cut: %v", w.ids)
	}
}
