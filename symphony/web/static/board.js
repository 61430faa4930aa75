"use strict";
// Cards are moved by drag and by keys; either moves the issue's file, and a refusal says why.
(() => {
  const card = (node) => node.closest?.(".card[data-issue]");
  const column = (node) => node.closest?.(".column[data-state]");
  const columns = () => [...document.querySelectorAll(".column[data-state]")];
  let dragged = null;
  let followed = null; // the card that was moved by a key, until it has arrived

  const move = async (issue, state) => {
    await htmx.ajax("POST", `/issues/${encodeURIComponent(issue)}/move`, { values: { state }, swap: "none", target: "#notice" });
  };

  document.addEventListener("dragstart", (event) => {
    const from = card(event.target);
    if (!from) return;
    dragged = { issue: from.dataset.issue, state: from.dataset.state };
    from.classList.add("moving");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.issue);
  });
  document.addEventListener("dragend", () => {
    dragged = null;
    for (const each of document.querySelectorAll(".moving, .over")) each.classList.remove("moving", "over");
  });
  document.addEventListener("dragover", (event) => {
    const over = column(event.target);
    for (const each of columns()) each.classList.toggle("over", Boolean(dragged) && each === over);
    if (dragged && over) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    const over = column(event.target);
    if (!dragged || !over) return;
    event.preventDefault();
    if (event.dataTransfer.getData("text/plain") !== dragged.issue) return;
    if (over.dataset.state !== dragged.state) move(dragged.issue, over.dataset.state);
  });

  const beside = (from, step) => {
    const all = columns();
    return all[all.indexOf(column(from)) + step];
  };
  const focusBy = (from, key) => {
    const cards = [...column(from).querySelectorAll(".card")];
    const at = cards.indexOf(from);
    if (key === "ArrowDown") return cards[at + 1];
    if (key === "ArrowUp") return cards[at - 1];
    for (let next = beside(from, key === "ArrowRight" ? 1 : -1); next; next = beside(next, key === "ArrowRight" ? 1 : -1)) {
      const there = [...next.querySelectorAll(".card")];
      if (there.length) return there[Math.min(at, there.length - 1)];
    }
    return null;
  };

  document.addEventListener("htmx:oobAfterSwap", () => {
    if (!followed || document.activeElement !== document.body) return;
    document.querySelector(`.card[data-issue="${CSS.escape(followed)}"]`)?.focus();
    followed = null;
  });

  document.addEventListener("keydown", (event) => {
    const bracket = event.key === "[" || event.key === "]"; // some keyboards need Alt for them
    if (event.ctrlKey || event.metaKey || (event.altKey && !bracket)) return;
    const from = event.target.classList?.contains("card") ? event.target : null;
    if (!from) {
      if (event.key === "ArrowDown" && event.target === document.body) document.querySelector(".card")?.focus();
      return;
    }
    if (event.key.startsWith("Arrow")) {
      focusBy(from, event.key)?.focus();
      event.preventDefault();
    } else if (event.key === "Enter") {
      location.assign(`/issues/${encodeURIComponent(from.dataset.issue)}`);
    } else if (bracket) {
      const to = beside(from, event.key === "]" ? 1 : -1);
      if (!to) return;
      followed = from.dataset.issue;
      move(followed, to.dataset.state);
    }
  });
})();
