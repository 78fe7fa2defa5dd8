// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// Everything a person reads stands in this file. Texts of people and workers go through escape before they come here.

// Descriptions of commands and options.
const (
	descGenerate = "Make an image from words"
	descPrompt   = "What the image shows"
	descNegative = "What the image should not show"
	descModel    = "Which model makes it"
	descSize     = "A named size, or width × height in steps of 64"
	descSteps    = "How many steps the model takes; more is slower and finer"
	descSeed     = "Any text or number; the same seed gives the same image"
	descAmount   = "How many images; 1 to 4 in most places"
	descPrivate  = "Only you see the image"
	descLogin    = "Open your account, or get an API key"
	descKey      = "Make a key for other programs; the one you had stops working"
	descLogout   = "Switch your API key off; account and kudos stay"
	descUserInfo = "Your account, or somebody else's"
	descUser     = "Whose account"
	descHelp     = "What this bot does and how"

	choiceNewKey = "show new key"
	choiceAny    = "Any model"
)

// Labels of buttons.
const (
	labelCancel = "Cancel"
	labelAgain  = "Again"
	labelDelete = "Delete"
	labelShow   = "Show result"
	labelGift   = "Gift"
)

const (
	textPlacing   = "📝 Taking down your request…"
	textSoon      = "any moment now"
	textCancelled = "🛑 Cancelled. Waiting for what is being made already."
	textLost      = "⌛ I was away for too long, and this request is gone. Nothing more will come of it."
	textExpired   = "⌛ No worker took this before its time was up."
	textFaulted   = "💔 Workers tried this several times and could not make it."
	textNothing   = "🛑 Cancelled before an image was made."
	textHandOver  = "⏳ Still working. Discord lets me change a private message for a quarter of an hour only, so please press the button to see the result."
	textGone      = "This request is gone by now: results are kept for a short time only."
	textFinished  = "This one is finished already."
	textNotYet    = "Your request is still being taken down. Please try again in a moment."
	textOld       = "This button is from an older message that I no longer know. Please start again with a command."
	textUnknown   = "I do not know this command any more. Please look at the list of my commands again."
	textNotYours  = "Only the person who asked for this image, or somebody who manages messages here, can do that."
	textPrivate   = "Only the person who asked for this can see it."
	textBusy      = "I am following very many requests right now. Please try again in a minute."
	textFault     = "Something went wrong on my side, and I am sorry. Please try again in a moment."
	textStoreAway = "My memory does not answer right now, so I cannot promise anything. Please try again in a moment."
	textTooLarge  = "🖼️ The image is larger than Discord takes here, so I cannot show it."
	textBlocked   = "-# This server does not allow the words of the prompt to be repeated."
	textCannotDel = "I could not delete this message. Somebody who manages messages here can."
)

func textFaultNumber(id string) string { return textFault + "\n-# Reference " + id }

// stamp is a time that Discord counts down to by itself.
func stamp(t time.Time) string { return "<t:" + strconv.FormatInt(t.Unix(), 10) + ":R>" }

// day is a date in the reader's own language.
func day(t time.Time) string { return "<t:" + strconv.FormatInt(t.Unix(), 10) + ":D>" }

func mention(person string) string { return "<@" + person + ">" }

// plural writes a number with its word.
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// kudosWord writes an amount with its word; kudos have no singular.
func kudosWord(a kudos.Amount) string { return a.String() + " kudos" }

// textQueued says where a request stands; ready is a countdown or textSoon.
func textQueued(position int, ready string) string {
	switch {
	case position <= 0:
		return "⏳ In line · ready " + ready
	case position == 1:
		return "⏳ Next in line · ready " + ready
	}
	return fmt.Sprintf("⏳ Number **%d** in line · ready %s", position, ready)
}

func textWorking(p horde.Progress, amount int, ready string) string {
	if amount == 1 {
		return "🎨 Being made right now · ready " + ready
	}
	parts := []string{fmt.Sprintf("%d of %d done", p.Finished, amount)}
	if p.Processing > 0 {
		parts = append(parts, fmt.Sprintf("%d being made", p.Processing))
	}
	if p.Waiting > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting", p.Waiting))
	}
	return "🎨 " + strings.Join(parts, ", ") + " · ready " + ready
}

