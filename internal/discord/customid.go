package discord

import (
	"errors"
	"strings"
)

// ErrOldCustomID says that a custom id was not made by this version: the component is from an older message.
var ErrOldCustomID = errors.New("custom id of another version")

// customIDVersion begins every custom id, so that a later version can tell its own from older ones.
const customIDVersion = "1"

// CustomID is what a button, select or form carries: what to do, to what, and how. It is no authority: anybody may send
// any id, so handlers check the presser's rights anew.
type CustomID struct {
	Verb string // which handler: lower case letters, such as "cx" for cancel
	ID   string // the request or draft; may not contain a colon
	Arg  string // anything short
}

// String is the text form "1:<verb>:<id>:<arg>". It must not be longer than MaxCustomID, or the message is refused when
// it is sent.
func (c CustomID) String() string {
	return strings.Join([]string{customIDVersion, c.Verb, c.ID, c.Arg}, ":")
}

// ParseCustomID reads what String wrote. The error is ErrOldCustomID for everything else.
func ParseCustomID(s string) (CustomID, error) {
	if len(s) > 4*MaxCustomID {
		return CustomID{}, ErrOldCustomID
	}
	parts := strings.SplitN(s, ":", 4)
	if len(parts) != 4 || parts[0] != customIDVersion || parts[1] == "" {
		return CustomID{}, ErrOldCustomID
	}
	for _, r := range parts[1] {
		if r < 'a' || r > 'z' {
			return CustomID{}, ErrOldCustomID
		}
	}
	return CustomID{Verb: parts[1], ID: parts[2], Arg: parts[3]}, nil
}
