package sandbox

import (
	"strconv"
	"time"
)

// The ids of the default world. They never change, so that accounts derived from them survive a restart.
const (
	GuildID        = "110000000000000001"
	ChannelID      = "110000000000000002"
	AdultChannelID = "110000000000000003" // age-restricted
	ThreadID       = "110000000000000004" // in ChannelID
	AdultThreadID  = "110000000000000005" // in AdultChannelID: it does not say itself that it is restricted
	ForumID        = "110000000000000006" // holds posts, no messages
	ForumPostID    = "110000000000000007" // in ForumID
	BotID          = "110000000000000010" // the bot's account and its application

	Newcomer = "110000000000000021" // an ordinary member
	Friend   = "110000000000000022" // another ordinary member, of the first guild only
	Admin    = "110000000000000023" // an administrator of both guilds

	RoleBot     = "110000000000000031" // the bot's own, above the others
	RoleWorker  = "110000000000000032" // the bot may give it
	RoleTrusted = "110000000000000033" // the bot may give it
	RoleAdmin   = "110000000000000034" // above the bot's
	RoleBooster = "110000000000000035" // below the bot's, but managed: nobody can give it

	// A second guild, of another shard whether there are two, three or four.
	OtherGuildID   = "110000000022000101"
	OtherChannelID = "110000000022000102"
	OtherRole      = "110000000022000131" // the bot may give it
	otherBotRole   = "110000000022000132"
	otherAdminRole = "110000000022000133"
)

// Permission bits used here.
const (
	permAdministrator   = 1 << 3
	permAddReactions    = 1 << 6
	permAuditLog        = 1 << 7
	permViewChannel     = 1 << 10
	permSendMessages    = 1 << 11
	permManageMessages  = 1 << 13
	permEmbedLinks      = 1 << 14
	permAttachFiles     = 1 << 15
	permReadHistory     = 1 << 16
	permExternalEmoji   = 1 << 18
	permUseCommands     = 1 << 31
	permManageRoles     = 1 << 28
	permCreateThreads   = 1 << 35
	permSendInThreads   = 1 << 38
	permCreateEmoji     = 1 << 43
	permPinMessages     = 1 << 51
	permMember          = permAddReactions | permViewChannel | permSendMessages | permEmbedLinks | permAttachFiles | permReadHistory | permExternalEmoji | permUseCommands | permSendInThreads
	permBot             = permMember | permManageRoles | permManageMessages | permPinMessages | permCreateEmoji
	permAll             = 1<<53 - 1
	attachmentSizeLimit = 10 << 20
)

// Bounds of what the sandbox remembers.
const (
	maxMessages     = 500       // per channel; older ones are forgotten
	maxFileBytes    = 256 << 20 // of all files; the oldest are forgotten
	maxInteractions = 1000      // unless Options.Interactions says otherwise
	maxFindings     = 1000
	maxLog          = 300
	maxGuilds       = 5000
	maxPeople       = 5000
	tokenLife       = 15 * time.Minute
)

// obj is a JSON object.
type obj = map[string]any

// world is everything that is kept, on disk too when Options.DataDir is set. Server.mu guards it.
type world struct {
	LastID       uint64                  `json:"last_id"`
	Token        string                  `json:"token"`
	Messages     map[string][]*message   `json:"messages"` // by channel, oldest first
	Commands     map[string][]*command   `json:"commands"` // by guild, "" for global ones
	Interactions map[string]*interaction `json:"interactions"`
	Guilds       []*guild                `json:"guilds"`
	People       []*person               `json:"people"`
	MemberRoles  map[string][]string     `json:"member_roles,omitempty"` // of worlds written when there was one guild

	byPerson  map[string]*person
	byGuild   map[string]*guild
	byChannel map[string]*guild
	byToken   map[string]*interaction
	order     []string // ids of interactions, oldest first
}

func newWorld() *world {
	w := emptyWorld()
	w.complete()
	return w
}

func emptyWorld() *world {
	return &world{Messages: map[string][]*message{}, Commands: map[string][]*command{}, Interactions: map[string]*interaction{}}
}

const discordEpoch = 1420070400000

// snowflake makes a new id; each is larger than all before.
func (w *world) snowflake(now time.Time) string {
	id := uint64(max(now.UnixMilli()-discordEpoch, 1)) << 22
	w.LastID = max(id, w.LastID+1)
	return strconv.FormatUint(w.LastID, 10)
}
