// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"

	"stablemate/commands/words"
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
		if err == nil && in.Type == discord.ModalSubmit && s.sentTwice.again(in) {
			return r.Reply(ctx, private(s.say(in).T("common.twice")))
		}
		if err == nil {
			err = h(ctx, in, r)
			s.roles.seen(in.GuildID, in.User.ID, in.MemberRoles)
			if err == nil && in.Type == discord.CommandRun {
				s.handNotes(ctx, in, r)
			}
		}
		if keyed, ok := errors.AsType[*keyedError](err); ok {
			err = tell(s.say(in).T(keyed.key, keyed.args...))
		}
		var m discord.Message
		if told, ok := errors.AsType[*toldError](err); ok {
			m = private(voice{}.refused(told.text))
		} else if refusal, ok := errors.AsType[*horde.Error](err); ok {
			m = private(voice{}.refused(s.refusal(s.say(in), refusal)))
		} else {
			return err
		}
		s.offer(ctx, in, &m, err)
		return r.Reply(ctx, m)
	}
}

// fault tells a person that something broke. The router has logged what.
func (s *Set) fault(ctx context.Context, in *discord.Interaction, r *discord.Responder, err error) {
	if in.Type == discord.CommandComplete {
		_ = r.Autocomplete(ctx, nil) // best effort: people type on
		return
	}
	w := s.say(in)
	text := w.T("refused.fault") + "\n-# " + w.T("refused.reference", "Number", in.ID)
	if errors.Is(err, engine.ErrUnavailable) {
		text = w.T("refused.away")
	}
	_ = r.Reply(ctx, private(text)) // best effort: the fault itself is logged
}

