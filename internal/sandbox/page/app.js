// The sandbox page: shows the world of one person and sends what they do. The server decides everything.
import { el, message, moreEmoji, showTime } from "/render.js";

const $ = (id) => document.getElementById(id);
const box = $("box"), popup = $("popup"), list = $("messages"), scroll = $("scroll");
const world = { me: "", people: new Map(), channels: [], channel: "", messages: new Map(), unread: new Set(), roles: [], status: { online: false, commands: [], menus: [] }, problems: 0 };
let stream = null;

// ---- talking to the server

async function ask(action, request, signal) {
  try {
    const answer = await fetch("/page/" + action, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: world.me, channel: world.channel, ...request }), signal });
    if (!answer.ok) return { error: await answer.text() };
    return await answer.json();
  } catch (err) {
    return { error: err.name === "AbortError" ? "" : "The sandbox cannot be reached.", aborted: err.name === "AbortError" };
  }
}

function connect(user) {
  stream?.close();
  world.me = user;
  stream = new EventSource("/page/events?user=" + encodeURIComponent(user));
  const on = (kind, handle) => stream.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
  on("hello", hello);
  on("message", (m) => { upsert(m); });
  on("gone", (m) => { world.messages.get(m.channel_id)?.delete(m.id); if (m.channel_id === world.channel) { itemOf(m.id)?.remove(); showWelcome(); } });
  on("status", (status) => { world.status = status; world.channels = status.channels; showChannels(); showStatus(); });
  on("log", addLog);
  stream.onopen = () => { $("offline").hidden = true; };
  const mine = stream;
  stream.onerror = () => {
    $("offline").hidden = false;
    // The browser tries again by itself, except after an answer that it takes for final.
    if (mine.readyState === EventSource.CLOSED) setTimeout(() => { if (stream === mine) connect(user); }, 1000);
  };
}

function hello(state) {
  world.people = new Map(state.people.map((p) => [p.id, p]));
  world.channels = state.status.channels;
  world.roles = state.roles ?? [];
  if (!world.channels.some((c) => c.id === world.channel)) {
    const kind = world.kind === "dm" ? "dm" : "guild"; // switching people in the direct messages stays there
    world.channel = (world.channels.find((c) => c.kind === kind) ?? world.channels[0]).id;
  }
  world.messages = new Map(Object.entries(state.messages).map(([id, messages]) => [id, new Map(messages.map((m) => [m.id, m]))]));
  world.status = state.status;
  $("guild").textContent = state.guild;
  world.problems = 0;
  $("log").replaceChildren();
  for (const entry of state.log ?? []) addLog(entry);
  showPeople();
  showChannels();
  showStatus();
  showMessages();
  document.body.dataset.ready = state.me;
}

// ---- people and channels

function showPeople() {
  const focused = document.activeElement?.name === "person";
  $("people").replaceChildren(...[...world.people.values()].filter((p) => !p.bot).map((p) => {
    const input = el("input", { type: "radio", name: "person", value: p.id, id: "person-" + p.id, checked: p.id === world.me, dataset: { testid: "user-" + p.name }, onchange: () => switchTo(p) });
    return el("label", { class: "person", for: "person-" + p.id }, input, el("span", { class: "avatar letter hue-" + Number(BigInt(p.id) % 6n), "aria-hidden": "true" }, p.name.slice(0, 1)), el("span", {}, p.name, p.admin ? el("small", {}, " administrator") : null),
      el("button", { type: "button", class: "tool apps", "aria-label": "Apps for " + p.name, title: "Apps for " + p.name, "aria-haspopup": "menu", dataset: { testid: "user-menu-" + p.name }, onclick: (event) => { event.preventDefault(); act.menu({ target: p.id }, false, event.currentTarget); } }, "⋯"));
  }));
  if (focused) $("person-" + world.me)?.focus();
}

function switchTo(person) {
  history.replaceState(null, "", "#" + person.username);
  world.unread.clear();
  box.value = "";
  resize();
  closePopup();
  connect(person.id);
}

