// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"stablemate/horde"
)

// A session lives in a sealed cookie: nothing is kept here, so every process with the same secret knows it, and a new
// API key ends all sessions of the account.
const (
	sessionCookie = "stablemate_session"
	sessionLife   = 24 * time.Hour
	maxCookie     = 3 << 10 // bytes
	keyPart       = 16      // bytes of the key's hash that a session holds
)

// session is what the cookie holds.
type session struct {
	User     horde.UserID `json:"u,omitempty"`
	Key      []byte       `json:"k,omitempty"` // begins the hash of the account's key
	External string       `json:"x,omitempty"` // identity without an account yet
	Name     string       `json:"n,omitempty"` // that goes with it
	Token    string       `json:"t"`           // for forms
	Ends     int64        `json:"e"`           // seconds since 1970
}

// visitor is who looks at a page. It is never nil; the zero value is nobody.
type visitor struct {
	session
	In      bool // with an account
	Account horde.User
	Alias   string
}

// visitor reads the session of a request. What is broken, out of date or made for another key counts as none.
func (s *site) visitor(r *http.Request) *visitor {
	nobody := &visitor{}
	var v visitor
	if !s.unseal(r, sessionCookie, &v.session) || s.deps.Now().Unix() >= v.Ends {
		return nobody
	}
	if len(v.Key) == 0 {
		if v.External == "" {
			return nobody
		}
		return &v
	}
	u, ok := s.deps.Engine.User(v.User)
	if !ok || u.Has(horde.RoleDeleted) || u.ID == horde.Anonymous || len(v.Key) != keyPart || subtle.ConstantTimeCompare(v.Key, u.Key[:keyPart]) != 1 {
		return nobody
	}
	v.In, v.Account, v.Alias = true, u, u.Alias()
	return &v
}

// admit signs an account in: with the reply goes a new session.
func (s *site) admit(w http.ResponseWriter, r *http.Request, u *horde.User) *visitor {
	v := &visitor{session: session{User: u.ID, Key: u.Key[:keyPart], Token: s.deps.NewKey()}, In: true, Account: *u, Alias: u.Alias()}
	s.keep(w, r, v)
	return v
}

func (s *site) keep(w http.ResponseWriter, r *http.Request, v *visitor) {
	v.Ends = s.deps.Now().Add(sessionLife).Unix()
	s.seal(w, r, sessionCookie, "/", v.session, sessionLife)
}

// seal sets a cookie that only we can read. It lasts as long as the browser is open, or life.
func (s *site) seal(w http.ResponseWriter, r *http.Request, name, path string, v any, life time.Duration) {
	text, err := json.Marshal(v)
	if err == nil {
		text, err = s.deps.Seal(text, []byte("cookie "+name))
	}
	if err != nil {
		s.deps.Log.Error().Err(err).Str("cookie", name).Msg("cannot seal a cookie")
		return
	}
	s.cookie(w, r, name, path, base64.RawURLEncoding.EncodeToString(text), int(life/time.Second))
}

func (s *site) cookie(w http.ResponseWriter, r *http.Request, name, path, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever we are reached by HTTPS; on loopback there is none
		Name: name, Value: value, Path: path, MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(s.host(r), "https://"),
	})
}

func (s *site) unseal(r *http.Request, name string, v any) bool {
	c, err := r.Cookie(name)
	if err != nil || len(c.Value) > maxCookie {
		return false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return false
	}
	text, err := s.deps.Unseal(sealed, []byte("cookie "+name))
	return err == nil && json.Unmarshal(text, v) == nil
}

// readForm reads a form and who sent it. A form from another site, or from a page of another session, is refused: why is
// what to tell the visitor, empty when all is well.
func (s *site) readForm(w http.ResponseWriter, r *http.Request) (me *visitor, status int, why string) {
	me = s.visitor(r)
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return me, http.StatusForbidden, "This form was sent from another site. Please use the one below."
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return me, http.StatusBadRequest, "The form could not be read. Please try again."
	}
	if me.Token != "" && subtle.ConstantTimeCompare([]byte(me.Token), []byte(r.PostForm.Get("token"))) != 1 {
		return me, http.StatusForbidden, "This form belongs to another visit. Please use the one below."
	}
	return me, http.StatusOK, ""
}

// field is a text of a form.
func field(r *http.Request, name string) string {
	return strings.TrimSpace(strings.ToValidUTF8(r.PostForm.Get(name), ""))
}
