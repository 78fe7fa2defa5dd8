// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

const (
	workers      = "GET /v2/workers"
	worker       = "GET /v2/workers/{worker_id}"
	workerNamed  = "GET /v2/workers/name/{worker_name}"
	changeWorker = "PUT /v2/workers/{worker_id}"
	deleteWorker = "DELETE /v2/workers/{worker_id}"
)

func workerRows() []row {
	up, its := idle("tiny"), []string{"$worker"}
	return []row{
		{op: workers, name: "none", want: 200},
		{op: workers, name: "one", setup: up, want: 200},
		{op: workers, name: "other_type", setup: up, query: "type=text", as: wrong, want: 200},
		{op: workers, name: "by_name", setup: up, query: "name=DREAMER%20%C3%96", want: 200},
		{op: workers, name: "moderator", setup: up, as: "moderator", want: 200},

		{op: worker, name: "public", setup: up, where: its, want: 200},
		{op: worker, name: "veteran", setup: then(working(), delivered), where: its, want: 200},
		{op: worker, name: "owner", setup: up, as: "owner", where: its, want: 200},
		{op: worker, name: "moderator", setup: up, as: "moderator", where: its, want: 200},
		{op: worker, name: "wrong_key", setup: up, as: wrong, where: its, want: 200},
		{op: worker, name: "unknown", where: []string{"$nothing"}, want: 404, rc: "WorkerNotFound"},
		{op: worker, name: "no_id", where: []string{"a/b"}, want: 404, rc: "WorkerNotFound"},

		{op: workerNamed, name: "found", setup: up, where: []string{"dreamer ö"}, want: 200},
		{op: workerNamed, name: "moderator", setup: up, as: "moderator", where: []string{"dreamer ö"}, want: 200},
		{op: workerNamed, name: "unknown", where: []string{"a/b?"}, want: 404, rc: "WorkerNotFound"},

		{op: changeWorker, name: "info", setup: up, as: "owner", where: its, body: `{"info": " made of dreams ", "team": ""}`, want: 200},
		{op: changeWorker, name: "maintenance", setup: up, as: "owner", where: its, body: `{"maintenance": true, "maintenance_msg": "back in a while"}`, want: 200},
		{op: changeWorker, name: "back", setup: up, as: "owner", where: its, body: `{"maintenance": false}`, want: 200},
		{op: changeWorker, name: "paused", setup: up, as: "moderator", where: its, body: `{"paused": true}`, want: 200},
		{op: changeWorker, name: "no_key", setup: up, where: its, body: `{"maintenance": true}`, want: 400, bad: []string{"apikey"}},
		{op: changeWorker, name: "wrong_key", setup: up, as: wrong, where: its, body: `{"maintenance": true}`, want: 401, rc: "InvalidAPIKey"},
		{op: changeWorker, name: "unknown", where: []string{"$nothing"}, body: `{"maintenance": true}`, want: 404, rc: "WorkerNotFound"},
		{op: changeWorker, name: "stranger", setup: up, as: "stranger", where: its, body: `{"maintenance": true}`, want: 403, rc: "NotOwner"},
		{op: changeWorker, name: "paused_by_owner", setup: up, as: "owner", where: its, body: `{"paused": true}`, want: 403, rc: "NotModerator"},
		{op: changeWorker, name: "nothing", setup: up, as: "owner", where: its, body: `{}`, want: 400, rc: "NoWorkerModSelected"},
		{op: changeWorker, name: "unknown_team", setup: up, as: "owner", where: its, body: `{"team": "$nothing"}`, want: 404, rc: "TeamNotFound"},
		{op: changeWorker, name: "invalid", as: "owner", where: []string{"$nothing"}, body: `{"maintenance": "yes", "info": 5}`, want: 400, bad: []string{"maintenance", "info"}},

		{op: changeWorker, name: "name", setup: up, as: "owner", where: its, body: `{"name": "sleeper"}`, want: 200},
		{op: changeWorker, name: "team", setup: founded, as: "owner", where: its, body: `{"team": "$team"}`, want: 200},
		{op: changeWorker, name: "out_of_team", setup: founded, as: "owner", where: its, body: `{"team": ""}`, want: 200},
		{
			op: changeWorker, name: "name_taken", as: "owner", where: its, body: `{"name": "worker 0"}`, want: 400, rc: "WorkerNameAlreadyExists",
			setup: then(up, crowd("stranger", 1, false)),
		},
		{op: changeWorker, name: "name_by_stranger", setup: up, as: "stranger", where: its, body: `{"name": "sleeper"}`, want: 403, rc: "NotModerator"},

		{op: deleteWorker, name: "owner", setup: up, as: "owner", where: its, want: 200},
		{op: deleteWorker, name: "moderator", setup: up, as: "moderator", where: its, want: 200},
		{op: deleteWorker, name: "no_key", setup: up, where: its, want: 400, bad: []string{"apikey"}},
		{op: deleteWorker, name: "wrong_key", setup: up, as: wrong, where: its, want: 401, rc: "InvalidAPIKey"},
		{op: deleteWorker, name: "stranger", setup: up, as: "stranger", where: its, want: 403, rc: "NotModerator"},
		{op: deleteWorker, name: "unknown", where: []string{"$nothing"}, want: 404, rc: "WorkerNotFound"},
		{op: deleteWorker, name: "busy", setup: working(), as: "owner", where: its, want: 423, rc: "Locked"},
		{op: deleteWorker, name: "busy_alchemist", setup: then(alchemist, brought(oneForm), looking), as: "owner", where: its, want: 423, rc: "Locked"},
	}
}
