package sandbox

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif"  // sizes of attachments
	_ "image/jpeg" // sizes of attachments
	_ "image/png"  // sizes of attachments
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	_ "golang.org/x/image/webp" // sizes of attachments
)

func newFile(name, contentType string, data []byte) *file {
	f := &file{Name: path.Base(strings.ReplaceAll(name, "\\", "/")), ContentType: contentType, Size: len(data), data: data}
	if f.ContentType == "" || f.ContentType == "application/octet-stream" {
		f.ContentType = http.DetectContentType(data)
	}
	if cfg, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil {
		f.Width, f.Height = cfg.Width, cfg.Height
	}
	return f
}

// fill puts a request's body into a message: what is absent stays as it is. It returns what Discord would refuse.
// s.mu is held.
func (s *Server) fill(m *message, b body, files map[int]*file) string {
	layout := (m.Flags|b.Flags)&flagLayout != 0
	if text := checkMessage(b, layout); text != "" {
		return text
	}
	kept := m.Files
	described, hidden := map[int]string{}, map[int]bool{}
	if b.Attachments != nil {
		kept = nil
		for _, a := range *b.Attachments {
			id := fmt.Sprint(a.ID)
			if n, ok := a.ID.(float64); ok {
				id = strconv.Itoa(int(n))
			}
			if i := slices.IndexFunc(m.Files, func(f *file) bool { return f.ID == id }); i >= 0 {
				if a.Description != "" {
					m.Files[i].Description = a.Description
				}
				if a.Spoiler != nil {
					m.Files[i].Spoiler = *a.Spoiler
				}
				kept = append(kept, m.Files[i])
				continue
			}
			n, err := strconv.Atoi(id)
			if err != nil || files[n] == nil {
				return "attachments: no file with id " + id
			}
			described[n], hidden[n] = a.Description, a.Spoiler != nil && *a.Spoiler
			if a.Filename != "" {
				files[n].Name = path.Base(a.Filename)
			}
		}
	}
	all := slices.Clone(kept)
	for _, n := range slices.Sorted(maps.Keys(files)) {
		f := files[n]
		f.ID, f.Channel, f.Description = s.w.snowflake(s.opts.Now()), m.Channel, described[n]
		f.Spoiler = hidden[n] || strings.HasPrefix(f.Name, "SPOILER_")
		all = append(all, f)
	}
	if len(all) > 10 {
		return "attachments: must be 10 or fewer in length"
	}
	next := *m
	next.Files = all
	if b.Content != nil {
		next.Content = *b.Content
	} else if b.Null["content"] {
		next.Content = ""
	}
	if b.Null["embeds"] {
		next.Embeds = nil
	}
	if b.Components != nil {
		next.Components = numbered(*b.Components)
	}
	if b.Embeds != nil {
		next.Embeds = slices.Clone(*b.Embeds)
		for _, f := range all {
			f.Embedded = false
		}
	}
	if b.Embeds != nil {
		for _, e := range next.Embeds {
			if text := s.resolveEmbed(e, all); text != "" {
				return text
			}
		}
	}
	if next.Content == "" && len(next.Embeds) == 0 && len(next.Files) == 0 && len(next.Components) == 0 {
		return "Cannot send an empty message"
	}
	if layout {
		next.Flags |= flagLayout
		if text := checkLayout(next.Components, next.Content == "" && len(next.Embeds) == 0); text != "" {
			return text
		}
		if text := s.resolveLayout(next.Components, all); text != "" {
			return text
		}
	}
	*m = next
	return ""
}

