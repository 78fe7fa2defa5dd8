// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/config"
	"stablemate/internal/idgen"
)

// controlSocket lies in the data folder and lets its owner speak to the running horde: who can open it can
// read the database as well.
const controlSocket = "control.sock"

// maxControlBody bounds what an operator's command sends and gets.
const maxControlBody = 16 << 20

// userOrder is what an operator wants of an account.
type userOrder struct {
	Do          string   `json:"do"` // add, set, delete, list, rejected or notices
	ID          int64    `json:"id"`
	Name        string   `json:"name"`
	Grant       []string `json:"grant"`
	Revoke      []string `json:"revoke"`
	Kudos       string   `json:"kudos"`
	Concurrency int      `json:"concurrency"`
	NewKey      bool     `json:"new_key"`
	Once        string   `json:"once"` // makes a repeated order with kudos count once
}

// userReply is what came of it.
type userReply struct {
	Error string     `json:"error"`
	Key   string     `json:"key"` // a new API key, shown once
	Users []userLine `json:"users"`

	Rejected []rejectedLine `json:"rejected,omitempty"`
	Notices  []noticeLine   `json:"notices,omitempty"`
}

type userLine struct {
	Alias       string `json:"alias"`
	Kudos       string `json:"kudos"`
	Concurrency int    `json:"concurrency"`
	Roles       string `json:"roles"`
}

// userCommand does "user add|set|delete|list": through the running horde when there is one, else on the store itself.
func userCommand(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	order := userOrder{Do: args[0], Concurrency: -1, Once: idgen.Secure(systemClock.Now).V4().String()}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", "", "")
	flags.StringVar(&order.Name, "name", "", "")
	flags.StringVar(&order.Kudos, "kudos", "", "")
	flags.IntVar(&order.Concurrency, "concurrency", -1, "")
	flags.BoolVar(&order.NewKey, "new-key", false, "")
	flags.Func("role", "", func(s string) error { order.Grant = append(order.Grant, s); return nil })
	flags.Func("revoke", "", func(s string) error { order.Revoke = append(order.Revoke, s); return nil })
	// The name or number may stand before or after the options.
	rest := args[1:]
	var subject string
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		subject, rest = rest[0], rest[1:]
	}
	if err := flags.Parse(rest); err != nil {
		return errUsage
	}
	rest = flags.Args()
	if subject == "" && len(rest) > 0 {
		subject, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		return errUsage // a second word, or options behind it, would be lost
	}
	switch order.Do {
	case "add":
		order.Name = subject
	case "set", "delete":
		id, ok := horde.ParseUserID(strings.TrimPrefix(subject[strings.LastIndexByte(subject, '#')+1:], "#"))
		if !ok {
			return fmt.Errorf("%q is not the number of an account, nor name#number", subject)
		}
		order.ID = int64(id)
	case "list":
	default:
		return errUsage
	}
	cfg, err := config.Load(*path, os.Getenv)
	if err != nil {
		return err
	}
	reply, err := command(ctx, cfg, order)
	if err != nil {
		return err
	}
	if reply.Error == "" {
		return reply.print(out)
	}
	err = errors.New(reply.Error)
	if reply.Key != "" { // only part of the order was refused, and the key cannot be shown again
		err = errors.Join(err, reply.print(out))
	}
	return err
}

func (r userReply) print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "account\tkudos\tconcurrency\troles")
	for _, u := range r.Users {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", u.Alias, u.Kudos, u.Concurrency, u.Roles)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if r.Key != "" {
		_, _ = fmt.Fprintf(out, "\nAPI key, shown this once: %s\n", r.Key)
	}
	return nil
}

// command carries an order to the running horde, or opens the store when none runs.
func command(ctx context.Context, cfg config.Config, order userOrder) (userReply, error) {
	reply, err := callControl(ctx, cfg.Server.DataDir, order)
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) {
		return reply, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := openCore(ctx, cfg, zerolog.Nop())
	if err != nil {
		return userReply{}, err
	}
	defer c.close()
	done := make(chan error, 1) // holds the engine's end
	go func() { done <- c.engine.Run(ctx) }()
	reply = c.obey(ctx, order)
	cancel()
	return reply, <-done
}

// maxSocketPath is what fits into the address of a socket on every system.
const maxSocketPath = 100

