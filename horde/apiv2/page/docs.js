// SPDX-License-Identifier: AGPL-3.0-or-later
// Makes the API's page from its description. Nothing here comes from elsewhere, and nothing is stored.

const byID = (id) => document.getElementById(id);
const methods = ["get", "post", "put", "patch", "delete"];
const deepest = 8; // levels of a schema that are shown
const longest = 200_000; // characters of a reply that are shown
let description;

// node makes an element; texts become text, never markup.
function node(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== ""));
  return made;
}

// whole follows references to what they stand for.
function whole(part) {
  for (let hops = 0; part?.$ref && hops < deepest; hops++) {
    part = part.$ref.slice(2).split("/").reduce((at, key) => at?.[key], description);
  }
  return part ?? {};
}

const json = (holder) => holder?.content?.["application/json"]?.schema;

// kind says in words what a value must be.
function kind(schema) {
  const words = [schema.type ?? (schema.anyOf ? "one of these" : "anything")];
  if (schema.type === "array") words[0] = `array of ${whole(schema.items).type ?? "anything"}`;
  if (schema.nullable) words.push("or null");
  if (schema.enum) words.push(`one of ${schema.enum.filter((v) => v !== null).join(", ")}`);
  if (schema.minimum !== undefined || schema.maximum !== undefined) words.push(`from ${schema.minimum ?? "−∞"} to ${schema.maximum ?? "∞"}`);
  if (schema.multipleOf) words.push(`in steps of ${schema.multipleOf}`);
  if (schema.minLength) words.push(`at least ${schema.minLength} characters`);
  if (schema.maxLength) words.push(`at most ${schema.maxLength} characters`);
  if (schema.maxItems) words.push(`at most ${schema.maxItems}`);
  if (schema.default !== undefined) words.push(`default ${JSON.stringify(schema.default)}`);
  return words.join(", ");
}

// fields shows the properties of a schema, level by level.
function fields(given, depth = 0) {
  const schema = whole(given);
  if (depth > deepest) return node("ul");
  if (schema.anyOf) return node("ul", {}, ...schema.anyOf.map((one) => node("li", {}, node("span", { class: "type" }, "either"), fields(one, depth + 1))));
  if (schema.type === "array") return fields(schema.items, depth + 1);
  const rows = Object.entries(schema.properties ?? {}).map(([name, sub]) => {
    const full = whole(sub);
    const inner = full.type === "array" ? whole(full.items) : full;
    const row = node("li", {}, node("code", {}, name), " ", node("span", { class: "type" }, kind(full), schema.required?.includes(name) ? ", required" : ""));
    if (full.description) row.append(" ", full.description);
    if (inner.properties || inner.anyOf) row.append(fields(inner, depth + 1));
    return row;
  });
  return node("ul", {}, ...rows);
}

function schemaOf(title, schema) {
  const list = fields(schema);
  list.className = "schema";
  return node("details", {}, node("summary", {}, title), node("p", { class: "type" }, kind(whole(schema))), list);
}

// example is a small value that fits a schema.
function example(given, depth = 0) {
  const schema = whole(given);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  switch (schema.type) {
    case "object": {
      const all = Object.keys(schema.properties ?? {});
      const names = schema.required?.length ? schema.required : all.slice(0, 3);
      return depth > deepest ? {} : Object.fromEntries(names.map((name) => [name, example(schema.properties[name], depth + 1)]));
    }
    case "array": return [];
    case "integer": case "number": return schema.minimum ?? 1;
    case "boolean": return false;
  }
  return "text".padEnd(schema.minLength ?? 0, "x");
}

// input asks for one parameter.
function input(id, p) {
  const schema = whole(p.schema);
  const box = schema.enum
    ? node("select", { id }, ...(p.required ? [] : [node("option", { value: "" }, "as it is by default")]), ...schema.enum.map((v) => node("option", {}, String(v))))
    : node("input", { id, autocomplete: "off", spellcheck: "false", required: Boolean(p.required) });
  box.setAttribute("aria-describedby", `${id}-hint`);
  const where = { path: "in the path", query: "in the query", header: "as a header" }[p.in];
  const hint = [where, kind(schema), p.required ? "required" : "", p.description ?? ""].filter(Boolean).join(". ");
  return [box, node("div", { class: "field" }, node("label", { for: id }, p.name), box, node("p", { class: "hint", id: `${id}-hint` }, hint))];
}

