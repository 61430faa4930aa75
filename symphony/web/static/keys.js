"use strict";
// Keys that work on every page; `?` lists them.
(() => {
  const pages = { b: "/", i: "/inbox", w: "/workflow" };
  let prefix = false;

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = document.getElementById("keys");
    if (keys?.open) return;
    if (prefix && pages[event.key]) { location.assign(pages[event.key]); return; }
    prefix = event.key === "g";
    if (event.key === "?") { keys?.showModal(); event.preventDefault(); }
    if (event.key === "n") location.assign("/new");
    if (event.key === "r") {
      const box = document.querySelector("textarea[name=text]");
      if (box) { box.focus(); event.preventDefault(); }
    }
  });
})();
