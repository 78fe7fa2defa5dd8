// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"strings"
	"time"

	"stablemate/commands/chat"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// clientAgent is how the chat door names itself to the core.
const clientAgent = "stablemate-chat:1:discord"

// params are the parameters of a request, as kept in its row. They are not for logs: prompts are private.
type params struct {
	Prompt   string  `json:"prompt"`
	Negative string  `json:"negative,omitempty"`
	Model    string  `json:"model,omitempty"` // empty means any
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Steps    int     `json:"steps"`
	Seed     string  `json:"seed,omitempty"`
	Amount   int     `json:"amount"`
	CFG      float64 `json:"cfg"`
	Sampler  string  `json:"sampler"`
	Karras   bool    `json:"karras,omitempty"`

	Style    string   `json:"style,omitempty"`    // as it was asked for
	Styled   *worn    `json:"styled,omitempty"`   // what that was
	Said     []string `json:"said,omitempty"`     // what somebody chose themselves, by the names of options: no style changes it
	Source   string   `json:"source,omitempty"`   // key of the image that it is made from
	Mask     string   `json:"mask,omitempty"`     // key of what may change in it
	Strength float64  `json:"strength,omitempty"` // of the change, above 0 to 1
	Fine     *fine    `json:"fine,omitempty"`
	Sharing  *bool    `json:"sharing,omitempty"` // what was said about it this time
	Spoil    bool     `json:"spoil,omitempty"`
	Forms    *formAsk `json:"forms,omitempty"` // of a request to alchemists
	Text     *textAsk `json:"text,omitempty"`  // of a request to scribes

	from, mask *photo   // images that are still to be kept
	extra      []*photo // further ones
	shaped     bool     // the size is that of a source image, and nobody said it

	// What the rules of the place made of it when it was asked for.
	Models []string `json:"models,omitempty"` // those that any model may be
	Added  string   `json:"added,omitempty"`  // to the negative prompt
	Adult  bool     `json:"adult,omitempty"`
	Veiled bool     `json:"veiled,omitempty"` // shown as a spoiler
	Share  bool     `json:"share,omitempty"`
	NoAlt  bool     `json:"no_alt,omitempty"`
	// Caption has the images described in words once they are there.
	Caption bool   `json:"caption,omitempty"`
	Locale  string `json:"locale,omitempty"` // language of the message
	After   string `json:"after,omitempty"`  // link to the message whose image it is made from
	Again   string `json:"again,omitempty"`  // key of the request whose result is only shown again: what was made belongs to that
	Party   string `json:"party,omitempty"`  // thread of the party that it is an entry of
	// Brought says that the source image came with the request, so that it may be shown beside the result. One from elsewhere
	// is not: it may be for adults, or for the eyes of few.
	Brought bool `json:"brought,omitempty"`
	Guest   bool `json:"guest,omitempty"` // the bot itself is not there: its message is out of reach with the interaction's token

	Alts map[int]string `json:"alts,omitempty"` // what images show, in somebody's words, by their number from 1

	Tamed  bool `json:"tamed,omitempty"`  // the safety filter changed the prompt
	Erased bool `json:"erased,omitempty"` // its words, since its person wants them kept no longer

	// What happened to the request, beside its parameters.
	User        horde.UserID  `json:"user"`                   // who pays
	Opened      *kudos.Amount `json:"opened,omitempty"`       // balance of the account that was opened on the way
	CancelledBy string        `json:"cancelled_by,omitempty"` // Discord ID
	Forgotten   bool          `json:"forgotten,omitempty"`    // its person wants nothing of it kept: it ends without a trace
	Left        bool          `json:"left,omitempty"`         // its message says goodbye; a button shows the result
	Paid        *paidBy       `json:"paid,omitempty"`         // the shared key that pays instead; nil: none
	shared      horde.SharedKeyID
	alone       bool // the party cannot pay for it

	// How it ended.
	Made  []outcome     `json:"made,omitempty"`
	Spent kudos.Amount  `json:"spent,omitempty"`
	Took  time.Duration `json:"took,omitempty"`
}

