// Package config reads the product's one configuration file.
//
// Every key has a default that works, so the file may be missing. A key that is not known is an error, since a mistyped
// setting that is silently ignored is worse than none. Only internal/app reads a Config; each other package takes its
// own Options. config.toml.example lists every key with its default; a test holds the two together.
package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Config is the whole configuration. The zero value is of no use: begin with Default or Load.
type Config struct {
	Server  Server  `toml:"server"`
	Store   Store   `toml:"store"`
	S3      S3      `toml:"s3"`
	Horde   Horde   `toml:"horde"`
	Discord Discord `toml:"discord"`
	Sandbox Sandbox `toml:"sandbox"`
	Pool    Pool    `toml:"pool"`
}

// Server is about the process and its HTTP door.
type Server struct {
	Listen       string   `toml:"listen"`        // host:port; port 0 takes a free one
	PublicURL    string   `toml:"public_url"`    // what others reach Listen by; empty: http:// and the address listened on
	TrustedProxy bool     `toml:"trusted_proxy"` // whether the last hop of X-Forwarded-For is believed
	DataDir      string   `toml:"data_dir"`      // database, images and the generated secret
	RateLimits   bool     `toml:"rate_limits"`   // the limits per caller of the HTTP API
	StopTimeout  Duration `toml:"stop_timeout"`  // how long a stop waits for requests and generations under way
	LogLevel     string   `toml:"log_level"`     // debug, info, warn or error
	LogFormat    string   `toml:"log_format"`    // auto, console or json
	Secret       Secret   `toml:"secret"`        // signs image links; empty: one kept in DataDir
}

// Store says where accounts, kudos, requests and images are kept.
type Store struct {
	Engine      string   `toml:"engine"`       // sqlite or postgres
	SQLitePath  string   `toml:"sqlite_path"`  // empty: stablemate.db in Server.DataDir
	PostgresURL Secret   `toml:"postgres_url"` // postgres://user:password@host/database
	ImagesDir   string   `toml:"images_dir"`   // empty: images in Server.DataDir
	ImageLife   Duration `toml:"image_life"`   // how long images are kept
}

// S3 is a bucket of an S3-compatible service, which takes the place of Store.ImagesDir when Bucket is set.
type S3 struct {
	Bucket         string `toml:"bucket"`          // empty: images are kept in a folder
	Endpoint       string `toml:"endpoint"`        // http or https address of the service
	PublicEndpoint string `toml:"public_endpoint"` // the same as workers and users reach it; empty: Endpoint
	Region         string `toml:"region"`
	Prefix         string `toml:"prefix"` // begins every name; all below it is ours, and swept
	AccessKey      Secret `toml:"access_key"`
	SecretKey      Secret `toml:"secret_key"`
	PathStyle      bool   `toml:"path_style"` // the bucket stands in the path, not in the host's name
}

// Horde is about the rules of this horde.
type Horde struct {
	Name         string `toml:"name"`         // as people see it
	Anonymous    bool   `toml:"anonymous"`    // whether requests without an account are taken
	Registration bool   `toml:"registration"` // whether anyone may make an account at /register
	Transfers    bool   `toml:"transfers"`    // whether accounts may give kudos to each other
	// TrustThreshold is how many kudos in escrow, and one more, make an account trusted by itself; 0: nobody is.
	TrustThreshold int `toml:"trust_threshold"`
	// Sharing collects images whose requesters share them, and those of anonymous ones.
	Sharing bool `toml:"sharing"`
	// AnonymousWaiting bounds how many images may wait without an account, of all together; 0: as the rules have it.
	AnonymousWaiting int `toml:"anonymous_waiting"`
	// AnonymousPerOrigin bounds the same of one address or person; 0: any number.
	AnonymousPerOrigin int `toml:"anonymous_per_origin"`

	// KnownModelsOnly takes image models that the program does not know from workers of customizers alone.
	KnownModelsOnly bool `toml:"known_models_only"`
	// AddressCheck is the address of a service that judges where workers call from, with {ip} in it; empty: every address is safe.
	AddressCheck  Secret `toml:"address_check"`
	SafeAddresses string `toml:"safe_addresses"` // addresses and ranges, separated by blanks or commas, that it is not asked about
	// NoticesURL is called with what operators should look at; empty: nobody is.
	NoticesURL Secret `toml:"notices_url"`

	DocumentsDir string `toml:"documents_dir"` // texts of the operator; empty: documents in Server.DataDir
	ModelsFile   string `toml:"models_file"`   // what more is known about image models; empty: nothing
}

// AddressPlace stands in Horde.AddressCheck for the address in question.
const AddressPlace = "{ip}"

