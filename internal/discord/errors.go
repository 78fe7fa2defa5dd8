package discord

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// APIError is Discord's refusal of a request. It never contains a token.
type APIError struct {
	Status     int    // HTTP status
	Code       int    // Discord's own code, 0 when the answer had none
	Message    string // Discord's text, for logs
	Route      string // which of our calls it was
	RetryAfter time.Duration
}

func (e *APIError) Error() string {
	return fmt.Sprintf("%s: %d %s (code %d)", e.Route, e.Status, e.Message, e.Code)
}

// Errors that are not Discord's words.
var (
	// ErrTooLate says that the interaction has been acknowledged already, by the automatic deferral for example, and the
	// wanted first response (a form, suggestions) is impossible now.
	ErrTooLate = errors.New("interaction is already acknowledged")
	// ErrBreaker says that the call was not sent because Discord has refused too many of our requests lately.
	ErrBreaker = errors.New("too many refused requests lately")
	// ErrHost says that a file is not at Discord.
	ErrHost = errors.New("refused host")
	// ErrUnreachable says that the message can no longer be edited: it is ephemeral and its token has expired.
	ErrUnreachable = errors.New("message is out of reach")
)

// Discord's error codes that code here branches on.
const (
	codeUnknownChannel      = 10003
	codeUnknownGuild        = 10004
	codeUnknownMessage      = 10008
	codeUnknownMember       = 10007
	codeUnknownRole         = 10011
	codeUnknownEmoji        = 10014
	codeMaxEmoji            = 30008
	codeDMsTooFast          = 40003
	codeMaxFollowups        = 40094
	codeUnknownUser         = 10013
	codeUnknownWebhook      = 10015
	codeUnknownInteraction  = 10062
	codeAlreadyAcknowledged = 40060
	codeMissingAccess       = 50001
	codeCannotDM            = 50007
	codeMissingPermissions  = 50013
	codeInvalidToken        = 50027
	codeFileTooLarge        = 50045
	codeEntityTooLarge      = 40005
	codeNoMutualGuild       = 50278
)

func hasCode(err error, codes ...int) bool {
	api, ok := errors.AsType[*APIError](err)
	return ok && slices.Contains(codes, api.Code)
}

// IsUnknownMessage reports that the message, its channel or its guild is gone: stop updating it.
func IsUnknownMessage(err error) bool {
	return hasCode(err, codeUnknownMessage, codeUnknownChannel, codeUnknownGuild)
}

// IsNotInGuild reports, of a call about a guild, that the bot is not there, or no longer.
func IsNotInGuild(err error) bool { return hasCode(err, codeUnknownGuild, codeMissingAccess) }

// IsUnknownMember reports that a person is not, or no longer, in a guild.
func IsUnknownMember(err error) bool { return hasCode(err, codeUnknownMember, codeUnknownUser) }

// IsUnknownRole reports that a role is gone.
func IsUnknownRole(err error) bool { return hasCode(err, codeUnknownRole) }

// IsExpiredToken reports that the interaction can no longer be answered with its token.
func IsExpiredToken(err error) bool {
	if hasCode(err, codeInvalidToken, codeUnknownWebhook, codeUnknownInteraction) {
		return true
	}
	api, ok := errors.AsType[*APIError](err)
	return ok && api.Status == http.StatusUnauthorized
}

// IsMissingPermission reports that the bot may not do this here.
func IsMissingPermission(err error) bool {
	return hasCode(err, codeMissingPermissions, codeMissingAccess)
}

// IsCannotDM reports that the person takes no direct messages from the bot.
func IsCannotDM(err error) bool { return hasCode(err, codeCannotDM, codeNoMutualGuild) }

// IsTooLarge reports that a file or the whole request was too large.
func IsTooLarge(err error) bool {
	if hasCode(err, codeFileTooLarge, codeEntityTooLarge) {
		return true
	}
	api, ok := errors.AsType[*APIError](err)
	return ok && api.Status == http.StatusRequestEntityTooLarge
}