// outcome is one delivered image, text or form.
type outcome struct {
	ID       string `json:"id"`              // of the generation; the form's own for a form
	Model    string `json:"model,omitempty"` // a form's name
	Worker   string `json:"worker,omitempty"`
	Seed     uint32 `json:"seed,omitempty"`
	Blob     string `json:"blob,omitempty"`
	Text     string `json:"text,omitempty"`
	Censored bool   `json:"censored,omitempty"`
}

// fresh is the same request, not asked for yet. It gets images of its own to begin with: those of the earlier one go with
// that.
func (p params) fresh() params {
	p.Paid, p.shared, p.alone = nil, horde.SharedKeyID{}, false
	p.Opened, p.CancelledBy, p.Forgotten, p.Made, p.Spent, p.Took = nil, "", false, nil, 0, 0
	p.Alts, p.Tamed, p.Sharing, p.After, p.Again = nil, false, nil, "", "" // whoever asks again decides about sharing
	if p.Source != "" && p.from == nil {
		p.from, p.Source = &photo{blob: p.Source}, ""
	}
	if p.Mask != "" && p.mask == nil {
		p.mask, p.Mask = &photo{blob: p.Mask}, ""
	}
	if p.Fine != nil && len(p.Fine.Extra) > 0 && p.extra == nil {
		for _, key := range p.Fine.Extra {
			p.extra = append(p.extra, &photo{blob: key})
		}
		p.detail().Extra = nil
	}
	return p
}

// follow notes which message it goes on from. Nobody can go to one that was for one person's eyes.
func (p *params) follow(row chat.Message) {
	if !row.Ephemeral {
		p.After = messageLink(row.Guild, row.Channel, row.Message)
	}
}

// begin makes it a request that begins with another image, or with none. What was done with an earlier one does not go
// with it.
func (p *params) begin(pic *photo, strength float64) {
	p.Brought = false
	p.from, p.mask, p.extra, p.Source, p.Mask, p.Strength = pic, nil, nil, "", "", strength
	if f := p.Fine; f != nil && (f.Mode != "" || f.Control != "" || len(f.Extra) > 0) {
		f = p.detail()
		f.Mode, f.Control, f.Extra = "", "", nil
	}
}

// sourced reports whether something is made from an image.
func (p *params) sourced() bool { return p.Source != "" || p.from != nil }

// newImage is the core's form of a request.
func (p *params) newImage(key string, from origin.Origin) horde.NewImage {
	prompt := p.Prompt
	if negative := strings.Trim(p.Negative+", "+p.Added, ", "); negative != "" {
		prompt += " ### " + negative
	}
	n := horde.NewImage{
		User: p.User, Origin: from, Client: clientAgent, Key: key, N: p.Amount,
		Image: horde.Image{
			Prompt: prompt, Sampler: p.Sampler, CFG: p.CFG, Width: p.Width, Height: p.Height, Steps: p.Steps,
			Seed: p.Seed, Karras: p.Karras,
		},
		NSFW: p.Adult, CensorNSFW: !p.Adult, SlowWorkers: true, Shared: p.Share, Models: p.Models, SharedKey: p.shared,
	}
	if p.Model != "" {
		n.Models = []string{p.Model}
	}
	p.Fine.into(&n)
	if p.sourced() {
		n.Image.Source, n.Image.SourceMask, n.Shared = cmp.Or(p.Source, pendingKey), p.Mask, false
		n.Image.Denoising, n.Image.Processing = p.Strength, processing
		if p.mask != nil {
			n.Image.SourceMask = pendingKey
		}
		if n.Image.SourceMask != "" {
			n.Image.Processing = "inpainting"
		}
		if p.Fine != nil && p.Fine.Mode != "" {
			n.Image.Processing = p.Fine.Mode
		}
		if p.Fine != nil {
			for _, key := range p.Fine.Extra {
				n.Image.Extra = append(n.Image.Extra, horde.ExtraSource{Blob: key, Strength: 1})
			}
		}
		for range p.extra {
			n.Image.Extra = append(n.Image.Extra, horde.ExtraSource{Blob: pendingKey, Strength: 1})
		}
	}
	if p.Styled != nil {
		width, height, models := n.Image.Width, n.Image.Height, n.Models
		horde.ApplyImageStyle(p.Styled.choice(), &n)
		n.Image.Width, n.Image.Height = width, height // a style's own are in p already
		if len(n.Models) == 0 {
			n.Models = models
		}
	}
	return n
}