// resolveEmbed replaces attachment://name by the address of the file, which then is part of the embed.
func (s *Server) resolveEmbed(e obj, files []*file) string {
	e["type"] = "rich"
	for _, f := range objects(e["fields"]) {
		if _, ok := f["inline"]; !ok {
			f["inline"] = false
		}
	}
	for _, key := range []string{"image", "thumbnail"} {
		media, ok := e[key].(obj)
		if !ok {
			continue
		}
		name, ok := strings.CutPrefix(str(media["url"]), "attachment://")
		if !ok {
			continue
		}
		i := slices.IndexFunc(files, func(f *file) bool { return f.Name == name })
		if i < 0 {
			return "embeds: no file named " + name
		}
		files[i].Embedded = true
		shown := s.apiFile(files[i])
		media["url"], media["proxy_url"] = shown["url"], shown["url"]
		if files[i].Width > 0 {
			media["width"], media["height"] = files[i].Width, files[i].Height
		}
		if files[i].Description != "" {
			media["description"] = files[i].Description
		}
	}
	return ""
}

// numbered gives every component an id, and selects their defaults, as Discord does.
func numbered(list []obj) []obj {
	n := 0
	fill := func(c obj, key string, v any) {
		if _, ok := c[key]; !ok {
			c[key] = v
		}
	}
	walkComponents(list, func(c obj) {
		n++
		fill(c, "id", n)
		switch num(c["type"]) {
		case componentSelect, 5, 6, 7, 8:
			fill(c, "min_values", 1)
			fill(c, "max_values", 1)
		}
	})
	return list
}

// add puts a new message into its channel and tells everybody who sees it. s.mu is held.
func (s *Server) add(m *message) {
	list := append(s.w.Messages[m.Channel], m)
	if len(list) > maxMessages {
		list = slices.Clone(list[len(list)-maxMessages:])
	}
	s.w.Messages[m.Channel] = list
	if len(m.Files) > 0 {
		s.boundFiles()
	}
	if m.Viewer == "" {
		out := s.apiMessage(m, BotID)
		guild, _ := s.w.guildOf(m.Channel)
		if guild != "" {
			out["guild_id"] = guild
			if p, ok := s.w.person(m.Author); ok {
				out["member"] = s.w.member(s.w.byGuild[guild], p, s.started)
			}
		}
		if m.Author != BotID && guild != "" { // privileged: contents of others' messages
			out["content"], out["attachments"], out["embeds"], out["components"] = "", []any{}, []any{}, []any{}
		}
		s.emit("MESSAGE_CREATE", s.intentOf(m.Channel, intentMessages, intentDMs), out)
	}
	s.tellMessage(m)
	s.touch()
}

// updated tells everybody who sees a message that it has changed. s.mu is held.
func (s *Server) updated(m *message) {
	m.Edits++
	m.Edited = s.opts.Now()
	if len(m.Files) > 0 {
		s.boundFiles()
	}
	if m.Viewer == "" {
		out := s.apiMessage(m, BotID)
		if guild, _ := s.w.guildOf(m.Channel); guild != "" {
			out["guild_id"] = guild
		}
		s.emit("MESSAGE_UPDATE", s.intentOf(m.Channel, intentMessages, intentDMs), out)
	}
	s.tellMessage(m)
	s.touch()
}

// remove deletes a message. s.mu is held.
func (s *Server) remove(m *message) {
	s.w.Messages[m.Channel] = slices.DeleteFunc(s.w.Messages[m.Channel], func(o *message) bool { return o == m })
	if m.Viewer == "" {
		out := obj{"id": m.ID, "channel_id": m.Channel}
		if guild, _ := s.w.guildOf(m.Channel); guild != "" {
			out["guild_id"] = guild
		}
		s.emit("MESSAGE_DELETE", s.intentOf(m.Channel, intentMessages, intentDMs), out)
	}
	s.tell("gone", m.Viewer, obj{"id": m.ID, "channel_id": m.Channel})
	s.touch()
}

// boundFiles forgets the oldest files when there are too many bytes of them. s.mu is held.
func (s *Server) boundFiles() {
	total := 0
	var all []*message
	for _, list := range s.w.Messages {
		for _, m := range list {
			for _, f := range m.Files {
				total += f.Size
			}
			if len(m.Files) > 0 {
				all = append(all, m)
			}
		}
	}
	if total <= maxFileBytes {
		return
	}
	slices.SortFunc(all, func(a, b *message) int { return strings.Compare(a.ID, b.ID) })
	for _, m := range all {
		for _, f := range m.Files {
			total -= f.Size
		}
		m.Files = nil
		if total <= maxFileBytes {
			return
		}
	}
}

