package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// LinkLife is how long a signed link works. Upstream's links live as long, and workers count on it.
	LinkLife = 30 * time.Minute
	// MaxLinkLife is the longest that a link for people may work.
	MaxLinkLife = 7 * 24 * time.Hour
	// MinSecret is the fewest bytes a signing secret may have.
	MinSecret = 16
	// PathPrefix is where links point: the door mounts Handler there.
	PathPrefix = "/blob/"
)

// ErrLink says that a link is not ours, was changed, is meant for something else, or has expired.
var ErrLink = errors.New("this link is not valid or has expired")

// Op is the one thing a link allows.
type Op string

// What links allow: reading an image, or storing one.
const (
	OpGet Op = "get"
	OpPut Op = "put"
)

// Signer makes and checks links. Every process that shares the secret accepts the links of the others. It is safe for
// concurrent use.
type Signer struct {
	secret []byte
	base   string
	now    func() time.Time
}

// NewSigner returns a signer for links that begin with base, an http or https address without a query, for example
// "https://horde.example". The secret needs MinSecret random bytes; links made with another one stop working.
func NewSigner(secret []byte, base string, now func() time.Time) (*Signer, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the signing secret has %d bytes, %d are the fewest", len(secret), MinSecret)
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("base of signed links: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("base of signed links: %q is no http or https address", base)
	}
	if now == nil {
		return nil, errors.New("a signer needs a clock")
	}
	return &Signer{secret: append([]byte(nil), secret...), base: strings.TrimRight(base, "/"), now: now}, nil
}

// Link returns an absolute link that allows op on key until LinkLife from now. It returns ErrKey for what is no key.
func (s *Signer) Link(op Op, key string) (string, error) {
	if err := CheckKey(key); err != nil {
		return "", err
	}
	if op != OpGet && op != OpPut {
		return "", fmt.Errorf("no link allows %q", op)
	}
	return s.link(op, key, LinkLife), nil
}

// ReadLink returns an absolute link for people, who use it later: it allows to read key for life, at most MaxLinkLife. It
// returns ErrKey for what is no key.
func (s *Signer) ReadLink(key string, life time.Duration) (string, error) {
	if err := checkLife(key, life); err != nil {
		return "", err
	}
	return s.link(OpGet, key, life), nil
}

func (s *Signer) link(op Op, key string, life time.Duration) string {
	exp := strconv.FormatInt(s.now().Add(life).Unix(), 10)
	return s.base + PathPrefix + key + "?op=" + string(op) + "&exp=" + exp + "&sig=" + s.sign(op, key, exp)
}

// checkLife refuses links that nobody should make.
func checkLife(key string, life time.Duration) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if life < time.Second || life > MaxLinkLife {
		return fmt.Errorf("a link cannot work for %s", life)
	}
	return nil
}

// Own is true: links lead to the door that mounts Handler.
func (s *Signer) Own() bool { return true }

// Check returns how long the link still works when the query allows op on key, otherwise ErrLink. Nothing in the error
// tells which part was wrong.
func (s *Signer) Check(op Op, key string, query url.Values) (time.Duration, error) {
	exp, sig := query.Get("exp"), query.Get("sig")
	if CheckKey(key) != nil || Op(query.Get("op")) != op || len(query["op"]) != 1 || len(query["exp"]) != 1 || len(query["sig"]) != 1 {
		return 0, ErrLink
	}
	// The signature comes first and takes the same time whatever differs; only what we signed is looked at further.
	if !hmac.Equal([]byte(sig), []byte(s.sign(op, key, exp))) {
		return 0, ErrLink
	}
	unix, err := strconv.ParseInt(exp, 10, 64)
	if err != nil {
		return 0, ErrLink
	}
	left := time.Unix(unix, 0).Sub(s.now())
	if left <= 0 {
		return 0, ErrLink
	}
	return left, nil
}

func (s *Signer) sign(op Op, key, exp string) string {
	mac := hmac.New(sha256.New, s.secret)
	// Neither op nor key can hold a line break, so no two different links sign the same text.
	_, _ = mac.Write([]byte("stablemate blob 1\n" + string(op) + "\n" + key + "\n" + exp))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