// socketPath is the way to the control socket: through an open folder when its name is too long for an address.
// The path holds until release.
func socketPath(dir string) (path string, release func(), err error) {
	path = filepath.Join(dir, controlSocket)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	folder, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("open the data folder: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), controlSocket), func() { _ = folder.Close() }, nil
}

func callControl(ctx context.Context, dir string, order userOrder) (reply userReply, err error) {
	socket, release, err := socketPath(dir)
	if err != nil {
		return reply, err
	}
	defer release()
	body, err := json.Marshal(order)
	if err != nil {
		return reply, fmt.Errorf("encode the order: %w", err)
	}
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/user", bytes.NewReader(body))
	if err != nil {
		return reply, fmt.Errorf("make the order: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply, fmt.Errorf("speak to the running horde: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxControlBody)).Decode(&reply); err != nil {
		return reply, fmt.Errorf("read the running horde's answer: %w", err)
	}
	return reply, nil
}

// serveControl answers operators' commands until ctx ends.
func (c *core) serveControl(ctx context.Context) error {
	path, release, err := socketPath(c.cfg.Server.DataDir)
	if err != nil {
		return err
	}
	defer release()
	_ = os.Remove(path) // left by a crash; the store's lock says that nobody else runs
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("listen for operators: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /user", func(w http.ResponseWriter, r *http.Request) {
		var order userOrder
		reply := userReply{Error: "unreadable order"}
		if err := json.NewDecoder(io.LimitReader(r.Body, maxControlBody)).Decode(&order); err == nil {
			reply = c.obey(r.Context(), order)
		}
		_ = json.NewEncoder(w).Encode(reply)
	})
	return serveUntil(ctx, l, mux)
}

// obey carries an order out.
func (c *core) obey(ctx context.Context, o userOrder) userReply {
	reply, err := c.change(ctx, o)
	if err != nil {
		reply.Error = err.Error()
	}
	return reply
}

func (c *core) change(ctx context.Context, o userOrder) (reply userReply, err error) {
	switch o.Do {
	case orderRejected:
		reply.Rejected = c.rejected()
		return reply, nil
	case orderNotices:
		reply.Notices = c.noticed()
		return reply, nil
	case "list":
		for _, u := range c.engine.Users() {
			reply.Users = append(reply.Users, line(u))
		}
		return reply, nil
	case "delete":
		id := horde.UserID(o.ID)
		if u, ok := c.engine.User(id); !ok || u.Wiped() {
			return reply, fmt.Errorf("there is no account %d", o.ID)
		}
		if _, err := engine.Do(ctx, c.engine, horde.DeleteUser{By: id, User: id}); err != nil {
			return reply, err
		}
		if u, ok := c.engine.User(id); ok {
			reply.Users = []userLine{line(u)}
		}
		return reply, nil
	}
	set := horde.SetUser{User: horde.UserID(o.ID), AwardKey: o.Once}
	for _, list := range []struct {
		names []string
		into  *horde.Role
	}{{o.Grant, &set.Grant}, {o.Revoke, &set.Revoke}} {
		for _, name := range list.names {
			role, ok := horde.RoleNames()[name]
			if !ok {
				return reply, fmt.Errorf("there is no role %q", name)
			}
			*list.into |= role
		}
	}
	if o.Kudos != "" {
		if set.Award, err = kudos.Parse(o.Kudos); err != nil {
			return reply, fmt.Errorf("--kudos: %w", err)
		}
	}
	if o.Concurrency >= 0 {
		set.Concurrency = &o.Concurrency
	}
	if o.Do == "set" && o.Name != "" {
		set.Name = &o.Name
	}
	fresh := c.ids.APIKey()
	if o.Do == "add" {
		u, err := engine.Do(ctx, c.engine, horde.CreateUser{
			External: c.ids.V4().String(), Name: o.Name, Key: apiv2.HashKey(c.secrets.keys, fresh),
		})
		if err != nil {
			return reply, err
		}
		reply.Key, reply.Users, set.User = fresh, []userLine{line(u)}, u.ID
	}
	if o.NewKey && o.Do == "set" {
		if _, err := engine.Do(ctx, c.engine, horde.SetKey{User: set.User, Key: apiv2.HashKey(c.secrets.keys, fresh)}); err != nil {
			return reply, err
		}
		reply.Key = fresh
	}
	u, err := c.engine.SetUser(ctx, set)
	if err != nil {
		return reply, err
	}
	reply.Users = []userLine{line(u)}
	return reply, nil
}

func line(u horde.User) userLine {
	var roles []string
	for name, role := range horde.RoleNames() {
		if u.Has(role) {
			roles = append(roles, name)
		}
	}
	slices.Sort(roles)
	switch {
	case u.Wiped():
		roles = append(roles, "wiped")
	case u.Has(horde.RoleDeleted):
		roles = append(roles, "deleted")
	}
	return userLine{Alias: u.Alias(), Kudos: u.Balance.String(), Concurrency: u.Concurrency, Roles: strings.Join(roles, " ")}
}

// audit proves that the ledger balances. It only reads, so it may run beside the horde.
func audit(ctx context.Context, cfg config.Config, out io.Writer) error {
	st, err := openStore(ctx, cfg, zerolog.Nop())
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	report, err := st.Audit(ctx)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	_, _ = fmt.Fprintf(out, "%d accounts, %d events with %d postings, %d live requests, %d generations\n",
		report.Accounts, report.Events, report.Postings, report.Requests, report.Generations)
	for _, difference := range report.Differences {
		_, _ = fmt.Fprintln(out, "wrong:", difference)
	}
	if !report.OK() {
		return fmt.Errorf("the books are not right: %d differences", report.Wrong)
	}
	_, _ = fmt.Fprintln(out, "the books are right: every event sums to zero, every balance is the sum of its postings")
	return nil
}
