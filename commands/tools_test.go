// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"strings"
	"testing"

	"stablemate/commands"
	"stablemate/internal/sandbox"
)

func TestToolsWorkOnImagesThatPeopleBringAlong(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.alchemist()
	file := pngFile(t, 600, 300)
	out := r.run(sandbox.Newcomer, "remix", map[string]any{"prompt": "red apple", "image": file, "strength": 20})
	r.result(sandbox.Newcomer, out.MessageID, 2)
	if p := r.latest(sandbox.Newcomer); p["strength"] != 0.2 || p["width"] != 384.0 || p["source"] == nil {
		t.Errorf("the remix is %v", p)
	}
	out = r.run(sandbox.Newcomer, "upscale", map[string]any{"image": file, "upscaler": "NMKD_Siax"})
	r.see(sandbox.Friend, "the upscaled image", func(m sandbox.Message) bool { return m.ID == out.MessageID && len(m.Attachments) == 1 })
	r.run(sandbox.Newcomer, "describe", map[string]any{"image": file})
	r.whisper(sandbox.Newcomer, "What the image shows · caption", "A horse *running* in snow.")
	r.closed()
	out = r.run(sandbox.Newcomer, "describe", map[string]any{"image": file, "kind": "tags", "public": true})
	r.message(sandbox.Friend, out.MessageID, "horse")
	r.closed()
	out = r.run(sandbox.Newcomer, "interrogate", map[string]any{"image": file, "forms": "caption, strip_background,interrogation"})
	m := r.see(sandbox.Friend, "all about it", func(m sandbox.Message) bool { return m.ID == out.MessageID && len(m.Attachments) == 2 })
	if !holds(m, []string{"**caption** an image of a horse", "**interrogation** horse"}) {
		t.Errorf("the answer says %q", m.Content)
	}
	for text, options := range map[string]map[string]any{
		"Please give exactly one image": {"prompt": "red apple"},
		"no link to a message":          {"prompt": "red apple", "link": "ftp://a.b/c.png"},
		"I cannot read the image":       {"prompt": "red apple", "link": "http://169.254.169.254/latest.png"},
		"cannot see that you can read":  {"prompt": "red apple", "link": "https://discord.com/channels/1/2/3"},
	} {
		r.run(sandbox.Newcomer, "remix", options)
		r.whisper(sandbox.Newcomer, text)
	}
	r.run(sandbox.Newcomer, "interrogate", map[string]any{"image": file, "forms": "caption, fortune"})
	r.whisper(sandbox.Newcomer, "I do not know fortune")
	if list := r.suggest(sandbox.Newcomer, "interrogate", "forms", "caption, vec"); len(list) != 1 || list[0].Value != "caption, vectorize" {
		t.Errorf("suggested %+v", list)
	}
}

func TestLinksLeadToImagesThatThePersonCanRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.web.Store("https://example.com/horse.png", pngFile(t, 300, 300).Data)
	out := r.run(sandbox.Newcomer, "remix", map[string]any{"prompt": "red apple", "link": "https://example.com/horse.png"})
	r.result(sandbox.Newcomer, out.MessageID, 1)
	here, err := r.sand.PostFiles(sandbox.Friend, sandbox.AdultChannelID, "look", pngFile(t, 64, 64))
	if err != nil {
		t.Fatal(err)
	}
	link := func(guild, channel string) map[string]any {
		return map[string]any{"prompt": "red apple", "link": "https://discord.com/channels/" + guild + "/" + channel + "/" + here.ID}
	}
	out = r.run(sandbox.Newcomer, "remix", link(sandbox.GuildID, sandbox.AdultChannelID))
	r.result(sandbox.Newcomer, out.MessageID, 1)
	r.run(sandbox.Newcomer, "remix", link(sandbox.OtherGuildID, sandbox.OtherChannelID))
	r.whisper(sandbox.Newcomer, "cannot see that you can read")
}

func TestMenusOfMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.alchemist()
	one := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	two := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"amount": 2}), 2)
	r.closed()
	r.menu(sandbox.Friend, one.ID, "Describe image (alt text)")
	r.whisper(sandbox.Friend, "A horse *running* in snow.")
	r.menu(sandbox.Friend, one.ID, "Image details")
	r.see(sandbox.Friend, "the details", func(m sandbox.Message) bool {
		return m.Ephemeral && len(m.Attachments) == 1 && strings.HasSuffix(m.Attachments[0].Filename, ".json")
	})
	form := r.menu(sandbox.Friend, one.ID, "Remix image")
	out := r.fillIn(sandbox.Friend, form, map[string]string{"prompt": "red apple", "strength": "80"})
	r.result(sandbox.Friend, out.MessageID, 1)
	if p := r.latest(sandbox.Friend); p["strength"] != 0.8 {
		t.Errorf("the remix is %v", p)
	}
	r.menu(sandbox.Friend, two.ID, "Upscale image")
	which := r.whisper(sandbox.Friend, "Which image?")
	r.pick(sandbox.Friend, which.ID, which.Selects[0].CustomID, "1")
	how := r.whisper(sandbox.Friend, "How to improve the image")
	out = r.pick(sandbox.Friend, how.ID, how.Selects[0].CustomID, "GFPGAN")
	r.see(sandbox.Newcomer, "the better image", func(m sandbox.Message) bool { return m.ID == out.MessageID && len(m.Attachments) == 1 })
	text, err := r.sand.Post(sandbox.Friend, sandbox.ChannelID, "no image here")
	if err != nil {
		t.Fatal(err)
	}
	r.menu(sandbox.Friend, text.ID, "Describe image (alt text)")
	r.whisper(sandbox.Friend, "I see no image there")
	form = r.userMenu(sandbox.Friend, "Remix avatar", sandbox.Newcomer)
	if form.Modal == nil || !slices.ContainsFunc(form.Modal.Inputs, func(i sandbox.Input) bool { return i.CustomID == "prompt" }) {
		t.Errorf("the form is %+v", form.Modal)
	}
}

func TestSourceImagesCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Ceiling.NoSources = true })
	r.worker(nil)
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.click(sandbox.Newcomer, m.ID, "Vary strongly")
	r.whisper(sandbox.Newcomer, "Images may not be made from other images here")
	two, err := r.sand.PostFiles(sandbox.Friend, sandbox.ChannelID, "look", pngFile(t, 64, 64), pngFile(t, 32, 32))
	if err != nil {
		t.Fatal(err)
	}
	r.menu(sandbox.Newcomer, two.ID, "Image details") // only looks at it
	which := r.whisper(sandbox.Newcomer, "Which image?")
	r.pick(sandbox.Newcomer, which.ID, which.Selects[0].CustomID, "1")
	r.whisper(sandbox.Newcomer, "32×32 pixels")
	r.run(sandbox.Newcomer, "upscale", map[string]any{"image": pngFile(t, 64, 64)})
	r.whisper(sandbox.Newcomer, "Images may not be made from other images here")
}
