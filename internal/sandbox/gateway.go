package sandbox

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Gateway opcodes.
const (
	opDispatch       = 0
	opHeartbeat      = 1
	opIdentify       = 2
	opPresence       = 3
	opResume         = 6
	opReconnect      = 7
	opInvalidSession = 9
	opHello          = 10
	opAck            = 11
)

// Intents that decide which events a bot hears.
const (
	intentAlways      = 0
	intentGuilds      = 1 << 0
	intentMembers     = 1 << 1
	intentEmojis      = 1 << 3
	intentMessages    = 1 << 9
	intentReactions   = 1 << 10
	intentDMs         = 1 << 12
	intentDMReactions = 1 << 13
)

const (
	replayDepth  = 1000            // events kept for a resume
	outDepth     = 2048            // packets waiting for a slow bot; beyond it the connection is dropped
	maxSessions  = 20              // the oldest without a connection is forgotten
	resumeWindow = 5 * time.Minute // how long a session without a connection can be resumed
	maxPacket    = 4096            // bytes a bot may send at once
)

func (s *Server) intentOf(channel string, guild, dm int) int {
	if g, _ := s.w.guildOf(channel); g != "" {
		return guild
	}
	return dm
}

// dispatch is one event on its way to the bot.
type dispatch struct {
	name   string
	intent int
	guild  string // "" for direct messages
	data   json.RawMessage
}

// session is one bot's stay at the gateway; it may outlive its connection. Server.mu guards it.
type session struct {
	id      string
	intents int
	shard   [2]int // its number, and of how many
	seq     int64
	replay  []packet // the last events, oldest first
	conn    *gatewayConn
	left    time.Time // when the connection was lost
}

// drop cuts the connection. s.mu is held.
func (sess *session) drop() {
	if sess.conn != nil {
		sess.conn.cut()
	}
}

// packet is one gateway message to the bot.
type packet struct {
	Op   int             `json:"op"`
	Data json.RawMessage `json:"d"`
	Seq  *int64          `json:"s"`
	Type *string         `json:"t"`
}

// gatewayConn is one WebSocket. Only its writer goroutine writes.
type gatewayConn struct {
	ws       *websocket.Conn
	out      chan packet // outDepth deep, never blocks the world
	done     chan struct{}
	once     sync.Once
	ours     atomic.Bool // the sandbox closed it: what the bot says to that ends no session
	compress bool        // set before the writer could need it: the first event follows it through out
}

func (c *gatewayConn) cut() {
	c.once.Do(func() {
		close(c.done)
		_ = c.ws.Close()
	})
}

// closeWith says goodbye properly.
func (c *gatewayConn) closeWith(code int) {
	c.ours.Store(true)
	deadline := time.Now().Add(time.Second) //nolint:forbidigo // the network stack knows the real clock only
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), deadline)
	c.cut()
}

// send queues a packet; a bot that does not read loses its connection.
func (c *gatewayConn) send(p packet) {
	select {
	case c.out <- p:
	default:
		c.cut()
	}
}

func (c *gatewayConn) write() {
	for {
		select {
		case p := <-c.out:
			b, err := json.Marshal(p)
			if err != nil {
				continue // made of valid JSON
			}
			kind := websocket.TextMessage
			if c.compress && p.Op == opDispatch {
				var z bytes.Buffer
				zw := zlib.NewWriter(&z)
				_, _ = zw.Write(b) // into memory
				_ = zw.Close()
				b, kind = z.Bytes(), websocket.BinaryMessage
			}
			if c.ws.WriteMessage(kind, b) != nil {
				c.cut()
				return
			}
		case <-c.done:
			return
		}
	}
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // made of plain maps
	}
	return b
}

