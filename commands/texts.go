// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"fmt"
	"strconv"
	"time"

	"stablemate/horde/kudos"
)

// What reads the same in every language, or stands in English beside its translations. Everything else a person reads is
// in the package words. Texts of people and workers go through escape before they come here.

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
)

// choiceAny is the value of the suggestion to take any model.
const choiceAny = "Any model"

// Answers of families that have only English for them.
const (
	textBadSize = "write a size as width × height, such as 512x768, or pick one from the list"
)

// stamp is a time that Discord counts down to by itself.
func stamp(t time.Time) string { return "<t:" + strconv.FormatInt(t.Unix(), 10) + ":R>" }

// day is a date in the reader's own language.
func day(t time.Time) string { return "<t:" + strconv.FormatInt(t.Unix(), 10) + ":D>" }

func mention(person string) string { return "<@" + person + ">" }

// kudosWord writes an amount with its word; kudos have no singular.
func kudosWord(a kudos.Amount) string { return a.String() + " kudos" }

// lookText describes how an image was or will be made.
func lookText(model string, width, height int) string {
	if model == "" {
		return fmt.Sprintf("%d×%d", width, height)
	}
	return fmt.Sprintf("%s · %d×%d", model, width, height)
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