func (s *Server) postMessage(c *call) (int, any, error) {
	channel := c.PathValue("channel")
	var b body
	if err := decode(c, &b); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(channel); err != nil {
		return 0, nil, err
	}
	if err := s.attachable(c, channel); err != nil {
		return 0, nil, err
	}
	nonce := ""
	if b.Nonce != nil {
		nonce = fmt.Sprint(b.Nonce)
	}
	if b.Enforce && nonce != "" {
		for _, m := range s.w.Messages[channel] {
			if m.Nonce == nonce && m.Author == BotID {
				return http.StatusOK, s.apiMessage(m, BotID), nil
			}
		}
	}
	m := s.newMessage(channel, BotID)
	m.Nonce = nonce
	for _, id := range b.Mentions.Roles {
		if b.Content != nil && strings.Contains(*b.Content, "<@&"+id+">") {
			m.Pings = append(m.Pings, id)
		}
	}
	if text := s.fill(m, b, c.files); text != "" {
		return 0, nil, s.badLocked(c, text)
	}
	s.add(m)
	return http.StatusOK, s.apiMessage(m, BotID), nil
}

// writable refuses what the bot cannot write into. s.mu is held.
func (s *Server) writable(channelID string) error {
	if !s.w.reaches(channelID) {
		return unknownChannel()
	}
	if user, ok := s.w.dmUser(channelID); ok {
		if p, _ := s.w.person(user); p.NoDMs {
			return refuse(http.StatusForbidden, 50007, "Cannot send messages to this user")
		}
		return nil
	}
	g := s.w.byChannel[channelID]
	if g.channel(channelID).Type == channelForum {
		return refuse(http.StatusBadRequest, 50008, "Cannot send messages in a non-text channel")
	}
	if g.permissions(BotID)&permSendMessages == 0 {
		return refuse(http.StatusForbidden, 50013, "Missing Permissions")
	}
	return nil
}

// attachable refuses files where the bot may not attach any. s.mu is held.
func (s *Server) attachable(c *call, channelID string) error {
	if g := s.w.byChannel[channelID]; len(c.files) > 0 && g != nil && g.permissions(BotID)&permAttachFiles == 0 {
		return refuse(http.StatusForbidden, 50013, "Missing Permissions")
	}
	return nil
}

func (s *Server) newMessage(channel, author string) *message {
	now := s.opts.Now()
	return &message{ID: s.w.snowflake(now), Channel: channel, Author: author, Created: now}
}

