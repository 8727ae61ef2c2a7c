// Keys for what is done often; every page works without this. An element says its key by data-key: a button or link
// is clicked, a <details> opened and given the focus, a field given the focus. The preference "keys" turns it off.
"use strict";

document.documentElement.classList.add("scripted");

const typing = (target) => target.closest("input:not([type=checkbox], [type=radio], [type=submit]), textarea, select");

function use(element) {
  if (element.tagName === "SUMMARY") {
    const details = element.parentElement;
    details.open = !details.open;
    (details.open ? details.querySelector("button, a, input") ?? element : element).focus();
  } else if (element.matches("input:not([type=submit], [type=checkbox], [type=radio]), textarea, select")) {
    element.focus();
  } else {
    element.click();
  }
}

function visible(element) {
  return element.checkVisibility ? element.checkVisibility() : element.offsetParent !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (event.key === "Escape") {
    const open = event.target.closest("details[open].menu, details[open].choices");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    } else if (typing(event.target)) {
      event.target.blur();
    }
    return;
  }
  if (!("keys" in document.body.dataset) || typing(event.target) || event.repeat) return;
  const found = [...document.querySelectorAll(`[data-key="${CSS.escape(event.key)}"]`)].find(visible);
  if (found) {
    event.preventDefault();
    use(found);
  }
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

// Menus close when the focus or a click goes elsewhere.
for (const kind of ["click", "focusin"]) {
  document.addEventListener(kind, (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
});

// Dragging over a histogram sets the form's range, in steps of its bars, and shows it.
const histogram = document.querySelector("[data-histogram] svg");
if (histogram) {
  const form = histogram.closest("form");
  const bars = histogram.querySelectorAll(".slot").length;
  const frame = histogram.querySelector(".window");
  const unit = histogram.viewBox.baseVal.width / bars;
  let start = null;
  const place = (event) => {
    const box = histogram.getBoundingClientRect();
    return Math.min(bars - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * bars)));
  };
  const set = (one, other) => {
    const [low, high] = [Math.min(one, other), Math.max(one, other) + 1];
    form.elements.from.value = (low / bars).toFixed(2);
    form.elements.to.value = (high / bars).toFixed(2);
    frame.setAttribute("x", low * unit);
    frame.setAttribute("width", (high - low) * unit);
  };
  histogram.addEventListener("pointerdown", (event) => {
    start = place(event);
    histogram.setPointerCapture(event.pointerId);
    set(start, start);
  });
  histogram.addEventListener("pointermove", (event) => start !== null && set(start, place(event)));
  histogram.addEventListener("pointerup", () => {
    if (start === null) return;
    start = null;
    form.requestSubmit();
  });
  histogram.addEventListener("pointercancel", () => (start = null));
}
