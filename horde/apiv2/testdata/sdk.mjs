// SPDX-License-Identifier: AGPL-3.0-or-later
//
// Drives a horde with the public TypeScript SDK, as its users would. The test that starts this sets the
// environment: SDK (the package's entry file), ROUTE, KEY, WORKER_KEY, ADMIN_KEY (of a trusted admin and moderator),
// FRIEND (name#id) and IMAGE (WebP in base64). What is wrong ends it, and so does a method that was never called.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const { AIHorde, APIError } = await import(pathToFileURL(process.env.SDK).href);
const called = new Set();
const watched = (sdk) => new Proxy(sdk, {
  get(target, name) {
    const it = target[name];
    if (typeof it !== "function") return it;
    return (...args) => {
      called.add(name);
      return it.apply(target, args);
    };
  },
});
const options = { api_route: process.env.ROUTE, default_token: process.env.KEY, client_agent: "sdk test:1:nobody" };
const horde = watched(new AIHorde(options));
const token = process.env.KEY;
const owner = { token: process.env.WORKER_KEY };
const admin = { token: process.env.ADMIN_KEY };
const refused = (code) => (e) => e instanceof APIError && e.error_code === code;

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
  shared: true,
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
const dreamer = { name: "sdk worker", models: ["other"], bridge_agent: "AI Horde Worker reGen:14:x" };
const idle = await horde.postImageGenerationPop(dreamer, owner);
assert.equal(idle.id, null);
const other = await horde.postAsyncImageGenerate({ ...ask, models: ["other"], params: { ...ask.params, n: 1 } }, { token });
const job = await horde.postImageGenerationPop(dreamer, owner);
assert.equal(job.model, "other");
assert.equal(job.payload.prompt, ask.prompt);
const image = await horde.postImageGenerationSubmit({ id: job.id, generation: process.env.IMAGE, seed: 5 }, owner);
assert.ok(image.reward > 0, "an image earns nothing");
assert.equal((await horde.getImageGenerationStatus(other.id, { force: true })).generations[0].seed, "5");

// Texts, from both sides.
const scribe = { name: "sdk scribe", models: ["koboldcpp/Test-7B"], bridge_agent: "KoboldCppEmbedWorker:2:x", max_length: 512, max_context_length: 2048 };
assert.equal((await horde.postTextGenerationPop(scribe, owner)).id, null);
const story = await horde.postAsyncTextGenerate({ prompt: "Once upon a time", models: scribe.models, params: { n: 2, max_length: 32 } }, { token });
const page = await horde.postTextGenerationPop(scribe, owner);
assert.equal(page.payload.prompt, "Once upon a time");
const text = await horde.postTextGenerationSubmit({ id: page.id, generation: " there was", state: "ok" }, owner);
assert.ok(text.reward > 0, "a text earns nothing");
const told = await horde.getTextGenerationStatus(story.id, { force: true });
assert.equal(told.generations[0].text, " there was");
assert.equal(told.waiting, 1);
await horde.deleteTextGenerationRequest(story.id);
assert.equal((await horde.getTextGenerationStatus(story.id, { force: true })).done, true);

// Alchemy likewise. The SDK knows results as texts.
const alchemist = { name: "sdk alchemist", forms: ["caption"], amount: 1, bridge_agent: "AI Horde Worker:24:x" };
assert.equal((await horde.postInterrogationPop(alchemist, owner)).forms, null);
const wish = await horde.postAsyncInterrogate({ source_image: "https://example.com/a.png", forms: [{ name: "caption" }, { name: "nsfw" }] }, { token });
const forms = (await horde.postInterrogationPop(alchemist, owner)).forms;
assert.deepEqual(forms.map((f) => [f.form, f.source_image]), [["caption", "https://example.com/a.png"]]);
const caption = await horde.postInterrogationSubmit({ id: forms[0].id, result: "an apple" }, owner);
assert.ok(caption.reward > 0, "a caption earns nothing");
const seen = await horde.getInterrogationStatus(wish.id, { force: true });
assert.deepEqual(seen.forms[0], { form: "caption", state: "done", result: { caption: "an apple" } });
const rest = await horde.deleteInterrogationRequest(wish.id);
assert.deepEqual(rest.forms.map((f) => f.state), ["done", "cancelled"]);

