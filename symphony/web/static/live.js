"use strict";
// Keeps a page true: what was typed, chosen or unfolded stays through updates, a lost stream continues
// where it ended, a page without a stream asks every two seconds, and times count by themselves.
(() => {
  const POLL_MS = 2000;
  const SILENT_MS = 40000; // the server says something every 15 s
  const HIDDEN_MS = 5000; // a page in the background gives its connection to those in front
  const CURSOR = "Live-Cursor";

  const isDirty = (field) => field.value !== field.defaultValue;
  const keep = Idiomorph.defaults.callbacks;
  keep.beforeAttributeUpdated = (name, node) => {
    if (name === "open" && node instanceof HTMLDetailsElement) return false;
    if (name === "value" && (node instanceof HTMLTextAreaElement || node instanceof HTMLInputElement)) return !isDirty(node);
    if (name === "checked" && node instanceof HTMLInputElement) return node.checked === node.defaultChecked;
    if (name === "selected" && node instanceof HTMLOptionElement) return node.selected === node.defaultSelected;
    return true;
  };
  keep.beforeNodeRemoved = (node) => {
    const typed = node instanceof Element && [...node.querySelectorAll("form textarea")].filter(isDirty);
    if (!typed || !typed.length) return true;
    for (const field of typed) {
      const form = field.closest("form");
      if (form.dataset.kept) continue;
      form.dataset.kept = "yes";
      const note = document.createElement("p");
      note.className = "attention";
      note.setAttribute("role", "status");
      note.textContent = "This is no longer asked. What you typed is kept here until you leave the page.";
      form.append(note);
      for (const button of form.querySelectorAll("button")) button.disabled = true;
    }
    return false;
  };

  const live = () => document.getElementById("live");
  const show = (id, is) => { const sign = document.getElementById(id); if (sign) sign.hidden = !is; };
  let source = null;
  let heard = 0;
  let asking = null;

  const number = (cursor) => Number(cursor.slice(cursor.lastIndexOf("-") + 1));
  const cursorOf = (element) => new URL(element.getAttribute("sse-connect"), location.href).searchParams.get("after") || "";
  const isOlder = (cursor, than) => cursor.replace(/-\d+$/, "") === than.replace(/-\d+$/, "") && number(cursor) < number(than);
  const remember = (cursor) => {
    const element = live();
    if (!element || !cursor || isOlder(cursor, cursorOf(element))) return;
    const url = new URL(element.getAttribute("sse-connect"), location.href);
    url.searchParams.set("after", cursor);
    element.setAttribute("sse-connect", url.pathname + url.search);
  };

  const close = () => { source?.close(); source = null; };
  const reopen = () => {
    const element = live();
    if (!element) return;
    close();
    const fresh = element.cloneNode(false);
    element.replaceWith(fresh);
    htmx.process(fresh);
  };

  document.addEventListener("htmx:sseOpen", (event) => {
    source = event.detail.source;
    heard = Date.now();
    asking?.abort();
    source.addEventListener("beat", () => { heard = Date.now(); });
    show("offline", false);
    show("signed-out", false);
  });
  document.addEventListener("htmx:sseError", () => { source = null; });
  document.addEventListener("htmx:sseMessage", (event) => { heard = Date.now(); remember(event.detail.lastEventId); });
  document.addEventListener("htmx:oobErrorNoTarget", (event) => event.stopPropagation(), true);

  let hiding = 0;
  const attend = () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(close, HIDDEN_MS);
    else if (!source) reopen();
  };
  document.addEventListener("visibilitychange", attend);
  document.addEventListener("DOMContentLoaded", () => { if (document.hidden) attend(); });

  const poll = async () => {
    const element = live();
    if (source && Date.now() - heard > SILENT_MS) { show("offline", true); reopen(); source = null; }
    if (!element || source || asking || document.hidden) return;
    asking = new AbortController();
    try {
      const url = new URL(element.getAttribute("sse-connect"), location.href);
      url.searchParams.set("poll", "1");
      const answer = await fetch(url, { headers: { "HX-Request": "true" }, signal: asking.signal });
      show("signed-out", answer.status === 401);
      show("offline", false);
      if (answer.status === 401) return;
      if (!answer.ok) throw new Error(answer.statusText);
      const html = await answer.text();
      const cursor = answer.headers.get(CURSOR) || "";
      if (source || isOlder(cursor, cursorOf(live()))) return;
      if (html) htmx.swap(live(), html, { swapStyle: "none", swapDelay: 0, settleDelay: 0 });
      remember(cursor);
    } catch (error) {
      if (error.name !== "AbortError") show("offline", true);
    } finally {
      asking = null;
    }
  };
  setInterval(poll, POLL_MS);

  const skew = () => Date.parse(document.querySelector("meta[name=server-time]")?.content || "") - performance.timeOrigin || 0;
  let ahead = 0;
  const words = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 60) return `${whole}s`;
    if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
    return `${Math.floor(whole / 86400)}d ${Math.floor((whole % 86400) / 3600)}h`;
  };
  const tick = () => {
    const now = Date.now() + ahead;
    for (const time of document.querySelectorAll("time[data-since], time[data-until]")) {
      const { since, until, before, after } = time.dataset;
      const text = (before || "") + words((since ? now - Date.parse(since) : Date.parse(until) - now) / 1000) + (after || "");
      if (time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(tick, 1000);
  document.addEventListener("DOMContentLoaded", () => {
    const behind = skew();
    if (Math.abs(behind) > 5000) ahead = behind; // less is the page's own way here
    tick();
  });
  document.addEventListener("htmx:oobAfterSwap", tick);

  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt: form, xhr } = event.detail;
    if (form instanceof HTMLFormElement && xhr?.status < 400 && event.detail.successful && form.dataset.reset !== "never") form.reset();
  });
  document.addEventListener("htmx:sendError", () => show("offline", true));
})();
