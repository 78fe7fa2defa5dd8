// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/engine"
)

// Codes of the door itself: what its table of routes can refuse besides the rules.
const (
	codeNotModerator                = horde.CodeNotModerator
	codeServiceOnly                 = horde.CodeServiceOnly
	codeSourceURL        horde.Code = "SourceImageUrlInvalid"
	codeSourceUnreadable horde.Code = "SourceImageUnreadable"
)

// statusOf is the HTTP status of a refusal, and whether the code is known here. Only the code counts; where
// the protocol uses two statuses for one code, the handler says which.
func statusOf(code horde.Code) (status int, known bool) {
	switch code {
	case horde.CodeInvalidAPIKey:
		return http.StatusUnauthorized, true
	case horde.CodeUserNotFound, horde.CodeWorkerNotFound, horde.CodeRequestNotFound, horde.CodeInvalidJobID,
		horde.CodeTeamNotFound, horde.CodeMessageNotFound,
		horde.CodeStyleNotFound, horde.CodeImageStyleNotFound, horde.CodeTextStyleNotFound, horde.CodeStyleExampleNotFound,
		horde.CodeCollectionNotFound:
		return http.StatusNotFound, true
	case horde.CodeProcGenNotFound, horde.CodeAestheticsNotCompleted, horde.CodeAestheticsNotPublic, horde.CodeAestheticsDuplicate,
		horde.CodeAestheticsMissing, horde.CodeAestheticsSolo, horde.CodeAestheticsConfused, horde.CodeAestheticsAlreadyExist,
		horde.CodeAestheticsServerDown, horde.CodeInvalidAestheticAttempt:
		return http.StatusBadRequest, true
	case horde.CodeLocked:
		return http.StatusLocked, true
	case horde.CodeFilterNotFound, horde.CodeGiftNotFound, horde.CodePurseNotFound:
		return http.StatusNotFound, true
	case horde.CodeNotAdmin:
		return http.StatusForbidden, true
	case horde.CodeNoFilterMod, horde.CodeNoHordeMode:
		return http.StatusBadRequest, true
	case horde.CodeTooManyPrompts:
		return http.StatusTooManyRequests, true
	case horde.CodeWrongCredentials, horde.CodeForbidden, horde.CodeDeletedUser, horde.CodeAnonForbidden,
		horde.CodeAnonForbiddenWorker, horde.CodeWorkerMaintenance, horde.CodeWorkerFlagged, horde.CodeTooManyWorkers,
		horde.CodeTooManyWorkersTrusted, horde.CodeTooManySameIPs, horde.CodeTimeoutIP, horde.CodeKudosUpfront, horde.CodeBannedClientAgent,
		horde.CodeSharedKeyEmpty, horde.CodeSharedKeyExpired, horde.CodeSharedKeyInsufficient, horde.CodeSharedKeyStyles,
		horde.CodeAnonUserMod, horde.CodeAnonUser, horde.CodeNonService, horde.CodeCannotDeleteMod,
		horde.CodeNotUserOrMod, horde.CodeCannotWipeActive, horde.CodeNotAllowedAwards,
		horde.CodeStylesAnonForbidden, horde.CodeStylesRequiresCustomizer,
		horde.CodeTransfersDisabled, codeNotModerator, horde.CodeNotOwner, horde.CodeWorkerInviteOnly, horde.CodeUnsafeIP, horde.CodeUntrustedUnsafeIP,
		horde.CodeTooManyNewIPs, horde.CodeUntrustedTeam, horde.CodeMessagesOnlyOwnWork,
		horde.CodeManySharedKeys, horde.CodeManyGifts, horde.CodeManyPurses, horde.CodeManyFunders, horde.CodeManyStyles,
		horde.CodeManyExamples, horde.CodeManyCollections, horde.CodeNotSpecial, horde.CodeMayNotRate:
		return http.StatusForbidden, true
	case horde.CodeBadRequest, horde.CodeDuplicateGen, horde.CodeAbortedGen, horde.CodePolymorphicName,
		horde.CodeMissingPrompt, horde.CodeCorruptPrompt, horde.CodeInvalidPromptSize, horde.CodeInvalidSize,
		horde.CodeBadCFGDecimals, horde.CodeBadCFGNumber, horde.CodeTooManyUpscalers, horde.CodeTooManyLoras,
		horde.CodeBadLoraVersion, horde.CodeTooManyTIs, horde.CodeUnexpectedModelName, horde.CodeSourceMaskUnnecessary,
		horde.CodeInpaintingMissingMask, horde.CodeControlNetSource, horde.CodeControlNetInpainting,
		horde.CodeImageValidation, horde.CodeSourceResolution, horde.CodeSourceSize, horde.CodeRequiresTrust,
		horde.CodeMaintenanceMode, horde.CodeInvalidPriorityUser, horde.CodeNulByte, horde.CodeTransferFromAnon,
		horde.CodeTransferToAnon, horde.CodeTransferToSelf, horde.CodeTransferNotEnough, horde.CodeNegativeTransfer,
		horde.CodeInvalidTransferAmount, horde.CodeInvalidTargetUsername, horde.CodeTooFastTransfers,
		horde.CodeFaultWhenSending, horde.CodeFaultWhenReceiving, horde.CodeSourceFlagged, horde.CodeTargetFlagged,
		horde.CodeEducationCannotSend, horde.CodeIdempotencyKeyConflict, horde.CodeTooLongUserName,
		horde.CodeProfaneName, horde.CodeProfaneContact, horde.CodeProfaneComment, horde.CodeUserNotDeleted, horde.CodeNoUserMod,
		horde.CodeNoSharedKeyMod, horde.CodeInvalidAward, horde.CodeAwardToAnon,
		horde.CodeNoWorkerMod, horde.CodeWorkerNameExists, horde.CodeTooLongWorkerName, horde.CodeProfaneWorkerName,
		horde.CodeProfaneWorkerInfo, horde.CodeProfaneBridgeAgent, horde.CodeTeamNameExists, horde.CodeNoTeamMod,
		horde.CodeProfaneTeamName, horde.CodeProfaneTeamInfo, codeServiceOnly, codeSourceURL,
		codeSourceUnreadable, horde.CodeControlNetUnsupported, horde.CodeControlNetMismatch, horde.CodeControlNetMismatchDot,
		horde.CodeControlNetPayload, horde.CodeHiResMismatch, horde.CodeTransparencyModel, horde.CodeTransparencyImg2Img,
		horde.CodeTransparencyCN, horde.CodeInvalidRemix, horde.CodeExtraSourceImages, horde.CodeTooManyExtraSources,
		horde.CodeMoreExtraSources, horde.CodeInvalidExtraTexts, horde.CodeMissingExtraTexts, horde.CodeSourceRequired,
		horde.CodeSpecialUsername, horde.CodeSpecialPayload,
		horde.CodeTokenOverflow, horde.CodeSamplerOrder, horde.CodeTooManyStops, horde.CodeStopTooLong:
		return http.StatusBadRequest, true
	}
	return http.StatusBadRequest, false
}

