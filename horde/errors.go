// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import "fmt"

// Code is the AI Horde return code ("rc") of a refusal. Its text is wire format.
type Code string

// Return codes used by the rules. Odd spellings are the protocol's own.
const (
	CodeBadRequest             Code = "BadRequest"
	CodeInvalidAPIKey          Code = "InvalidAPIKey"
	CodeUserNotFound           Code = "UserNotFound"
	CodeWorkerNotFound         Code = "WorkerNotFound"
	CodeRequestNotFound        Code = "RequestNotFound"
	CodeInvalidJobID           Code = "InvalidJobID"
	CodeDuplicateGen           Code = "DuplicateGen"
	CodeAbortedGen             Code = "AbortedGen"
	CodeWrongCredentials       Code = "WrongCredentials"
	CodeForbidden              Code = "Forbidden"
	CodeDeletedUser            Code = "DeletedUser"
	CodeAnonForbidden          Code = "AnonForbidden"
	CodeAnonForbiddenWorker    Code = "AnonForbiddenWorker"
	CodeWorkerMaintenance      Code = "WorkerMaintenance"
	CodeWorkerFlagged          Code = "WorkerFlaggedMaintenance"
	CodePolymorphicName        Code = "PolymorphicNameConflict"
	CodeTooManyWorkers         Code = "TooManyWorkers"
	CodeTooManyWorkersTrusted  Code = "TooManyWorkersTrusted"
	CodeTooManySameIPs         Code = "TooManySameIPs"
	CodeTooManyPrompts         Code = "TooManyPrompts"
	CodeTimeoutIP              Code = "TimeoutIP"
	CodeMissingPrompt          Code = "MissingPrompt"
	CodeCorruptPrompt          Code = "CorruptPrompt"
	CodeInvalidPromptSize      Code = "InvalidPromptSize"
	CodeInvalidSize            Code = "InvalidSize"
	CodeBadCFGDecimals         Code = "BadCFGDecimals"
	CodeBadCFGNumber           Code = "BadCFGNumber"
	CodeTooManyUpscalers       Code = "TooManyUpscalers"
	CodeTooManyLoras           Code = "TooManyLoras"
	CodeBadLoraVersion         Code = "BadLoraVersion"
	CodeTooManyTIs             Code = "TooManyTIs"
	CodeUnexpectedModelName    Code = "UnexpectedModelName"
	CodeSourceMaskUnnecessary  Code = "SourceMaskUnnecessary"
	CodeInpaintingMissingMask  Code = "InpaintingMissingMask"
	CodeControlNetSource       Code = "ControlNetSourceMissing"
	CodeControlNetInpainting   Code = "ControlNetInpaintingMismatch"
	CodeControlNetUnsupported  Code = "ControlNetUnsupported"
	CodeControlNetMismatch     Code = "ControlNetMismatch"
	CodeControlNetMismatchDot  Code = "ControlNetMismatch." // of workflows; the dot is the protocol's
	CodeControlNetPayload      Code = "ControlNetInvalidPayload"
	CodeHiResMismatch          Code = "HiResMismatch"
	CodeTransparencyModel      Code = "InvalidTransparencyModel"
	CodeTransparencyImg2Img    Code = "InvalidTransparencyImg2Img"
	CodeTransparencyCN         Code = "InvalidTransparencyCN"
	CodeInvalidRemix           Code = "InvalidRemix"
	CodeExtraSourceImages      Code = "InvalidExtraSourceImages."
	CodeTooManyExtraSources    Code = "TooManyExtraSourceImages."
	CodeMoreExtraSources       Code = "MoreThanMinExtraSourceImage."
	CodeInvalidExtraTexts      Code = "InvalidExtraTexts."
	CodeMissingExtraTexts      Code = "MissingExtraTexts."
	CodeSourceRequired         Code = "SourceImageRequiredForModel"
	CodeSpecialUsername        Code = "SpecialMissingUsername"
	CodeSpecialPayload         Code = "SpecialMissingPayload"
	CodeBannedClientAgent      Code = "BannedClientAgent"
	CodeImageValidation        Code = "ImageValidationFailed"
	CodeSourceResolution       Code = "SourceImageResolutionExceeded"
	CodeSourceSize             Code = "SourceImageSizeExceeded"
	CodeRequiresTrust          Code = "RequiresTrust"
	CodeKudosUpfront           Code = "KudosUpfront"
	CodeMaintenanceMode        Code = "MaintenanceMode"
	CodeInvalidPriorityUser    Code = "InvalidPriorityUsername"
	CodeNulByte                Code = "NulByteInPayload"
	CodeTransferFromAnon       Code = "KudosTransferFromAnon"
	CodeTransferToAnon         Code = "KudosTransferToAnon"
	CodeTransferToSelf         Code = "KudosTransferToSelf"
	CodeTransferNotEnough      Code = "KudosTransferNotEnough"
	CodeNegativeTransfer       Code = "NegativeKudosTransfer"
	CodeInvalidTransferAmount  Code = "InvalidKudosTransferAmount"
	CodeInvalidTargetUsername  Code = "InvalidTargetUsername"
	CodeTooFastTransfers       Code = "TooFastKudosTransfers"
	CodeFaultWhenSending       Code = "FaultWhenKudosSending"
	CodeFaultWhenReceiving     Code = "FaultWhenKudosReceiving"
	CodeSourceFlagged          Code = "SourceAccountFlagged"
	CodeTargetFlagged          Code = "TargetAccountFlagged"
	CodeEducationCannotSend    Code = "EducationCannotSendKudos"
	CodeIdempotencyKeyConflict Code = "IdempotencyKeyConflict"
	CodeTransfersDisabled      Code = "KudosTransfersDisabled" // ours: the operator switched gifts off
	CodeTokenOverflow          Code = "TokenOverflow"
	CodeSamplerOrder           Code = "MissingFullSamplerOrder"
	CodeTooManyStops           Code = "TooManyStopSequences"
	CodeStopTooLong            Code = "ExcessiveStopSequence"
	CodeTooLongUserName        Code = "TooLongUserName"

	CodeNotOwner            Code = "NotOwner"
	CodeNotModerator        Code = "NotModerator"
	CodeLocked              Code = "Locked"
	CodeWorkerInviteOnly    Code = "WorkerInviteOnly"
	CodeUnsafeIP            Code = "UnsafeIP"
	CodeUntrustedUnsafeIP   Code = "UntrustedUnsafeIP"
	CodeTooManyNewIPs       Code = "TooManyNewIPs"
	CodeNoWorkerMod         Code = "NoWorkerModSelected"
	CodeWorkerNameExists    Code = "WorkerNameAlreadyExists"
	CodeTooLongWorkerName   Code = "TooLongWorkerName"
	CodeProfaneWorkerName   Code = "ProfaneWorkerName"
	CodeProfaneWorkerInfo   Code = "ProfaneWorkerInfo"
	CodeProfaneBridgeAgent  Code = "ProfaneBridgeAgent"
	CodeTeamNotFound        Code = "TeamNotFound"
	CodeTeamNameExists      Code = "TeamNameAlreadyExists"
	CodeUntrustedTeam       Code = "UntrustedTeamCreation"
	CodeNoTeamMod           Code = "NoTeamModSelected"
	CodeProfaneTeamName     Code = "ProfaneTeamName"
	CodeProfaneTeamInfo     Code = "ProfaneTeamInfo"
	CodeMessageNotFound     Code = "WorkermessageNotFound"
	CodeMessagesOnlyOwnWork Code = "MessagesOnlyOwnWorkers"
)

