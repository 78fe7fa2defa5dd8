package diffusion

import "strings"

const (
	longWord   = 8  // a word of that many tokens may be cut at the end of a window
	maxWindows = 32 // further tokens of a prompt are dropped
)

// windows is a prompt cut into pieces of the encoder's length, each with its own start, end and
// padding. weights[i] belongs to ids[i].
type windows struct {
	ids     []int32
	weights []float32
	plain   bool // all weights are 1
}

// windows cuts a prompt. It gives at least one window and at most limit.
func (t *Tokenizer) windows(prompt string, limit int) windows {
	limit = max(1, min(limit, maxWindows))
	w := windows{plain: true}
	room := t.length - 2
	filled := -1 // tokens in the open window; -1 before the first
	open := func() {
		w.ids = append(w.ids, t.start)
		w.weights = append(w.weights, 1)
		filled = 0
	}
	seal := func() {
		w.ids = append(w.ids, t.end)
		w.weights = append(w.weights, 1)
		for len(w.ids)%t.length != 0 {
			w.ids = append(w.ids, t.pad)
			w.weights = append(w.weights, 1)
		}
	}
	open()
	var group []int32
	for _, segment := range ParsePrompt(prompt) {
		for word := range strings.FieldsSeq(segment.Text) {
			if strings.HasPrefix(word, "embedding:") {
				continue // textual inversions are not supported; their names would only disturb
			}
			group = t.Tokens(group[:0], word)
			divisible := len(group) >= longWord || len(group) > room
			for rest := group; len(rest) > 0; {
				take := min(len(rest), room-filled)
				if take == len(rest) || divisible && take > 0 {
					for _, id := range rest[:take] {
						w.ids = append(w.ids, id)
						w.weights = append(w.weights, float32(segment.Weight))
					}
					w.plain = w.plain && segment.Weight == 1
					filled += take
					rest = rest[take:]
					continue
				}
				seal()
				if len(w.ids) == limit*t.length {
					return w
				}
				open()
			}
		}
	}
	seal()
	return w
}

// count is the number of windows.
func (w windows) count(length int) int { return len(w.ids) / length }
