package discord

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// FetchedMessage is what the bot may see of somebody's message.
type FetchedMessage struct {
	ID        string `json:"id"`
	ChannelID string `json:"channel_id"`
	Author    User   `json:"author"`
	WebhookID string `json:"webhook_id"` // set when no person and no bot user wrote it
	MessageBody
	Interaction struct {
		User User `json:"user"` // whose command the message answers
	} `json:"interaction_metadata"`
	Snapshots []struct {
		Message MessageBody `json:"message"`
	} `json:"message_snapshots"`
}

// MessageBody is what a message shows.
type MessageBody struct {
	Content     string       `json:"content"` // empty unless the bot may read it
	Attachments []Attachment `json:"attachments"`
	Embeds      []struct {
		Image     EmbedImage `json:"image"`
		Thumbnail EmbedImage `json:"thumbnail"`
	} `json:"embeds"`
	Components json.RawMessage `json:"components"`
}

// Forwarded lists what the message passes on of others.
func (m FetchedMessage) Forwarded() []MessageBody {
	out := make([]MessageBody, 0, len(m.Snapshots))
	for _, s := range m.Snapshots {
		out = append(out, s.Message)
	}
	return out
}

// Media lists the pictures of a layout, in order, however its components nest.
func (b MessageBody) Media() []EmbedImage {
	var out []EmbedImage
	collectMedia(b.Components, &out, 0)
	return out
}

func collectMedia(raw json.RawMessage, into *[]EmbedImage, depth int) {
	var list []json.RawMessage
	if depth > maxComponentDepth || json.Unmarshal(raw, &list) != nil {
		return
	}
	for _, item := range list {
		var c struct {
			Media EmbedImage `json:"media"`
			Items []struct {
				Media EmbedImage `json:"media"`
			} `json:"items"`
			Accessory  json.RawMessage `json:"accessory"`
			Components json.RawMessage `json:"components"`
		}
		if json.Unmarshal(item, &c) != nil {
			continue
		}
		if c.Media.URL != "" {
			*into = append(*into, c.Media)
		}
		for _, i := range c.Items {
			*into = append(*into, i.Media)
		}
		if len(c.Accessory) > 0 {
			collectMedia(json.RawMessage("["+string(c.Accessory)+"]"), into, depth+1)
		}
		collectMedia(c.Components, into, depth+1)
	}
}

