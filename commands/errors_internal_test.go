// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"strings"
	"testing"
	"unicode/utf8"

	"stablemate/horde"
	"stablemate/internal/discord"
)

// Refusals that people meet are in their language: what the core says, English for programs, is a part of it at most.
func TestRefusalsAreInTheWordsOfWhoeverReadsThem(t *testing.T) {
	t.Parallel()
	s := set(t)
	bot, err := discord.New(discord.Deps{Router: discord.NewRouter()}, discord.Options{Token: "none"})
	if err != nil {
		t.Fatal(err)
	}
	s.bot = bot
	for _, code := range []horde.Code{
		horde.CodeKudosUpfront, horde.CodeTooManyPrompts, horde.CodeCorruptPrompt, horde.CodeTimeoutIP, horde.CodeMissingPrompt,
		horde.CodeInvalidPromptSize, horde.CodeInvalidSize, horde.CodeUnexpectedModelName, horde.CodeControlNetUnsupported,
		horde.CodeControlNetSource, horde.CodeControlNetPayload, horde.CodeInpaintingMissingMask, horde.CodeSourceMaskUnnecessary,
		horde.CodeSourceRequired, horde.CodeTooManyUpscalers, horde.CodeImageValidation, horde.CodeSourceResolution, horde.CodeSourceSize,
		horde.CodeInvalidAPIKey, horde.CodeUserNotFound, horde.CodeAnonForbidden, horde.CodeRequiresTrust, horde.CodeUntrustedTeam,
		horde.CodeNotOwner, horde.CodeNotModerator, horde.CodeSharedKeyEmpty, horde.CodeSharedKeyExpired, horde.CodeSharedKeyInsufficient,
		horde.CodeSharedKeyStyles, horde.CodeTransferToAnon, horde.CodeTransferToSelf, horde.CodeTransferNotEnough,
		horde.CodeTransferFromAnon, horde.CodeNegativeTransfer, horde.CodeInvalidTransferAmount, horde.CodeInvalidTargetUsername,
		horde.CodeTooFastTransfers, horde.CodeTargetFlagged, horde.CodeSourceFlagged, horde.CodeFaultWhenReceiving,
		horde.CodeFaultWhenSending, horde.CodeEducationCannotSend, horde.CodeDeletedUser, horde.CodeIdempotencyKeyConflict,
		horde.CodeRequestNotFound, horde.CodeAbortedGen, horde.CodeMaintenanceMode, horde.CodeWorkerNotFound, horde.CodeTeamNotFound,
		horde.CodeWorkerNameExists, horde.CodeTeamNameExists, horde.CodeProfaneWorkerName, horde.CodeProfaneTeamName,
		horde.CodeManySharedKeys, horde.CodeManyGifts, horde.CodeManyPurses, horde.CodeManyFunders, horde.CodeManyStyles,
		horde.CodeManyExamples, horde.CodeManyCollections, horde.CodeNotSpecial, horde.CodeMayNotRate, horde.CodeForbidden,
	} {
		refusal := &horde.Error{Code: code, Message: "the core says this"}
		english := s.refusal(s.bundle.For("en"), refusal)
		for _, language := range s.bundle.Languages() {
			text := s.refusal(s.bundle.For(language), refusal)
			switch n := utf8.RuneCountInString(text); {
			case n < 4 || n > 600 || strings.Contains(text, "{{") || strings.Contains(text, "<no value>"):
				t.Errorf("%s in %s: %q", code, language, text)
			case language != "en" && text == english:
				t.Errorf("%s in %s is English: %q", code, language, text)
			}
		}
	}
	unheard := s.refusal(s.bundle.For("en"), &horde.Error{Code: "NobodyHeardOfThis", Message: "the core says this"})
	if unheard != "The core says this." {
		t.Errorf("a code that nobody knows reads %q", unheard)
	}
}
