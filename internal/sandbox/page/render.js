// Makes DOM out of Discord's JSON. Texts become text nodes only: nothing here ever parses HTML.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key === "dataset") Object.assign(node.dataset, value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// The inline forms of Discord's markdown that bots use. Order matters: the first alternative that matches wins. A
// backslash takes the meaning from the sign after it; (?:\\.|[^\\]) steps over both.
const inline = /\\([^0-9A-Za-z\s])|```(?:\w*\n)?([\s\S]+?)```|`([^`\n]+)`|\*\*((?:\\[\s\S]|[^\\])+?)\*\*|__((?:\\[\s\S]|[^\\])+?)__|~~((?:\\[\s\S]|[^\\])+?)~~|\|\|((?:\\[\s\S]|[^\\])+?)\|\||\*((?:\\.|[^\\*\n])+?)\*|\b_((?:\\.|[^\\_\n])+?)_\b|<t:(\d+)(?::([tTdDfFR]))?>|<@!?(\d+)>|<@&(\d+)>|<#(\d+)>|<\/([^:>]+):\d+>|<a?:(\w+):\d+>|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)|(https?:\/\/[^\s<>]*[^\s<>.,:;!?'")\]])/u;

export function markdown(text, world) {
  const out = document.createDocumentFragment();
  for (const [index, line] of splitBlocks(text).entries()) {
    if (index > 0 && !line.block) out.append("\n");
    out.append(line.block ? blockNode(line, world) : inlineNodes(line.text, world));
  }
  return out;
}

// splitBlocks finds headings, quotes and small print, which are whole lines; code blocks keep their lines together.
function splitBlocks(text) {
  const lines = [];
  for (const [i, part] of text.split(/(```[\s\S]*?```)/).entries()) {
    if (i % 2 === 1) { lines.push({ block: "```", text: part }); continue; }
    const lone = part.replace(i > 0 ? /^\n/ : "", "").replace(/\n$/, ""); // a block ends the line before it itself
    if (lone === "" && i > 0) continue;
    for (const line of lone.split("\n")) {
      const found = /^(#{1,3}|>|-#) (.*)$/.exec(line);
      lines.push(found ? { block: found[1], text: found[2] } : { text: line });
    }
  }
  return lines;
}

function blockNode(line, world) {
  const kind = { "#": "md-h1", "##": "md-h2", "###": "md-h3", ">": "md-quote", "-#": "md-small" }[line.block];
  return el("div", { class: kind }, inlineNodes(line.text, world));
}

function inlineNodes(text, world) {
  const out = document.createDocumentFragment();
  while (text) {
    const m = inline.exec(text);
    if (!m) { out.append(text); break; }
    out.append(text.slice(0, m.index));
    out.append(inlineNode(m, world));
    text = text.slice(m.index + m[0].length);
  }
  return out;
}

