"use strict";
// Keeps a copy of what is being typed in this browser until the server has it: a crash, a lost
// connection or a daemon that is down costs nothing. The server names the copies it has in a cookie.
(() => {
  const PREFIX = "symphony:draft:";
  const SAVED = `symphony_saved_${location.port || 0}`;
  const SAVE_MS = 200;
  const PROBE_MS = 3000;
  const KEPT_MS = 30 * 24 * 3600 * 1000;

  const store = {
    all() {
      const found = [];
      try {
        for (const key of Object.keys(localStorage)) {
          if (!key.startsWith(PREFIX)) continue;
          try {
            const draft = JSON.parse(localStorage.getItem(key));
            if (draft && draft.values) found.push({ key, ...draft });
          } catch { localStorage.removeItem(key); }
        }
      } catch { /* a browser that keeps nothing for this site */ }
      return found;
    },
    put(key, draft) { try { localStorage.setItem(key, JSON.stringify(draft)); return true; } catch { return false; } },
    drop(key) { try { localStorage.removeItem(key); } catch { /* nothing is kept then */ } },
  };

  const forgetSaved = () => {
    const found = document.cookie.split("; ").find((each) => each.startsWith(`${SAVED}=`));
    if (!found) return;
    const tokens = found.slice(SAVED.length + 1).replaceAll('"', "").split(".");
    for (const draft of store.all()) if (draft.token && tokens.includes(draft.token)) store.drop(draft.key);
    document.cookie = `${SAVED}=; Max-Age=0; Path=/; SameSite=Strict`;
  };

  const forgetOld = () => {
    for (const draft of store.all()) if (!(Date.now() - draft.at < KEPT_MS)) store.drop(draft.key);
  };

  const fieldsOf = (form) => [...form.elements].filter((field) => field.name && field.name !== "action");
  const valuesOf = (form) => Object.fromEntries(fieldsOf(form).map((field) => [field.name, field.value]));
  const typedOf = (values) => JSON.stringify(Object.entries(values).filter(([name]) => name !== "draft" && name !== "revision"));

  const say = (form, words, action, bad) => {
    const note = form.querySelector("#draft-note");
    note.textContent = words;
    note.classList.toggle("bad", Boolean(bad));
    if (action) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = action.name;
      button.addEventListener("click", action.run);
      note.append(" ", button);
    }
    note.hidden = !words;
  };

  const fill = (form, values) => {
    for (const field of fieldsOf(form)) if (field.name in values) field.value = values[field.name];
    form.querySelector("textarea[hx-post]")?.dispatchEvent(new Event("preview"));
  };

  const keep = (form) => {
    const kind = form.dataset.draft;
    const served = valuesOf(form);
    const token = () => form.elements.draft.value;
    const key = () => `${PREFIX}${kind}:${token()}`;
    let timer = 0;
    let full = false;

    const save = () => {
      clearTimeout(timer);
      timer = 0;
      const values = valuesOf(form);
      if (!form.hasAttribute("data-sent") && typedOf(values) === typedOf(served)) { store.drop(key()); return; }
      const kept = store.put(key(), { kind, token: token(), at: Date.now(), values });
      if (!kept && !full) say(form, "This browser has no room to keep a copy of what you type: save often.", null, true);
      full = !kept;
    };
    const soon = () => { if (!timer) timer = setTimeout(save, SAVE_MS); };

    const mine = store.all().filter((draft) => draft.kind === kind).sort((one, other) => other.at - one.at);
    for (const draft of mine) if (typedOf(draft.values) === typedOf(served)) store.drop(draft.key);
    const latest = mine.find((draft) => typedOf(draft.values) !== typedOf(served));
    if (form.hasAttribute("data-sent")) {
      save();
    } else if (latest) {
      fill(form, latest.values);
      const discard = () => {
        store.drop(latest.key);
        fill(form, served);
        say(form, "");
      };
      const when = new Date(latest.at).toLocaleString();
      say(form, `Restored what you typed on ${when} and did not save.`, { name: "Discard it", run: discard });
    }

    form.addEventListener("input", soon);
    form.addEventListener("change", soon);
    window.addEventListener("pagehide", () => { if (timer) save(); });
    document.addEventListener("visibilitychange", () => { if (document.hidden && timer) save(); });

    let sure = false;
    form.addEventListener("submit", async (event) => {
      if (timer) save();
      if (sure) { sure = false; return; }
      event.preventDefault();
      try {
        await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(PROBE_MS) });
      } catch {
        save();
        say(form, "No connection to symphony, so nothing was sent. What you typed is kept in this browser.", null, true);
        return;
      }
      sure = true;
      form.requestSubmit(event.submitter);
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    forgetSaved();
    forgetOld();
    for (const form of document.querySelectorAll("form[data-draft]")) keep(form);
  });
})();