// Workers and teams.
const mine = (await horde.getWorkers()).find((w) => w.name === "sdk alchemist");
assert.deepEqual(await horde.updateWorker({ info: "looks at things" }, mine.id, owner), { info: "looks at things" });
const team = await horde.createTeam({ name: "sdk team", info: "we drive" }, admin);
assert.equal((await horde.getTeam(team.id, { ...admin, force: true })).name, "sdk team");
assert.equal((await horde.updateTeam({ info: "we drive at night" }, team.id, admin)).info, "we drive at night");
assert.equal((await horde.getTeams()).length, 1);
assert.equal((await horde.deleteTeam(team.id, admin)).deleted_id, team.id);
const busy = (await horde.getWorkers()).find((w) => w.name === "sdk worker");
await assert.rejects(horde.deleteWorker(busy.id, owner), refused("Locked")); // its last request is still kept
await horde.postInterrogationPop({ ...alchemist, name: "sdk bystander" }, admin);
const bystander = (await horde.getWorkers()).find((w) => w.name === "sdk bystander");
assert.equal((await horde.deleteWorker(bystander.id, admin)).deleted_name, "sdk bystander");

// Accounts and shared keys.
const changed = await horde.updateUser({ trusted: true, concurrency: 40 }, after.id, admin);
assert.deepEqual([changed.trusted, changed.concurrency], [true, 40]);
const shared = await horde.putSharedKey({ name: "friends", kudos: 100, expiry: 2 }, { token });
assert.equal((await horde.getSharedKey(shared.id)).name, "friends");
assert.equal((await horde.updateSharedKey({ kudos: 50 }, shared.id, { token })).kudos, 50);
assert.ok((await horde.postAsyncImageGenerate({ ...ask, params: { ...ask.params, n: 1 } }, { token: shared.id })).id);
assert.equal((await horde.deleteSharedKey(shared.id, { token })).message, "OK");

// What moderators do.
const filter = await horde.addFilter({ regex: "\\bquimp\\b", filter_type: 10, description: "an invented word" }, "", admin);
assert.equal((await horde.getFilter(filter.id, admin)).regex, "\\bquimp\\b");
assert.deepEqual((await horde.getFilters({ contains: "quimp", filter_type: "10" }, admin)).map((f) => f.id), [filter.id]);
assert.deepEqual(await horde.postFilters({ prompt: "a quimp" }, admin), { suspicion: "1", matches: ["quimp"] });
assert.equal((await horde.updateFilter({ description: "still invented" }, filter.id, admin)).description, "still invented");
assert.equal((await horde.deleteFilter(filter.id, admin)).message, "OK");
assert.equal((await horde.deleteIPTimeout({ ipaddr: "203.0.113.7" }, admin)).message, "OK");
assert.deepEqual(await horde.putStatusModes({ raid_mode: true }, admin), { raid_mode: true });
assert.equal((await horde.getModes({ ...admin, force: true })).raid_mode, true);
await horde.putStatusModes({ raid_mode: false }, admin);
// The SDK's own types name the modes as no horde does any more.
await assert.rejects(horde.putStatusModes({ maintenance: true, shutdown: 0, invite_only: true, raid: true }, admin), refused("NoHordeModSelected"));

// Figures.
assert.ok((await horde.getImageTotalStats()).day.images >= 3);
assert.ok((await horde.getImageModelStats()).day.tiny >= 2);
assert.equal((await horde.getTextTotalStats()).day.requests, 1);
assert.equal((await horde.getTextModelStats()).day["koboldcpp/Test-7B"], 1);
assert.equal((await horde.getModel("other"))[0].name, "other");

// Transfers through a service that is no more, which are refused as everything that is not there.
await assert.rejects(horde.postKoboldTransfer("1", { kai_id: "1", kudos_amount: 1, trusted: false }), (e) => e instanceof APIError && typeof e.rawError.message === "string");
// Ratings of what was shared.
const [first, second] = status.generations.map((generation) => generation.id);
const thanks = await horde.postRating(queued.id, { best: first, ratings: [{ id: first, rating: 8, artifacts: 1 }, { id: second, rating: 5 }] });
assert.ok(thanks.reward > 0, "nobody is thanked for ratings");
await assert.rejects(horde.postRating(queued.id, { best: first }), refused("AestheticsAlreadyExist"));

// The SDK's own helpers.
assert.equal(horde.parseAgent("a:1:b").name, "a");
assert.equal(horde.generateFieldsString(["a", "b"]), "a,b");
// It clears only caches that are all there.
const kinds = ["users", "generations_check", "generations_status", "interrogations_status", "models", "modes", "news", "performance", "workers", "teams", "sharedkeys"];
const keeper = watched(new AIHorde({ ...options, cache: Object.fromEntries(kinds.map((kind) => [kind, 60_000])) }));
assert.equal((await keeper.getModels()).length, (await keeper.getModels()).length);
keeper.clearCache();
const missing = Object.entries(Object.getOwnPropertyDescriptors(AIHorde.prototype))
  .filter(([name, it]) => name !== "constructor" && typeof it.value === "function" && !called.has(name)).map(([name]) => name);
assert.deepEqual(missing, [], "methods that were never called");
console.log("ok");
process.exit(0); // its caches have timers that would keep this running
