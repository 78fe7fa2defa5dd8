package diffusion

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	endOfWord       = "</w>"
	maxWindowTokens = 4096 // the longest input a text encoder may declare
	maxRemembered   = 8192 // words whose tokens are remembered
	maxWordBytes    = 1024 // a longer word is cut: merging takes quadratic time
)

// Tokenizer turns text into the token ids of a CLIP text encoder. It is safe for concurrent use.
type Tokenizer struct {
	vocab   map[string]int32
	ranks   map[mergePair]int
	special map[string]int32 // start and end, when they appear in a text
	symbols [256]string      // the printable stand-in of each byte

	start, end, pad, unknown int32
	length                   int

	mu    sync.Mutex // guards words
	words map[string][]int32
}

// wordPattern is CLIP's: contractions, runs of letters, single digits, runs of anything else.
const wordPattern = `<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+`

// words splits lower-cased text. It is immutable once made.
var words = regexp.MustCompile(wordPattern)

func newTokenizer(vocab map[string]int32, merges []mergePair, special specialTokens, length int) (*Tokenizer, error) {
	t := &Tokenizer{vocab: vocab, ranks: make(map[mergePair]int, len(merges)), length: length, words: map[string][]int32{}}
	if len(vocab) == 0 {
		return nil, errors.New("tokenizer: the vocabulary is empty")
	}
	for word, id := range vocab {
		if id < 0 {
			return nil, fmt.Errorf("tokenizer: token %q has the negative id %d", word, id)
		}
	}
	if length < 3 || length > maxWindowTokens {
		return nil, fmt.Errorf("tokenizer: the longest input is %d tokens, want 3 to %d", length, maxWindowTokens)
	}
	for i, m := range merges {
		if _, ok := t.ranks[m]; !ok {
			t.ranks[m] = i
		}
	}
	var ok bool
	if t.start, ok = vocab[string(special.Start)]; !ok {
		return nil, fmt.Errorf("tokenizer: the start token %q is not in the vocabulary", special.Start)
	}
	if t.end, ok = vocab[string(special.End)]; !ok {
		return nil, fmt.Errorf("tokenizer: the end token %q is not in the vocabulary", special.End)
	}
	t.special = map[string]int32{string(special.Start): t.start, string(special.End): t.end}
	t.pad, t.unknown = t.end, t.end
	if id, ok := vocab[string(special.Pad)]; ok {
		t.pad = id
	}
	if id, ok := vocab[string(special.Unknown)]; ok {
		t.unknown = id
	}
	// Bytes that print stand for themselves, the others for the code points from 256 on.
	next := rune(256)
	for b := range t.symbols {
		r := rune(b)
		prints := r >= '!' && r <= '~' || r >= '¡' && r <= '¬' || r >= '®' && r <= 'ÿ'
		if !prints {
			r = next
			next++
		}
		t.symbols[b] = string(r)
	}
	return t, nil
}

// Length is the number of tokens the encoder takes at a time, start and end included.
func (t *Tokenizer) Length() int { return t.length }

// MaxID is the largest id of the vocabulary.
func (t *Tokenizer) MaxID() int32 {
	largest := int32(0)
	for _, id := range t.vocab {
		largest = max(largest, id)
	}
	return largest
}

// Tokens appends the ids of a text to dst, without start, end and padding.
func (t *Tokenizer) Tokens(dst []int32, text string) []int32 {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, norm.NFC.String(strings.ToValidUTF8(text, "\uFFFD")))
	text = strings.ReplaceAll(text, "\u0130", "i\u0307") // the one letter whose lower case is two
	for _, word := range words.FindAllString(strings.ToLower(text), -1) {
		dst = t.word(dst, word)
	}
	return dst
}

// Encode gives one whole window of a text: start, tokens, end and padding, cut to Length.
func (t *Tokenizer) Encode(text string) []int32 {
	ids := make([]int32, 1, t.length)
	ids[0] = t.start
	ids = t.Tokens(ids, text)
	ids = append(ids[:min(len(ids), t.length-1)], t.end)
	for len(ids) < t.length {
		ids = append(ids, t.pad)
	}
	return ids
}

// word appends the ids of one word.
func (t *Tokenizer) word(dst []int32, word string) []int32 {
	if id, ok := t.special[word]; ok {
		return append(dst, id)
	}
	t.mu.Lock()
	known, ok := t.words[word]
	t.mu.Unlock()
	if ok {
		return append(dst, known...)
	}
	ids := t.merge(word)
	t.mu.Lock()
	if len(t.words) >= maxRemembered {
		clear(t.words)
	}
	t.words[strings.Clone(word)] = ids
	t.mu.Unlock()
	return append(dst, ids...)
}

// merge joins the bytes of a word pair by pair, best rank first, and looks up what remains.
func (t *Tokenizer) merge(word string) []int32 {
	if len(word) > maxWordBytes {
		cut := maxWordBytes
		for !utf8.RuneStart(word[cut]) {
			cut--
		}
		word = word[:cut]
	}
	parts := make([]string, len(word))
	for i := range len(word) {
		parts[i] = t.symbols[word[i]]
	}
	parts[len(parts)-1] += endOfWord
	for len(parts) > 1 {
		best, at := -1, 0
		for i := range len(parts) - 1 {
			if rank, ok := t.ranks[mergePair{parts[i], parts[i+1]}]; ok && (best < 0 || rank < best) {
				best, at = rank, i
			}
		}
		if best < 0 {
			break
		}
		a, b := parts[at], parts[at+1]
		kept := parts[:at]
		for i := at; i < len(parts); i++ {
			if i+1 < len(parts) && parts[i] == a && parts[i+1] == b {
				kept = append(kept, a+b)
				i++
				continue
			}
			kept = append(kept, parts[i])
		}
		parts = kept
	}
	ids := make([]int32, len(parts))
	for i, p := range parts {
		id, ok := t.vocab[p]
		if !ok {
			id = t.unknown
		}
		ids[i] = id
	}
	return ids
}
