// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"strings"
	"time"
)

const (
	teams         = "GET /v2/teams"
	newTeam       = "POST /v2/teams"
	team          = "GET /v2/teams/{team_id}"
	changeTeam    = "PATCH /v2/teams/{team_id}"
	deleteTeam    = "DELETE /v2/teams/{team_id}"
	messages      = "GET /v2/workers/messages"
	newMessage    = "POST /v2/workers/messages"
	message       = "GET /v2/workers/messages/{message_id}"
	deleteMessage = "DELETE /v2/workers/messages/{message_id}"
)

// founded leaves a team of the trusted account as $team, with the owner's worker in it.
func founded(s *stage) {
	s.do("trusted", newTeam, `{"name": "dream team", "info": "we dream"}`, "team=id")
	idle("tiny")(s)
	s.do("owner", "PUT /v2/workers/$worker", `{"team": "$team"}`)
}

// told leaves a message of the moderator to the owner's worker as $message, and one to all as $broadcast.
func told(s *stage) {
	idle("tiny")(s)
	s.do("moderator", newMessage, `{"message": "please update", "worker_id": "$worker", "origin": "the moderators", "expiry": 24}`, "message=id")
	s.do("moderator", newMessage, `{"message": "to äll of you"}`, "broadcast=id")
}

func teamRows() []row {
	its := []string{"$team"}
	return []row{
		{op: teams, name: "none", want: 200},
		{op: teams, name: "one", setup: founded, want: 200},
		{op: newTeam, name: "founded", as: "trusted", body: `{"name": "dream team", "info": "we dream"}`, want: 200},
		{op: newTeam, name: "without_info", as: "trusted", body: `{"name": "dream team"}`, want: 200},
		{op: newTeam, name: "no_key", body: `{"name": "dream team"}`, want: 400, bad: []string{"apikey"}},
		{op: newTeam, name: "wrong_key", as: wrong, body: `{"name": "dream team"}`, want: 401, rc: "InvalidAPIKey"},
		{op: newTeam, name: "anonymous", as: anonymous, body: `{"name": "dream team"}`, want: 403, rc: "AnonForbidden"},
		{op: newTeam, name: "untrusted", as: "asker", body: `{"name": "dream team"}`, want: 403, rc: "UntrustedTeamCreation"},
		{op: newTeam, name: "taken", as: "trusted", setup: founded, body: `{"name": "Dream TEAM"}`, want: 400, rc: "TeamNameAlreadyExists"},
		{op: newTeam, name: "invalid", as: "trusted", body: `{"name": "ab", "info": 5}`, want: 400, bad: []string{"name", "info"}},
		{op: newTeam, name: "nul", as: "trusted", body: `{"name": "dre\u0000am"}`, want: 400, rc: "NulByteInPayload"},

		{op: team, name: "public", setup: founded, where: its, want: 200},
		{op: team, name: "moderator", setup: founded, as: "moderator", where: its, want: 200},
		{op: team, name: "ordinary_key", setup: founded, as: "asker", where: its, want: 403, rc: "NotModerator"},
		{op: team, name: "wrong_key", setup: founded, as: wrong, where: its, want: 401, rc: "InvalidAPIKey"},
		{op: team, name: "unknown", where: []string{"$nothing"}, want: 404, rc: "TeamNotFound"},

		{op: changeTeam, name: "both", setup: founded, as: "trusted", where: its, body: `{"name": "night team", "info": "we dream at night"}`, want: 200},
		{op: changeTeam, name: "moderator", setup: founded, as: "moderator", where: its, body: `{"name": "night team"}`, want: 200},
		{op: changeTeam, name: "no_key", setup: founded, where: its, body: `{"info": "we dream"}`, want: 400, bad: []string{"apikey"}},
		{op: changeTeam, name: "wrong_key", setup: founded, as: wrong, where: its, body: `{"info": "we dream"}`, want: 401, rc: "InvalidAPIKey"},
		{op: changeTeam, name: "stranger_info", setup: founded, as: "asker", where: its, body: `{"info": "we dream"}`, want: 403, rc: "NotOwner"},
		{op: changeTeam, name: "stranger_name", setup: founded, as: "asker", where: its, body: `{"name": "my team"}`, want: 403, rc: "NotModerator"},
		{
			op: changeTeam, name: "taken", as: "trusted", where: its, body: `{"name": "other team"}`, want: 400, rc: "TeamNameAlreadyExists",
			setup: then(founded, func(s *stage) { s.do("trusted", newTeam, `{"name": "other team"}`) }),
		},
		{op: changeTeam, name: "nothing", setup: founded, as: "trusted", where: its, body: `{}`, want: 400, rc: "NoTeamModSelected"},
		{op: changeTeam, name: "nul", setup: founded, as: "trusted", where: its, body: `{"info": "we\u0000dream"}`, want: 400, rc: "NulByteInPayload"},
		{op: changeTeam, name: "unknown", where: []string{"$nothing"}, body: `{"info": "we dream"}`, want: 404, rc: "TeamNotFound"},

		{op: deleteTeam, name: "founder", setup: founded, as: "trusted", where: its, want: 200},
		{op: deleteTeam, name: "moderator", setup: founded, as: "moderator", where: its, want: 200},
		{op: deleteTeam, name: "no_key", setup: founded, where: its, want: 400, bad: []string{"apikey"}},
		{op: deleteTeam, name: "wrong_key", setup: founded, as: wrong, where: its, want: 401, rc: "InvalidAPIKey"},
		{op: deleteTeam, name: "stranger", setup: founded, as: "asker", where: its, want: 403, rc: "NotModerator"},
		{op: deleteTeam, name: "unknown", where: []string{"a/b"}, want: 404, rc: "TeamNotFound"},
	}
}