// textImpossible explains that nobody can serve a request; why is the core's sentence.
func textImpossible(why string, expiry time.Time) string {
	return "⚠️ " + upperFirst(why) + "\n-# Its time in line ends " + stamp(expiry) + " unless somebody takes it."
}

func textCancelledBy(person string) string { return "🛑 Cancelled by " + mention(person) + "." }

func textSpent(a kudos.Amount) string { return "-# " + kudosWord(a) + " went into it." }

func textSome(made, asked int) string {
	return fmt.Sprintf("%d of %s made.", made, plural(int64(asked), "image", "images"))
}

func textCensored(n int) string {
	return "🙈 " + plural(int64(n), "image was", "images were") + " withheld by the safety check."
}

func textMissing(n int) string {
	return "🕳️ " + plural(int64(n), "image is", "images are") + " no longer kept."
}

func textRefused(words string) string { return "🙅 " + words }

// textOpened is the one line about an account that was opened on the way.
func textOpened(balance kudos.Amount, login string) string {
	return "-# Welcome! I opened an account for you, with " + kudosWord(balance) + " in it. " + login + " tells more."
}

func textAnonymous(login string) string {
	return "-# Asked without an account, so it comes last in line. " + login + " opens one."
}

// lookText describes how an image was or will be made.
func lookText(model string, width, height int) string {
	if model == "" {
		model = "any model"
	}
	return fmt.Sprintf("%s · %d×%d", model, width, height)
}

func textSeeds(seeds []string) string {
	if len(seeds) == 1 {
		return "seed " + seeds[0]
	}
	return "seeds " + strings.Join(seeds, ", ")
}

func textSeconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Round(time.Second).Seconds())) + " s"
	}
	return strconv.Itoa(int(d.Round(time.Minute).Minutes())) + " min"
}

func altText(prompt string) string { return "AI image: " + prompt }

// modelChoice is one line of the model suggestions.
func modelChoice(m horde.ModelStatus) string {
	switch {
	case m.Threads == 0:
		return m.Name + " · nobody serves it right now"
	case m.Jobs == 0:
		return m.Name + " · free"
	}
	return m.Name + " · " + plural(int64(m.Jobs), "image", "images") + " waiting"
}

func sizeChoice(z Size) string {
	text := fmt.Sprintf("%d×%d", z.Width, z.Height)
	if z.Name != "" {
		text = z.Name + " · " + text
	}
	return text
}

// Words about parameters that the core never sees.

func textLongPrompt(n, most int) string {
	return fmt.Sprintf("the prompt has %d characters, at most %d are allowed", n, most)
}

func textLongNegative(n, most int) string {
	return fmt.Sprintf("the negative prompt has %d characters, at most %d are allowed", n, most)
}

func textLongSeed(most int) string {
	return fmt.Sprintf("a seed has at most %d characters", most)
}

func textLongModel(most int) string {
	return fmt.Sprintf("a model's name has at most %d characters", most)
}

func textAmount(most int) string { return fmt.Sprintf("ask for 1 to %d images at once", most) }

const (
	textBadSize   = "write a size as width × height, such as 512x768, or pick one from the list"
	textNeedLogin = "this needs an account"
	textLongNote  = "a note has at most 200 characters"
)

// Accounts.

