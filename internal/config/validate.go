package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of settings; messages give them, so each has one place.
const (
	minSecret      = 16 // characters
	maxName        = 100
	maxWorkerName  = 100
	maxEmoji       = 64
	maxKudosAmount = 1_000_000
	maxAtOnce      = 1000
	maxYoungDays   = 365
	maxKeepDays    = 365
	maxTrust       = 1_000_000_000
	maxAnonymous   = 100_000
	maxThreads     = 1024
	maxSlots       = 64
	maxDevice      = 63
	minPixels      = 64 * 64
	maxPixels      = 3072 * 3072
	maxPrefix      = 200 // bytes
)

// check gathers what is wrong, key by key.
type check struct{ errs []error }

func (v *check) require(ok bool, key, format string, args ...any) {
	if !ok {
		v.errs = append(v.errs, fmt.Errorf("%s: "+format, append([]any{key}, args...)...))
	}
}

func (v *check) oneOf(value, key string, choices ...string) {
	v.require(slices.Contains(choices, value), key, "is %q, must be one of %s", value, strings.Join(choices, ", "))
}

func (v *check) span(value Duration, key string, low, high time.Duration) {
	v.require(low <= value.Span() && value.Span() <= high, key, "is %s, must be %s to %s", value, Duration(low), Duration(high))
}

func (v *check) number(value int, key, unit string, low, high int) {
	v.require(low <= value && value <= high, key, "is %d, must be %d to %d %s", value, low, high, unit)
}

func (v *check) text(value, key string, low, high int) {
	n := utf8.RuneCountInString(value)
	v.require(low <= n && n <= high, key, "has %d characters, must have %d to %d", n, low, high)
	v.require(!strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }), key, "holds a control character")
}

func (v *check) path(value, key string) {
	v.require(!strings.ContainsRune(value, 0), key, "holds a NUL character")
}

func (v *check) address(value, key string, loopback bool) {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		v.require(false, key, `is %q, must be an address like "127.0.0.1:7788"`, value)
		return
	}
	_, err = strconv.ParseUint(port, 10, 16)
	v.require(err == nil, key, "has port %q, must be 0 (any free one) to 65535", port)
	if loopback {
		v.require(isLoopback(host), key, "is %q, must be an address of this machine alone, like 127.0.0.1", value)
	}
}

func (v *check) web(value, key string) *url.URL {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		v.require(false, key, `is %q, must be an address like "https://horde.example"`, value)
		return nil
	}
	return u
}

// validate returns everything that is wrong with the values, each with its key and the reason, or nil.
func (c Config) validate() error {
	v := &check{}
	v.server(c.Server)
	v.store(c.Store)
	v.s3(c.S3)
	v.horde(c.Horde)
	v.discord(c.Discord)
	v.sandbox(c)
	v.pool(c.Pool)
	return errors.Join(v.errs...)
}

func (v *check) server(s Server) {
	v.address(s.Listen, "server.listen", false)
	if s.PublicURL != "" {
		v.web(s.PublicURL, "server.public_url")
	}
	v.require(s.DataDir != "", "server.data_dir", "is empty, must name a folder")
	v.path(s.DataDir, "server.data_dir")
	v.span(s.StopTimeout, "server.stop_timeout", 0, time.Hour)
	v.oneOf(s.LogLevel, "server.log_level", "debug", "info", "warn", "error")
	v.oneOf(s.LogFormat, "server.log_format", "auto", "console", "json")
	n := len(s.Secret)
	v.require(n == 0 || n >= minSecret, "server.secret", "has %d characters, must have %d or more, or be empty", n, minSecret)
}

func (v *check) store(s Store) {
	v.oneOf(s.Engine, "store.engine", "sqlite", "postgres")
	v.path(s.SQLitePath, "store.sqlite_path")
	v.path(s.ImagesDir, "store.images_dir")
	v.span(s.ImageLife, "store.image_life", 30*time.Minute, 10*365*24*time.Hour)
	if s.PostgresURL == "" {
		v.require(s.Engine != "postgres", "store.postgres_url", `is empty, must be set when store.engine is "postgres"`)
		return
	}
	// The address holds a password: never quote it.
	u, err := url.Parse(s.PostgresURL.Reveal())
	v.require(err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql"), "store.postgres_url",
		"must look like postgres://user:password@host:5432/database")
}

func (v *check) s3(s S3) {
	for key, value := range map[string]string{"s3.endpoint": s.Endpoint, "s3.public_endpoint": s.PublicEndpoint} {
		if value == "" {
			continue
		}
		if u := v.web(value, key); u != nil {
			v.require(strings.Trim(u.Path, "/") == "", key, "is %q, must have no path", value)
		}
	}
	v.require(len(s.Prefix) <= maxPrefix && !strings.HasPrefix(s.Prefix, "/"), "s3.prefix",
		"is %q, must have at most %d bytes and begin with no slash", s.Prefix, maxPrefix)
	if s.Bucket == "" {
		return
	}
	for key, missing := range map[string]bool{
		"s3.endpoint": s.Endpoint == "", "s3.region": s.Region == "", "s3.prefix": strings.Trim(s.Prefix, "/") == "",
		"s3.access_key": s.AccessKey == "", "s3.secret_key": s.SecretKey == "",
	} {
		v.require(!missing, key, "is empty, must be set beside s3.bucket")
	}
}