func messageRows() []row {
	its := []string{"$message"}
	return []row{
		{op: messages, name: "none", as: "asker", want: 200},
		{op: messages, name: "owner", setup: told, as: "owner", query: "worker_id=$worker", want: 200},
		{op: messages, name: "own", setup: told, as: "owner", query: "user_id=$owner", want: 200},
		{op: messages, name: "moderator", setup: told, as: "moderator", query: "validity=all&page=0", want: 200},
		{op: messages, name: "expired", setup: then(told, later(20*time.Hour)), as: "moderator", query: "validity=expired", want: 200},
		{op: messages, name: "no_key", want: 400, bad: []string{"apikey"}},
		{op: messages, name: "wrong_key", as: wrong, want: 401, rc: "InvalidAPIKey"},
		{op: messages, name: "of_others", setup: everybody, as: "asker", query: "user_id=$owner", want: 403, rc: "Forbidden"},
		{op: messages, name: "validity", as: "asker", query: "validity=old", want: 400, rc: "BadRequest"},
		{op: messages, name: "no_page", as: "asker", query: "page=x", want: 400, bad: []string{"page"}},

		{op: newMessage, name: "to_one", setup: idle("tiny"), as: "moderator", body: `{"message": "please update", "worker_id": "$worker", "origin": "the moderators", "expiry": 24}`, want: 200},
		{op: newMessage, name: "to_all", as: "moderator", body: `{"message": "to äll of you"}`, want: 200},
		{op: newMessage, name: "to_oneself", setup: idle("tiny"), as: "owner", body: `{"message": "note", "worker_id": "$worker", "origin": "me"}`, want: 200},
		{op: newMessage, name: "no_key", body: `{"message": "x"}`, want: 400, bad: []string{"apikey"}},
		{op: newMessage, name: "wrong_key", as: wrong, body: `{"message": "x"}`, want: 401, rc: "InvalidAPIKey"},
		{op: newMessage, name: "anonymous", as: anonymous, body: `{"message": "x"}`, want: 403, rc: "AnonForbidden"},
		{op: newMessage, name: "nul", as: "moderator", body: `{"message": "a\u0000b"}`, want: 400, rc: "NulByteInPayload"},
		{op: newMessage, name: "unknown_worker", as: "moderator", body: `{"message": "x", "worker_id": "$nothing"}`, want: 404, rc: "WorkerNotFound"},
		{op: newMessage, name: "to_others", setup: idle("tiny"), as: "asker", body: `{"message": "x", "worker_id": "$worker"}`, want: 403, rc: "MessagesOnlyOwnWorkers"},
		{op: newMessage, name: "to_all_by_anyone", as: "asker", body: `{"message": "x"}`, want: 403, rc: "MessagesOnlyOwnWorkers"},
		{
			op: newMessage, name: "invalid", as: "moderator", body: `{"message": "", "worker_id": "short", "origin": "` + strings.Repeat("o", 256) + `", "expiry": 721}`,
			want: 400, bad: []string{"message", "worker_id", "origin", "expiry"},
		},

		{op: message, name: "to_one", setup: told, where: its, want: 200},
		{op: message, name: "to_all", setup: told, where: []string{"$broadcast"}, want: 200},
		{op: message, name: "unknown", where: []string{"$nothing"}, want: 404, rc: "WorkermessageNotFound"},
		{op: message, name: "no_id", where: []string{"a/b"}, want: 404, rc: "WorkermessageNotFound"},

		{op: deleteMessage, name: "sender", setup: told, as: "moderator", where: its, want: 200},
		{op: deleteMessage, name: "no_key", setup: told, where: its, want: 400, bad: []string{"apikey"}},
		{op: deleteMessage, name: "wrong_key", as: wrong, where: []string{"$nothing"}, want: 401, rc: "InvalidAPIKey"},
		{op: deleteMessage, name: "stranger", setup: told, as: "asker", where: its, want: 403, rc: "Forbidden"},
		{op: deleteMessage, name: "no_id", as: "moderator", where: []string{"a/b"}, want: 404, rc: "WorkermessageNotFound"},
	}
}
