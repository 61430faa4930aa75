"use strict";
// Keeps a page true: what was typed or unfolded stays through updates, a lost stream continues where it
// ended, a page without a stream asks every two seconds, and times count by themselves.
(() => {
  const POLL_MS = 2000;
  const CURSOR = "Live-Cursor";

  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => {
    if (name === "open" && node instanceof HTMLDetailsElement) return false;
    const field = node instanceof HTMLTextAreaElement || node instanceof HTMLInputElement;
    return !(field && name === "value" && node.value !== node.defaultValue);
  };

  const live = () => document.getElementById("live");
  const offline = (is) => { const sign = document.getElementById("offline"); if (sign) sign.hidden = !is; };
  let streaming = false;

  const remember = (cursor) => {
    const element = live();
    if (!element || !cursor) return;
    const url = new URL(element.getAttribute("sse-connect"), location.href);
    url.searchParams.set("after", cursor);
    element.setAttribute("sse-connect", url.pathname + url.search);
  };

  document.addEventListener("htmx:sseOpen", () => { streaming = true; offline(false); });
  document.addEventListener("htmx:sseError", () => { streaming = false; });
  document.addEventListener("htmx:sseMessage", (event) => remember(event.detail.lastEventId));
  document.addEventListener("htmx:oobErrorNoTarget", (event) => event.stopPropagation(), true);

  const poll = async () => {
    const element = live();
    if (!element || streaming || document.hidden) return;
    try {
      const url = new URL(element.getAttribute("sse-connect"), location.href);
      url.searchParams.set("poll", "1");
      const answer = await fetch(url, { headers: { "HX-Request": "true" } });
      if (answer.redirected) { location.reload(); return; }
      if (!answer.ok) throw new Error(answer.statusText);
      offline(false);
      const html = await answer.text();
      if (html) htmx.swap(element, html, { swapStyle: "none", swapDelay: 0, settleDelay: 0 });
      remember(answer.headers.get(CURSOR));
    } catch {
      offline(true);
    }
  };
  setInterval(poll, POLL_MS);

  const words = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 60) return `${whole}s`;
    if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
    return `${Math.floor(whole / 86400)}d ${Math.floor((whole % 86400) / 3600)}h`;
  };
  const tick = () => {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-since], time[data-until]")) {
      const { since, until } = time.dataset;
      const text = words((since ? now - Date.parse(since) : Date.parse(until) - now) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(tick, 1000);
  document.addEventListener("DOMContentLoaded", tick);

  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt;
    if (form instanceof HTMLFormElement && event.detail.successful && form.dataset.reset !== "never") form.reset();
  });
  document.addEventListener("htmx:sendError", () => offline(true));
  document.addEventListener("click", (event) => {
    const words = event.target.closest?.("[data-confirm]")?.dataset.confirm;
    if (words && !confirm(words)) event.preventDefault();
  }, true);
})();