function showChannels() {
  let group = world.channels[0]?.group;
  const heading = (c) => { const next = c.kind !== "dm" && c.group !== group ? c.group : ""; if (next) group = next; return next ? el("li", { class: "group" }, next) : null; };
  $("channels").replaceChildren(...world.channels.flatMap((c) => [heading(c), el("li", { class: c.thread ? "thread" : "" }, el("button", { type: "button", class: "channel" + (world.unread.has(c.id) ? " unread" : ""), "aria-current": c.id === world.channel ? "page" : null, dataset: { testid: "channel-" + c.kind }, onclick: () => openChannel(c) }, c.kind === "dm" ? "@ " : c.thread ? "⤷ " : "# ", c.name, c.kind === "dm" ? el("small", {}, " direct") : c.nsfw ? el("small", {}, " 18+") : null))].filter(Boolean)));
  const c = world.channels.find((channel) => channel.id === world.channel);
  $("channel-name").textContent = (c.kind === "dm" ? "@ " : "# ") + c.name;
  $("topic").textContent = c.kind === "dm" ? "Only you and the bot are here." : "Type a command below. Nothing leaves this machine.";
}

function openChannel(c) {
  world.channel = c.id;
  world.kind = c.kind;
  world.unread.delete(c.id);
  showChannels();
  showMessages();
  box.focus();
}

function showStatus() {
  const state = $("bot-state");
  state.className = "bot-state " + (world.status.online ? "on" : "off");
  state.textContent = world.status.online ? "Stablemate is online" : "Stablemate is offline";
  box.placeholder = world.status.online ? "Type / for commands, or a message" : "The bot is offline, commands wait until it is back";
  showWelcome();
}

// ---- messages

function itemOf(id) { return list.querySelector(`li[data-id="${CSS.escape(id)}"]`); }

function atBottom() { return scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120; }

function toBottom() { scroll.scrollTop = scroll.scrollHeight; }

function showMessages() {
  list.replaceChildren(...[...(world.messages.get(world.channel)?.values() ?? [])].map((m) => message(m, world, act)));
  showWelcome();
  toBottom();
}

function showWelcome() {
  const dm = world.channels.find((c) => c.id === world.channel)?.kind === "dm";
  const empty = list.children.length === 0;
  $("welcome").classList.toggle("small", !empty);
  $("welcome-title").textContent = dm ? "Your messages with the bot" : "Welcome to the stable";
  $("welcome-text").textContent = dm ? "What the bot tells you alone is kept here." : "This is a small Discord on your own machine, with the real bot in it. Try it:";
  $("example").hidden = dm || !empty || !world.status.commands.some((c) => c.path === "generate");
}

function upsert(m) {
  const messages = world.messages.get(m.channel_id) ?? new Map();
  world.messages.set(m.channel_id, messages);
  const known = messages.has(m.id);
  messages.set(m.id, m);
  if (m.channel_id !== world.channel) {
    if (!known) { world.unread.add(m.channel_id); showChannels(); }
    return;
  }
  const stick = atBottom();
  const old = itemOf(m.id);
  const focus = old?.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const item = message(m, world, act, old);
  if (old) old.replaceWith(item); else list.append(item);
  if (focus) item.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
  showWelcome();
  if (stick || (!known && m.x_invoker === world.me)) {
    toBottom();
    for (const picture of item.querySelectorAll("img")) picture.addEventListener("load", () => { if (stick) toBottom(); }, { once: true });
  }
}

function fail(messageID, text) {
  const node = messageID && itemOf(messageID)?.querySelector('[data-testid="failed"]');
  if (!node) { notice(text); return; }
  node.textContent = text;
  node.hidden = false;
}

// notice adds a line that only this page shows.
function notice(text) {
  list.append(el("li", { class: "notice", role: "alert", dataset: { testid: "notice" } }, "👁 " + text + " ", el("button", { type: "button", class: "link", onclick: (event) => event.currentTarget.parentNode.remove() }, "Dismiss")));
  showWelcome();
  toBottom();
}

function sentence(text) { return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : "."); }

// settle shows how the bot answered something that was pressed.
function settle(answer, messageID) {
  if (answer.error) fail(messageID, sentence(answer.error));
  else if (answer.modal) openModal(answer.modal, messageID);
}