// serveGateway is one connection of a bot, from Hello to its end.
func (s *Server) serveGateway(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{HandshakeTimeout: 10 * time.Second}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // answered by the upgrader
	}
	ws.SetReadLimit(maxPacket)
	c := &gatewayConn{ws: ws, out: make(chan packet, outDepth), done: make(chan struct{})}
	defer c.cut()
	var writer sync.WaitGroup
	writer.Go(c.write)
	defer writer.Wait()
	defer c.cut()
	c.send(packet{Op: opHello, Data: raw(obj{"heartbeat_interval": s.opts.Heartbeat.Milliseconds()})})
	var sess *session
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			s.left(sess, c, websocket.IsCloseError(err, 1000, 1001) && !c.ours.Load())
			return
		}
		var p struct {
			Op   int             `json:"op"`
			Data json.RawMessage `json:"d"`
		}
		if json.Unmarshal(b, &p) != nil {
			c.closeWith(4002)
			continue
		}
		switch p.Op {
		case opHeartbeat:
			s.mu.Lock()
			muted := s.takeGatewayFault(MuteAcks) != nil
			s.mu.Unlock()
			if !muted {
				c.send(packet{Op: opAck})
			}
		case opIdentify, opResume:
			if sess != nil {
				s.left(sess, c, true)
			}
			sess = s.enter(c, p.Op, p.Data)
		case opPresence:
		default:
			c.closeWith(4001)
		}
	}
}