function inlineNode(m, world) {
  const [, sign, block, code, strong, under, struck, spoiler, star, dash, at, style, person, role, channel, command, emoji, label, target, bare] = m;
  if (sign !== undefined) return document.createTextNode(sign);
  if (block !== undefined) return el("pre", {}, el("code", {}, block));
  if (code !== undefined) return el("code", {}, code);
  if (strong !== undefined) return el("strong", {}, inlineNodes(strong, world));
  if (under !== undefined) return el("u", {}, inlineNodes(under, world));
  if (struck !== undefined) return el("s", {}, inlineNodes(struck, world));
  if (spoiler !== undefined) return el("span", { class: "md-spoiler", tabindex: 0, title: "Point at it to see it" }, inlineNodes(spoiler, world));
  if (star !== undefined || dash !== undefined) return el("em", {}, inlineNodes(star ?? dash, world));
  if (at !== undefined) return timeNode(Number(at) * 1000, style || "f");
  if (person !== undefined) return el("span", { class: "mention" }, "@" + (world.people.get(person)?.name ?? "somebody"));
  if (role !== undefined) return el("span", { class: "mention" }, "@" + (world.roles.find((r) => r.id === role)?.name.replace(/^@/, "") ?? "deleted-role"));
  if (channel !== undefined) return el("span", { class: "mention" }, "#" + (world.channels.find((c) => c.id === channel)?.name ?? "unknown"));
  if (command !== undefined) return el("span", { class: "mention" }, "/" + command);
  if (emoji !== undefined) return el("span", { class: "custom-emoji" }, ":" + emoji + ":");
  const address = target ?? bare;
  return el("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, label ?? address);
}

function timeNode(ms, style) {
  const node = el("time", { datetime: new Date(ms).toISOString(), dataset: { at: ms, style } });
  showTime(node);
  return node;
}

export function showTime(node) {
  const ms = Number(node.dataset.at);
  const date = new Date(ms);
  const forms = { t: { timeStyle: "short" }, T: { timeStyle: "medium" }, d: { dateStyle: "short" }, D: { dateStyle: "long" }, f: { dateStyle: "long", timeStyle: "short" }, F: { dateStyle: "full", timeStyle: "short" } };
  node.textContent = node.dataset.style === "R" ? relative(ms) : date.toLocaleString(undefined, forms[node.dataset.style]);
}

function relative(ms) {
  const seconds = Math.round((ms - Date.now()) / 1000);
  const format = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(seconds, "second");
}

export function avatar(person) {
  if (person?.bot) return el("img", { class: "avatar", src: "/favicon.svg", alt: "", width: 40, height: 40 });
  return el("span", { class: "avatar letter hue-" + (Number(BigInt(person?.id ?? 0) % 6n)), "aria-hidden": "true" }, (person?.name ?? "?").slice(0, 1));
}

// message makes the list item of a message. old is the one that it replaces: its pictures are taken over, so that an edit
// does not make them flicker.
export function message(m, world, act, old) {
  const author = world.people.get(m.author.id);
  const pictures = new Map([...(old?.querySelectorAll("img[data-src]") ?? [])].map((node) => [node.dataset.src, node]));
  const image = (url, alt, width, height) => {
    const node = pictures.get(url) ?? el("img", { src: url, dataset: { src: url }, width, height, decoding: "async" });
    node.alt = alt || "image without description";
    return el("button", { type: "button", class: "picture", title: alt || null, "aria-label": "Enlarge: " + (alt || "image"), onclick: () => act.enlarge(url, alt), dataset: { key: "picture" + url } }, node);
  };
  const at = new Date(m.timestamp);
  const item = el("li", { class: "message" + (m.x_ephemeral ? " ephemeral" : ""), dataset: { testid: "message", id: m.id } });
  if (m.x_command) {
    const invoker = world.people.get(m.x_invoker);
    item.append(el("p", { class: "invoked" }, avatar(invoker), el("b", {}, invoker?.name ?? "Somebody"), " used ", el("code", { class: "mention" }, "/" + m.x_command)));
  }
  const body = el("div", { class: "body" });
  item.append(avatar(author), body);
  body.append(el("p", { class: "who" }, el("b", { class: author?.bot ? "" : "hue-text-" + (Number(BigInt(m.author.id) % 6n)) }, author?.name ?? m.author.username),
    author?.bot ? el("span", { class: "badge" }, "APP") : null,
    el("time", { datetime: m.timestamp }, at.toLocaleTimeString(undefined, { timeStyle: "short" })),
    m.edited_timestamp && !m.x_loading && !author?.bot ? el("span", { class: "dim" }, "(edited)") : null,
    m.pinned ? el("span", { class: "dim" }, "📌 pinned") : null,
    m.x_ephemeral ? null : el("button", { type: "button", class: "tool apps", "aria-label": "Apps for this message", title: "Apps", "aria-haspopup": "menu", dataset: { testid: "message-menu", key: "menu" }, onclick: (event) => act.menu({ message: m.id }, true, event.currentTarget) }, "⋯")));
  if (m.x_loading) {
    body.append(el("p", { class: "thinking", dataset: { testid: "thinking" } }, el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")), (author?.name ?? "The bot") + " is thinking…"));
  }
  if (m.content) body.append(el("div", { class: "content", dataset: { testid: "content" } }, markdown(m.content, world)));
  for (const embed of m.embeds) body.append(embedNode(embed, world, image));
  const layout = Boolean(m.flags & (1 << 15));
  if (m.attachments.length && !layout) body.append(attachmentsNode(m.attachments, image));
  for (const c of m.components) body.append(componentNode(m, c, world, act, image));
  if (m.x_ephemeral) {
    body.append(el("p", { class: "only-you", dataset: { testid: "ephemeral" } }, "👁 Only you can see this · ", el("button", { type: "button", class: "link", onclick: () => act.dismiss(m), dataset: { key: "dismiss" } }, "Dismiss")));
  } else if (!m.x_loading) {
    body.append(reactionsNode(m, world, act));
  }
  const failed = el("p", { class: "problem", role: "alert", hidden: true, dataset: { testid: "failed" } });
  body.append(failed);
  return item;
}

function embedNode(embed, world, image) {
  const box = el("article", { class: "embed", dataset: { testid: "embed" } });
  if (embed.color) box.style.borderInlineStartColor = "#" + embed.color.toString(16).padStart(6, "0");
  const text = el("div", { class: "embed-text" });
  if (embed.author?.name) text.append(el("p", { class: "embed-author" }, embed.author.name));
  if (embed.title) text.append(el("p", { class: "embed-title" }, markdown(embed.title, world)));
  if (embed.description) text.append(el("div", { class: "embed-description" }, markdown(embed.description, world)));
  if (embed.fields?.length) {
    text.append(el("dl", { class: "fields" }, ...embed.fields.map((field) => el("div", { class: field.inline ? "inline" : "" }, el("dt", {}, markdown(field.name, world)), el("dd", {}, markdown(field.value, world))))));
  }
  if (text.childNodes.length) box.append(text);
  if (embed.thumbnail?.url) box.append(el("div", { class: "thumbnail" }, image(embed.thumbnail.url, embed.thumbnail.description)));
  if (embed.image?.url) box.append(el("div", { class: "embed-image" }, image(embed.image.url, embed.image.description, embed.image.width, embed.image.height)));
  if (embed.footer?.text || embed.timestamp) {
    const when = embed.timestamp ? new Date(embed.timestamp).toLocaleString() : "";
    box.append(el("p", { class: "embed-footer" }, [embed.footer?.text, when].filter(Boolean).join(" · ")));
  }
  return box;
}

function attachmentsNode(attachments, image) {
  const pictures = attachments.filter((a) => a.content_type?.startsWith("image/"));
  const list = el("div", { class: "attachments" + (pictures.length > 1 ? " many" : ""), dataset: { testid: "attachments" } });
  for (const a of attachments) {
    if (!a.content_type?.startsWith("image/")) {
      list.append(el("a", { class: "file", href: a.url, download: a.filename }, "📄 " + a.filename + " (" + Math.ceil(a.size / 1024) + " KiB)"));
    } else if (a.flags & 8 || a.filename.startsWith("SPOILER_")) {
      const hidden = el("div", { class: "spoiler" }, image(a.url, a.description, a.width, a.height));
      const cover = el("button", { type: "button", class: "button secondary", onclick: () => { hidden.classList.add("shown"); cover.remove(); } }, "Show hidden image");
      hidden.append(cover);
      list.append(hidden);
    } else {
      list.append(image(a.url, a.description, a.width, a.height));
    }
  }
  return list;
}

// componentNode shows one component of a message's body.
function componentNode(m, c, world, act, image) {
  const picture = (item) => hideable(image(item.media.url, item.description, item.media.width, item.media.height), item.spoiler);
  switch (c.type) {
    case 1: return rowNode(m, c, world, act);
    case 9: return el("div", { class: "section" }, el("div", {}, ...c.components.map((t) => componentNode(m, t, world, act, image))),
      c.accessory?.type === 11 ? el("div", { class: "thumbnail" }, picture(c.accessory)) : c.accessory ? rowNode(m, { components: [c.accessory] }, world, act) : null);
    case 10: return el("div", { class: "content", dataset: { testid: "text-display" } }, markdown(c.content, world));
    case 12: return el("div", { class: "attachments" + (c.items.length > 1 ? " many" : ""), dataset: { testid: "gallery" } }, ...c.items.map(picture));
    case 13: return el("a", { class: "file", href: c.file.url, download: "" }, "📄 file");
    case 14: return el("hr", { class: "divider" + (c.divider ? "" : " blank") + (c.spacing === 2 ? " large" : "") });
    case 17: {
      const box = el("article", { class: "embed layout", dataset: { testid: "container" } }, ...c.components.map((inner) => componentNode(m, inner, world, act, image)));
      if (c.accent_color) box.style.borderInlineStartColor = "#" + c.accent_color.toString(16).padStart(6, "0");
      return hideable(box, c.spoiler);
    }
  }
  return el("p", { class: "dim" }, "(a component of type " + c.type + ")");
}

// hideable covers what is a spoiler until it is asked for.
function hideable(node, spoiler) {
  if (!spoiler) return node;
  const hidden = el("div", { class: "spoiler" }, node);
  const cover = el("button", { type: "button", class: "button secondary", onclick: () => { hidden.classList.add("shown"); cover.remove(); } }, "Show hidden content");
  hidden.append(cover);
  return hidden;
}

function rowNode(m, row, world, act) {
  const node = el("div", { class: "row" });
  for (const c of row.components) {
    if (c.type === 2 && c.style === 5) {
      node.append(el("a", { class: "button secondary", href: c.url, rel: "noreferrer noopener", target: "_blank" }, buttonText(c), " ↗"));
    } else if (c.type === 2) {
      const style = { 1: "primary", 3: "success", 4: "danger" }[c.style] ?? "secondary";
      node.append(el("button", { type: "button", class: "button " + style, disabled: c.disabled, dataset: { testid: "button", custom: c.custom_id, key: c.custom_id }, onclick: (event) => act.press(m, c, event.currentTarget) }, buttonText(c)));
    } else {
      node.append(selectNode(m, c, world, act));
    }
  }
  return node;
}

function buttonText(c) {
  return [c.emoji?.id ? ":" + c.emoji.name + ":" : c.emoji?.name, c.label].filter(Boolean).join(" ");
}

function selectNode(m, c, world, act) {
  const guild = world.channels.find((channel) => channel.id === m.channel_id)?.guild;
  const people = () => [...world.people.values()].map((p) => ({ label: "@" + p.name, value: p.id }));
  const roles = () => world.roles.filter((r) => r.guild === guild).map((r) => ({ label: "@" + r.name.replace(/^@/, ""), value: r.id }));
  const channels = () => world.channels.filter((channel) => channel.guild === guild && guild).map((channel) => ({ label: "#" + channel.name, value: channel.id }));
  const options = { 5: people, 6: roles, 7: () => [...people(), ...roles()], 8: channels }[c.type]?.() ?? c.options ?? [];
  const many = (c.max_values ?? 1) > 1;
  const select = el("select", { disabled: c.disabled, multiple: many, "aria-label": c.placeholder || "Choose", dataset: { testid: "select", custom: c.custom_id, key: c.custom_id } });
  if (!many) select.append(el("option", { value: "", disabled: true, selected: !options.some((o) => o.default) }, c.placeholder || "Choose…"));
  for (const o of options) select.append(el("option", { value: o.value, selected: o.default }, o.description ? o.label + " – " + o.description : o.label));
  select.addEventListener("change", () => { if (!many) act.choose(m, c, [select.value], select); });
  if (!many) return select;
  return el("span", { class: "many-select" }, select, el("button", { type: "button", class: "button secondary", onclick: () => act.choose(m, c, [...select.selectedOptions].map((o) => o.value), select) }, "Choose"));
}

export const quickEmoji = ["❤️", "👍", "🎉"];
export const moreEmoji = ["❤️", "👍", "🎉", "😂", "😍", "🔥", "⭐", "🐴", "🍎", "👏"];

function reactionsNode(m, world, act) {
  const has = m.attachments.length > 0 || m.embeds.some((e) => e.image);
  const bar = el("div", { class: "reactions" + (has ? " inviting" : ""), role: "group", "aria-label": "Reactions", dataset: { testid: "reactions" } });
  const shown = new Set();
  for (const [i, r] of (m.reactions ?? []).entries()) {
    const name = r.emoji.id ? r.emoji.name + ":" + r.emoji.id : r.emoji.name;
    shown.add(plain(r.emoji.name));
    const names = (m.x_reactors[i] ?? []).map((id) => world.people.get(id)?.name ?? "somebody").join(", ");
    bar.append(el("button", { type: "button", class: "reaction" + (r.me ? " mine" : ""), title: names, "aria-pressed": r.me ? "true" : "false", "aria-label": `${r.emoji.name}, ${r.count}: ${names}`, dataset: { testid: "reaction", emoji: name, key: "r" + name }, onclick: () => act.react(m, name, !r.me) }, r.emoji.id ? ":" + r.emoji.name + ":" : r.emoji.name, el("span", { class: "number" }, String(r.count))));
  }
  for (const emoji of quickEmoji) {
    if (shown.has(plain(emoji))) continue;
    bar.append(el("button", { type: "button", class: "reaction offer", "aria-label": "React with " + emoji, title: "React with " + emoji, dataset: { testid: "react", emoji, key: "q" + emoji }, onclick: () => act.react(m, emoji, true) }, emoji));
  }
  bar.append(el("button", { type: "button", class: "reaction offer", "aria-label": "Another reaction", title: "Another reaction", "aria-haspopup": "dialog", dataset: { testid: "reaction-add", key: "add" }, onclick: (event) => act.pickEmoji(m, event.currentTarget) }, "+"));
  return bar;
}

function plain(emoji) { return emoji.replaceAll("\uFE0F", ""); }
