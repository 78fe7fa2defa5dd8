// SPDX-License-Identifier: AGPL-3.0-or-later
// Everything works without this. With it, figures stay fresh and a key can be copied.
"use strict";

(() => {
  const every = 15_000;
  const parts = document.querySelectorAll("[data-live]");
  if (parts.length > 0) {
    let paused = false;
    const button = document.createElement("button");
    button.type = "button";
    button.id = "pause";
    button.className = "plain";
    const label = () => {
      button.textContent = paused ? "Keep the figures fresh" : "Stop refreshing the figures";
    };
    label();
    button.addEventListener("click", () => {
      paused = !paused;
      label();
    });
    document.querySelector("footer").prepend(button);

    const busy = (part) => part.contains(document.activeElement) || part.querySelector("details[open]");
    const refresh = async () => {
      if (paused || document.hidden) return;
      try {
        const reply = await fetch(location.href, { credentials: "same-origin" });
        if (!reply.ok) return;
        const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          const next = fresh.getElementById(part.id);
          if (next && !busy(part)) part.replaceChildren(...next.childNodes);
        }
        document.body.dataset.refreshed = String(Number(document.body.dataset.refreshed ?? 0) + 1);
      } catch {
        // The horde is away for a moment; the next time will tell.
      }
    };
    document.addEventListener("visibilitychange", refresh);
    setInterval(refresh, every);
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      document.getElementById("copied").textContent = "Copied.";
    });
  }
})();