// EmbedImage is an image that an embed of a message shows. ProxyURL is Discord's own copy of it.
type EmbedImage struct {
	URL      string `json:"url"`
	ProxyURL string `json:"proxy_url"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
}

// EditMessage replaces a message, whoever sent it to us and whenever: by its interaction token while that lives, with the
// bot token afterwards. ErrUnreachable says that neither can work; IsUnknownMessage tells that it was deleted. It retries
// within the deadline of ctx, or a minute.
func (b *Bot) EditMessage(ctx context.Context, ref MessageRef, m Message) error {
	if err := m.Validate(); err != nil {
		return fmt.Errorf("edit message: %w", err)
	}
	err := b.withMessage(ref, func(req call) error {
		req.method, req.route, req.optional = http.MethodPatch, "PATCH "+req.route, m.Optional
		req.vital = !m.Optional
		if req.bot {
			req.paced = ref.ChannelID
		}
		var keep []string
		if m.KeepFiles && len(m.Files) > 0 {
			var err error
			if keep, err = b.attachmentIDs(ctx, req); err != nil {
				return err
			}
		}
		req.json, req.files = m.edit(keep), m.Files
		_, err := b.rest.do(ctx, req)
		return err
	})
	switch {
	case err == nil:
		b.stats.EditsSent.Add(1)
	case m.Optional:
		b.stats.EditsDropped.Add(1)
	default:
		b.stats.EditsFailed.Add(1)
	}
	return err
}

// DeleteMessage deletes a message of the bot. One that is gone already is no error.
func (b *Bot) DeleteMessage(ctx context.Context, ref MessageRef) error {
	err := b.withMessage(ref, func(req call) error {
		req.method, req.route = http.MethodDelete, "DELETE "+req.route
		_, err := b.rest.do(ctx, req)
		return err
	})
	if IsUnknownMessage(err) {
		return nil
	}
	return err
}

// withMessage calls do with the path that reaches the message now, and again with the bot token when the interaction
// token turns out to be dead.
func (b *Bot) withMessage(ref MessageRef, do func(call) error) error {
	var first error
	if now := b.opts.Now(); ref.Token != "" && now.Before(ref.Expires) && !b.dead.has(ref.Token) {
		first = do(call{
			path:  webhookPath(ref.AppID, ref.Token) + "/messages/" + pathEscape(ref.MessageID),
			route: "interaction message", bucket: "webhook " + tail(ref.Token),
		})
		if first == nil || !IsExpiredToken(first) {
			return first
		}
		b.dead.note(ref, first, now)
	}
	if ref.Ephemeral || ref.ChannelID == "" || ref.MessageID == "" || ref.MessageID == "@original" {
		return errors.Join(ErrUnreachable, first)
	}
	return do(call{
		path:  "/channels/" + pathEscape(ref.ChannelID) + "/messages/" + pathEscape(ref.MessageID),
		route: "channel message", bucket: "message " + ref.ChannelID, bot: true,
	})
}

func (b *Bot) attachmentIDs(ctx context.Context, req call) ([]string, error) {
	req.method, req.route = http.MethodGet, "GET message"
	body, err := b.rest.do(ctx, req)
	if err != nil {
		return nil, err
	}
	var m FetchedMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	var ids []string
	for _, a := range m.Attachments {
		ids = append(ids, a.ID)
	}
	return ids, nil
}

// DescribeFiles gives files of a message of ours another alt text: text gets each file's name and returns its new text, and
// whether it has one. Everything else of the message stays. It reports how many changed.
func (b *Bot) DescribeFiles(ctx context.Context, ref MessageRef, text func(name string) (string, bool)) (changed int, err error) {
	err = b.withMessage(ref, func(req call) error {
		changed = 0
		read := req
		read.method, read.route = http.MethodGet, "GET message"
		body, err := b.rest.do(ctx, read)
		if err != nil {
			return err
		}
		var m FetchedMessage
		if err := json.Unmarshal(body, &m); err != nil {
			return fmt.Errorf("read message: %w", err)
		}
		list := []wireAttachment{}
		for _, a := range m.Attachments {
			if t, ok := text(a.Filename); ok && t != a.Description {
				a.Description = Clip(t, MaxDescription)
				changed++
			}
			list = append(list, wireAttachment{ID: a.ID, Description: a.Description})
		}
		if changed == 0 {
			return nil
		}
		req.method, req.route, req.vital = http.MethodPatch, "PATCH "+req.route, true
		req.json = wireMessage{Attachments: &list, AllowedMentions: wireMentions{Parse: []string{}}}
		_, err = b.rest.do(ctx, req)
		return err
	})
	return changed, err
}

// deleteOriginal removes the first answer of an interaction.
func (b *Bot) deleteOriginal(ctx context.Context, in *Interaction) error {
	_, err := b.rest.do(ctx, call{
		method: http.MethodDelete, path: webhookPath(in.AppID, in.Token) + "/messages/@original",
		route: "DELETE original reply", bucket: "webhook " + tail(in.Token),
	})
	return err
}

// SendMessage posts into a channel with the bot token. An answer that is lost on the way is asked for again without
// posting twice.
func (b *Bot) SendMessage(ctx context.Context, channelID string, m Message) (MessageRef, error) {
	return b.send(ctx, channelID, m, false)
}

// dmPause is how long no direct messages are sent when there were too many.
const dmPause = time.Minute

// DM sends a direct message. IsCannotDM tells that the person takes none: leave them alone for a day.
//
// When Discord finds that the bot opens direct messages too fast, none are sent for a minute, and each is an ErrBreaker.
func (b *Bot) DM(ctx context.Context, userID string, m Message) (MessageRef, error) {
	if b.opts.Now().UnixNano() < b.noDMs.Load() {
		return MessageRef{}, fmt.Errorf("open direct channel: %w", ErrBreaker)
	}
	body, err := b.rest.do(ctx, call{
		method: http.MethodPost, path: "/users/@me/channels", route: "POST direct channel", bot: true, optional: true,
		json: map[string]string{"recipient_id": userID},
	})
	if hasCode(err, codeDMsTooFast) {
		b.noDMs.Store(b.opts.Now().Add(dmPause).UnixNano())
	}
	if err != nil {
		return MessageRef{}, err
	}
	var channel struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &channel); err != nil || channel.ID == "" {
		return MessageRef{}, errors.New("open direct channel: unreadable answer")
	}
	return b.send(ctx, channel.ID, m, true)
}

func (b *Bot) send(ctx context.Context, channelID string, m Message, optional bool) (MessageRef, error) {
	if err := m.Validate(); err != nil {
		return MessageRef{}, fmt.Errorf("send message: %w", err)
	}
	if m.blank() {
		return MessageRef{}, errors.New("send message: the message shows nothing")
	}
	m.Ephemeral = false
	w := m.create()
	w.Nonce, w.EnforceNonce = cmp.Or(m.Nonce, b.nonce()), true
	body, err := b.rest.do(ctx, call{
		method: http.MethodPost, path: "/channels/" + pathEscape(channelID) + "/messages",
		route: "POST message", bucket: "send " + channelID, bot: true, json: w, files: m.Files, optional: optional || m.Optional,
	})
	if err != nil {
		return MessageRef{}, err
	}
	ref := MessageRef{ChannelID: channelID}
	return ref, readRef(body, &ref)
}

// FetchMessage reads a message with the bot token.
func (b *Bot) FetchMessage(ctx context.Context, channelID, messageID string) (FetchedMessage, error) {
	body, err := b.rest.do(ctx, call{
		method: http.MethodGet, path: "/channels/" + pathEscape(channelID) + "/messages/" + pathEscape(messageID),
		route: "GET message", bucket: "fetch " + channelID, bot: true,
	})
	if err != nil {
		return FetchedMessage{}, err
	}
	var m FetchedMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return FetchedMessage{}, fmt.Errorf("read message: %w", err)
	}
	return m, nil
}

// Member is a person in a guild.
type Member struct {
	User  User     `json:"user"`
	Roles []string `json:"roles"`
	Nick  string   `json:"nick"`
}

// Member reads one member of a guild, without the privileged list of all. IsUnknownMember tells that there is none.
func (b *Bot) Member(ctx context.Context, guildID, userID string) (Member, error) {
	var m Member
	err := b.read(ctx, "/guilds/"+pathEscape(guildID)+"/members/"+pathEscape(userID), "GET member", "members "+guildID, &m)
	return m, err
}

// Roles lists the roles of a guild.
func (b *Bot) Roles(ctx context.Context, guildID string) ([]Role, error) {
	var roles []Role
	err := b.read(ctx, "/guilds/"+pathEscape(guildID)+"/roles", "GET roles", "guild "+guildID, &roles)
	return roles, err
}

// GuildInfo is what the bot may see of a guild that it is in.
type GuildInfo struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	OwnerID string       `json:"owner_id"`
	Locale  string       `json:"preferred_locale"`
	Roles   []Role       `json:"roles"`
	Tier    int          `json:"premium_tier"` // how many boosts it has, as a level from 0 to 3
	Emojis  []GuildEmoji `json:"emojis"`
}

// Guild reads a guild with its roles.
func (b *Bot) Guild(ctx context.Context, guildID string) (GuildInfo, error) {
	var g GuildInfo
	err := b.read(ctx, "/guilds/"+pathEscape(guildID), "GET guild", "guild "+guildID, &g)
	return g, err
}

// auditBotAdd is the kind of entry of a guild's audit log that says who added a bot.
const auditBotAdd = "28"

// Inviter finds who added the bot to a guild, if the guild lets the bot read its audit log; IsMissingPermission tells that
// it does not. The ID is empty when the log does not say.
func (b *Bot) Inviter(ctx context.Context, guildID string) (userID string, err error) {
	body, err := b.rest.do(ctx, call{
		method: http.MethodGet, path: "/guilds/" + pathEscape(guildID) + "/audit-logs",
		query: url.Values{"action_type": {auditBotAdd}, "limit": {"10"}}.Encode(),
		route: "GET audit log", bucket: "guild " + guildID, bot: true, optional: true,
	})
	if err != nil {
		return "", err
	}
	var log struct {
		Entries []struct {
			UserID   string `json:"user_id"`
			TargetID string `json:"target_id"`
		} `json:"audit_log_entries"`
	}
	if err := json.Unmarshal(body, &log); err != nil {
		return "", fmt.Errorf("read audit log: %w", err)
	}
	for _, e := range log.Entries {
		if e.TargetID == b.UserID() {
			return e.UserID, nil
		}
	}
	return "", nil
}

// Channel reads a channel or thread that the bot can see.
func (b *Bot) Channel(ctx context.Context, channelID string) (Channel, error) {
	var c Channel
	err := b.read(ctx, "/channels/"+pathEscape(channelID), "GET channel", "channel "+channelID, &c)
	return c, err
}

// read gets JSON with the bot token.
func (b *Bot) read(ctx context.Context, path, route, bucket string, into any) error {
	body, err := b.rest.do(ctx, call{method: http.MethodGet, path: path, route: route, bucket: bucket, bot: true})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", route, err)
	}
	return nil
}

// AddReaction puts the bot's reaction under a message. emoji is a Unicode emoji or name:id.
func (b *Bot) AddReaction(ctx context.Context, channelID, messageID, emoji string) error {
	_, err := b.rest.do(ctx, call{
		method: http.MethodPut, path: reactionPath(channelID, messageID, emoji) + "/@me",
		route: "PUT reaction", bucket: "reactions " + channelID, bot: true, optional: true,
	})
	return err
}

// RemoveReaction takes back a reaction: the bot's own when userID is empty, else that person's, which needs
// ManageMessages.
func (b *Bot) RemoveReaction(ctx context.Context, channelID, messageID, emoji, userID string) error {
	if userID == "" {
		userID = "@me"
	}
	_, err := b.rest.do(ctx, call{
		method: http.MethodDelete, path: reactionPath(channelID, messageID, emoji) + "/" + pathEscape(userID),
		route: "DELETE reaction", bucket: "reactions " + channelID, bot: true, optional: true,
	})
	return err
}

// AddRole gives a member a role. The reason is shown in the guild's audit log.
func (b *Bot) AddRole(ctx context.Context, guildID, userID, roleID, reason string) error {
	return b.role(ctx, http.MethodPut, guildID, userID, roleID, reason)
}

// RemoveRole takes a role from a member. The reason is shown in the guild's audit log.
func (b *Bot) RemoveRole(ctx context.Context, guildID, userID, roleID, reason string) error {
	return b.role(ctx, http.MethodDelete, guildID, userID, roleID, reason)
}

func (b *Bot) role(ctx context.Context, method, guildID, userID, roleID, reason string) error {
	_, err := b.rest.do(ctx, call{
		method: method, path: "/guilds/" + pathEscape(guildID) + "/members/" + pathEscape(userID) + "/roles/" + pathEscape(roleID),
		route: method + " member role", bucket: "roles " + guildID, bot: true, optional: true, reason: reason,
	})
	return err
}

// Download reads a file that a person attached to a command. Only Discord's file hosts are read (or the stand-in's), and
// at most limit bytes; a larger file is an error.
func (b *Bot) Download(ctx context.Context, address string, limit int64) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("download: unreadable address")
	}
	if b.base != nil {
		if u.Host != b.base.Host {
			return nil, fmt.Errorf("download: %w %s", ErrHost, u.Hostname())
		}
	} else if u.Scheme != "https" || u.Port() != "" || !slices.Contains(cdnHosts[:], u.Hostname()) {
		return nil, fmt.Errorf("download: %w %s", ErrHost, u.Hostname())
	}
	ctx, cancel := context.WithTimeout(ctx, callBudget)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("download: unreadable address")
	}
	resp, err := b.files.Do(req)
	if err != nil {
		return nil, fmt.Errorf("download: %w", bare(err))
	}
	defer resp.Body.Close() //nolint:errcheck // nothing was written
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("download: status %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("download: file is larger than %d bytes", limit)
	}
	return data, nil
}

func webhookPath(appID, token string) string {
	return "/webhooks/" + pathEscape(appID) + "/" + pathEscape(token)
}

func reactionPath(channelID, messageID, emoji string) string {
	return "/channels/" + pathEscape(channelID) + "/messages/" + pathEscape(messageID) + "/reactions/" + pathEscape(emoji)
}

func pathEscape(s string) string {
	switch s {
	case "@original", "@me":
		return s
	case ".", "..":
		return strings.ReplaceAll(s, ".", "%2E") // must not climb
	}
	return url.PathEscape(s)
}

func readRef(body []byte, ref *MessageRef) error {
	var m struct {
		ID        string `json:"id"`
		ChannelID string `json:"channel_id"`
	}
	if err := json.Unmarshal(body, &m); err != nil || m.ID == "" {
		return errors.New("message was sent, but the answer is unreadable")
	}
	ref.MessageID = m.ID
	if m.ChannelID != "" {
		ref.ChannelID = m.ChannelID
	}
	return nil
}

// tail shortens a token to what tells buckets apart without being the secret.
func tail(s string) string { return s[max(0, len(s)-12):] }
