package sandbox

import (
	"net/http"
	"slices"
	"unicode/utf8"
)

// maxThreads bounds the channels and threads of a guild; Discord has such a bound too.
const maxThreads = 500

// startThread makes a public thread in a text channel.
func (s *Server) startThread(c *call) (int, any, error) {
	parent := c.PathValue("channel")
	var b struct {
		Name    string `json:"name"`
		Type    int    `json:"type"`
		Archive int    `json:"auto_archive_duration"`
	}
	if err := decode(c, &b); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.w.byChannel[parent]
	switch n := utf8.RuneCountInString(b.Name); {
	case g == nil || !s.w.reaches(parent):
		return 0, nil, unknownChannel()
	case g.channel(parent).Type != channelText:
		return 0, nil, refuse(http.StatusBadRequest, 50024, "Cannot execute action on this channel type")
	case n < 1 || n > 100:
		return 0, nil, s.badLocked(c, "name: Must be between 1 and 100 in length.")
	case b.Type != channelThread:
		return 0, nil, s.badLocked(c, "type: a text channel has public threads of type 11 here")
	case b.Archive != 0 && !slices.Contains([]int{60, 1440, 4320, 10080}, b.Archive):
		return 0, nil, s.badLocked(c, "auto_archive_duration: Value must be one of (60, 1440, 4320, 10080).")
	case len(g.Channels) >= maxThreads:
		return 0, nil, refuse(http.StatusBadRequest, 30013, "Maximum number of guild channels reached (500)")
	}
	thread := &channel{ID: s.w.snowflake(s.opts.Now()), Type: channelThread, Name: b.Name, Parent: parent}
	g.Channels = append(g.Channels, thread)
	s.w.byChannel[thread.ID] = g
	s.w.Messages[thread.ID] = nil
	s.emit("THREAD_CREATE", intentGuilds, g.channelAPI(thread))
	s.tellStatus()
	s.touch()
	return http.StatusCreated, g.channelAPI(thread), nil
}

// Threads lists the ids of the threads in a channel, oldest first.
func (s *Server) Threads(channelID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	if g := s.w.byChannel[channelID]; g != nil {
		for _, c := range g.Channels {
			if c.Type == channelThread && c.Parent == channelID {
				out = append(out, c.ID)
			}
		}
	}
	return out
}