// textLogin explains an account; cmd makes a command clickable.
func textLogin(u horde.User, opened bool, cmd func(string) string, apiURL, emoji string, amount kudos.Amount) string {
	var b strings.Builder
	if opened {
		fmt.Fprintf(&b, "👋 **Welcome!** Your account is **%s**, with %s to begin with.\n", escape(u.Alias()), kudosWord(u.Balance))
	} else {
		fmt.Fprintf(&b, "👋 You are logged in as **%s** and have %s.\n", escape(u.Alias()), kudosWord(u.Balance))
	}
	b.WriteString("It belongs to your Discord account: there is no password, and nothing else to do.\n\n")
	fmt.Fprintf(&b, "• %s makes an image. Everybody may ask: kudos only decide who comes first when many wait.\n", cmd("generate"))
	fmt.Fprintf(&b, "• %s gives kudos to somebody", cmd("kudos gift"))
	if emoji != "" {
		fmt.Fprintf(&b, ", and so does a %s under a message (%s to its author, once each)", emoji, kudosWord(amount))
	}
	b.WriteString(".\n")
	fmt.Fprintf(&b, "• %s with the option `key` shows an API key, for workers and other programs", cmd("login"))
	if apiURL != "" {
		fmt.Fprintf(&b, " at %s", apiURL)
	}
	b.WriteString(". Lend your GPU with it and earn kudos.\n")
	b.WriteString("-# Kept about you: your Discord number and name, your kudos, and for some weeks what you asked for, so that the buttons under it work.")
	return b.String()
}

func textNewKey(key, apiURL string) string {
	text := "🔑 Your new API key is ||`" + key + "`||.\nKeep it to yourself: whoever has it can use your account. " +
		"I keep only a fingerprint of it and cannot show it again. If you had a key before, it has just stopped working."
	if apiURL != "" {
		text += "\nThe API is at " + apiURL + "."
	}
	return text
}

func textLogout(login string) string {
	return "👋 Done: your API key, if you had one, no longer works, so every program that used it is logged out. " +
		"Your account and your kudos stay, and in Discord they are always yours. " + login + " with the option `key` makes a new key."
}

func textNoAccount(login string) string {
	return "You have no account yet. " + login + " opens one, in one step."
}

func textOtherNoAccount(person string) string { return mention(person) + " has no account here yet." }

func textBalance(u horde.User) string {
	var b strings.Builder
	fmt.Fprintf(&b, "🐴 You have **%s**", kudosWord(u.Balance))
	if u.Available() != u.Balance {
		fmt.Fprintf(&b, "; %s of them can be given away", max(u.Available(), 0))
	}
	b.WriteString(".")
	if u.Held != 0 {
		fmt.Fprintf(&b, "\n-# %s are set aside for images that are being made.", kudosWord(u.Held))
	}
	if u.Evaluated != 0 {
		fmt.Fprintf(&b, "\n-# %s earned by your workers are waiting until your account is trusted.", kudosWord(u.Evaluated))
	}
	return b.String()
}

// Names of the lines of an account.
const (
	fieldKudos   = "Kudos"
	fieldGiven   = "Given / received"
	fieldAsked   = "Images asked for"
	fieldMade    = "Images made by workers"
	fieldSince   = "Here since"
	fieldRole    = "Standing"
	fieldWorkers = "Workers"
	roleModer    = "moderator"
	roleTrusted  = "trusted"
	roleFlagged  = "flagged"
)

func helpTitle(horde string) string {
	if horde == "" {
		return "Hello!"
	}
	return "Hello from " + horde + "!"
}

// helpText explains the bot; cmd makes a command clickable.
func helpText(cmd func(string) string, emoji string, amount kudos.Amount) string {
	var b strings.Builder
	b.WriteString("I make images from words, together with everybody who lends a GPU.\n\n")
	fmt.Fprintf(&b, "%s — describe what you want to see. Add a size, a model, a seed or what to avoid if you like.\n", cmd("generate"))
	fmt.Fprintf(&b, "%s — open your account in one step, or get an API key.\n", cmd("login"))
	fmt.Fprintf(&b, "%s — your kudos; %s — thank somebody.\n", cmd("kudos balance"), cmd("kudos gift"))
	fmt.Fprintf(&b, "%s — an account at a glance.\n", cmd("userinfo"))
	fmt.Fprintf(&b, "%s — switch your API key off.\n\n", cmd("logout"))
	if emoji != "" {
		fmt.Fprintf(&b, "React with %s to a message to give its author %s. On an image it goes to the person who asked for it. This happens without a word: %s shows what you have.\n\n", emoji, kudosWord(amount), cmd("kudos balance"))
	}
	b.WriteString("Kudos are a way to say thank you. An image takes a few, and when you have none left you still get images: you only wait longer when many ask at once.")
	return b.String()
}
