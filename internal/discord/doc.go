// Package discord is the bot's way to talk to Discord. It wraps discordgo, which keeps the gateway connection, and hides
// its sharp edges:
//
//   - Events are decoded into our own structs ([Interaction], [ReactionAdd], …), so that a payload the library does not
//     know cannot end the process.
//   - Every interaction is acknowledged exactly once and within two seconds, whatever its handler does; see [Responder].
//   - Handlers run in a bounded pool, a panic in one of them is contained, and reactions of one person with one emoji on
//     one message are handled in the order in which they happened.
//   - REST calls have deadlines, bounded retries, our own rate limiter and a breaker against too many refused requests.
//   - A [MessageRef] names a message so that it can be edited after a restart and after its interaction token has expired.
//
// A Bot speaks to Discord, or to a stand-in on loopback when Options.BaseURL is set; any other host is refused.
package discord