// Codes of ours for reasons that the protocol has no code for and calls Forbidden; see Code.Wire.
const (
	CodeManySharedKeys  Code = "ManySharedKeys"  // as many of them as somebody may have; so the next
	CodeManyGifts       Code = "ManyGifts"       // that wait for their recipients
	CodeManyPurses      Code = "ManyPurses"      // that somebody has filled
	CodeManyFunders     Code = "ManyFunders"     // of one purse
	CodeManyStyles      Code = "ManyStyles"      // of an account
	CodeManyExamples    Code = "ManyExamples"    // of a style
	CodeManyCollections Code = "ManyCollections" // of an account
	CodeNotSpecial      Code = "NotSpecial"      // special models are for special accounts
	CodeMayNotRate      Code = "MayNotRate"      // this account's ratings are not taken now
)

// Wire is the code that other programs read: the protocol's own, where this one is ours for something that it has a wider
// code for.
func (c Code) Wire() Code {
	switch c {
	case CodeManySharedKeys, CodeManyGifts, CodeManyPurses, CodeManyFunders, CodeManyStyles, CodeManyExamples, CodeManyCollections,
		CodeNotSpecial, CodeMayNotRate:
		return CodeForbidden
	default:
		return c
	}
}

// Error is a refusal: the rules forbid what the caller asked. Message is safe to show to anyone.
type Error struct {
	Code    Code
	Message string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Refuse makes a refusal for a door that finds out by itself what the rules would say.
func Refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func refuse(code Code, format string, args ...any) error { return Refuse(code, format, args...) }
