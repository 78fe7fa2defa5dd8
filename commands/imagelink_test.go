// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"bytes"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"

	"stablemate/internal/sandbox"
)

// atDiscord reads a file of a message.
func atDiscord(t *testing.T, a sandbox.Attachment) []byte {
	t.Helper()
	if len(a.Data) > 0 {
		return a.Data
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("file: %d %v", res.StatusCode, err)
	}
	return data
}

func TestAnImageThatDiscordDoesNotTakeIsLinkedTo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault sandbox.FaultKind
		say   string
	}{
		"it fits at no size":       {sandbox.TooLarge, "larger than Discord takes"},
		"no files may be attached": {sandbox.Forbidden, "may not attach files"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.public.Store(true)
			gate := make(chan struct{})
			r.worker(gate)
			id := r.generate(sandbox.Newcomer, map[string]any{"spoiler": true})
			r.message(sandbox.Newcomer, id, "Being made")
			r.sand.Arm(sandbox.Fault{Kind: c.fault, Method: "PATCH"})
			gate <- struct{}{}
			m := r.message(sandbox.Newcomer, id, c.say, "||[Image 1](https://horde.example/blob/", ".webp?exp=", " ||\n-# These links end <t:")
			if len(m.Attachments) != 0 {
				t.Errorf("it shows files: %+v", m.Attachments)
			}
			r.closed()
			r.click(sandbox.Newcomer, id, "Send to DM")
			r.see(sandbox.Newcomer, "the file in a direct message", func(m sandbox.Message) bool {
				return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && len(m.Attachments) == 1 && m.Attachments[0].Spoiler
			})
		})
	}
}

func TestWhereNoFilesMayBeAttachedItsPersonGetsThemWithoutLinks(t *testing.T) {
	t.Parallel()
	for name, public := range map[string]bool{"there are no links": false, "nothing may be said there": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.public.Store(public)
			gate := make(chan struct{})
			r.worker(gate)
			id := r.generate(sandbox.Newcomer, nil)
			r.message(sandbox.Newcomer, id, "Being made")
			r.sand.Arm(sandbox.Fault{Kind: sandbox.Forbidden, Method: "PATCH", Times: 2})
			gate <- struct{}{}
			m := r.see(sandbox.Newcomer, "the result in a direct message", func(m sandbox.Message) bool {
				return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && len(m.Attachments) == 1
			})
			if strings.Contains(m.Content, "https://") {
				t.Errorf("it says %q", m.Content)
			}
			r.sand.Disarm()
		})
	}
}

func TestInfoBringsTheOriginalsAndAPNGThatSaysHowItWasMade(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{
		"prompt": "red apple, très bon", "negative": "worms", "amount": 2, "seed": "77", "steps": 11,
	}), 2)
	r.closed()
	r.click(sandbox.Friend, m.ID, "Info")
	info := r.see(sandbox.Friend, "the details", func(m sandbox.Message) bool { return m.Ephemeral && len(m.Attachments) == 1 })
	if holds(info, []string{"https://"}) {
		t.Error("there are links to a horde that nobody reaches")
	}
	r.public.Store(true)
	r.click(sandbox.Friend, m.ID, "Info")
	r.whisper(sandbox.Friend, "Originals: [Image 1](https://horde.example/blob/", "[Image 2](", "The links end <t:")
	r.click(sandbox.Friend, info.ID, "PNG 2")
	said := r.whisper(sandbox.Friend, "The image as PNG")
	if len(said.Attachments) != 1 || !strings.HasSuffix(said.Attachments[0].Filename, "-2.png") || said.Attachments[0].Description != "AI image: red apple, très bon" {
		t.Fatalf("it brings %+v", said.Attachments)
	}
	file := atDiscord(t, said.Attachments[0])
	if _, err := png.Decode(bytes.NewReader(file)); err != nil {
		t.Errorf("no PNG: %v", err)
	}
	at := bytes.Index(file, []byte("tEXtparameters\x00red apple, tr\xe8s bon\nNegative prompt: worms\nSteps: 11, Sampler: Euler, CFG scale: 7.5, Seed: "))
	if at < 0 || !bytes.Contains(file[at:], []byte(", Size: 256x256, Model: "+model+", Version: stablemate")) {
		t.Errorf("the PNG begins with %q", file[:min(len(file), 400)])
	}
	for _, secret := range []string{sandbox.Newcomer, sandbox.Friend, sandbox.GuildID, sandbox.ChannelID} {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("the PNG contains %s", secret)
		}
	}
	single := r.result(sandbox.Friend, r.generate(sandbox.Friend, map[string]any{"prompt": "赤いりんご"}), 1)
	r.closed()
	r.click(sandbox.Friend, single.ID, "Info")
	info = r.see(sandbox.Friend, "the details of one", func(m sandbox.Message) bool { return m.Ephemeral && len(m.Buttons) == 1 })
	r.sand.Arm(sandbox.Fault{Kind: sandbox.TooLarge, Method: "PATCH"})
	r.click(sandbox.Friend, info.ID, "PNG with parameters")
	r.whisper(sandbox.Friend, "larger than Discord takes", "[Image 1](https://horde.example/blob/", "_p1.png?exp=")
	r.click(sandbox.Friend, info.ID, "PNG with parameters")
	said = r.see(sandbox.Friend, "another PNG", func(m sandbox.Message) bool {
		return m.Ephemeral && len(m.Attachments) == 1 && strings.HasSuffix(m.Attachments[0].Filename, "-1.png")
	})
	if file := atDiscord(t, said.Attachments[0]); !bytes.Contains(file, []byte("iTXtparameters\x00\x00\x00\x00\x00赤いりんご\nSteps: ")) {
		t.Errorf("the PNG begins with %q", file[:min(len(file), 400)])
	}
}