// enter answers Identify or Resume. It returns the session that the connection now serves.
func (s *Server) enter(c *gatewayConn, op int, data json.RawMessage) *session {
	var in struct {
		Token    string `json:"token"`
		Session  string `json:"session_id"`
		Seq      int64  `json:"seq"`
		Intents  int    `json:"intents"`
		Compress bool   `json:"compress"`
		Shard    [2]int `json:"shard"`
	}
	if json.Unmarshal(data, &in) != nil {
		c.closeWith(4002)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.takeGatewayFault(RefuseIdentify); f != nil {
		s.recordLocked(Entry{Kind: "gateway", Title: "Identify", Status: "closed with " + strconv.Itoa(f.Code)})
		c.closeWith(f.Code)
		return nil
	}
	if strings.TrimPrefix(in.Token, "Bot ") != s.w.Token {
		c.closeWith(4004)
		return nil
	}
	if s.takeGatewayFault(MuteReady) != nil || s.stopped {
		return nil
	}
	if op == opResume {
		return s.resume(c, in.Session, in.Seq)
	}
	switch {
	case in.Intents&(1<<8|1<<15) != 0, in.Intents&intentMembers != 0 && !s.opts.Members:
		s.note("gateway identify", "the privileged intents are not switched on")
		c.closeWith(4014)
		return nil
	case in.Shard[1] > 0 && (in.Shard[0] < 0 || in.Shard[0] >= in.Shard[1]):
		c.closeWith(4010)
		return nil
	case !s.turn(in.Shard[0]):
		c.send(packet{Op: opInvalidSession, Data: raw(false)})
		return nil
	}
	s.forgetSessions()
	sess := &session{id: randomHex(16), intents: in.Intents, shard: [2]int{in.Shard[0], max(in.Shard[1], 1)}, conn: c}
	c.compress = in.Compress && s.opts.Compress
	s.sessions[sess.id] = sess
	bot, _ := s.w.person(BotID)
	guilds := []any{}
	for _, g := range s.w.Guilds {
		if s.w.guild(g.ID) != nil && sess.hears(g.ID) {
			guilds = append(guilds, obj{"id": g.ID, "unavailable": true})
		}
	}
	s.deliver(sess, "READY", raw(obj{
		"v": 10, "user": bot.api(), "session_id": sess.id, "resume_gateway_url": "ws" + strings.TrimPrefix(s.origin, "http") + "/gw",
		"guilds": guilds, "application": obj{"id": BotID, "flags": 0},
		"shard": sess.shard, "private_channels": []any{}, "relationships": []any{}, "session_type": "normal", "geo_ordered_rtc_regions": []any{},
	}))
	if sess.intents&intentGuilds != 0 {
		for _, g := range s.w.Guilds {
			if s.w.guild(g.ID) != nil && sess.hears(g.ID) {
				s.deliver(sess, "GUILD_CREATE", raw(s.guildCreate(g)))
			}
		}
	}
	s.recordLocked(Entry{Kind: "gateway", Title: "Identify", Status: "ready"})
	s.tellStatus()
	s.touch()
	return sess
}

// hears reports whether events of a guild come to this session; those without one come to the first shard.
func (sess *session) hears(guildID string) bool {
	n, _ := strconv.ParseUint(guildID, 10, 64)
	return int(n>>22)%sess.shard[1] == sess.shard[0]
}

// turn counts a new session and reports whether it was its turn. s.mu is held.
func (s *Server) turn(shard int) bool {
	now, key := s.opts.Now(), shard%s.opts.Concurrency
	s.identified++
	if s.identified > s.opts.Identifies {
		s.note("gateway identify", "more new sessions than a day has")
	}
	if last, ok := s.turns[key]; ok && now.Sub(last) < s.opts.Window {
		s.note("gateway identify", "two new sessions within one window")
		return false
	}
	s.turns[key] = now
	return true
}

// Sessions returns how many bots or shards of them are connected, and how many sessions were begun so far.
func (s *Server) Sessions() (connected, begun int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sess := range s.sessions {
		if sess.conn != nil {
			connected++
		}
	}
	return connected, s.identified
}

func (s *Server) guildCreate(in *guild) obj {
	g := in.api()
	members, channels, threads := []any{}, []any{}, []any{}
	for _, p := range s.w.People {
		if p.Bot { // without a privileged intent the bot sees itself alone
			members = append(members, s.w.member(in, *p, s.started))
		}
	}
	for _, c := range in.Channels {
		if out := in.channelAPI(c); c.Type == channelThread {
			threads = append(threads, out)
		} else {
			delete(out, "guild_id")
			channels = append(channels, out)
		}
	}
	joined := s.started
	if !in.Joined.IsZero() {
		joined = in.Joined
	}
	g["joined_at"], g["large"], g["unavailable"], g["member_count"] = stamp(joined), false, false, len(in.Members)
	g["members"], g["channels"], g["threads"] = members, channels, threads
	g["voice_states"], g["presences"], g["stage_instances"] = []any{}, []any{}, []any{}
	g["guild_scheduled_events"], g["soundboard_sounds"] = []any{}, []any{}
	return g
}

// resume continues a session. s.mu is held.
func (s *Server) resume(c *gatewayConn, id string, seq int64) *session {
	sess := s.sessions[id]
	if sess == nil || seq > sess.seq || sess.seq-seq > int64(len(sess.replay)) ||
		(sess.conn == nil && s.opts.Now().Sub(sess.left) > resumeWindow) {
		c.send(packet{Op: opInvalidSession, Data: raw(false)})
		s.recordLocked(Entry{Kind: "gateway", Title: "Resume", Status: "refused"})
		return nil
	}
	if f := s.takeGatewayFault(FirstAfterResume); f != nil {
		c.send(packet{Op: f.Code, Data: raw(false)})
		if f.Code == opInvalidSession {
			delete(s.sessions, id)
			return nil
		}
	}
	if sess.conn != nil && sess.conn != c {
		sess.conn.cut()
	}
	sess.conn = c
	for _, p := range sess.replay[len(sess.replay)-int(sess.seq-seq):] {
		c.send(p)
	}
	s.deliver(sess, "RESUMED", raw(obj{}))
	s.recordLocked(Entry{Kind: "gateway", Title: "Resume", Status: "resumed"})
	s.tellStatus()
	s.touch()
	return sess
}

// left notes that a connection has ended; a session closed with 1000 or 1001 ends with it.
func (s *Server) left(sess *session, c *gatewayConn, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sess == nil || sess.conn != c {
		return
	}
	sess.conn, sess.left = nil, s.opts.Now()
	if ended {
		delete(s.sessions, sess.id)
	}
	s.recordLocked(Entry{Kind: "gateway", Title: "Disconnect"})
	s.tellStatus()
	s.touch()
}

func (s *Server) forgetSessions() {
	for len(s.sessions) >= maxSessions {
		var oldest *session
		for _, sess := range s.sessions {
			if sess.conn == nil && (oldest == nil || sess.left.Before(oldest.left)) {
				oldest = sess
			}
		}
		if oldest == nil {
			return
		}
		delete(s.sessions, oldest.id)
	}
}

// deliver sends one event to one session and keeps it for a resume. s.mu is held.
func (s *Server) deliver(sess *session, name string, data json.RawMessage) {
	sess.seq++
	seq := sess.seq
	p := packet{Op: opDispatch, Data: data, Seq: &seq, Type: &name}
	sess.replay = append(sess.replay, p)
	if len(sess.replay) > replayDepth {
		sess.replay = sess.replay[len(sess.replay)-replayDepth:]
	}
	if sess.conn != nil {
		sess.conn.send(p)
	}
}

// emit sends an event to every session that wants it. s.mu is held.
func (s *Server) emit(name string, intent int, data obj) {
	d := dispatch{name: name, intent: intent, guild: str(data["guild_id"]), data: raw(data)}
	if d.guild == "" && strings.HasPrefix(name, "GUILD_") {
		d.guild = str(data["id"])
	}
	s.recordLocked(Entry{Kind: "event", Title: name, Body: string(maskTokens(d.data))})
	if s.takeGatewayFault(Drop) != nil {
		return
	}
	if s.takeGatewayFault(Swap) != nil {
		s.held = append(s.held, d)
		return
	}
	s.send(d)
	if s.takeGatewayFault(Duplicate) != nil {
		s.send(d)
	}
	for _, h := range s.held {
		s.send(h)
	}
	s.held = nil
}

func (s *Server) send(d dispatch) {
	for _, sess := range s.sessions {
		if (d.intent == intentAlways || sess.intents&d.intent != 0) && sess.hears(d.guild) {
			s.deliver(sess, d.name, d.data)
		}
	}
}

// online reports whether a bot is connected. s.mu is held.
func (s *Server) online() bool {
	for _, sess := range s.sessions {
		if sess.conn != nil {
			return true
		}
	}
	return false
}

// WaitBot blocks until a bot is connected to the gateway.
func (s *Server) WaitBot(ctx context.Context) error { return s.await(ctx, s.online) }

// atOnce does what needs no occasion. s.mu is held.
func (s *Server) atOnce(f Fault) bool {
	each := func(do func(*session, *gatewayConn)) {
		for _, sess := range s.sessions {
			if sess.conn != nil {
				do(sess, sess.conn)
			}
		}
	}
	switch f.Kind {
	case CloseGateway:
		each(func(sess *session, c *gatewayConn) {
			c.closeWith(f.Code)
			if endsSession(f.Code) {
				delete(s.sessions, sess.id)
			}
		})
	case CutGateway:
		each(func(_ *session, c *gatewayConn) { c.cut() })
	case Reconnect:
		each(func(_ *session, c *gatewayConn) { c.send(packet{Op: opReconnect}) })
	case InvalidSession:
		each(func(sess *session, c *gatewayConn) {
			c.send(packet{Op: opInvalidSession, Data: raw(f.Code == 1)})
			if f.Code != 1 {
				delete(s.sessions, sess.id)
			}
		})
	case AskHeartbeat:
		each(func(_ *session, c *gatewayConn) { c.send(packet{Op: opHeartbeat}) })
	case UnknownEvent:
		s.emit("EVENT_FROM_THE_FUTURE", intentAlways, obj{"new": true})
	default:
		return false
	}
	return true
}
