// SPDX-License-Identifier: AGPL-3.0-or-later
//
// Drives a horde with the public TypeScript SDK, as its users would. The test that starts this sets the
// environment: SDK (the package's entry file), ROUTE, KEY, WORKER_KEY, FRIEND (name#id). What is wrong ends it.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const { AIHorde, APIError } = await import(pathToFileURL(process.env.SDK).href);
const horde = new AIHorde({ api_route: process.env.ROUTE, default_token: process.env.KEY, client_agent: "sdk test:1:nobody" });
const token = process.env.KEY;

const beat = await horde.getHeartbeat();
assert.ok(beat, "no heartbeat");
const before = await horde.findUser({ token });
assert.equal(before.username, "asker#1");
assert.equal(typeof before.kudos, "number");

// A request, from its price to its images.
const ask = {
  prompt: "red apple ### blurry",
  models: ["tiny"],
  params: { width: 64, height: 64, steps: 4, n: 2, sampler_name: "k_euler", seed: "1", karras: true, post_processing: [], loras: [] },
  nsfw: false,
  r2: true,
};
const price = await horde.postAsyncImageGenerate({ ...ask, dry_run: true }, { token });
assert.ok(price.kudos > 0, "a dry run costs nothing");
const queued = await horde.postAsyncImageGenerate(ask, { token });
assert.match(queued.id, /^[0-9a-f-]{36}$/);
let progress;
for (const deadline = Date.now() + 30_000; ; await new Promise((go) => setTimeout(go, 50))) {
  progress = await horde.getImageGenerationCheck(queued.id, { force: true });
  if (progress.done) break;
  assert.ok(Date.now() < deadline, "the request was not served in time");
}
assert.equal(progress.finished, 2);
const masked = await horde.getImageGenerationStatus(queued.id, { fields: ["done", "kudos"], force: true });
assert.deepEqual(Object.keys(masked).sort(), ["done", "kudos"]);
const status = await horde.getImageGenerationStatus(queued.id, { force: true });
assert.equal(status.generations.length, 2);
for (const generation of status.generations) {
  assert.equal(typeof generation.seed, "string");
  assert.equal(generation.model, "tiny");
  const image = new Uint8Array(await (await fetch(generation.img)).arrayBuffer());
  assert.equal(new TextDecoder().decode(image.slice(8, 12)), "WEBP");
}

// What it cost, and a gift.
const after = await horde.findUser({ token, force: true });
assert.ok(after.kudos < before.kudos, "two images cost nothing");
const gift = await horde.postKudosTransfer({ username: process.env.FRIEND, amount: 7 }, { token });
assert.equal(gift.transferred, 7);
const me = await horde.getUserDetails(after.id, { token, force: true });
assert.equal(me.kudos_details.gifted, -7);

// Lists.
const workers = await horde.getWorkers();
assert.equal(workers.length, 1);
const worker = await horde.getWorkerDetails(workers[0].id, { force: true });
assert.equal(worker.requests_fulfilled, 2);
const models = await horde.getModels({ force: true });
assert.deepEqual(models.map((m) => m.name), ["tiny"]);
const performance = await horde.getPerformance({ force: true });
assert.equal(performance.worker_count, 1);
assert.deepEqual(await horde.getNews({ force: true }), []);
// The SDK always sends a key here, which only moderators may.
await assert.rejects(horde.getModes({ force: true }), (e) => e instanceof APIError && e.error_code === "NotModerator");
assert.ok((await horde.getUsers({ force: true })).length >= 3);

// Refusals arrive as the SDK's errors.
await assert.rejects(horde.postAsyncImageGenerate(ask, { token: "wrong" }), (e) => e instanceof APIError && e.error_code === "InvalidAPIKey");
await assert.rejects(horde.getImageGenerationCheck("00000000-0000-4000-8000-000000000000"), (e) => e instanceof APIError && e.error_code === "RequestNotFound");
assert.deepEqual(await horde.getTeams({ force: true }), []);

// A request nobody can serve says so, and is taken back.
const lonely = await horde.postAsyncImageGenerate({ ...ask, models: ["never heard of"] }, { token });
assert.match(lonely.message, /^Warning/);
assert.equal(lonely.warnings[0].code, "NoAvailableWorker");
const cancelled = await horde.deleteImageGenerationRequest(lonely.id);
assert.equal(cancelled.waiting, 2);
assert.equal((await horde.getImageGenerationCheck(lonely.id, { force: true })).done, true);

// The SDK works as a worker, too.
const idle = await horde.postImageGenerationPop(
  { name: "sdk worker", models: ["other"], bridge_agent: "AI Horde Worker reGen:14:x" }, { token: process.env.WORKER_KEY });
assert.equal(idle.id, null);
console.log("ok");