const act = {
  async press(m, c, button) {
    button.setAttribute("aria-busy", "true");
    settle(await ask("press", { message: m.id, custom_id: c.custom_id }), m.id);
    button.removeAttribute("aria-busy");
  },
  async choose(m, c, values, select) {
    select.setAttribute("aria-busy", "true");
    settle(await ask("choose", { message: m.id, custom_id: c.custom_id, values }), m.id);
    select.removeAttribute("aria-busy");
  },
  async react(m, emoji, on) {
    const answer = await ask("react", { message: m.id, emoji, on });
    if (answer.error) fail(m.id, sentence(answer.error));
  },
  // menu shows the apps for a message or a person.
  menu(on, ofMessage, button) {
    document.querySelector(".picker")?.remove();
    const close = () => { picker.remove(); button.focus(); };
    const entries = (world.status.menus ?? []).filter((entry) => entry.message === ofMessage);
    const run = async (entry) => { close(); settle(await ask("menu", { ...on, name: entry.name }), on.message ?? ""); };
    const picker = el("div", { class: "picker menu", role: "menu", "aria-label": "Apps", dataset: { testid: "menu" } },
      ...(entries.length ? entries.map((entry) => el("button", { type: "button", role: "menuitem", dataset: { testid: "menu-entry", name: entry.name }, onclick: () => run(entry) }, entry.label)) : [el("p", { class: "dim" }, "The bot offers nothing here.")]));
    picker.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } });
    document.body.append(picker);
    place(picker, button);
    picker.querySelector("button")?.focus();
  },
  async dismiss(m) { await ask("dismiss", { message: m.id }); },
  enlarge(url, alt) {
    $("viewer-image").src = url;
    $("viewer-image").alt = alt ?? "";
    $("viewer-text").textContent = alt ?? "";
    $("viewer").showModal();
  },
  pickEmoji(m, button) {
    document.querySelector(".picker")?.remove();
    const close = () => { picker.remove(); itemOf(m.id)?.querySelector('[data-key="add"]')?.focus(); };
    const send = async (emoji) => { close(); await act.react(m, emoji, true); };
    const field = el("input", { type: "text", maxlength: 64, "aria-label": "Any emoji", placeholder: "any emoji", dataset: { testid: "reaction-input" } });
    const picker = el("form", { class: "picker", role: "dialog", "aria-label": "Choose a reaction", dataset: { testid: "picker" } },
      el("div", { class: "picker-grid" }, ...moreEmoji.map((emoji) => el("button", { type: "button", "aria-label": "React with " + emoji, onclick: () => send(emoji) }, emoji))),
      el("div", { class: "picker-row" }, field, el("button", { type: "submit", class: "button primary" }, "React")));
    picker.addEventListener("submit", (event) => { event.preventDefault(); if (field.value.trim()) send(field.value.trim()); });
    picker.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } });
    document.body.append(picker);
    place(picker, button);
    field.focus();
  },
};

function place(picker, button) {
  const at = button.getBoundingClientRect(), size = picker.getBoundingClientRect();
  picker.style.left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8)) + "px";
  picker.style.top = Math.max(8, at.top - size.height - 6) + "px";
}

document.addEventListener("pointerdown", (event) => {
  const picker = document.querySelector(".picker");
  if (picker && !picker.contains(event.target) && !event.target.closest('[data-testid="reaction-add"], .apps')) picker.remove();
});

// ---- forms

function openModal(modal, messageID) {
  $("modal-title").textContent = modal.title;
  $("modal-problem").hidden = true;
  $("modal-inputs").replaceChildren(...modal.inputs.map((input, i) => {
    const id = "modal-input-" + i;
    const described = (field) => el("label", { for: id }, el("span", {}, input.label, input.required ? el("span", { class: "required", title: "required" }, " *") : null), input.description ? el("small", {}, input.description) : null, field);
    if (input.files) return described(el("input", { id, type: "file", name: input.custom_id, required: input.required, dataset: { testid: "modal-input", custom: input.custom_id } }));
    if (input.options?.length) {
      const chosen = (input.value ?? "").split(",");
      return described(el("select", { id, name: input.custom_id, required: input.required, multiple: input.max > 1, dataset: { testid: "modal-input", custom: input.custom_id } },
        ...(input.required || input.max > 1 ? [] : [el("option", { value: "" }, "—")]),
        ...input.options.map((o) => el("option", { value: o.value, selected: chosen.includes(o.value) }, o.label))));
    }
    const field = el(input.paragraph ? "textarea" : "input", { id, name: input.custom_id, required: input.required, maxlength: input.max || 4000, minlength: input.min || null, placeholder: input.placeholder || null, rows: input.paragraph ? 5 : null, dataset: { testid: "modal-input", custom: input.custom_id } });
    field.value = input.value ?? "";
    return described(field);
  }));
  const dialog = $("modal");
  $("modal-form").onsubmit = async (event) => {
    event.preventDefault();
    const inputs = Object.fromEntries([...$("modal-inputs").querySelectorAll("input:not([type=file]), textarea, select")].map((field) =>
      [field.name, field.multiple ? [...field.selectedOptions].map((o) => o.value).join() : field.value]));
    const answer = await ask("submit", { interaction: modal.interaction, inputs, files: await readFiles($("modal-inputs")) });
    if (answer.error) { $("modal-problem").textContent = sentence(answer.error); $("modal-problem").hidden = false; return; }
    dialog.close();
    settle(answer, messageID);
  };
  dialog.showModal();
  $("modal-inputs").querySelector("input, textarea, select")?.focus();
}

