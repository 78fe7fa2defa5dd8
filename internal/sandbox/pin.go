package sandbox

import "net/http"

// maxPins is how many messages of a channel Discord lets be pinned.
const maxPins = 250

func (s *Server) putPin(c *call) (int, any, error) { return s.pin(c, true) }

func (s *Server) deletePin(c *call) (int, any, error) { return s.pin(c, false) }

// pin pins a message of a channel or thread, or takes it down.
func (s *Server) pin(c *call, up bool) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.botMessage(c)
	if err != nil {
		return 0, nil, err
	}
	g := s.w.byChannel[m.Channel]
	if g != nil && g.permissions(BotID)&(permPinMessages|permManageMessages) == 0 {
		return 0, nil, refuse(http.StatusForbidden, 50013, "Missing Permissions")
	}
	pinned := 0
	for _, x := range s.w.Messages[m.Channel] {
		if x.Pinned {
			pinned++
		}
	}
	switch {
	case m.Pinned == up:
		return http.StatusNoContent, nil, nil
	case up && pinned >= maxPins:
		return 0, nil, refuse(http.StatusBadRequest, 30003, "Maximum number of pins reached for the channel (250)")
	}
	m.Pinned = up
	if g != nil {
		s.emit("CHANNEL_PINS_UPDATE", intentGuilds, obj{"guild_id": g.ID, "channel_id": m.Channel, "last_pin_timestamp": s.opts.Now().UTC()})
	}
	s.touch()
	return http.StatusNoContent, nil, nil
}