// quoted is a text as a shell takes it.
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// fill makes the inside of an operation when it is opened for the first time.
function fill(inside, method, path, op) {
  const id = op.operationId;
  const keyed = (op.security ?? description.security ?? []).some((way) => "apikey" in way);
  const parameters = (op.parameters ?? []).map(whole);
  const body = op.requestBody && whole(op.requestBody);
  const boxes = new Map();
  const form = node("form", { "aria-label": `Try ${method.toUpperCase()} ${path}` });
  for (const p of parameters) {
    const [box, row] = input(`${id}-${p.name}`, p);
    boxes.set(p, box);
    form.append(row);
  }
  let text;
  if (body) {
    text = node("textarea", { id: `${id}-body`, spellcheck: "false", "aria-describedby": `${id}-body-hint` });
    text.value = JSON.stringify(example(json(body)), null, 2);
    form.append(node("label", { for: text.id }, "Body"), text, node("p", { class: "hint", id: `${id}-body-hint` }, "JSON. The example holds what is required."));
  }
  const send = node("button", { type: "submit" }, "Send");
  const outcome = node("p", { class: "outcome", role: "status" });
  const reply = node("pre", { tabindex: "0", role: "region", "aria-label": "Reply" });
  const heads = node("pre", { tabindex: "0", role: "region", "aria-label": "Headers of the reply" });
  const same = node("pre", { tabindex: "0", role: "region", "aria-label": "The same call as a command" });
  const results = node("div", { hidden: true }, reply, node("details", {}, node("summary", {}, "Headers"), heads), node("details", {}, node("summary", {}, "The same as a curl command"), same));
  form.append(send);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.getAttribute("aria-disabled")) return;
    send.setAttribute("aria-disabled", "true"); // not disabled, which would take the focus away
    outcome.textContent = "Sending…";
    try {
      await call();
    } catch (error) {
      outcome.textContent = `No reply: ${error.message}`;
    } finally {
      send.removeAttribute("aria-disabled");
    }
  });

  async function call() {
    let to = path;
    const query = new URLSearchParams();
    const headers = {};
    for (const [p, box] of boxes) {
      if (box.value === "") continue;
      if (p.in === "path") to = to.replace(`{${p.name}}`, encodeURIComponent(box.value));
      else if (p.in === "query") query.set(p.name, box.value);
      else headers[p.name] = box.value;
    }
    if (keyed && byID("key").value) headers.apikey = byID("key").value;
    if (text) headers["Content-Type"] = "application/json";
    const url = new URL(description.servers[0].url + to + (query.size ? `?${query}` : ""), location);
    const flags = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${name === "apikey" ? "YOUR KEY" : value}`)}`);
    if (text) flags.push(`--data ${quoted(text.value)}`);
    same.textContent = ["curl", "-X", method.toUpperCase(), ...flags, quoted(url.href)].join(" ");
    const from = performance.now();
    const got = await fetch(url, { method: method.toUpperCase(), headers, body: text?.value, credentials: "omit" });
    const raw = await got.text();
    let shown = raw;
    try { shown = JSON.stringify(JSON.parse(raw), null, 2); } catch { /* shown as it came */ }
    reply.textContent = shown.length > longest ? `${shown.slice(0, longest)}\n… and ${shown.length - longest} characters more` : shown;
    heads.textContent = [...got.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    results.hidden = false;
    outcome.textContent = `${got.status} ${got.statusText}, ${raw.length} characters in ${Math.round(performance.now() - from)} ms`;
  }

  inside.append(node("p", { class: "hint" }, keyed ? "Takes an API key." : "Needs no API key."));
  if (op.description) inside.append(node("p", {}, op.description));
  inside.append(node("h4", {}, "Try it"), form, outcome, results, node("h4", {}, "Fields"));
  if (body) inside.append(schemaOf("Body", json(body)));
  for (const [status, given] of Object.entries(op.responses)) {
    const response = whole(given);
    if (json(response)) inside.append(schemaOf(`${status}: ${response.description}`, json(response)));
  }
  if (op["x-rc"]?.length) {
    inside.append(node("h4", {}, "Reasons for a refusal, as rc"), node("ul", { class: "codes" }, ...op["x-rc"].map((rc) => node("li", {}, node("code", {}, rc)))));
  }
}

function show(method, path, op) {
  const inside = node("div");
  const made = node("details", { class: "op", id: op.operationId },
    node("summary", {}, node("h3", {}, node("span", { class: "method" }, method.toUpperCase()), " ", node("code", {}, path), " ", node("span", { class: "what" }, op.summary ?? ""))), inside);
  made.addEventListener("toggle", () => {
    if (made.open && !inside.hasChildNodes()) fill(inside, method, path, op);
  });
  made.dataset.words = `${method} ${path} ${op.summary} ${op.tags} ${op.operationId}`.toLowerCase();
  return made;
}

function find() {
  const words = byID("find").value.toLowerCase().split(/\s+/);
  let count = 0;
  for (const section of document.querySelectorAll("main section")) {
    let here = 0;
    for (const op of section.querySelectorAll(".op")) {
      op.hidden = !words.every((word) => op.dataset.words.includes(word));
      if (!op.hidden) here++;
    }
    section.hidden = here === 0;
    count += here;
  }
  byID("found").textContent = count === 1 ? "1 operation" : `${count} operations`;
}

function open() {
  const op = byID(location.hash.slice(1));
  if (!op?.classList.contains("op")) return;
  if (op.hidden) {
    byID("find").value = "";
    find();
  }
  op.open = true;
  op.querySelector("summary").focus();
}

async function start() {
  description = await (await fetch("v2/openapi.json")).json();
  byID("about").textContent = description.info.description;
  for (const tag of description.tags) {
    const section = node("section", { "aria-labelledby": `tag-${tag.name}` }, node("h2", { id: `tag-${tag.name}` }, tag.name));
    for (const [path, item] of Object.entries(description.paths)) {
      for (const method of methods) {
        if (item[method]?.tags?.includes(tag.name)) section.append(show(method, path, item[method]));
      }
    }
    byID("operations").append(section);
  }
  byID("find").addEventListener("input", find);
  addEventListener("hashchange", open);
  find();
  open();
  document.body.dataset.ready = "true";
}

start().catch((error) => { byID("found").textContent = `The description cannot be read: ${error.message}`; });