$("modal-cancel").addEventListener("click", () => $("modal").close());
$("viewer").addEventListener("click", (event) => { if (event.target === $("viewer")) $("viewer").close(); });

// ---- the command box

let completion = { line: null, suggestions: [], pick: false, files: [] };
let active = -1, waiting = null, timer = 0, sending = false;
const lines = [], maxLines = 10; // that wait to be sent
const past = [];
let recalled = -1, shifted = false;

function resize() {
  box.style.height = "auto";
  box.style.height = Math.min(box.scrollHeight, 180) + "px";
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

function closePopup() {
  clearTimeout(timer);
  waiting?.abort();
  popup.hidden = true;
  active = -1;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

async function complete() {
  const line = box.value;
  waiting?.abort();
  waiting = new AbortController();
  if (!line.startsWith("/")) { completion = { line, suggestions: [], pick: false, files: [] }; showFiles(); closePopup(); return completion; }
  const answer = await ask("complete", { line }, waiting.signal);
  if (answer.aborted || line !== box.value) return null;
  completion = { line, suggestions: answer.suggestions ?? [], pick: Boolean(answer.pick), hint: answer.hint ?? "", files: answer.files ?? [] };
  showCompletion();
  return completion;
}

function showCompletion() {
  active = -1;
  $("hint").textContent = completion.hint ?? "";
  $("completion").replaceChildren(...completion.suggestions.map((s, i) => el("li", { role: "option", id: "suggestion-" + i, "aria-selected": "false", onmousedown: (event) => { event.preventDefault(); pick(i); } }, el("b", {}, s.label), s.detail ? el("span", {}, s.detail) : null)));
  const show = (completion.suggestions.length > 0 || Boolean(completion.hint)) && document.activeElement === box;
  popup.hidden = !show;
  box.setAttribute("aria-expanded", String(show && completion.suggestions.length > 0));
  if (completion.pick && completion.suggestions.length) highlight(0);
  showFiles();
}

function highlight(i) {
  const items = $("completion").children;
  items[active]?.setAttribute("aria-selected", "false");
  active = (i + items.length) % items.length;
  items[active].setAttribute("aria-selected", "true");
  items[active].scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", items[active].id);
}

function pick(i) {
  box.value = completion.suggestions[i].insert;
  box.setSelectionRange(box.value.length, box.value.length);
  box.focus();
  resize();
  problem("");
  complete();
}

// showFiles offers a file field for each attachment option of the command.
function showFiles() {
  const names = completion.files ?? [];
  const holder = $("files");
  if (names.join() === (holder.dataset.names ?? "")) return;
  holder.dataset.names = names.join();
  holder.hidden = names.length === 0;
  holder.replaceChildren(...names.map((name) => el("label", {}, name + ": ", el("input", { type: "file", name, dataset: { testid: "file-" + name } }))));
}

async function readFiles(holder = $("files")) {
  const out = {};
  for (const input of holder.querySelectorAll("input[type=file]")) {
    const file = input.files[0];
    if (!file) continue;
    const url = await new Promise((done, failed) => { const r = new FileReader(); r.onload = () => done(r.result); r.onerror = failed; r.readAsDataURL(file); });
    out[input.name] = { name: file.name, type: file.type, data: url.slice(url.indexOf(",") + 1) };
  }
  return out;
}

// send takes the line out of the box at once, so that people can type the next one meanwhile. Lines go one after the other.
async function send() {
  const line = box.value.trim();
  if (!line || lines.length >= maxLines) return;
  lines.push(line);
  box.value = "";
  resize();
  if (sending) return;
  sending = true;
  try {
    while (lines.length) await deliver(lines.shift());
  } finally {
    sending = false;
  }
}

// deliver sends one line. One that is refused comes back, unless something else is typed by then.
async function deliver(line) {
  problem("");
  closePopup();
  $("composer").setAttribute("aria-busy", "true");
  const command = line.startsWith("/");
  const answer = await ask(command ? "run" : "post", { line, files: command ? await readFiles() : {} });
  $("composer").removeAttribute("aria-busy");
  if (answer.error) {
    if (answer.error === "the application did not respond") notice("The application did not respond.");
    else {
      if (!box.value) { box.value = line; resize(); }
      problem(sentence(answer.error));
      return;
    }
  }
  past.push(line);
  recalled = past.length;
  if (!box.value) {
    completion = { line: "", suggestions: [], pick: false, files: [] };
    showFiles();
  }
  if (answer.modal) openModal(answer.modal, answer.message);
}

box.addEventListener("input", () => {
  resize();
  problem("");
  clearTimeout(timer);
  timer = setTimeout(complete, 90);
});

box.addEventListener("keydown", async (event) => {
  if (event.isComposing) return;
  shifted = event.shiftKey;
  const open = !popup.hidden && completion.suggestions.length > 0;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    clearTimeout(timer);
    if (open && active >= 0 && completion.line === box.value) { pick(active); return; }
    if (completion.line !== box.value && box.value.startsWith("/")) { // typed faster than suggestions came
      const fresh = await complete();
      if (fresh?.pick && fresh.suggestions.length) { pick(0); return; }
    }
    await send();
  } else if (event.key === "Tab" && open && !event.shiftKey) {
    event.preventDefault();
    pick(Math.max(active, 0));
  } else if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    highlight(event.key === "ArrowDown" ? active + 1 : active < 0 ? -1 : active - 1);
  } else if (event.key === "Escape" && !popup.hidden) {
    event.preventDefault();
    closePopup();
  } else if (event.key === "ArrowUp" && (box.value === "" || box.value === past[recalled]) && recalled > 0) {
    event.preventDefault();
    box.value = past[--recalled];
    resize();
  }
});

