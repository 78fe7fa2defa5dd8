package sandbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/google/go-cmp/cmp"

	"stablemate/internal/sandbox"
)

// api calls a REST route as the bot and returns the status and the decoded answer.
func api(t *testing.T, s *sandbox.Server, method, path string, body any) (int, map[string]any) {
	t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(within(t), method, s.APIURL()+"/api/v10"+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bot "+s.Token())
	if b != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	_ = json.Unmarshal(raw, &out) // lists are looked at by status only
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return resp.StatusCode, out
}

type o = map[string]any

func row(components ...any) o { return o{"type": 1, "components": components} }

func button(id string) o { return o{"type": 2, "style": 1, "label": "x", "custom_id": id} }

// TestRules sends what Discord refuses, and what it just accepts.
func TestRules(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("é", n) }
	many := func(n int, v any) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = v
		}
		return list
	}
	distinct := func(n int) []any {
		var list []any
		for i := range n {
			list = append(list, button(fmt.Sprint(i)))
		}
		return list
	}
	options := func(n int) []any {
		var list []any
		for i := range n {
			list = append(list, o{"label": "x", "value": fmt.Sprint(i)})
		}
		return list
	}
	messages := map[string]struct {
		body any
		ok   bool
	}{
		"content at its limit":                  {o{"content": long(2000)}, true},
		"content beyond":                        {o{"content": long(2001)}, false},
		"nothing to show":                       {o{"content": ""}, false},
		"ten embeds":                            {o{"embeds": many(10, o{"title": "x"})}, true},
		"eleven embeds":                         {o{"embeds": many(11, o{"title": "x"})}, false},
		"embed title beyond":                    {o{"embeds": []any{o{"title": long(257)}}}, false},
		"26 fields":                             {o{"embeds": []any{o{"fields": many(26, o{"name": "x", "value": "x"})}}}, false},
		"a field without value":                 {o{"embeds": []any{o{"fields": []any{o{"name": "x"}}}}}, false},
		"all embeds together at 6000":           {o{"embeds": []any{o{"description": long(4000)}, o{"description": long(2000)}}}, true},
		"all embeds together beyond":            {o{"embeds": []any{o{"description": long(4000)}, o{"description": long(2001)}}}, false},
		"an embed naming a file that is absent": {o{"embeds": []any{o{"image": o{"url": "attachment://x.png"}}}}, false},
		"five rows of five":                     {o{"content": "x", "components": []any{row(distinct(5)...)}}, true},
		"six buttons in a row":                  {o{"content": "x", "components": []any{row(distinct(6)...)}}, false},
		"six rows":                              {o{"content": "x", "components": many(6, row(button("x")))}, false},
		"an empty row":                          {o{"content": "x", "components": []any{row()}}, false},
		"a button outside of a row":             {o{"content": "x", "components": []any{button("x")}}, false},
		"the same custom id twice":              {o{"content": "x", "components": []any{row(button("x"), button("x"))}}, false},
		"a button without custom id":            {o{"content": "x", "components": []any{row(o{"type": 2, "style": 1, "label": "x"})}}, false},
		"a button with custom id and url":       {o{"content": "x", "components": []any{row(o{"type": 2, "style": 1, "label": "x", "custom_id": "x", "url": "http://x"})}}, false},
		"a link":                                {o{"content": "x", "components": []any{row(o{"type": 2, "style": 5, "label": "x", "url": "http://x"})}}, true},
		"a button of an unknown style":          {o{"content": "x", "components": []any{row(o{"type": 2, "style": 9, "label": "x", "custom_id": "x"})}}, false},
		"a button label beyond":                 {o{"content": "x", "components": []any{row(o{"type": 2, "style": 1, "label": long(81), "custom_id": "x"})}}, false},
		"a custom id beyond":                    {o{"content": "x", "components": []any{row(button(long(101)))}}, false},
		"a select":                              {o{"content": "x", "components": []any{row(o{"type": 3, "custom_id": "x", "options": options(25)})}}, true},
		"a select with 26 options":              {o{"content": "x", "components": []any{row(o{"type": 3, "custom_id": "x", "options": options(26)})}}, false},
		"a select beside a button":              {o{"content": "x", "components": []any{row(o{"type": 3, "custom_id": "x", "options": options(2)}, button("y"))}}, false},
		"a text input in a message":             {o{"content": "x", "components": []any{row(o{"type": 4, "custom_id": "x", "label": "x", "style": 1})}}, false},
		"an attachment that was not uploaded":   {o{"content": "x", "attachments": []any{o{"id": "0"}}}, false},
		"broken JSON":                           {`{"content":`, false},
		"a list":                                {`[1]`, false},
		"null":                                  {`null`, false},
		"nested nonsense":                       {o{"content": "x", "components": []any{1, nil, "x"}}, false},
	}
	for name, c := range messages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := start(t, sandbox.Options{})
			status, answer := api(t, s, http.MethodPost, "/channels/"+sandbox.ChannelID+"/messages", c.body)
			if (status == http.StatusOK) != c.ok || (!c.ok && status != http.StatusBadRequest) {
				t.Errorf("status %d, %v", status, answer)
			}
		})
	}
	option := func(more o) o {
		out := o{"name": "a", "description": "x", "type": 3}
		maps.Copy(out, more)
		return out
	}
	command := func(options ...any) []any {
		return []any{o{"name": "x", "description": "x", "options": options}}
	}
	for name, c := range map[string]struct {
		body any
		ok   bool
	}{
		"a command":                       {command(option(nil)), true},
		"upper case in the name":          {[]any{o{"name": "X", "description": "x"}}, false},
		"a space in the name":             {[]any{o{"name": "x y", "description": "x"}}, false},
		"no description":                  {[]any{o{"name": "x"}}, false},
		"a description beyond":            {[]any{o{"name": "x", "description": long(101)}}, false},
		"the same name twice":             {[]any{o{"name": "x", "description": "x"}, o{"name": "x", "description": "x"}}, false},
		"a required option after another": {command(option(nil), option(o{"name": "b", "required": true})), false},
		"a range on a text":               {command(option(o{"min_value": 1})), false},
		"a length on a number":            {command(option(o{"type": 4, "min_length": 1})), false},
		"choices and autocomplete":        {command(option(o{"autocomplete": true, "choices": []any{o{"name": "x", "value": "x"}}})), false},
		"a choice of the wrong type":      {command(option(o{"type": 4, "choices": []any{o{"name": "x", "value": "x"}}})), false},
		"26 choices":                      {command(option(o{"choices": many(26, o{"name": "x", "value": "x"})})), false},
		"an option without description":   {command(o{"name": "a", "type": 3}), false},
		"an unknown option type":          {command(option(o{"type": 99})), false},
		"the same option twice":           {command(option(nil), option(nil)), false},
		"options beside sub-commands":     {command(option(o{"type": 1}), option(o{"name": "b"})), false},
		"sub-commands in a group":         {command(option(o{"type": 2, "options": []any{option(o{"type": 1})}})), true},
		"a group in a group":              {command(option(o{"type": 2, "options": []any{option(o{"type": 2, "options": []any{option(o{"type": 1})}})}})), false},
		"more than 8000 characters in a command": {command(func() []any {
			var list []any
			for i := range 25 {
				list = append(list, option(o{"name": fmt.Sprint("n", i), "choices": []any{o{"name": long(100), "value": long(100)}, o{"name": long(100), "value": long(99)}}}))
			}
			return list
		}()...), false},
		"a null command": {[]any{nil}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := start(t, sandbox.Options{})
			status, answer := api(t, s, http.MethodPut, "/applications/"+sandbox.BotID+"/guilds/"+sandbox.GuildID+"/commands", c.body)
			if (status == http.StatusOK) != c.ok || (!c.ok && status != http.StatusBadRequest) {
				t.Errorf("status %d, %v", status, answer)
			}
			if got := len(s.Findings()); (got == 0) != c.ok {
				t.Errorf("%d findings", got)
			}
		})
	}
}