// Networks reads a list of addresses and ranges, such as Horde.SafeAddresses.
func Networks(list string) (out []netip.Prefix, err error) {
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	for _, word := range words {
		p, err := netip.ParsePrefix(word)
		if err != nil {
			a, wrong := netip.ParseAddr(word)
			if wrong != nil {
				return nil, fmt.Errorf("%q is neither an address nor a range", word)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// Discord is about the real Discord. Without a token the sandbox takes its place.
type Discord struct {
	Token        Secret `toml:"token"`
	ClientID     string `toml:"client_id"`     // number of the application that people sign in through on the pages; empty: they cannot
	ClientSecret Secret `toml:"client_secret"` // of that application
	GuildID      string `toml:"guild_id"`      // register commands in this guild alone; empty: everywhere
	Operators    string `toml:"operators"`     // number of the guild with /operator; empty: there is no such command
	BaseURL      string `toml:"base_url"`      // empty: Discord; otherwise a stand-in on a loopback address
	KudosEmoji   string `toml:"kudos_emoji"`   // reacting with it gifts kudos; empty: no emoji does
	KudosAmount  int    `toml:"kudos_amount"`  // kudos per reaction
	EmojiMost    int    `toml:"emoji_most"`    // most kudos that an emoji of a guild's own may give per reaction
	Adult        bool   `toml:"adult"`         // images for adults where guild, channel and person allow them too
	Sources      bool   `toml:"sources"`       // images may be made from images
	AtOnce       int    `toml:"at_once"`       // most images of a person on the way at the same time; 0: no limit
	YoungDays    int    `toml:"young_days"`    // Discord accounts younger than so many days may do less; 0: none
	KeepDays     int    `toml:"keep_days"`     // days that a finished request is known, with its prompt; people may choose less
	Support      string `toml:"support"`       // address where people find help, shown by /about; empty: none
}

// Sandbox is the Discord on this machine, with a page to type commands.
type Sandbox struct {
	Enabled string `toml:"enabled"` // auto (when there is no token), on or off
	Listen  string `toml:"listen"`  // host:port on a loopback address; port 0 takes a free one
}

// Pool is the worker on this machine.
type Pool struct {
	Enabled    bool   `toml:"enabled"`
	WorkerName string `toml:"worker_name"`
	Provider   string `toml:"provider"`   // auto, cpu, cuda or webgpu
	Device     int    `toml:"device"`     // number of the accelerator
	Threads    int    `toml:"threads"`    // CPU threads per runner; 0: all cores
	Slots      int    `toml:"slots"`      // generations at once
	MaxPixels  int    `toml:"max_pixels"` // largest image taken, width times height
	Library    string `toml:"library"`    // path of the ONNX Runtime library; empty: the one that was fetched
	ModelsDir  string `toml:"models_dir"` // folder of model folders beside the built-in one; empty: none
}

// Default returns the configuration that holds without a file and without environment.
func Default() Config {
	return Config{
		Server: Server{
			Listen: "127.0.0.1:7788", DataDir: "data", RateLimits: true,
			StopTimeout: Duration(20 * time.Second), LogLevel: "info", LogFormat: "auto",
		},
		Store: Store{Engine: "sqlite", ImageLife: Duration(2 * time.Hour)},
		S3:    S3{Region: "us-east-1", Prefix: "stablemate/", PathStyle: true},
		Horde: Horde{
			Name: "Stablemate", Anonymous: true, Registration: true, Transfers: true,
		},
		Discord: Discord{KudosEmoji: "🙏", KudosAmount: 10, EmojiMost: 1000, Sources: true, YoungDays: 7, KeepDays: 30},
		Sandbox: Sandbox{Enabled: "auto", Listen: "127.0.0.1:7789"},
		Pool: Pool{
			Enabled: true, WorkerName: "Stablemate pool", Provider: "auto", Slots: 1, MaxPixels: 1 << 20,
		},
	}
}

// SandboxOn tells whether the sandbox takes Discord's place.
func (c Config) SandboxOn() bool {
	switch c.Sandbox.Enabled {
	case "on":
		return true
	case "off":
		return false
	default:
		return c.Discord.Token == "" && c.Discord.BaseURL == ""
	}
}

// Secret is a text that must not be seen. It prints as "***" in every way of printing, or as nothing when it is empty;
// Reveal is the only way to the text.
type Secret string

const hidden = "***"

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the text.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// Format hides the text from every verb, %x and %q among them.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText hides the text from encoders: TOML, JSON, logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Duration is a span of time, written like "90s", "20m" or "2h".
type Duration time.Duration

// Span returns the span as the standard library's type.
func (d Duration) Span() time.Duration { return time.Duration(d) }

// String writes the span without empty parts: "20m", not "20m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	for _, empty := range []string{"m0s", "h0m"} {
		if n := len(s) - len(empty); n > 0 && s[n:] == empty {
			s = s[:n+1]
		}
	}
	return s
}

// UnmarshalText reads the span; a number without a unit is refused.
func (d *Duration) UnmarshalText(text []byte) error {
	span, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`a span of time is written like "90s", "20m" or "2h", not %q`, text)
	}
	*d = Duration(span)
	return nil
}

// MarshalText writes the span as UnmarshalText reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
