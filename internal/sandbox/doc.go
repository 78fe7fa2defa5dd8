// Package sandbox is a Discord on loopback: a guild with one channel, three people and one bot, over real HTTP and a real
// WebSocket gateway, with a web page to type commands, click, react and see images.
//
// A bot connects to it exactly as it connects to Discord, through discordgo, with the API address and the bot token of
// the Server. Tests drive the people with methods such as RunCommand, Click and React, make it misbehave with Arm, and
// read with Findings what in the bot's requests Discord would not have accepted.
//
// Where the parts live: server.go (start, stop, HTTP), world.go and message.go (what exists), persist.go (a copy on disk),
// rest.go, messages.go, callback.go and commands.go (what bots call), gateway.go (what bots hear), cdn.go (files),
// user.go and line.go (what people do), faults.go (misbehaviour), check.go (rules), page.go and page/ (the web page).
//
// It is a development tool without authentication for people: it binds loopback addresses only.
package sandbox