func (v *check) horde(h Horde) {
	v.text(h.Name, "horde.name", 1, maxName)
	v.number(h.TrustThreshold, "horde.trust_threshold", "kudos", 0, maxTrust)
	v.number(h.AnonymousWaiting, "horde.anonymous_waiting", "images", 0, maxAnonymous)
	v.number(h.AnonymousPerOrigin, "horde.anonymous_per_origin", "images", 0, maxAnonymous)
	v.path(h.DocumentsDir, "horde.documents_dir")
	if h.NoticesURL != "" { // it holds a secret: never quote it
		u, err := url.Parse(h.NoticesURL.Reveal())
		v.require(err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil, "horde.notices_url",
			`must be an address like "https://example.org/hook"`)
	}
	if h.AddressCheck != "" {
		u, err := url.Parse(strings.Replace(h.AddressCheck.Reveal(), AddressPlace, "192.0.2.1", 1))
		v.require(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
			strings.Contains(h.AddressCheck.Reveal(), AddressPlace), "horde.address_check",
			`must be an address like "https://example.org/check?ip={ip}"`)
	}
	_, err := Networks(h.SafeAddresses)
	v.require(err == nil, "horde.safe_addresses", "%v", err)
}

func (v *check) discord(d Discord) {
	v.require(!strings.ContainsAny(d.Token.Reveal(), " \t\r\n\x00"), "discord.token", "holds a blank, must be the bare token")
	v.require(!strings.HasPrefix(d.Token.Reveal(), "Bot "), "discord.token", `begins with "Bot ", must be the bare token`)
	if d.ClientID != "" {
		_, err := strconv.ParseUint(d.ClientID, 10, 64)
		v.require(err == nil && len(d.ClientID) >= 15, "discord.client_id", "is %q, must be an application's number of 15 to 20 digits", d.ClientID)
	}
	if d.Operators != "" {
		_, err := strconv.ParseUint(d.Operators, 10, 64)
		v.require(err == nil && len(d.Operators) >= 15, "discord.operators", "is %q, must be a guild's number of 15 to 20 digits", d.Operators)
	}
	v.require((d.ClientID == "") == (d.ClientSecret == ""), "discord.client_secret", "and discord.client_id go together: set both or neither")
	if d.GuildID != "" {
		_, err := strconv.ParseUint(d.GuildID, 10, 64)
		v.require(err == nil && len(d.GuildID) >= 15, "discord.guild_id", "is %q, must be a guild's number of 15 to 20 digits", d.GuildID)
	}
	if d.BaseURL != "" {
		if u := v.web(d.BaseURL, "discord.base_url"); u != nil {
			v.require(isLoopback(u.Hostname()), "discord.base_url",
				"is %q, must be on this machine: the token goes there", d.BaseURL)
		}
	}
	v.text(d.KudosEmoji, "discord.kudos_emoji", 0, maxEmoji)
	v.number(d.KudosAmount, "discord.kudos_amount", "kudos", 1, maxKudosAmount)
	v.number(d.EmojiMost, "discord.emoji_most", "kudos", 1, maxKudosAmount)
	v.number(d.AtOnce, "discord.at_once", "images", 0, maxAtOnce)
	v.number(d.YoungDays, "discord.young_days", "days", 0, maxYoungDays)
	if d.Support != "" {
		v.web(d.Support, "discord.support")
	}
	v.number(d.KeepDays, "discord.keep_days", "days", 1, maxKeepDays)
}

func (v *check) sandbox(c Config) {
	v.oneOf(c.Sandbox.Enabled, "sandbox.enabled", "auto", "on", "off")
	v.address(c.Sandbox.Listen, "sandbox.listen", true)
	if c.Sandbox.Enabled == "on" {
		v.require(c.Discord.Token == "" && c.Discord.BaseURL == "", "sandbox.enabled",
			`is "on" beside discord.token or discord.base_url; a bot talks to one Discord`)
	}
}

func (v *check) pool(p Pool) {
	v.text(p.WorkerName, "pool.worker_name", 3, maxWorkerName)
	v.oneOf(p.Provider, "pool.provider", "auto", "cpu", "cuda", "webgpu")
	v.number(p.Device, "pool.device", "(the first is 0)", 0, maxDevice)
	v.number(p.Threads, "pool.threads", "threads", 0, maxThreads)
	v.number(p.Slots, "pool.slots", "generations", 1, maxSlots)
	v.number(p.MaxPixels, "pool.max_pixels", "pixels", minPixels, maxPixels)
	v.path(p.Library, "pool.library")
	v.path(p.ModelsDir, "pool.models_dir")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
