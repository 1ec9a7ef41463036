// Follows the ledger: the calls on their way come as they change, the rest of
// the page is read anew when the ledger has changed. Without this script the
// page shows the same figures as of when it was loaded.
"use strict";
(() => {
  if (!("live" in document.body.dataset) || !("EventSource" in window)) return;
  const button = document.getElementById("follow");
  const label = document.getElementById("follow-text");
  const live = document.getElementById("live");
  const main = document.getElementById("main");
  let source = null, reading = false, again = false, wait = 0;

  // sync makes a node equal to another and leaves alone what is equal already,
  // so that focus, scroll positions and pictures stay.
  const sync = (old, now) => {
    if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName) { old.replaceWith(now.cloneNode(true)); return; }
    if (old.nodeType === Node.TEXT_NODE) { if (old.data !== now.data) old.data = now.data; return; }
    if (old.nodeType !== Node.ELEMENT_NODE) return;
    for (const a of [...old.attributes]) if (!now.hasAttribute(a.name)) old.removeAttribute(a.name);
    for (const a of now.attributes) if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value);
    const have = [...old.childNodes], want = [...now.childNodes];
    want.forEach((w, i) => { if (i < have.length) sync(have[i], w); else old.append(w.cloneNode(true)); });
    have.slice(want.length).forEach((n) => n.remove());
  };
  const parse = (html) => new DOMParser().parseFromString(html, "text/html");

  const read = async () => {
    if (reading) { again = true; return; }
    reading = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.status === 401) { stop(); location.reload(); return; }
      if (!answer.ok) return;
      const page = parse(await answer.text());
      if (window.aexPrepare) window.aexPrepare(page);
      for (const now of page.querySelectorAll("[data-part]")) {
        const old = document.getElementById(now.id);
        if (old && !old.querySelector("details[open]")) sync(old, now);
      }
    } catch { /* the next change tries again */ } finally {
      reading = false;
      if (again) { again = false; later(); }
    }
  };
  // A busy ledger changes all the time: a page in front reads it every two
  // seconds at most, one behind not at all until it is looked at.
  const later = () => {
    if (document.hidden) { again = true; return; }
    if (!wait) wait = setTimeout(() => { wait = 0; read(); }, 2000);
  };

  const show = (state, text) => {
    button.setAttribute("aria-pressed", String(state !== "paused"));
    button.classList.toggle("lost", state === "lost");
    label.textContent = text;
  };
  const stop = () => { if (source) source.close(); source = null; };
  const start = () => {
    source = new EventSource("/dashboard/stream");
    source.onopen = () => { show("live", "Live"); };
    source.onerror = () => { show("lost", "Reconnecting"); };
    source.addEventListener("live", (e) => {
      if (!live) return;
      const next = live.cloneNode(false);
      next.append(...parse(e.data).body.childNodes);
      sync(live, next);
    });
    source.addEventListener("change", later);
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    if (source) { stop(); show("paused", "Paused"); } else { start(); read(); }
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && again && source) { again = false; read(); } });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (e) => { if (e.persisted && !source) { start(); read(); } });
  if (main.querySelector("progress")) later(); // a verification under way changes no ledger
  setInterval(() => { if (source && main.querySelector("progress")) later(); }, 2000);
  start();
})();