// TestRefusals shows which code the bot hears for what it must not do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sandbox.Options{})
	m, err := s.Post(sandbox.Friend, sandbox.ChannelID, "mine")
	if err != nil {
		t.Fatal(err)
	}
	message := "/channels/" + sandbox.ChannelID + "/messages/"
	for name, c := range map[string]struct {
		method, path string
		body         any
		status, code int
	}{
		"another's message cannot be edited":     {http.MethodPatch, message + m.ID, o{"content": "x"}, 403, 50005},
		"an unknown message":                     {http.MethodGet, message + "1", nil, 404, 10008},
		"an unknown channel":                     {http.MethodGet, "/channels/1", nil, 404, 10003},
		"an unknown guild":                       {http.MethodGet, "/guilds/1", nil, 404, 10004},
		"an unknown member":                      {http.MethodGet, "/guilds/" + sandbox.GuildID + "/members/1", nil, 404, 10007},
		"an unknown role":                        {http.MethodPut, "/guilds/" + sandbox.GuildID + "/members/" + sandbox.Friend + "/roles/1", nil, 404, 10011},
		"a role above the bot's":                 {http.MethodPut, "/guilds/" + sandbox.GuildID + "/members/" + sandbox.Friend + "/roles/" + sandbox.RoleAdmin, nil, 403, 50013},
		"a word is no emoji":                     {http.MethodPut, message + m.ID + "/reactions/apple/@me", nil, 400, 10014},
		"an unknown interaction":                 {http.MethodPost, "/interactions/1/x/callback", o{"type": 5}, 404, 10062},
		"an unknown webhook":                     {http.MethodPost, "/webhooks/" + sandbox.BotID + "/x", o{"content": "x"}, 404, 10015},
		"a direct message to oneself":            {http.MethodPost, "/users/@me/channels", o{"recipient_id": sandbox.BotID}, 400, 50007},
		"commands of another application":        {http.MethodGet, "/applications/1/commands", nil, 403, 20012},
		"a body that is neither JSON nor a form": {http.MethodPost, "/channels/" + sandbox.ChannelID + "/messages", "\x00", 400, 50109},
		"a route that does not exist":            {http.MethodGet, "/nothing", nil, 404, 0},
	} {
		status, answer := api(t, s, c.method, c.path, c.body)
		code, _ := answer["code"].(float64)
		if status != c.status || int(code) != c.code {
			t.Errorf("%s: %d, code %v (%v), want %d, code %d", name, status, answer["code"], answer["message"], c.status, c.code)
		}
	}
	req, err := http.NewRequestWithContext(within(t), http.MethodGet, s.APIURL()+"/api/v10/users/@me", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bot wrong")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("wrong token: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

// clock is a clock that tests turn.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time      { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) add(d time.Duration) { c.offset.Add(int64(d)) }

// TestTokenLife shows how long an interaction can be answered, and that it is acknowledged once.
func TestTokenLife(t *testing.T) {
	t.Parallel()
	var c clock
	s, _ := start(t, sandbox.Options{Now: c.now, AnswerWindow: 3 * time.Second})
	interactions := make(chan *discordgo.Interaction, 10)
	connect(t, s, func(_ *discordgo.Session, i *discordgo.InteractionCreate) { interactions <- i.Interaction })
	if status, _ := api(t, s, http.MethodPut, "/applications/"+sandbox.BotID+"/commands", []any{o{"name": "x", "description": "x"}}); status != 200 {
		t.Fatal(status)
	}
	result := make(chan error, 1)
	run := func() *discordgo.Interaction {
		go func() {
			_, err := s.RunCommand(within(t), sandbox.Newcomer, sandbox.ChannelID, "x", nil)
			result <- err
		}()
		return <-interactions
	}
	it := run()
	callback, webhook := "/interactions/"+it.ID+"/"+it.Token+"/callback", "/webhooks/"+sandbox.BotID+"/"+it.Token
	expect := func(what, method, path string, body any, status, code int) {
		t.Helper()
		got, answer := api(t, s, method, path, body)
		gotCode, _ := answer["code"].(float64)
		if got != status || int(gotCode) != code {
			t.Errorf("%s: %d, code %v, want %d, code %d", what, got, answer["code"], status, code)
		}
	}
	expect("original before the answer", http.MethodGet, webhook+"/messages/@original", nil, 404, 10015)
	expect("deferral", http.MethodPost, callback, o{"type": 5}, 204, 0)
	if err := <-result; err != nil {
		t.Errorf("the person saw %v", err)
	}
	expect("second acknowledgement", http.MethodPost, callback, o{"type": 5}, 400, 40060)
	expect("edit", http.MethodPatch, webhook+"/messages/@original", o{"content": "x"}, 200, 0)
	c.add(14 * time.Minute)
	expect("edit after 14 minutes", http.MethodPatch, webhook+"/messages/@original", o{"content": "y"}, 200, 0)
	c.add(time.Minute + time.Second)
	expect("edit after 15 minutes", http.MethodPatch, webhook+"/messages/@original", o{"content": "z"}, 401, 50027)

	it = run()
	c.add(3100 * time.Millisecond)
	expect("answer after three seconds", http.MethodPost, "/interactions/"+it.ID+"/"+it.Token+"/callback", o{"type": 5}, 404, 10062)
	if err := <-result; !errors.Is(err, sandbox.ErrNoAnswer) {
		t.Errorf("the person saw %v, want ErrNoAnswer", err)
	}
	for _, f := range s.Findings() {
		if !strings.Contains(f.Text, "twice") {
			t.Errorf("finding %+v", f)
		}
	}
}

// TestRestart shows that a sandbox with a folder goes on where it was, also for a bot that answers an old interaction.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, stop := start(t, sandbox.Options{DataDir: dir})
	painter(t, s)
	interactions := make(chan *discordgo.Interaction, 10)
	connect(t, s, func(_ *discordgo.Session, i *discordgo.InteractionCreate) { interactions <- i.Interaction })
	if _, err := s.RunLine(within(t), sandbox.Newcomer, sandbox.ChannelID, "/generate prompt: red apple", nil); err != nil {
		t.Fatal(err)
	}
	done := func(m sandbox.Message) bool { return len(m.Attachments) == 1 }
	before, err := s.WaitMessage(within(t), sandbox.Newcomer, done)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.React(sandbox.Friend, before.ID, "❤️"); err != nil {
		t.Fatal(err)
	}
	token := s.Token()
	stop()

	s, stop = start(t, sandbox.Options{DataDir: dir})
	if s.Token() != token {
		t.Error("the token changed")
	}
	after, err := s.WaitMessage(within(t), sandbox.Newcomer, done)
	if err != nil {
		t.Fatal(err)
	}
	ignore := cmp.FilterPath(func(p cmp.Path) bool {
		return strings.Contains(p.String(), "URL") || strings.Contains(p.String(), "Raw")
	}, cmp.Ignore())
	if err := s.React(sandbox.Friend, after.ID, "❤️"); err != nil {
		t.Fatal(err)
	}
	before.Reactions = after.Reactions
	if diff := cmp.Diff(before, after, ignore); diff != "" {
		t.Errorf("after the restart (-before +after):\n%s", diff)
	}
	if len(after.Reactions) != 1 || after.Reactions[0].Users[0] != sandbox.Friend {
		t.Errorf("reactions are %+v", after.Reactions)
	}
	old := <-interactions
	if status, answer := api(t, s, http.MethodPatch, "/webhooks/"+sandbox.BotID+"/"+old.Token+"/messages/@original", o{"content": "continued"}); status != 200 || answer["id"] != after.ID {
		t.Errorf("edit with a token from before: %d, %v", status, answer)
	}
	if c, err := s.Complete(within(t), sandbox.Newcomer, sandbox.ChannelID, "/gen"); err != nil || len(c.Suggestions) != 1 {
		t.Errorf("commands after the restart: %+v, %v", c, err)
	}
	if err := s.Delete(after.ID); err != nil {
		t.Fatal(err)
	}
	stop()
	left, err := os.ReadDir(filepath.Join(dir, "files"))
	if err != nil || len(left) != 0 {
		t.Errorf("files that are left: %v, %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "world.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.New(sandbox.Options{DataDir: dir}); err == nil {
		t.Error("a broken world was accepted")
	}
}

// TestOthersKeepOut shows that neither another machine nor another web page can use the sandbox.
func TestOthersKeepOut(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "[::]:0", "nonsense"} {
		if s, err := sandbox.New(sandbox.Options{Addr: addr}); err == nil {
			t.Errorf("New listens on %s", addr)
			_ = s.Close()
		}
	}
	s, _ := start(t, sandbox.Options{})
	for name, c := range map[string]struct {
		host, origin, kind string
		status             int
	}{
		"the page itself":              {"", s.APIURL(), "application/json", 200},
		"a program":                    {"", "", "application/json", 200},
		"another page":                 {"", "http://example.org", "application/json", 403},
		"another page in this machine": {"", "http://127.0.0.1:1", "application/json", 403},
		"a form of another page":       {"", "", "text/plain", 403},
		"a name that was rebound":      {"example.org", "http://example.org", "application/json", 403},
	} {
		req, err := http.NewRequestWithContext(within(t), http.MethodPost, s.URL()+"page/post", strings.NewReader(`{"user":"`+sandbox.Newcomer+`","channel":"`+sandbox.ChannelID+`","line":"hello"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.kind)
		if c.host != "" {
			req.Host = c.host
		}
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, c.status)
		}
	}
	for name, header := range map[string][2]string{
		"another page's picture":  {"Sec-Fetch-Site", "cross-site"},
		"another page's stream":   {"Origin", "http://example.org"},
		"a name that was rebound": {"Host", "example.org"},
	} {
		req, err := http.NewRequestWithContext(within(t), http.MethodGet, s.URL()+"page/events?user="+sandbox.Newcomer, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header[0] == "Host" {
			req.Host = header[1]
		} else {
			req.Header.Set(header[0], header[1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s gets the stream: status %d, want 404", name, resp.StatusCode)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// TestEventFaults shows that events can be lost, doubled and reordered.
func TestEventFaults(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sandbox.Options{})
	got := make(chan string, 10)
	connect(t, s, func(_ *discordgo.Session, r *discordgo.MessageReactionAdd) { got <- r.Emoji.Name })
	m, err := s.Post(sandbox.Friend, sandbox.ChannelID, "hello")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind  sandbox.FaultKind
		react []string
	}{{sandbox.Drop, []string{"🍎"}}, {sandbox.Swap, []string{"🍏", "🍐"}}, {sandbox.Duplicate, []string{"🍇"}}} {
		s.Arm(sandbox.Fault{Kind: c.kind})
		for _, emoji := range c.react {
			if err := s.React(sandbox.Newcomer, m.ID, emoji); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, want := range []string{"🍐", "🍏", "🍇", "🍇"} {
		select {
		case emoji := <-got:
			if emoji != want {
				t.Errorf("heard %s, want %s", emoji, want)
			}
		case <-within(t).Done():
			t.Fatalf("did not hear %s", want)
		}
	}
}
