/* Keeps the comments of an open page up to date, as a newspaper's own script would: asks every few seconds whether
   something has changed, and if so takes over the comments that have. Forms that somebody fills in stay as they are. */
(() => {
  "use strict";
  const threads = document.getElementById("threads");
  const news = document.getElementById("news");

  /* The part of an item that is its own: not the replies below it. */
  const own = (item) => item.querySelector(":scope > article");

  async function update() {
    const text = await (await fetch("/demo")).text();
    const fresh = new DOMParser().parseFromString(text, "text/html");
    let changes = fresh.getElementById("threads").dataset.changes;
    for (const item of fresh.querySelectorAll("#threads li")) {
      const shown = document.getElementById(item.id);
      if (!shown) add(item);
      else if (shown.dataset.change === item.dataset.change) continue;
      else if (own(shown).querySelector("textarea:focus")) changes = ""; // somebody writes there: next time
      else {
        shown.dataset.change = item.dataset.change;
        replace(own(shown), document.adoptNode(own(item)));
      }
    }
    document.getElementById("comments").replaceChildren(...fresh.getElementById("comments").childNodes);
    threads.dataset.changes = changes;
    news.textContent = "The comments have just changed.";
  }

  /* A new comment: last in its thread. */
  function add(item) {
    const parent = item.parentElement.closest("li");
    const place = parent ? document.getElementById(parent.id) : threads;
    const list = place?.querySelector(":scope > ol");
    if (list) list.append(document.adoptNode(item));
    else place?.append(document.adoptNode(item.parentElement));
  }

  /* A focus inside is not lost: it goes to what is there now. */
  function replace(old, now) {
    const focused = old.contains(document.activeElement);
    old.replaceWith(now);
    if (!focused) return;
    now.tabIndex = -1;
    now.focus();
  }

  async function look() {
    if (document.hidden) return;
    try {
      const { changes } = await (await fetch("/demo/changes")).json();
      if (String(changes) !== threads.dataset.changes) await update();
    } catch {
      // The newspaper does not answer; the next look may.
    }
  }

  setInterval(look, 3000);
  document.addEventListener("visibilitychange", look);
})();