func (s *Server) getMessages(c *call) (int, any, error) {
	channel := c.PathValue("channel")
	limit := 50
	if n, err := strconv.Atoi(c.URL.Query().Get("limit")); err == nil {
		limit = min(max(n, 1), 100)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.w.reaches(channel) {
		return 0, nil, unknownChannel()
	}
	out := []obj{}
	for _, m := range slices.Backward(s.w.Messages[channel]) {
		if m.Viewer == "" && len(out) < limit {
			out = append(out, s.apiMessage(m, BotID))
		}
	}
	return http.StatusOK, out, nil
}

// botMessage finds a message that channel routes reach: ephemeral ones are not among them. s.mu is held.
func (s *Server) botMessage(c *call) (*message, error) {
	channel := c.PathValue("channel")
	if !s.w.reaches(channel) {
		return nil, unknownChannel()
	}
	m := s.w.find(channel, c.PathValue("message"))
	if m == nil || m.Viewer != "" {
		return nil, unknownMessage()
	}
	return m, nil
}

func (s *Server) getMessage(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.botMessage(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.apiMessage(m, BotID), nil
}

func (s *Server) editMessage(c *call) (int, any, error) {
	var b body
	if err := decode(c, &b); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.botMessage(c)
	if err != nil {
		return 0, nil, err
	}
	if m.Author != BotID {
		return 0, nil, refuse(http.StatusForbidden, 50005, "Cannot edit a message authored by another user")
	}
	if err := s.attachable(c, m.Channel); err != nil {
		return 0, nil, err
	}
	return s.edit(c, m, b)
}

// edit changes a message as the body says. s.mu is held.
func (s *Server) edit(c *call, m *message, b body) (int, any, error) {
	if text := s.fill(m, b, c.files); text != "" {
		return 0, nil, s.badLocked(c, text)
	}
	m.Flags &^= flagLoading
	s.updated(m)
	return http.StatusOK, s.apiMessage(m, BotID), nil
}

func (s *Server) deleteMessage(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.botMessage(c)
	if err != nil {
		return 0, nil, err
	}
	if guild, _ := s.w.guildOf(m.Channel); m.Author != BotID && guild == "" {
		return 0, nil, refuse(http.StatusForbidden, 50003, "Cannot execute action on a DM channel")
	}
	s.remove(m)
	return http.StatusNoContent, nil, nil
}

func (s *Server) putReaction(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, e, err := s.reactionTarget(c)
	if err != nil {
		return 0, nil, err
	}
	if err := s.react(m, e, BotID, true); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}

func (s *Server) deleteReaction(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, e, err := s.reactionTarget(c)
	if err != nil {
		return 0, nil, err
	}
	user := c.PathValue("user")
	if user == "@me" {
		user = BotID
	}
	if err := s.react(m, e, user, false); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}

func (s *Server) reactionTarget(c *call) (*message, emoji, error) {
	m, err := s.botMessage(c)
	if err != nil {
		return nil, emoji{}, err
	}
	e, ok := parseEmoji(c.PathValue("emoji"))
	if !ok {
		return nil, emoji{}, refuse(http.StatusBadRequest, 10014, "Unknown Emoji")
	}
	return m, e, nil
}

func (s *Server) getReactions(c *call) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, e, err := s.reactionTarget(c)
	if err != nil {
		return 0, nil, err
	}
	out := []obj{}
	for _, r := range m.Reactions {
		if r.Emoji.same(e) {
			for _, id := range r.Users {
				p, _ := s.w.person(id)
				out = append(out, p.api())
			}
		}
	}
	return http.StatusOK, out, nil
}

// react adds or removes one person's reaction. Doing it again changes nothing. s.mu is held.
func (s *Server) react(m *message, e emoji, userID string, add bool) error {
	i := slices.IndexFunc(m.Reactions, func(r reaction) bool { return r.Emoji.same(e) })
	if i < 0 {
		if !add {
			return nil
		}
		if len(m.Reactions) >= 20 {
			return refuse(http.StatusBadRequest, 30010, "Maximum number of reactions reached (20)")
		}
		m.Reactions = append(m.Reactions, reaction{Emoji: e})
		i = len(m.Reactions) - 1
	}
	r := &m.Reactions[i]
	if slices.Contains(r.Users, userID) == add {
		return nil
	}
	name := "MESSAGE_REACTION_REMOVE"
	out := obj{"user_id": userID, "channel_id": m.Channel, "message_id": m.ID, "emoji": r.Emoji.api(), "burst": false, "type": 0}
	guild, _ := s.w.guildOf(m.Channel)
	if guild != "" {
		out["guild_id"] = guild
	}
	if add {
		r.Users = append(r.Users, userID)
		name = "MESSAGE_REACTION_ADD"
		out["message_author_id"] = m.Author
		if p, ok := s.w.person(userID); ok && guild != "" {
			out["member"] = s.w.member(s.w.byGuild[guild], p, s.started)
		}
		if s.takeGatewayFault(ReactionWithoutMember) != nil {
			delete(out, "member")
			delete(out, "message_author_id")
		}
	} else {
		r.Users = slices.DeleteFunc(r.Users, func(id string) bool { return id == userID })
		if len(r.Users) == 0 {
			m.Reactions = slices.Delete(m.Reactions, i, i+1)
		}
	}
	s.emit(name, s.intentOf(m.Channel, intentReactions, intentDMReactions), out)
	s.tellMessage(m)
	s.touch()
	return nil
}
