package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"stablemate/internal/config"
)

const example = "../../config.toml.example"

func TestTheExampleIsTheDefaults(t *testing.T) {
	t.Parallel()
	got, err := config.Load(example, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default(), got); diff != "" {
		t.Errorf("config.toml.example differs from Default (-code +example):\n%s", diff)
	}
}

func TestTheExampleHasEveryKeyExplained(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	meta, err := toml.Decode(string(data), &tree)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, key := range meta.Keys() {
		if len(key) == 2 {
			keys = append(keys, key.String())
		}
	}
	if diff := cmp.Diff(config.Keys(), keys); diff != "" {
		t.Errorf("keys of code and example differ (-code +example):\n%s", diff)
	}
	last := ""
	for i, line := range strings.Split(string(data), "\n") {
		if strings.Contains(line, " = ") && !strings.HasPrefix(line, "#") && !strings.HasPrefix(last, "# ") {
			t.Errorf("line %d: %q has no comment above it", i+1, line)
		}
		last = line
	}
	for key, name := range config.Environment() {
		if !strings.Contains(string(data), name) || !strings.Contains(string(data), key) {
			t.Errorf("the example does not say that %s may come from %s", key, name)
		}
	}
}

func TestAFileChangesOnlyWhatItNames(t *testing.T) {
	t.Parallel()
	got, err := config.Parse([]byte(`
[server]
listen = "[::1]:0"
public_url = "https://horde.example/sub"
[store]
engine = "postgres"
postgres_url = "postgres://me:pw@db/horde"
[horde]
name = "Hay"
[discord]
kudos_emoji = "<:thanks:123456789012345678>"
[pool]
enabled = false
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Server.Listen = "[::1]:0"
	want.Server.PublicURL = "https://horde.example/sub"
	want.Store.Engine = "postgres"
	want.Store.PostgresURL = "postgres://me:pw@db/horde"
	want.Horde.Name = "Hay"
	want.Discord.KudosEmoji = "<:thanks:123456789012345678>"
	want.Pool.Enabled = false
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
}

func TestMistakesNameTheKeyAndTheReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"a mistyped key":                {"[discord]\ntokn = 'x'", "discord.tokn: unknown key, did you mean discord.token?"},
		"a key without its section":     {"listen = ':1'", "listen: unknown key, did you mean server.listen?"},
		"a key in the wrong section":    {"[pool]\nlisten = ':1'", "pool.listen: unknown key, did you mean server.listen?"},
		"a key in capitals":             {"[server]\nListen = '127.0.0.1:1'", "server.Listen: unknown key, did you mean server.listen?"},
		"an unknown section":            {"[colours]\nsky = 'blue'", "colours: unknown key"},
		"a section inside a key":        {"[server.listen]\na = 1", "listen"},
		"a list of sections":            {"[[server]]\nlisten = ':1'", "server"},
		"a wrong type":                  {"[pool]\nslots = 'many'", "slots"},
		"a fraction":                    {"[pool]\nslots = 1.5", "slots"},
		"a number out of all bounds":    {"[pool]\nslots = 99999999999999999999", "slots"},
		"a number out of our bounds":    {"[pool]\nslots = 65", "pool.slots: is 65, must be 1 to 64 generations"},
		"no kudos at all":               {"[discord]\nkudos_amount = 0", "discord.kudos_amount: is 0, must be 1 to 1000000 kudos"},
		"a span without a unit":         {"[store]\nimage_life = 20", `a span of time is written like "90s"`},
		"a span too short":              {"[store]\nimage_life = '1s'", "store.image_life: is 1s"},
		"an address without a port":     {"[server]\nlisten = 'localhost'", "server.listen: is \"localhost\", must be an address"},
		"a port too high":               {"[server]\nlisten = ':70000'", "server.listen: has port \"70000\""},
		"a sandbox open to the world":   {"[sandbox]\nlisten = '0.0.0.0:80'", "sandbox.listen: is \"0.0.0.0:80\", must be an address of this machine alone"},
		"a stand-in far away":           {"[discord]\nbase_url = 'https://evil.example'", "discord.base_url: is \"https://evil.example\", must be on this machine"},
		"a public address with a query": {"[server]\npublic_url = 'https://a.example/?b'", "server.public_url: is"},
		"a public address without http": {"[server]\npublic_url = 'horde.example'", "server.public_url: is"},
		"an unknown engine":             {"[store]\nengine = 'mysql'", "store.engine: is \"mysql\", must be one of sqlite, postgres"},
		"PostgreSQL without an address": {"[store]\nengine = 'postgres'", "store.postgres_url: is empty, must be set"},
		"a bucket without keys":         {"[s3]\nbucket = 'b'\nendpoint = 'https://s3.example'", "s3.secret_key: is empty, must be set beside s3.bucket"},
		"a bucket without a service":    {"[s3]\nbucket = 'b'", "s3.endpoint: is empty, must be set beside s3.bucket"},
		"a bucket's address with path":  {"[s3]\nendpoint = 'https://s3.example/b'", "s3.endpoint: is \"https://s3.example/b\", must have no path"},
		"a bucket's prefix of all":      {"[s3]\nprefix = '/'", "s3.prefix: is \"/\""},
		"a short secret":                {"[server]\nsecret = 'short'", "server.secret: has 5 characters, must have 16 or more"},
		"a token with its prefix":       {"[discord]\ntoken = 'Bot abc'", "discord.token: begins with"},
		"a client without its secret":   {"[discord]\nclient_id = '123456789012345678'", "discord.client_secret: and discord.client_id go together"},
		"a client by its name":          {"[discord]\nclient_id = 'bot'\nclient_secret = 'x'", "discord.client_id: is \"bot\""},
		"a guild's name for its number": {"[discord]\nguild_id = 'my guild'", "discord.guild_id: is \"my guild\""},
		"two Discords":                  {"[sandbox]\nenabled = 'on'\n[discord]\ntoken = 'abc'", "sandbox.enabled: is \"on\" beside discord.token"},
		"a name of nothing":             {"[horde]\nname = ''", "horde.name: has 0 characters, must have 1 to 100"},
		"a name with a bell":            {"[horde]\nname = \"a\\u0007\"", "horde.name: holds a control character"},
		"text that is no TOML":          {"[server]\nlisten = 127.0.0.1", "line 2"},
		"a key twice":                   {"[server]\nlisten = ':1'\nlisten = ':2'", "line 3"},
		"bytes that are no text":        {"[server]\nlisten = '\xff\xfe'", "line 2"},
		"a file beyond all measure":     {strings.Repeat("# a comment\n", config.MaxFile/12+1), "the file has more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse([]byte(c.text), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Parse: %v\nwant: …%s…", err, c.want)
			}
		})
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Parse([]byte("[pool]\nslots = 0\nprovider = 'abacus'\n[server]\nlog_level = 'loud'"), nil)
	for _, want := range []string{"pool.slots", "pool.provider", "server.log_level"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestLoadReadsAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.toml")
	if _, err := config.Load(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v, want fs.ErrNotExist", err)
	}
	if err := os.WriteFile(path, []byte("[horde]\nname = 'Ours'\nnam = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "horde.nam: ") {
		t.Errorf("a mistake in a file: %v, want the file and the key", err)
	}
	if err := os.WriteFile(path, []byte("[horde]\nname = 'Ours'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := config.Load(path, nil); err != nil || c.Horde.Name != "Ours" {
		t.Errorf("Load = %q, %v", c.Horde.Name, err)
	}
	if c, err := config.Load("", nil); err != nil || c != config.Default() {
		t.Errorf("Load of no file = %+v, %v, want the defaults", c, err)
	}
}

func TestSecretsComeFromTheEnvironment(t *testing.T) {
	t.Parallel()
	vars := map[string]string{
		"STABLEMATE_SECRET":        "0123456789abcdef",
		"STABLEMATE_POSTGRES_URL":  "postgres://me:hunter2@db/horde",
		"STABLEMATE_DISCORD_TOKEN": "",

		"STABLEMATE_DISCORD_CLIENT_SECRET": "hush",
		"STABLEMATE_S3_ACCESS_KEY":         "environment's account",
		"STABLEMATE_S3_SECRET_KEY":         "environment's key",
		"STABLEMATE_ADDRESS_CHECK":         "https://check.example/?ip={ip}&key=hunter2",
		"STABLEMATE_NOTICES_URL":           "https://hooks.example/hunter2",
	}
	c, err := config.Parse([]byte("[discord]\nclient_id = '123456789012345678'\ntoken = 'from.the.file'\n[server]\nsecret = 'fedcba9876543210'"),
		func(name string) string { return vars[name] })
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"the environment wins":         {c.Server.Secret.Reveal(), "0123456789abcdef"},
		"the environment alone counts": {c.Store.PostgresURL.Reveal(), "postgres://me:hunter2@db/horde"},
		"a new one counts as well":     {c.Discord.ClientSecret.Reveal(), "hush"},
		"a bucket's account":           {c.S3.AccessKey.Reveal(), "environment's account"},
		"a bucket's key":               {c.S3.SecretKey.Reveal(), "environment's key"},
		"a check of addresses":         {c.Horde.AddressCheck.Reveal(), "https://check.example/?ip={ip}&key=hunter2"},
		"an address for notices":       {c.Horde.NoticesURL.Reveal(), "https://hooks.example/hunter2"},
		"an empty variable is none":    {c.Discord.Token.Reveal(), "from.the.file"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", name, pair[0], pair[1])
		}
	}
	vars["STABLEMATE_DISCORD_CLIENT_SECRET"] = ""
	vars["STABLEMATE_POSTGRES_URL"] = "mysql://me:hunter2@db"
	_, err = config.Parse(nil, func(name string) string { return vars[name] })
	if err == nil || !strings.Contains(err.Error(), "store.postgres_url: ") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a wrong secret: %v, want the key and not the password", err)
	}
	for key, bad := range map[string]string{
		"horde.notices_url": "[horde]\nnotices_url = 'http://hooks.example/hunter2'", "horde.address_check": "[horde]\naddress_check = 'https://check.example/hunter2'",
	} {
		if _, err := config.Parse([]byte(bad), nil); err == nil || !strings.Contains(err.Error(), key+": ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want the key and not the secret", bad, err)
		}
	}
	if len(config.Environment()) != len(vars) {
		t.Errorf("Environment lists %d variables, this test knows %d", len(config.Environment()), len(vars))
	}
}

func TestNetworksAreRead(t *testing.T) {
	t.Parallel()
	got, err := config.Networks(" 192.0.2.7, 198.51.100.9/24 2001:db8::1/32,")
	if err != nil || fmt.Sprint(got) != "[192.0.2.7/32 198.51.100.0/24 2001:db8::/32]" {
		t.Errorf("read %v, %v", got, err)
	}
	if _, err := config.Parse([]byte("[horde]\nsafe_addresses = 'here, there'"), nil); err == nil || !strings.Contains(err.Error(), "horde.safe_addresses: ") {
		t.Errorf("words are taken for addresses: %v", err)
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	const word = "open sesame 123456"
	c := config.Default()
	c.Server.Secret, c.Store.PostgresURL, c.Discord.Token, c.S3.AccessKey, c.S3.SecretKey = word, word, word, word, word
	c.Discord.ClientSecret = word
	var printed strings.Builder
	if err := c.Write(&printed); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{printed.String(), string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, c), fmt.Sprintf(verb, c.Discord.Token), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, []any{c}))
	}
	for _, text := range texts {
		if strings.Contains(text, "sesame") || strings.Contains(text, fmt.Sprintf("%x", "sesame")) {
			t.Errorf("the secret shows in %s", text)
		}
	}
	if !strings.Contains(printed.String(), `token = "***"`) {
		t.Errorf("Write does not show that a token is set:\n%s", printed.String())
	}
	if got := fmt.Sprint(config.Secret("")); got != "" {
		t.Errorf("no secret prints as %q, want nothing", got)
	}
}

func TestSandboxOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"nothing is said":           {"", true},
		"there is a token":          {"[discord]\ntoken = 'abc'", false},
		"there is another stand-in": {"[discord]\nbase_url = 'http://127.0.0.1:9'", false},
		"it is off":                 {"[sandbox]\nenabled = 'off'", false},
		"it is on":                  {"[sandbox]\nenabled = 'on'", true},
	} {
		parsed, err := config.Parse([]byte(c.text), nil)
		if err != nil || parsed.SandboxOn() != c.want {
			t.Errorf("%s: SandboxOn() = %v, %v, want %v", name, parsed.SandboxOn(), err, c.want)
		}
	}
}

func TestSpansPrintShort(t *testing.T) {
	t.Parallel()
	for span, want := range map[time.Duration]string{
		0: "0s", 20 * time.Minute: "20m", 2 * time.Hour: "2h", 90 * time.Second: "1m30s", 24*time.Hour + 5*time.Second: "24h0m5s",
		time.Hour + time.Minute: "1h1m", 10 * time.Minute: "10m",
	} {
		got := config.Duration(span).String()
		var back config.Duration
		if err := back.UnmarshalText([]byte(got)); got != want || err != nil || back.Span() != span {
			t.Errorf("Duration(%v) = %q, want %q, reads back as %v, %v", span, got, want, back, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("[server]\nlisten = ':0'\n[server.listen]\na=1"))
	f.Add([]byte("[[pool]]\n[[pool]]"))
	f.Add([]byte("a.b.c = {d = [1, 2, {e = 1979-05-27}]}"))
	f.Add([]byte("\"\\u0000\" = 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data, nil)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without a word")
			}
			return
		}
		var text strings.Builder
		if err := c.Write(&text); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if c.Server.Secret != "" || c.Store.PostgresURL != "" || c.Discord.Token != "" {
			return // hidden in what was written
		}
		again, err := config.Parse([]byte(text.String()), nil)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, text.String())
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("written and read again it differs:\n%s", diff)
		}
	})
}
