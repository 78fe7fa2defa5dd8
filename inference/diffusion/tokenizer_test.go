package diffusion_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/inference/diffusion"
)

// copyFiles copies some files of the toy tokenizer into a new folder.
func copyFiles(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata/tokenizer", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(data))
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTokenizerEqualsTheReference compares with ids written by testdata/tokenizer.py.
func TestTokenizerEqualsTheReference(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Text string
		IDs  []int32
	}
	readJSON(t, "testdata/tokens.json", &cases)
	for name, dir := range map[string]string{
		"from vocab.json and merges.txt": copyFiles(t, "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"),
		"from tokenizer.json":            copyFiles(t, "tokenizer.json"),
		"with all files there":           "testdata/tokenizer",
	} {
		tok, err := diffusion.LoadTokenizer(dir, 77)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if tok.Length() != 24 {
			t.Errorf("%s: length %d, want 24", name, tok.Length())
		}
		for _, c := range cases {
			if diff := cmp.Diff(c.IDs, tok.Encode(c.Text)); diff != "" {
				t.Errorf("%s: %q (-want +got):\n%s", name, c.Text, diff)
			}
			if again := tok.Encode(c.Text); !slices.Equal(again, c.IDs) {
				t.Errorf("%s: %q differs the second time", name, c.Text)
			}
		}
	}
}

func TestTokenizerRefusesBrokenFiles(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(dir string){
		"without any file": func(dir string) {
			for _, f := range []string{"vocab.json", "merges.txt"} {
				if err := os.Remove(filepath.Join(dir, f)); err != nil {
					t.Fatal(err)
				}
			}
		},
		"without merges":        func(dir string) { _ = os.Remove(filepath.Join(dir, "merges.txt")) },
		"with a cut vocabulary": func(dir string) { write(t, filepath.Join(dir, "vocab.json"), `{"a": 1,`) },
		"with an empty one":     func(dir string) { write(t, filepath.Join(dir, "vocab.json"), `{}`) },
		"with no start token":   func(dir string) { write(t, filepath.Join(dir, "vocab.json"), `{"a": 1, "<|endoftext|>": 2}`) },
		"with a negative id": func(dir string) {
			write(t, filepath.Join(dir, "vocab.json"), `{"<|startoftext|>": -1, "<|endoftext|>": 2}`)
		},
		"with half a merge":       func(dir string) { write(t, filepath.Join(dir, "merges.txt"), "#version\na b\nc\n") },
		"with a length of two":    func(dir string) { write(t, filepath.Join(dir, "tokenizer_config.json"), `{"model_max_length": 2}`) },
		"with a bad token object": func(dir string) { write(t, filepath.Join(dir, "tokenizer_config.json"), `{"bos_token": [1]}`) },
	} {
		dir := copyFiles(t, "vocab.json", "merges.txt")
		change(dir)
		if _, err := diffusion.LoadTokenizer(dir, 77); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	dir := copyFiles(t, "vocab.json", "merges.txt")
	write(t, filepath.Join(dir, "tokenizer_config.json"), `{"model_max_length": 1e30, "pad_token": null}`)
	tok, err := diffusion.LoadTokenizer(dir, 32)
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Encode(""); len(got) != 32 || got[31] != got[1] {
		t.Errorf("without a length and a pad token: %v, want 32 ids padded with the end token", got)
	}
}

func TestParsePrompt(t *testing.T) {
	t.Parallel()
	type s = diffusion.Segment
	for _, c := range []struct {
		prompt string
		want   []s
	}{
		{"", nil},
		{"a cat", []s{{"a cat", 1}}},
		{"a (cat)", []s{{"a ", 1}, {"cat", 1.1}}},
		{"a ((cat))", []s{{"a ", 1}, {"cat", 1.1 * 1.1}}},
		{"a (cat:1.3) sits", []s{{"a ", 1}, {"cat", 1.3}, {" sits", 1}}},
		{"(a (b:0.5) c:2)", []s{{"a ", 2}, {"b", 0.5}, {" c", 2}}},
		{"(a (b) c:2)", []s{{"a ", 2}, {"b", 2.2}, {" c", 2}}},
		{"(ratio 16:9:1.2)", []s{{"ratio 16:9", 1.2}}},
		{"(smile :D)", []s{{"smile :D", 1.1}}},
		{"(:1.5)", []s{{":1.5", 1.1}}},
		{"(cat:nan)(dog:inf)", []s{{"cat:nan", 1.1}, {"dog:inf", 1.1}}},
		{"(cat:99)(dog:-99)", []s{{"cat", 10}, {"dog", -10}}},
		{`\(plain\) (bold\):2)`, []s{{"(plain) ", 1}, {"bold)", 2}}},
		{"[no meaning]", []s{{"[no meaning]", 1}}},
		{"(never closed", []s{{"(never closed", 1}}},
		{"a) b (c)", []s{{"a) b ", 1}, {"c", 1.1}}},
		{"(a (b)", []s{{"(a (b)", 1}}},
		{"()", nil},
	} {
		got := diffusion.ParsePrompt(c.prompt)
		if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.prompt, diff)
		}
	}
	for _, deep := range []string{strings.Repeat("(", 100_000), strings.Repeat("(", 10_000) + "x" + strings.Repeat(")", 10_000)} {
		if n := len(diffusion.ParsePrompt(deep)); n == 0 || n > 3*64 {
			t.Errorf("%d brackets became %d segments", len(deep), n)
		}
	}
}

func TestSplitPrompt(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"a cat", "a cat", ""},
		{"a cat ### ugly", "a cat", "ugly"},
		{"a cat###ugly###rest", "a cat", "ugly"},
		{"### ugly", "", "ugly"},
		{"", "", ""},
	} {
		if p, n := diffusion.SplitPrompt(c[0]); p != c[1] || n != c[2] {
			t.Errorf("%q: %q and %q, want %q and %q", c[0], p, n, c[1], c[2])
		}
	}
}

func FuzzPrompt(f *testing.F) {
	tok, err := diffusion.LoadTokenizer("testdata/tokenizer", 24)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"a (cat:1.3) ### (dog", `\((a:b:2)\)`, "\xff\xfe(\x00)", "((((a))))"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, prompt string) {
		positive, negative := diffusion.SplitPrompt(prompt)
		for _, text := range []string{positive, negative} {
			for _, s := range diffusion.ParsePrompt(text) {
				if s.Weight < -10 || s.Weight > 10 || s.Text == "" {
					t.Errorf("segment %+v", s)
				}
			}
			if got := tok.Encode(text); len(got) != 24 {
				t.Errorf("%d ids", len(got))
			}
		}
	})
}
