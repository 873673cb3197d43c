/* Comfort only: every page works without it. Fresh numbers, and a keyboard that opens forms, never fires them. */
"use strict";
(() => {
  const live = document.getElementById("live");
  const busy = () =>
    document.hidden ||
    Date.now() - usedAt > IDLE_MS ||
    String(getSelection()) !== "" ||
    live.querySelector("details[open], tr.at, :focus") !== null;
  // Fresh numbers must not keep a session alive that nobody uses.
  const IDLE_MS = 20 * 60 * 1000;
  let usedAt = Date.now();
  for (const act of ["pointermove", "keydown", "scroll", "touchstart"]) {
    addEventListener(act, () => (usedAt = Date.now()), { passive: true });
  }
  const rows = (root) => [...root.querySelectorAll("[data-row]")].map((row) => row.dataset.row).join();

  const notice = () => {
    if (document.querySelector(".notice")) return;
    const link = document.createElement("a");
    link.className = "notice";
    link.href = location.href;
    link.textContent = live.dataset.notice;
    live.before(link);
  };
  const refresh = async () => {
    if (!busy()) {
      try {
        const reply = await fetch(location.href, { headers: { "X-Refresh": "1" } });
        if (reply.redirected) return location.reload();
        const page = new DOMParser().parseFromString(await reply.text(), "text/html");
        const fresh = page.getElementById("live");
        if (fresh && live.dataset.notice) {
          if (rows(fresh) !== rows(live)) notice();
        } else if (fresh && !busy()) {
          live.replaceChildren(...fresh.childNodes);
        }
      } catch {
        /* The next round tries again. */
      }
    }
    return setTimeout(refresh, live.dataset.refresh * 1000);
  };
  if (live) setTimeout(refresh, live.dataset.refresh * 1000);

  const step = (by) => {
    const all = [...document.querySelectorAll("table.rows tbody tr, #result_list tbody tr")];
    const here = all.findIndex((row) => row.classList.contains("at"));
    const next = all[Math.min(Math.max(here + by, 0), all.length - 1)];
    if (!next) return;
    if (here >= 0) all[here].classList.remove("at");
    next.classList.add("at");
    next.scrollIntoView({ block: "nearest" });
  };
  const open = (selector) => {
    const link = document.querySelector(selector);
    if (link) link.click();
  };
  const search = () => {
    const box = document.getElementById("searchbar");
    if (box) box.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, button, a")) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "Enter") open("tr.at a");
    else if (event.key === "/") {
      event.preventDefault();
      search();
    } else if (/^[a-z]$/.test(event.key)) open(`a[data-key="${event.key}"]`);
  });
})();
