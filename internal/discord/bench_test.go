package discord_test

import (
	"context"
	"testing"

	"github.com/rs/zerolog"

	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

// BenchmarkCommand measures one command from the person's side: event, handler, answer, through discordgo and loopback.
func BenchmarkCommand(b *testing.B) {
	sand, err := sandbox.New(sandbox.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 2)
	go func() { done <- sand.Run(ctx) }()
	router := discord.NewRouter()
	bot, err := discord.New(discord.Deps{Router: router}, discord.Options{Token: sand.Token(), BaseURL: sand.APIURL(), Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	echo(router, bot)
	go func() { done <- bot.Run(ctx) }()
	<-bot.Ready()
	for b.Loop() {
		if _, err := sand.RunLine(ctx, sandbox.Newcomer, sandbox.ChannelID, "/say text: hello", nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(bot.Stats().AckMean.Microseconds()), "ack-µs")
	cancel()
	<-done
	<-done
}
