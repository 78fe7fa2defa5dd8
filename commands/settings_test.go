// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strings"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

func TestPeopleHaveDefaultsOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	panel := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Image defaults"), map[string]string{
		"size": "320x192", "steps": "7", "amount": "2", "negative": "green apples",
	})
	r.message(sandbox.Newcomer, panel, "320×192 · 7 steps · 2 at a time · without: green apples")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Image defaults"), map[string]string{"size": "100"})
	r.whisper(sandbox.Newcomer, "🙅", "steps of 64")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Fine tuning"), map[string]string{"cfg": "5,5", "sampler": "k_dpm_2"})
	r.message(sandbox.Newcomer, panel, "CFG 5.5 · k\\_dpm\\_2")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Fine tuning"), map[string]string{"sampler": "magic"})
	r.whisper(sandbox.Newcomer, "🙅", "no sampler of that name")
	r.click(sandbox.Newcomer, panel, "Only I see answers")
	r.message(sandbox.Newcomer, panel, "Alt text: prompt")
	r.pick(sandbox.Newcomer, panel, "Alt text", "off")
	r.message(sandbox.Newcomer, panel, "Only I see answers: Yes", "Alt text: none")

	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 2)
	if !m.Ephemeral || !holds(m, []string{"320×192"}) || strings.Contains(m.Attachments[0].Description, "apple") {
		t.Errorf("the defaults do not count: %+v", m)
	}
	id := r.generate(sandbox.Newcomer, map[string]any{"amount": 1, "private": false, "size": "square"})
	if m := r.result(sandbox.Friend, id, 1); !holds(m, []string{"256×256"}) {
		t.Errorf("the options do not count: %q", m.Content)
	}

	r.restart(time.Minute)
	r.worker(nil)
	shown := r.run(sandbox.Newcomer, "settings show", nil)
	if m := r.message(sandbox.Newcomer, shown.MessageID, "320×192 · 7 steps", "Only I see answers: Yes"); len(m.Buttons) != 0 {
		t.Errorf("show has buttons: %+v", m.Buttons)
	}
	r.run(sandbox.Newcomer, "settings notifications", map[string]any{"gifts": "digest", "done": false})
	r.whisper(sandbox.Newcomer, "Gifts: **once a day** · Long waits: **No** · Roles: **No**")
	r.click(sandbox.Newcomer, r.run(sandbox.Newcomer, "settings reset", nil).MessageID, "Forget them")
	if m := r.result(sandbox.Friend, r.generate(sandbox.Newcomer, nil), 1); m.Ephemeral {
		t.Error("the defaults outlived their end")
	}
}

func TestSettingsSayWhetherReactionsGiveKudos(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	panel := r.run(sandbox.Admin, "settings panel", nil).MessageID
	r.message(sandbox.Admin, panel, "My emoji give kudos: I ask you first") // without an account nobody has agreed yet
	panel = r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	r.message(sandbox.Newcomer, panel, "My emoji give kudos: Yes")
	r.click(sandbox.Newcomer, panel, "My emoji give kudos")
	r.message(sandbox.Newcomer, panel, "My emoji give kudos: No")
	r.react(sandbox.Newcomer, r.post(sandbox.Friend), "🙏")
	r.stays(sandbox.Friend, start)
	r.click(sandbox.Newcomer, r.run(sandbox.Newcomer, "settings reset", nil).MessageID, "Forget them")
	panel = r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	r.message(sandbox.Newcomer, panel, "My emoji give kudos: No") // a no is no default
	r.click(sandbox.Newcomer, panel, "My emoji give kudos")
	r.message(sandbox.Newcomer, panel, "My emoji give kudos: Yes")
	r.react(sandbox.Newcomer, r.post(sandbox.Friend), "🙏")
	r.balance(sandbox.Friend, start+10*kudos.One)
}

func TestNobodyUsesTheAvatarOfWhoSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	panel := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	r.click(sandbox.Newcomer, panel, "Others may use my avatar")
	r.message(sandbox.Newcomer, panel, "Others may use my avatar: No")
	if _, err := r.sand.RunUserMenu(r.ctx(), sandbox.Friend, sandbox.ChannelID, "Caption avatar", sandbox.Newcomer); err != nil {
		t.Fatal(err)
	}
	r.whisper(sandbox.Friend, "does not want others to use their avatar")
}