// errorBody is the JSON of a refusal or fault.
type errorBody = wire.Error

// httpError is a refusal of the door itself, or a refusal of the rules under another status.
type httpError struct {
	status int
	retry  int // seconds, for Retry-After; 0 leaves it out
	body   errorBody
}

func (e *httpError) Error() string { return e.body.Message }

// errBusy says that too much memory is in use for large images.
var errBusy error = &httpError{
	status: http.StatusServiceUnavailable, retry: 5,
	body: errorBody{Message: "Too many large images at once. Please try again in a moment."},
}

// validationFailed begins every answer about a body that does not fit.
const validationFailed = "Input payload validation failed"

// missing is the refusal of a call that lacks an argument, in the shape of a schema violation.
func missing(name, text string) error { return invalid(map[string]string{name: text}) }

func invalid(violations map[string]string) error {
	return &httpError{status: http.StatusBadRequest, body: errorBody{Message: validationFailed, Errors: violations}}
}

// writeErr answers a call that was refused or that broke.
func (s *Server) writeErr(c *call, err error) {
	if he, ok := errors.AsType[*httpError](err); ok {
		if he.retry > 0 {
			c.w.Header().Set("Retry-After", strconv.Itoa(he.retry))
		}
		writeError(c.w, he.status, he.body)
		return
	}
	if refusal, ok := errors.AsType[*horde.Error](err); ok {
		status, _ := statusOf(refusal.Code)
		writeError(c.w, status, errorBody{Message: refusal.Message, RC: string(refusal.Code.Wire())})
		return
	}
	switch {
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		c.w.Header().Set("Retry-After", "2")
		writeError(c.w, http.StatusServiceUnavailable, errorBody{Message: "This horde cannot answer just now. Please try again in a moment."})
	case errors.Is(err, context.Canceled) && c.r.Context().Err() != nil:
		// The caller left; nobody reads an answer.
	default:
		s.fault(c.w, c.r, err, "")
	}
}

func writeError(w http.ResponseWriter, status int, body errorBody) {
	var buf bytes.Buffer
	_ = encode(&buf, body) // strings always encode
	w.Header()["Content-Type"] = contentJSON
	w.WriteHeader(status)
	_, _ = w.Write(ascii(buf.Bytes()))
}

func itoa(n int) string { return strconv.Itoa(n) }
