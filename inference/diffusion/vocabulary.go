package diffusion

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// maxConfigBytes bounds every text file of a model folder; the largest, a tokenizer.json of
// 49,408 tokens, has 4 MB.
const maxConfigBytes = 64 << 20

// readFile reads a whole file of a model folder.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfigBytes {
		return nil, fmt.Errorf("%s is larger than %d MB", path, maxConfigBytes>>20)
	}
	return data, nil
}

// decodeFile reads a JSON file. It leaves into alone and reports false when there is no such file.
func decodeFile(path string, into any) (bool, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return true, nil
}

// tokenName is a special token in either of the forms the files use: "<|endoftext|>" or
// {"content": "<|endoftext|>", …}.
type tokenName string

// UnmarshalJSON reads both forms, and null as no token.
func (t *tokenName) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, (*string)(t)); err == nil {
		return nil
	}
	var object struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	*t = tokenName(object.Content)
	return nil
}

// mergePair is a line of merges.txt or an entry of tokenizer.json, which is "a b" or ["a", "b"].
type mergePair [2]string

// UnmarshalJSON reads both forms.
func (m *mergePair) UnmarshalJSON(data []byte) error {
	var line string
	if err := json.Unmarshal(data, &line); err != nil {
		return json.Unmarshal(data, (*[2]string)(m))
	}
	var ok bool
	if m[0], m[1], ok = strings.Cut(line, " "); !ok {
		return fmt.Errorf("merge %q has no blank", line)
	}
	return nil
}

// specialTokens is what tokenizer_config.json and special_tokens_map.json say.
type specialTokens struct {
	Start     tokenName `json:"bos_token"`
	End       tokenName `json:"eos_token"`
	Unknown   tokenName `json:"unk_token"`
	Pad       tokenName `json:"pad_token"`
	MaxLength float64   `json:"model_max_length"` // may be 1e30, meaning "not set"
}

// fullTokenizer is the part of tokenizer.json that CLIP uses.
type fullTokenizer struct {
	Model struct {
		Type    string
		Vocab   map[string]int32
		Merges  []mergePair
		Unknown *string `json:"unk_token"`
		Suffix  *string `json:"end_of_word_suffix"`
	}
	Truncation *struct {
		MaxLength float64 `json:"max_length"`
	}
	Padding *struct {
		Token string `json:"pad_token"`
	}
}

// LoadTokenizer reads a CLIP tokenizer from a folder that holds vocab.json and merges.txt or a
// tokenizer.json; tokenizer_config.json and special_tokens_map.json beside them name the special
// tokens and the longest input. maxLength is used when the files do not say how long that is.
func LoadTokenizer(dir string, maxLength int) (*Tokenizer, error) {
	var full fullTokenizer
	fromOne, err := decodeFile(filepath.Join(dir, "tokenizer.json"), &full)
	if err != nil {
		return nil, err
	}
	vocab := map[string]int32{}
	var merges []mergePair
	fromTwo, err := decodeFile(filepath.Join(dir, "vocab.json"), &vocab)
	switch {
	case err != nil:
		return nil, err
	case fromTwo:
		data, err := readFile(filepath.Join(dir, "merges.txt"))
		if err != nil {
			return nil, fmt.Errorf("tokenizer: %w", err)
		}
		if merges, err = parseMerges(string(data)); err != nil {
			return nil, err
		}
	case fromOne:
		if full.Model.Suffix == nil || *full.Model.Suffix != endOfWord {
			return nil, fmt.Errorf("tokenizer: %s is not a CLIP tokenizer: no end_of_word_suffix %q", dir, endOfWord)
		}
		vocab, merges = full.Model.Vocab, full.Model.Merges
	default:
		return nil, fmt.Errorf("tokenizer: %s holds neither vocab.json nor tokenizer.json", dir)
	}

	// Later files win over earlier ones, and all over what CLIP has always used.
	special := specialTokens{Start: "<|startoftext|>", End: "<|endoftext|>"}
	if full.Model.Unknown != nil {
		special.Unknown = tokenName(*full.Model.Unknown)
	}
	if full.Padding != nil {
		special.Pad = tokenName(full.Padding.Token)
	}
	if full.Truncation != nil {
		special.MaxLength = full.Truncation.MaxLength
	}
	for _, name := range []string{"tokenizer_config.json", "special_tokens_map.json"} {
		if _, err := decodeFile(filepath.Join(dir, name), &special); err != nil {
			return nil, err
		}
	}
	if m := special.MaxLength; m >= 1 && m <= maxWindowTokens && m == math.Trunc(m) {
		maxLength = int(m)
	}
	return newTokenizer(vocab, merges, special, maxLength)
}

// parseMerges reads merges.txt, whose first line may be a version comment.
func parseMerges(text string) ([]mergePair, error) {
	var merges []mergePair
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || i == 0 && strings.HasPrefix(line, "#version") {
			continue
		}
		a, b, ok := strings.Cut(line, " ")
		if !ok || a == "" || b == "" {
			return nil, fmt.Errorf("tokenizer: merges.txt line %d holds no pair", i+1)
		}
		merges = append(merges, mergePair{a, b})
	}
	return merges, nil
}