func TestTheLanguageSomebodyChoseSpeaks(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.sand.SetLocale(sandbox.Newcomer, "es-ES")
	panel := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	r.message(sandbox.Newcomer, panel, "Tus ajustes")
	r.pick(sandbox.Newcomer, panel, "Idioma", "ja")
	r.message(sandbox.Newcomer, panel, "あなたの設定", "言語: 日本語")
}

func TestImagesForAdultsInDirectMessagesNeedAWord(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Ceiling.Adult = true })
	r.worker(nil)
	ask := func() string {
		return r.runIn(sandbox.Newcomer, sandbox.DMChannel(sandbox.Newcomer), "generate", map[string]any{"prompt": "red apple"}).MessageID
	}
	r.result(sandbox.Newcomer, ask(), 1)
	panel := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	r.click(sandbox.Newcomer, panel, "I am of age (18 or older)")
	r.message(sandbox.Newcomer, panel, "of age (18 or older): Yes")
	r.message(sandbox.Newcomer, ask(), "NSFW")
	r.click(sandbox.Newcomer, panel, "Nothing for adults")
	r.result(sandbox.Newcomer, ask(), 1)
}

func TestPresets(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.refused(sandbox.Newcomer, "settings preset save", map[string]any{"name": "apples"}, "I do not know that request")
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"size": "wide", "steps": 9, "negative": "pears"}), 1)
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"prompt": "a bowl, red apple", "steps": 3}), 1)
	from := r.suggest(sandbox.Newcomer, "settings preset save", "from", "RED")
	if len(from) != 2 || from[0].Name != "a bowl, red apple" {
		t.Fatalf("suggested %+v", from)
	}
	r.run(sandbox.Newcomer, "settings preset save", map[string]any{"name": "*apples*", "from": from[1].Value})
	r.whisper(sandbox.Newcomer, `**\*apples\*** is kept`, "384×256 · 9 steps", "without: pears")
	r.refused(sandbox.Friend, "settings preset save", map[string]any{"name": "mine", "from": from[1].Value}, "I do not know that request")
	r.scribe("apples and pears")
	r.message(sandbox.Newcomer, r.run(sandbox.Newcomer, "text", map[string]any{"prompt": "a red tale"}).MessageID, "apples and pears")
	gone := r.generate(sandbox.Newcomer, map[string]any{"prompt": "a red nothing"})
	r.result(sandbox.Newcomer, gone, 1)
	r.click(sandbox.Newcomer, gone, "Delete")
	r.gone(sandbox.Newcomer, sandbox.ChannelID, gone)
	if from := r.suggest(sandbox.Newcomer, "settings preset save", "from", ""); len(from) != 3 || from[0].Name != "a red tale" {
		t.Errorf("with a text, and one that is deleted, suggested %+v", from)
	}
	r.run(sandbox.Newcomer, "settings preset save", map[string]any{"name": "last"})
	r.whisper(sandbox.Newcomer, "**last** is kept: 1 at a time · 200 tokens")
	r.run(sandbox.Newcomer, "settings preset save", map[string]any{"name": "last", "from": from[0].Value})
	r.run(sandbox.Newcomer, "settings preset list", nil)
	r.whisper(sandbox.Newcomer, `**\*apples\***`, "**last** · tiny · 256×256 · 3 steps")
	if got := r.suggest(sandbox.Newcomer, "generate", "preset", "AP"); len(got) != 1 || got[0].Value != "*apples*" {
		t.Errorf("suggested %+v", got)
	}
	if m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"preset": "*Apples*"}), 1); !holds(m, []string{"384×256"}) {
		t.Errorf("with the preset: %q", m.Content)
	}
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "preset": "nothing"}, "no preset called nothing")

	r.run(sandbox.Newcomer, "settings preset share", map[string]any{"name": "*apples*"})
	shared := r.see(sandbox.Friend, "the shared preset", func(m sandbox.Message) bool { return holds(m, []string{"shares the preset", "384×256"}) })
	r.click(sandbox.Friend, shared.ID, "Keep a copy")
	r.whisper(sandbox.Friend, "is kept", "without: pears")
	r.run(sandbox.Newcomer, "settings preset delete", map[string]any{"name": "*apples*"})
	r.whisper(sandbox.Newcomer, "is forgotten")
	r.click(sandbox.Admin, shared.ID, "Keep a copy")
	r.whisper(sandbox.Admin, "not shared any more")
	r.run(sandbox.Friend, "settings preset list", nil)
	r.whisper(sandbox.Friend, `**\*apples\***`)
}
