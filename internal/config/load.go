package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
)

const (
	// MaxFile is the most bytes a configuration file may have.
	MaxFile = 1 << 20

	envPrefix = "STABLEMATE_"
)

// Environment returns the variable that sets a secret, by the secret's key. What it holds wins over the file; an empty
// variable is as good as none.
func Environment() map[string]string {
	return map[string]string{
		"server.secret":         envPrefix + "SECRET",
		"store.postgres_url":    envPrefix + "POSTGRES_URL",
		"discord.token":         envPrefix + "DISCORD_TOKEN",
		"discord.client_secret": envPrefix + "DISCORD_CLIENT_SECRET",
		"horde.address_check":   envPrefix + "ADDRESS_CHECK",
		"horde.notices_url":     envPrefix + "NOTICES_URL",
		"s3.access_key":         envPrefix + "S3_ACCESS_KEY",
		"s3.secret_key":         envPrefix + "S3_SECRET_KEY",
	}
}

// Load reads the file at path over the defaults, then the secrets from the environment through getenv (os.Getenv, or nil
// for none), and validates the whole. An empty path reads no file. A path that does not exist is an error that is
// fs.ErrNotExist. Errors name the key and what is wrong with it, all of them at once, and never hold a secret.
func Load(path string, getenv func(string) string) (Config, error) {
	var data []byte
	if path != "" {
		f, err := os.Open(path)
		if err != nil {
			return Config{}, fmt.Errorf("open configuration: %w", err)
		}
		defer func() { _ = f.Close() }()
		if data, err = io.ReadAll(io.LimitReader(f, MaxFile+1)); err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
	}
	c, err := Parse(data, getenv)
	if err != nil && path != "" {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, err
}

// Parse is Load for text at hand.
func Parse(data []byte, getenv func(string) string) (Config, error) {
	if len(data) > MaxFile {
		return Config{}, fmt.Errorf("the file has more than %d bytes", MaxFile)
	}
	c := Default()
	meta, err := toml.NewDecoder(bytes.NewReader(data)).Decode(&c)
	if err != nil {
		return Config{}, readable(err)
	}
	if err := unknown(meta.Keys()); err != nil {
		return Config{}, err
	}
	if getenv != nil {
		for key, name := range Environment() {
			if text := getenv(name); text != "" {
				*c.secret(key) = Secret(text)
			}
		}
	}
	if err := c.validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Write prints the configuration in force as TOML, secrets hidden.
func (c Config) Write(w io.Writer) error {
	enc := toml.NewEncoder(w)
	enc.Indent = ""
	if err := enc.Encode(c); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

func (c *Config) secret(key string) *Secret {
	switch key {
	case "server.secret":
		return &c.Server.Secret
	case "store.postgres_url":
		return &c.Store.PostgresURL
	case "discord.token":
		return &c.Discord.Token
	case "discord.client_secret":
		return &c.Discord.ClientSecret
	case "horde.address_check":
		return &c.Horde.AddressCheck
	case "horde.notices_url":
		return &c.Horde.NoticesURL
	case "s3.access_key":
		return &c.S3.AccessKey
	case "s3.secret_key":
		return &c.S3.SecretKey
	default:
		panic("config: no secret has the key " + key)
	}
}

// readable turns what the TOML library says into one line that names place and key.
func readable(err error) error {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	where := fmt.Sprintf("line %d", parse.Position.Line)
	if parse.LastKey != "" {
		where += ": " + parse.LastKey
	}
	if parse.Message == "" {
		return fmt.Errorf("%s: %s", where, strings.TrimPrefix(parse.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %s", where, parse.Message)
}

// Keys returns every key of the file in order, sections as a prefix: "server.listen".
func Keys() []string {
	var keys []string
	sections := reflect.TypeFor[Config]()
	for section := range sections.Fields() {
		for field := range section.Type.Fields() {
			keys = append(keys, section.Tag.Get("toml")+"."+field.Tag.Get("toml"))
		}
	}
	return keys
}

// unknown names every key that Keys does not list. It compares letter for letter, unlike the library, which would take
// "Listen" for "listen".
func unknown(found []toml.Key) error {
	known := map[string]bool{}
	for _, key := range Keys() {
		section, _, _ := strings.Cut(key, ".")
		known[key], known[section] = true, true
	}
	var errs []error
	for _, key := range found {
		name := strings.Join(key, ".")
		if known[name] {
			continue
		}
		text := quoted(key) + ": unknown key"
		if like := nearest(name); like != "" {
			text += ", did you mean " + like + "?"
		}
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// quoted writes a key as TOML would, so that odd characters of it cannot upset a terminal.
func quoted(key toml.Key) string {
	const most = 80
	text := key.String()
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// nearest finds the known key that a mistyped one was probably meant to be.
func nearest(name string) string {
	const far = 3 // edits
	type guess struct {
		key  string
		cost int
	}
	var guesses []guess
	if len(name) > 80 {
		return ""
	}
	_, last, _ := strings.Cut(name, ".")
	for _, key := range Keys() {
		_, field, _ := strings.Cut(key, ".")
		cost := min(distance(name, key), distance(last, field)+1, distance(name, field)+1)
		if cost <= far {
			guesses = append(guesses, guess{key, cost})
		}
	}
	if len(guesses) == 0 {
		return ""
	}
	sort.SliceStable(guesses, func(i, j int) bool { return guesses[i].cost < guesses[j].cost })
	return guesses[0].key
}

// distance counts the edits between two short texts.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
