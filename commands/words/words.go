// SPDX-License-Identifier: AGPL-3.0-or-later

// Package words holds what people read in chat, in every language: one folder per language, one TOML file per family of
// commands, read by go-i18n with its plural rules. English is complete; what another language lacks is said in English.
//
//	[generate.queued]
//	one = "⏳ Next in line"
//	other = "⏳ Number {{.Count}} in line"
//
// Texts of people and workers are escaped before they are given as values. The package is pure.
package words

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed en de es fr ja
var files embed.FS

// locales maps the folders to Discord's names of the languages.
func locales() map[string][]string {
	return map[string][]string{"en": {"en-US", "en-GB"}, "de": {"de"}, "es": {"es-ES", "es-419"}, "fr": {"fr"}, "ja": {"ja"}}
}

// Bundle is all languages. It is safe for concurrent use.
type Bundle struct {
	i18n  *i18n.Bundle
	keys  map[string][]string          // of each language
	plain map[string]map[string]string // by language, then key: texts as they stand, for command definitions
}

// Load reads the embedded files, once for the whole process. An error means that one of them is wrong.
func Load() (*Bundle, error) { return load() }

var load = sync.OnceValues(read) //nolint:gochecknoglobals // a constant that takes a while to make

func read() (*Bundle, error) {
	b := &Bundle{i18n: i18n.NewBundle(language.English), keys: make(map[string][]string), plain: make(map[string]map[string]string)}
	b.i18n.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	for lang := range locales() {
		b.plain[lang] = make(map[string]string)
		entries, err := fs.ReadDir(files, lang)
		if err != nil {
			return nil, fmt.Errorf("read the texts of %s: %w", lang, err)
		}
		for _, e := range entries {
			if path.Ext(e.Name()) != ".toml" {
				continue
			}
			data, err := fs.ReadFile(files, path.Join(lang, e.Name()))
			if err != nil {
				return nil, fmt.Errorf("read the texts of %s: %w", lang, err)
			}
			family := strings.TrimSuffix(e.Name(), ".toml")
			parsed, err := b.i18n.ParseMessageFileBytes(data, family+"."+lang+".toml")
			if err != nil {
				return nil, fmt.Errorf("read the texts of %s/%s: %w", lang, e.Name(), err)
			}
			for _, m := range parsed.Messages {
				if _, twice := b.plain[lang][m.ID]; twice {
					return nil, fmt.Errorf("text %s is there twice in %s", m.ID, lang)
				}
				b.keys[lang] = append(b.keys[lang], m.ID)
				b.plain[lang][m.ID] = m.Other
			}
		}
		slices.Sort(b.keys[lang])
	}
	return b, nil
}

// Languages lists the folders.
func (b *Bundle) Languages() []string {
	out := make([]string, 0, len(b.keys))
	for lang := range locales() {
		out = append(out, lang)
	}
	slices.Sort(out)
	return out
}

// Keys lists the texts that a language has.
func (b *Bundle) Keys(lang string) []string { return slices.Clone(b.keys[lang]) }

// For picks the first of some locales (Discord's names, such as "de" or "es-419") that there are texts for, English
// otherwise. Empty ones do not count.
func (b *Bundle) For(locale ...string) Words {
	locale = slices.DeleteFunc(slices.Clone(locale), func(l string) bool { return l == "" })
	return Words{loc: i18n.NewLocalizer(b.i18n, append(slices.Clone(locale), "en")...), locale: locale}
}

// Locales gives a text in all languages but English under Discord's names, for the definitions of commands. Languages
// without it are left out.
func (b *Bundle) Locales(key string) map[string]string {
	out := make(map[string]string)
	for lang, names := range locales() {
		text, ok := b.plain[lang][key]
		if lang == "en" || !ok {
			continue
		}
		for _, name := range names {
			out[name] = text
		}
	}
	return out
}

// Words says things in one language.
type Words struct {
	loc    *i18n.Localizer
	locale []string
}

// T says a text. Values come in pairs of name and value; a value named Count also picks the plural form. A text that no
// language has is its key, which a test keeps from happening.
func (w Words) T(key string, values ...any) string {
	cfg := &i18n.LocalizeConfig{MessageID: key}
	if len(values) > 0 {
		data := make(map[string]any, len(values)/2)
		for i := 0; i+1 < len(values); i += 2 {
			name, _ := values[i].(string)
			data[name] = values[i+1]
			if name == "Count" {
				cfg.PluralCount = values[i+1]
			}
		}
		cfg.TemplateData = data
	}
	text, err := w.loc.Localize(cfg)
	if text == "" && err != nil {
		return key
	}
	return text
}

// errNoText is what Check reports.
var errNoText = errors.New("there is no such English text")

// Locale is Discord's name of the language that was asked for first, or empty.
func (w Words) Locale() string {
	if len(w.locale) == 0 {
		return ""
	}
	return w.locale[0]
}

// Check reports whether English has all the given texts.
func (b *Bundle) Check(keys ...string) error {
	for _, key := range keys {
		if _, ok := b.plain["en"][key]; !ok {
			return fmt.Errorf("%s: %w", key, errNoText)
		}
	}
	return nil
}
