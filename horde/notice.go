// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// KindNotice is the kind of record that notices are kept as.
const KindNotice RecordKind = "notice"

// Bounds of notices, and what makes one.
const (
	// NoticeKept is how long a notice can be read, and MaxNotices how many are kept; the oldest leave first.
	NoticeKept = 30 * 24 * time.Hour
	MaxNotices = 200

	// ReportsAnHour and ReportsADay are how many images of one account, proxied account or origin workers may report as
	// abuse before the operators are told.
	ReportsAnHour = 50
	ReportsADay   = 200
	// ProxyStrikes is how many prompts of one service account's people may be refused in an hour before they are told.
	ProxyStrikes = 10

	maxTallied = 10_000 // subjects counted at once
)

// NoticeTopic says what a notice is about. The names are stored.
type NoticeTopic string

// Topics.
const (
	NoticeWorkerPaused NoticeTopic = "worker_paused" // it became suspicious
	NoticeReports      NoticeTopic = "reports"       // workers report many images of one subject
	NoticeProxy        NoticeTopic = "proxy"         // a service account passes many refused prompts on
)

// Notice is a word to the operators of the horde: something happened that a person should look at. Nothing is done
// about it by itself. Its text holds no prompt.
type Notice struct {
	ID     int64       `json:"-"` // grows with each
	At     time.Time   `json:"at"`
	Topic  NoticeTopic `json:"topic"`
	User   UserID      `json:"user,omitempty"`
	Worker WorkerID    `json:"worker,omitzero"`
	Text   string      `json:"text"`
}

// noticeKey is how a notice's number is stored: padded, so that the records sort by it.
func noticeKey(id int64) string { return fmt.Sprintf("%019d", id) }

// indexNotices numbers what was loaded.
func (s *State) indexNotices() error {
	for key, n := range s.notices.pages {
		id, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			return fmt.Errorf("notice %q: %w", key, err)
		}
		n.ID = id
		s.lastNotice = max(s.lastNotice, id)
	}
	return nil
}

// notify keeps a notice and announces it.
func (s *State) notify(c *Change, n Notice) {
	if len(s.notices.pages) >= MaxNotices {
		s.notices.drop(c, s.notices.ids()[0])
	}
	s.lastNotice++
	n.ID, n.At = s.lastNotice, c.Now
	s.notices.put(c, noticeKey(n.ID), &n)
	c.emit(Event{Kind: OperatorsNoticed, User: n.User, Worker: n.Worker})
}

// Notices lists what operators were told after a number, the oldest first.
func (s *State) Notices(after int64) []Notice {
	var out []Notice
	for _, n := range s.notices.pages {
		if n.ID > after {
			out = append(out, *n)
		}
	}
	slices.SortFunc(out, func(a, b Notice) int { return int(min(1, max(-1, a.ID-b.ID))) })
	return out
}

// sweepNotices forgets old notices.
func (s *State) sweepNotices(c *Change) (gone int) {
	for _, key := range s.notices.ids() {
		if c.Now.Sub(s.notices.pages[key].At) >= NoticeKept {
			s.notices.drop(c, key)
			gone++
		}
	}
	return gone
}

// tally counts what happens to one subject in an hour and in a day. It lives in memory alone: a restart begins anew.
type tally struct {
	hour, day   time.Time // when the windows began
	hourly      int
	daily       int
	toldToday   bool
	toldNowHour bool
}

// count adds one and reports whether a bound was passed just now: once an hour, and once a day.
func (t *tally) count(now time.Time, anHour, aDay int) bool {
	if now.Sub(t.hour) >= time.Hour {
		t.hour, t.hourly, t.toldNowHour = now, 0, false
	}
	if now.Sub(t.day) >= 24*time.Hour {
		t.day, t.daily, t.toldToday = now, 0, false
	}
	t.hourly++
	t.daily++
	tell := false
	if t.hourly > anHour && !t.toldNowHour {
		t.toldNowHour, tell = true, true
	}
	if t.daily > aDay && !t.toldToday {
		t.toldToday, tell = true, true
	}
	return tell
}

// tallyOf finds a subject's tally; it is nil when there is no room for another one.
func (s *State) tallyOf(subject string, now time.Time) *tally {
	t, ok := s.tallies[subject]
	if ok {
		return t
	}
	if len(s.tallies) >= maxTallied {
		for key, old := range s.tallies {
			if now.Sub(old.day) >= 24*time.Hour {
				delete(s.tallies, key)
			}
		}
		if len(s.tallies) >= maxTallied {
			return nil
		}
	}
	t = &tally{}
	s.tallies[subject] = t
	return t
}

// reported counts an image that a worker reports as abuse: against who asked for it, or whom a service account asked for,
// and against where it was asked for. Nobody is barred for it; the operators are told when there are many. Moderators,
// who try the safety check out, leave no mark.
func (s *State) reported(c *Change, r *Request, w *Worker) {
	u := s.users[r.User]
	if u.Has(RoleModerator) {
		return
	}
	type subject struct{ key, name string }
	var subjects []subject
	switch {
	case u.ID == Anonymous:
	case r.Proxied != "" && u.Has(RoleService):
		subjects = append(subjects, subject{"proxied:" + u.Alias() + ":" + r.Proxied, "the proxied account " + strconv.Quote(r.Proxied) + " of " + u.Alias()})
	default:
		subjects = append(subjects, subject{"account:" + strconv.FormatInt(int64(u.ID), 10), "the account " + u.Alias()})
	}
	if r.Origin.Addr().IsValid() {
		subjects = append(subjects, subject{"origin:" + r.Origin.String(), "the address " + r.Origin.String()})
	}
	kept := false
	for _, x := range subjects {
		t := s.tallyOf(x.key, c.Now)
		if t == nil || !t.count(c.Now, ReportsAnHour, ReportsADay) {
			continue
		}
		s.notify(c, Notice{Topic: NoticeReports, User: u.ID, Worker: w.ID, Text: fmt.Sprintf(
			"Workers reported %d images of %s as abuse within an hour, %d within a day. The latest prompt is among the refused ones.",
			t.hourly, x.name, t.daily)})
		if !kept {
			s.archive(c, r.asReported(c.Now))
			kept = true
		}
	}
}

// asReported is what operators find of a request whose images workers report.
func (r *Request) asReported(now time.Time) Rejected {
	reason := "its images are reported by workers"
	if len(r.Image.Loras) > 0 {
		names := make([]string, 0, len(r.Image.Loras))
		for _, l := range r.Image.Loras {
			names = append(names, strconv.Quote(l.Name)) // a terminal would obey what others wrote
		}
		reason += ", with the LoRAs " + strings.Join(names, ", ")
	}
	return Rejected{
		At: now, User: r.User, Origin: r.Origin.String(), Client: r.Client, Reason: reason,
		Prompt: strings.ToValidUTF8(r.Image.Prompt[:min(len(r.Image.Prompt), maxRejectedPrompt)], ""), Models: r.Models,
	}
}

// proxied counts a refused prompt of somebody whom a service account speaks for.
func (s *State) proxied(c *Change, service UserID) {
	u, ok := s.users[service]
	if !ok || !u.Has(RoleService) {
		return
	}
	t := s.tallyOf("service:"+strconv.FormatInt(int64(u.ID), 10), c.Now)
	if t != nil && t.count(c.Now, ProxyStrikes, ReportsADay) {
		s.notify(c, Notice{Topic: NoticeProxy, User: u.ID, Text: fmt.Sprintf(
			"The service account %s passed on %d prompts within an hour that the filter refused, %d within a day.", u.Alias(), t.hourly, t.daily)})
	}
}