// Some keyboards send the line break beside the key.
box.addEventListener("beforeinput", (event) => {
  if (event.inputType === "insertLineBreak" && !shifted) event.preventDefault();
});

box.addEventListener("focus", () => { if (box.value.startsWith("/")) complete(); });
box.addEventListener("blur", () => setTimeout(() => { if (document.activeElement !== box) closePopup(); }, 120));
$("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
$("example").addEventListener("click", () => { box.value = $("example").textContent; resize(); box.focus(); complete(); });

// ---- the log

function addLog(entry) {
  const bad = entry.findings?.length > 0;
  if (bad) {
    world.problems += entry.findings.length;
    $("problem-count").textContent = world.problems;
  }
  $("problem-count").hidden = world.problems === 0;
  const failed = /^[45]/.test(entry.status) || entry.status.startsWith("fault");
  const node = el("li", { class: "entry " + entry.kind + (bad ? " bad" : failed ? " failed" : "") }, el("details", {},
    el("summary", {}, el("time", {}, new Date(entry.time).toLocaleTimeString(undefined, { hour12: false })), el("span", { class: "kind" }, entry.kind), el("span", { class: "title", title: entry.title }, entry.title.replace(/\d{15,}(\d{3})/g, "…$1")), el("span", { class: "status" }, entry.status)),
    ...(entry.findings ?? []).map((text) => el("p", { class: "finding", dataset: { testid: "finding" } }, text)),
    entry.body ? el("pre", { tabindex: 0 }, pretty(entry.body)) : null, entry.answer ? el("pre", { class: "answer", tabindex: 0 }, pretty(entry.answer)) : null));
  const log = $("log");
  log.prepend(node);
  while (log.children.length > 300) log.lastChild.remove();
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 1); } catch { return text; }
}

function toggleLog(show) {
  $("log-panel").hidden = !show;
  $("log-toggle").setAttribute("aria-expanded", String(show));
  (show ? $("log-close") : $("log-toggle")).focus();
}

$("log-toggle").addEventListener("click", () => toggleLog($("log-panel").hidden));
$("log-close").addEventListener("click", () => toggleLog(false));
$("only-problems").addEventListener("change", (event) => $("log").classList.toggle("only-problems", event.target.checked));
$("fault").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await ask("fault", { fault: $("fault-kind").value });
  $("fault-done").textContent = answer.error ? sentence(answer.error) : "Done. Watch the log.";
});

// ---- light and dark

function theme(name) {
  if (name) document.documentElement.dataset.theme = name;
  try { if (name) localStorage.setItem("theme", name); } catch { /* private window */ }
}

$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  theme(dark === "dark" ? "light" : "dark");
});
try { theme(localStorage.getItem("theme")); } catch { /* private window */ }

// Relative times go on.
setInterval(() => { for (const node of document.querySelectorAll('time[data-style="R"]')) showTime(node); }, 1000);

const usernames = { newcomer: "110000000000000021", friend: "110000000000000022", admin: "110000000000000023" };
connect(usernames[location.hash.slice(1)] ?? usernames.newcomer);
box.focus();
