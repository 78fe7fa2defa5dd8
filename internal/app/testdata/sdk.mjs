// SPDX-License-Identifier: AGPL-3.0-or-later
//
// Makes one image with the public TypeScript SDK through a real server and its local pool. Environment: SDK (the package's
// entry file), ROUTE, KEY, MODEL. What is wrong ends it.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { AIHorde } = await import(pathToFileURL(process.env.SDK).href);
const horde = new AIHorde({ api_route: process.env.ROUTE, default_token: process.env.KEY, client_agent: "sdk test:1:nobody" });
const token = process.env.KEY;

const queued = await horde.postAsyncImageGenerate({
  prompt: "red apple", models: [process.env.MODEL], params: { width: 256, height: 256, steps: 20, n: 1 }, r2: true,
}, { token });
for (const deadline = Date.now() + 60_000; ; await new Promise((go) => setTimeout(go, 200))) {
  const check = await horde.getImageGenerationCheck(queued.id, { force: true });
  if (check.done) break;
  assert.ok(Date.now() < deadline, "the request was not served in time: " + JSON.stringify(check));
}
const status = await horde.getImageGenerationStatus(queued.id, { force: true });
assert.equal(status.generations.length, 1);
const image = new Uint8Array(await (await fetch(status.generations[0].img)).arrayBuffer());
assert.equal(new TextDecoder().decode(image.slice(8, 12)), "WEBP");
if (process.env.OUT) writeFileSync(process.env.OUT, image);
console.log(JSON.stringify({ worker: status.generations[0].worker_name, bytes: image.length }));