// refusal says a refusal in plain words, for people who never read an API's documentation. What the core says is English.
func (s *Set) refusal(w words.Words, e *horde.Error) string {
	login := s.cmd("login")
	said := sentence(e.Message)
	switch e.Code {
	case horde.CodeKudosUpfront:
		return w.T("refused.upfront", "Why", said, "Balance", s.cmd("kudos balance"), "Advanced", s.cmd("advanced"))
	case horde.CodeTooManyPrompts:
		return w.T("refused.toomany", "Jobs", s.cmd("jobs list"))
	case horde.CodeMissingPrompt:
		return w.T("refused.noprompt")
	case horde.CodeInvalidPromptSize:
		return w.T("refused.toolong", "Why", clause(e.Message))
	case horde.CodeCorruptPrompt:
		return w.T("refused.cannot", "Why", clause(e.Message))
	case horde.CodeTimeoutIP:
		return w.T("refused.paused", "Why", said)
	case horde.CodeInvalidSize:
		return w.T("refused.size", "Why", clause(e.Message))
	case horde.CodeNulByte:
		return w.T("refused.characters")
	case horde.CodeBadCFGDecimals, horde.CodeBadCFGNumber:
		return w.T("refused.cfg")
	case horde.CodeTooManyUpscalers:
		return w.T("refused.upscalers")
	case horde.CodeTooManyLoras:
		return w.T("refused.loras", "Most", horde.MaxLoras)
	case horde.CodeTooManyTIs:
		return w.T("refused.tis", "Most", horde.MaxTIs)
	case horde.CodeSourceMaskUnnecessary:
		return w.T("refused.maskalone")
	case horde.CodeInpaintingMissingMask:
		return w.T("refused.needmask")
	case horde.CodeSourceRequired:
		return w.T("refused.needsource")
	case horde.CodeControlNetSource:
		return w.T("refused.controlsource")
	case horde.CodeControlNetInpainting:
		return w.T("refused.controlpaint")
	case horde.CodeControlNetUnsupported, horde.CodeControlNetMismatch, horde.CodeControlNetMismatchDot, horde.CodeControlNetPayload:
		return w.T("refused.control")
	case horde.CodeHiResMismatch:
		return w.T("refused.hires")
	case horde.CodeTransparencyModel, horde.CodeTransparencyImg2Img, horde.CodeTransparencyCN:
		return w.T("refused.transparent")
	case horde.CodeInvalidRemix:
		return w.T("refused.remixmode")
	case horde.CodeExtraSourceImages:
		return w.T("refused.extra")
	case horde.CodeTooManyExtraSources, horde.CodeMoreExtraSources:
		return w.T("refused.extras", "Usual", horde.MaxExtraSourcesUsual, "Most", horde.MaxExtraSources)
	case horde.CodeBadRequest, horde.CodeBadLoraVersion, horde.CodeUnexpectedModelName, horde.CodeImageValidation,
		horde.CodeSourceResolution, horde.CodeSourceSize, horde.CodeTooLongUserName, horde.CodeInvalidPriorityUser,
		horde.CodeTokenOverflow, horde.CodeTooManyStops, horde.CodeStopTooLong:
		return w.T("refused.bad", "Why", clause(e.Message))
	case horde.CodeRequiresTrust, horde.CodeUntrustedTeam:
		return w.T("refused.trusted")
	case horde.CodeNotModerator:
		return w.T("refused.moderators")
	case horde.CodeNotOwner, horde.CodeMessagesOnlyOwnWork:
		return w.T("refused.others")
	case horde.CodeTeamNotFound:
		return w.T("refused.noteam")
	case horde.CodeWorkerNameExists, horde.CodeTeamNameExists:
		return w.T("refused.nametaken")
	case horde.CodeProfaneWorkerName, horde.CodeProfaneWorkerInfo, horde.CodeProfaneTeamName, horde.CodeProfaneTeamInfo:
		return w.T("refused.profane")
	case horde.CodeInvalidAPIKey, horde.CodeUserNotFound:
		return w.T("refused.noaccount", "Login", login)
	case horde.CodeAnonForbidden:
		return w.T("refused.needaccount", "Login", login)
	case horde.CodeDeletedUser:
		return w.T("refused.deleted")
	case horde.CodeForbidden, horde.CodeWrongCredentials:
		return w.T("refused.others")
	case horde.CodeManySharedKeys:
		return w.T("refused.manykeys", "List", s.cmd("sharedkey list"))
	case horde.CodeManyGifts:
		return w.T("refused.manygifts", "Most", horde.MaxGiftsFrom, "Pending", s.cmd("kudos pending"))
	case horde.CodeManyPurses:
		return w.T("refused.manypurses", "Most", horde.MaxPurses)
	case horde.CodeManyFunders:
		return w.T("refused.manyfunders", "Most", horde.MaxFunders)
	case horde.CodeManyStyles:
		return w.T("refused.manystyles", "Most", horde.MaxStylesPerUser)
	case horde.CodeManyExamples:
		return w.T("refused.manyexamples", "Most", horde.MaxStyleExamples)
	case horde.CodeManyCollections:
		return w.T("refused.manycollections", "Most", horde.MaxCollections)
	case horde.CodeNotSpecial:
		return w.T("refused.notspecial")
	case horde.CodeMayNotRate:
		return w.T("refused.maynotrate")
	case horde.CodeSharedKeyEmpty, horde.CodeSharedKeyInsufficient:
		return w.T("refused.keyempty", "TopUp", s.cmd("sharedkey topup"))
	case horde.CodeSharedKeyExpired:
		return w.T("refused.keyexpired")
	case horde.CodeSharedKeyStyles:
		return w.T("refused.keystyles")
	case horde.CodeNoSharedKeyMod:
		return w.T("refused.nochange")
	case horde.CodeGiftNotFound, horde.CodePurseNotFound:
		return w.T("refused.nogift")
	case horde.CodeRequestNotFound, horde.CodeInvalidJobID, horde.CodeDuplicateGen, horde.CodeAbortedGen:
		return w.T("request.gone")
	case horde.CodeMaintenanceMode:
		return w.T("refused.maintenance", "News", s.cmd("news latest"))
	case horde.CodeWorkerNotFound:
		return w.T("refused.noworker")
	case horde.CodeWorkerMaintenance, horde.CodeWorkerFlagged, horde.CodePolymorphicName,
		horde.CodeTooManyWorkers, horde.CodeTooManyWorkersTrusted, horde.CodeTooManySameIPs, horde.CodeAnonForbiddenWorker:
		return said
	case horde.CodeTransferFromAnon:
		return w.T("refused.givenothing", "Login", login)
	case horde.CodeTransferToAnon:
		return w.T("refused.toanonymous")
	case horde.CodeTransferToSelf:
		return w.T("refused.toself")
	case horde.CodeTransferNotEnough:
		return w.T("refused.notenough", "Why", clause(e.Message))
	case horde.CodeNegativeTransfer, horde.CodeInvalidTransferAmount:
		return w.T("refused.nonumber", "Why", clause(e.Message))
	case horde.CodeInvalidTargetUsername:
		return w.T("refused.nobody")
	case horde.CodeTooFastTransfers:
		return w.T("refused.toofast")
	case horde.CodeFaultWhenSending, horde.CodeSourceFlagged:
		return w.T("refused.mayngive")
	case horde.CodeFaultWhenReceiving, horde.CodeTargetFlagged:
		return w.T("refused.mayntake")
	case horde.CodeEducationCannotSend:
		return w.T("refused.education")
	case horde.CodeIdempotencyKeyConflict:
		return w.T("refused.before")
	case horde.CodeTransfersDisabled:
		return w.T("refused.off")
	default:
		return said
	}
}
