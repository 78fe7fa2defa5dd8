// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"fmt"
	"html/template"
	"path/filepath"
	"time"

	"stablemate/commands"
	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/kudos"
	"stablemate/internal/config"
	"stablemate/internal/documents"
	"stablemate/internal/web"
)

// documents opens the operator's texts.
func (a *assembly) documents() (*documents.Shelf, error) {
	dir := a.cfg.Horde.DocumentsDir
	if dir == "" {
		dir = filepath.Join(a.cfg.Server.DataDir, "documents")
	}
	shelf, err := documents.Open(documents.Options{Dir: dir, Now: systemClock.Now, Log: a.log})
	if err != nil {
		return nil, fmt.Errorf("open the documents in %s: %w", dir, err)
	}
	return shelf, nil
}

// papers hands the texts to the API and to the pages, each in its own form.
type papers struct{ *documents.Shelf }

// Document is a text for the API.
func (p papers) Document(name string) (html, markdown string, ok bool) {
	d, ok := p.Shelf.Document(name)
	return d.HTML, d.Markdown, ok
}

// News is what the API tells.
func (p papers) News() []wire.News {
	pieces := p.Shelf.News()
	out := make([]wire.News, 0, len(pieces))
	for _, n := range pieces {
		out = append(out, wire.News{
			DatePublished: n.Date.Format(time.DateOnly), Newspiece: n.Markdown, Importance: n.Importance, Tags: n.Tags, Title: n.Title,
			MoreInfoURLs: n.More,
		})
	}
	return out
}

func (p papers) page(name string) (string, bool) {
	d, ok := p.Shelf.Document(name)
	return d.HTML, ok
}

func (p papers) pieces() []web.NewsPiece {
	pieces := p.Shelf.News()
	out := make([]web.NewsPiece, 0, len(pieces))
	for _, n := range pieces {
		out = append(out, web.NewsPiece{
			Date: n.Date, Title: n.Title, Importance: n.Importance, HTML: template.HTML(n.HTML), //nolint:gosec // rendered without raw HTML
		})
	}
	return out
}

// give gives kudos for the pages.
func (c *core) give(ctx context.Context, from, to horde.UserID, amount, key string) (string, error) {
	n, err := kudos.Parse(amount)
	if err != nil {
		return "", horde.Refuse(horde.CodeInvalidTransferAmount, "%s", err)
	}
	gift, err := c.engine.Transfer(ctx, horde.Transfer{From: from, To: to, Amount: n, Key: key})
	if err != nil {
		return "", err
	}
	return gift.Amount.String(), nil
}

// discordLogin is how people sign in with Discord on the pages, or nil.
func discordLogin(d config.Discord) *web.DiscordLogin {
	if d.ClientID == "" {
		return nil
	}
	return &web.DiscordLogin{ClientID: d.ClientID, ClientSecret: d.ClientSecret.Reveal(), Base: d.BaseURL}
}

// chat hands the news to the bot.
func (p papers) chat() []commands.NewsPiece {
	pieces := p.Shelf.News()
	out := make([]commands.NewsPiece, 0, len(pieces))
	for _, n := range pieces {
		out = append(out, commands.NewsPiece{Date: n.Date, Title: n.Title, Markdown: n.Markdown})
	}
	return out
}
