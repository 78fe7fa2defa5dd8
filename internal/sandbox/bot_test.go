package sandbox_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"
	"go.uber.org/goleak"

	"stablemate/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const wait = 20 * time.Second

// start runs a sandbox until the test ends, or until the returned function is called.
func start(t *testing.T, opts sandbox.Options) (*sandbox.Server, func()) {
	t.Helper()
	opts.AnswerWindow = cmp.Or(opts.AnswerWindow, wait/2) // a busy machine is no failure
	s, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("sandbox ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	t.Cleanup(cancel)
	return ctx
}

// detour sends what discordgo addresses to Discord to the sandbox.
type detour struct{ to *url.URL }

func (d detour) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "discord.com" {
		return nil, fmt.Errorf("refused to reach %s", r.URL.Host)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = d.to.Scheme, d.to.Host
	return http.DefaultTransport.RoundTrip(r)
}

// connect runs an ordinary discordgo bot in the sandbox until the test ends.
func connect(t *testing.T, s *sandbox.Server, handlers ...any) *discordgo.Session {
	t.Helper()
	dg, err := discordgo.New("Bot " + s.Token())
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(s.APIURL())
	if err != nil {
		t.Fatal(err)
	}
	dg.Client = &http.Client{Transport: detour{to: to}, Timeout: wait}
	dg.Identify.Intents = discordgo.IntentsGuilds | discordgo.IntentsGuildMessageReactions | discordgo.IntentsGuildMessages
	dg.ShouldReconnectOnError = false // one test stops the sandbox under it
	dg.LogLevel = -1
	dg.SyncEvents = true
	for _, h := range handlers {
		dg.AddHandler(h)
	}
	if err := dg.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dg.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return dg
}

// apple paints a red apple.
func apple(t *testing.T) []byte {
	t.Helper()
	const n = 256
	img := image.NewRGBA(image.Rect(0, 0, n, n))
	for y := range n {
		for x := range n {
			fx, fy := float64(x-n/2)/90, float64(y-n/2-14)/86
			d := math.Hypot(math.Abs(fx)-.2, fy*.94-.08*math.Abs(fx)) - .03
			light := 1 - .28*math.Hypot(fx+.5, fy+.55)
			c := color.RGBA{245, 240, 228, 255}
			switch {
			case d < .76:
				c = color.RGBA{uint8(226 * light), uint8(46 * light), uint8(44 * light), 255}
			case math.Abs(fx-.06*fy) < .05 && fy < -.55 && fy > -1.25:
				c = color.RGBA{104, 70, 40, 255}
			case math.Hypot((fx-.36)*1.1-(fy+1.05)*.4, (fy+1.05)*2.3) < .34:
				c = color.RGBA{86, 150, 66, 255}
			}
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// commands are what the test bot registers.
func commands() []*discordgo.ApplicationCommand {
	least := 1.0
	return []*discordgo.ApplicationCommand{
		{Name: "generate", Description: "Make a picture from words", Options: []*discordgo.ApplicationCommandOption{
			{Name: "prompt", Description: "What the picture shows", Type: discordgo.ApplicationCommandOptionString, Required: true},
			{Name: "model", Description: "Which model paints", Type: discordgo.ApplicationCommandOptionString, Autocomplete: true},
			{Name: "size", Description: "Shape of the picture", Type: discordgo.ApplicationCommandOptionString, Choices: []*discordgo.ApplicationCommandOptionChoice{{Name: "Square", Value: "256x256"}, {Name: "Wide", Value: "320x192"}}},
			{Name: "steps", Description: "How long to paint", Type: discordgo.ApplicationCommandOptionInteger, MinValue: &least, MaxValue: 50},
		}},
		{Name: "kudos", Description: "Your kudos", Options: []*discordgo.ApplicationCommandOption{
			{Name: "balance", Description: "Show what you have", Type: discordgo.ApplicationCommandOptionSubCommand},
			{Name: "gift", Description: "Give kudos to somebody", Type: discordgo.ApplicationCommandOptionSubCommand, Options: []*discordgo.ApplicationCommandOption{
				{Name: "user", Description: "Who gets them", Type: discordgo.ApplicationCommandOptionUser, Required: true},
				{Name: "amount", Description: "How many", Type: discordgo.ApplicationCommandOptionInteger, Required: true},
			}},
		}},
		{Name: "help", Description: "What I can do"},
		{Name: "silent", Description: "Never answers"},
		{Name: "form", Description: "Opens a form"},
	}
}

// painter is a bot that does what a newcomer tries first.
func painter(t *testing.T, s *sandbox.Server) *discordgo.Session {
	t.Helper()
	picture := apple(t)
	respond := func(dg *discordgo.Session, i *discordgo.InteractionCreate, r *discordgo.InteractionResponse) {
		if err := dg.InteractionRespond(i.Interaction, r); err != nil {
			t.Errorf("respond: %v", err)
		}
	}
	dg := connect(t, s, func(dg *discordgo.Session, i *discordgo.InteractionCreate) {
		switch i.Type {
		case discordgo.InteractionApplicationCommand:
			switch name := i.ApplicationCommandData().Name; name {
			case "generate":
				paint(t, dg, i, picture, respond)
			case "help", "kudos":
				respond(dg, i, &discordgo.InteractionResponse{Type: discordgo.InteractionResponseChannelMessageWithSource, Data: &discordgo.InteractionResponseData{
					Flags: discordgo.MessageFlagsEphemeral, Content: "You have **25 kudos**. Try </generate:1> or `/help`.",
				}})
			case "form":
				respond(dg, i, &discordgo.InteractionResponse{Type: discordgo.InteractionResponseModal, Data: &discordgo.InteractionResponseData{
					CustomID: "form", Title: "Tell me more", Components: []discordgo.MessageComponent{
						discordgo.ActionsRow{Components: []discordgo.MessageComponent{discordgo.TextInput{CustomID: "name", Label: "Your name", Style: discordgo.TextInputShort, Required: true, MaxLength: 20}}},
						discordgo.ActionsRow{Components: []discordgo.MessageComponent{discordgo.TextInput{CustomID: "text", Label: "Why", Style: discordgo.TextInputParagraph}}},
					},
				}})
			}
		case discordgo.InteractionApplicationCommandAutocomplete:
			var choices []*discordgo.ApplicationCommandOptionChoice
			for _, o := range i.ApplicationCommandData().Options {
				if o.Focused {
					for _, name := range []string{"Stablemate Mini", "Stable Diffusion 1.5"} {
						if strings.Contains(strings.ToLower(name), strings.ToLower(o.StringValue())) {
							choices = append(choices, &discordgo.ApplicationCommandOptionChoice{Name: name, Value: strings.ToLower(name)})
						}
					}
				}
			}
			respond(dg, i, &discordgo.InteractionResponse{Type: discordgo.InteractionApplicationCommandAutocompleteResult, Data: &discordgo.InteractionResponseData{Choices: choices}})
		case discordgo.InteractionMessageComponent:
			respond(dg, i, &discordgo.InteractionResponse{Type: discordgo.InteractionResponseChannelMessageWithSource, Data: &discordgo.InteractionResponseData{
				Content: "You pressed " + i.MessageComponentData().CustomID, Flags: discordgo.MessageFlagsEphemeral,
			}})
		case discordgo.InteractionPing:
		case discordgo.InteractionModalSubmit:
			name := i.ModalSubmitData().Components[0].(*discordgo.ActionsRow).Components[0].(*discordgo.TextInput).Value
			respond(dg, i, &discordgo.InteractionResponse{Type: discordgo.InteractionResponseChannelMessageWithSource, Data: &discordgo.InteractionResponseData{Content: "Hello " + name}})
		}
	})
	if _, err := dg.ApplicationCommandBulkOverwrite(sandbox.BotID, sandbox.GuildID, commands()); err != nil {
		t.Fatal(err)
	}
	return dg
}

func paint(t *testing.T, dg *discordgo.Session, i *discordgo.InteractionCreate, picture []byte, respond func(*discordgo.Session, *discordgo.InteractionCreate, *discordgo.InteractionResponse)) {
	t.Helper()
	respond(dg, i, &discordgo.InteractionResponse{Type: discordgo.InteractionResponseDeferredChannelMessageWithSource})
	prompt, model := "", "Stablemate Mini"
	for _, o := range i.ApplicationCommandData().Options {
		switch o.Name {
		case "prompt":
			prompt = o.StringValue()
		case "model":
			model = o.StringValue()
		}
	}
	text := "**" + prompt + "**\n-# " + model + " · 256 × 256 · seed 42 · 3.1 s"
	row := []discordgo.MessageComponent{discordgo.ActionsRow{Components: []discordgo.MessageComponent{
		discordgo.Button{CustomID: "again", Label: "Again", Style: discordgo.PrimaryButton, Emoji: &discordgo.ComponentEmoji{Name: "🔁"}},
		discordgo.Button{CustomID: "delete", Label: "Delete", Style: discordgo.DangerButton},
	}}}
	if strings.Contains(prompt, "slow") {
		time.Sleep(2500 * time.Millisecond)
	}
	if _, err := dg.InteractionResponseEdit(i.Interaction, &discordgo.WebhookEdit{
		Content: &text, Components: &row,
		Files: []*discordgo.File{{Name: "apple.png", ContentType: "image/png", Reader: bytes.NewReader(picture)}},
	}); err != nil {
		t.Errorf("edit: %v", err)
	}
}
