// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// answered turns a refusal into a private answer in plain words. Everything else is a fault and goes on to the router.
func (s *Set) answered(h discord.HandlerFunc) discord.HandlerFunc {
	return func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		s.warm(ctx, in)
		err := s.outlaw(ctx, in)
		if err == nil {
			err = s.gate(ctx, in)
		}
		if err == nil {
			err = h(ctx, in, r)
			s.roles.seen(in.GuildID, in.User.ID, in.MemberRoles)
		}
		if told, ok := errors.AsType[*toldError](err); ok {
			return r.Reply(ctx, private(textRefused(told.text)))
		}
		refusal, ok := errors.AsType[*horde.Error](err)
		if !ok {
			return err
		}
		return r.Reply(ctx, private(textRefused(s.words(refusal))))
	}
}

// fault tells a person that something broke. The router has logged what.
func (s *Set) fault(ctx context.Context, in *discord.Interaction, r *discord.Responder, err error) {
	if in.Type == discord.CommandComplete {
		_ = r.Autocomplete(ctx, nil) // best effort: people type on
		return
	}
	text := textFaultNumber(in.ID)
	if errors.Is(err, engine.ErrUnavailable) {
		text = textStoreAway
	}
	_ = r.Reply(ctx, private(text)) // best effort: the fault itself is logged
}

// words says a refusal in plain words, for people who never read an API's documentation.
func (s *Set) words(e *horde.Error) string {
	login := s.cmd("login")
	said := sentence(e.Message)
	switch e.Code {
	case horde.CodeKudosUpfront:
		return said
	case horde.CodeTooManyPrompts:
		return "You have as many images waiting as you may have. Please wait until some are made, or cancel one."
	case horde.CodeMissingPrompt:
		return "Please say what the image should show."
	case horde.CodeInvalidPromptSize:
		return "That is too long: " + clause(e.Message) + "."
	case horde.CodeCorruptPrompt:
		return "I cannot make this: " + clause(e.Message) + "."
	case horde.CodeTimeoutIP:
		return "You are paused for a while. " + said
	case horde.CodeInvalidSize:
		return "This size does not work: " + clause(e.Message) + "."
	case horde.CodeNulByte:
		return "There are characters in it that no text should have."
	case horde.CodeBadRequest, horde.CodeBadCFGDecimals, horde.CodeBadCFGNumber, horde.CodeTooManyUpscalers, horde.CodeTooManyLoras,
		horde.CodeBadLoraVersion, horde.CodeTooManyTIs, horde.CodeUnexpectedModelName, horde.CodeSourceMaskUnnecessary,
		horde.CodeInpaintingMissingMask, horde.CodeControlNetSource, horde.CodeControlNetInpainting, horde.CodeImageValidation,
		horde.CodeSourceResolution, horde.CodeSourceSize, horde.CodeTooLongUserName, horde.CodeInvalidPriorityUser:
		return "That does not work: " + clause(e.Message) + "."
	case horde.CodeRequiresTrust:
		return "Only trusted accounts may do that."
	case horde.CodeInvalidAPIKey, horde.CodeUserNotFound:
		return "I cannot find the account. " + login + " opens one."
	case horde.CodeAnonForbidden:
		return "For this you need an account. " + login + " opens one, in one step."
	case horde.CodeDeletedUser:
		return "This account is marked as deleted."
	case horde.CodeForbidden, horde.CodeWrongCredentials:
		return "That belongs to somebody else."
	case horde.CodeRequestNotFound, horde.CodeInvalidJobID, horde.CodeDuplicateGen, horde.CodeAbortedGen:
		return textGone
	case horde.CodeMaintenanceMode:
		return "The horde is being looked after right now and takes no requests. Please try again later."
	case horde.CodeWorkerNotFound, horde.CodeWorkerMaintenance, horde.CodeWorkerFlagged, horde.CodePolymorphicName,
		horde.CodeTooManyWorkers, horde.CodeTooManyWorkersTrusted, horde.CodeTooManySameIPs, horde.CodeAnonForbiddenWorker:
		return said
	case horde.CodeTransferFromAnon:
		return "Without an account there is nothing to give. " + login + " opens one."
	case horde.CodeTransferToAnon:
		return "The shared account for strangers cannot receive kudos."
	case horde.CodeTransferToSelf:
		return "You cannot give kudos to yourself."
	case horde.CodeTransferNotEnough:
		return "You do not have enough: " + clause(e.Message) + "."
	case horde.CodeNegativeTransfer, horde.CodeInvalidTransferAmount:
		return "That is no number of kudos to give: " + clause(e.Message) + "."
	case horde.CodeInvalidTargetUsername:
		return "There is no account to give them to yet."
	case horde.CodeTooFastTransfers:
		return "They gave you kudos just now. Please wait a minute before giving some back."
	case horde.CodeFaultWhenSending, horde.CodeSourceFlagged:
		return "Your account cannot give kudos at the moment. Please ask a moderator."
	case horde.CodeFaultWhenReceiving, horde.CodeTargetFlagged:
		return "This account cannot receive kudos at the moment."
	case horde.CodeEducationCannotSend:
		return "Accounts for education cannot give kudos."
	case horde.CodeIdempotencyKeyConflict:
		return "This was done before, in another way. Nothing moved now."
	case horde.CodeTransfersDisabled:
		return "Giving kudos is switched off here."
	default:
		return said
	}
}
