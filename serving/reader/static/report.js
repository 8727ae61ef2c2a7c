/* "Unsuitable or offensive? Report this comment", under each element with data-evenhand-comment="ID".
   No dependencies, no cookies, no third party. How to use and translate it: docs/readers-side.md.
   Unless data-reporter names the reader, a random id stands for them, kept in localStorage as "evenhand-reporter". */
(() => {
  "use strict";
  if (window.evenhandReport) return; // embedded twice
  window.evenhandReport = true;
  const script = document.currentScript || document.querySelector('script[src*="report.js"][data-site]');
  const { site, key, endpoint, reporter, story, labels } = script.dataset;
  const base = (endpoint || new URL(".", script.src).href).replace(/\/+$/, "");
  const words = {
    report: "Unsuitable or offensive? Report this comment",
    title: "Report this comment",
    why: "What is wrong with it?",
    offensive: "It is foul or obscene",
    abusive: "It insults or harasses someone",
    hateful: "It attacks people for what they are: origin, religion, sex, disability …",
    threatening: "It threatens someone or calls for violence",
    spam: "It is spam or advertising",
    off_topic: "It has nothing to do with the subject",
    personal_information: "It gives away private details of a person",
    illegal: "It is illegal",
    other: "Something else",
    details: "Anything a moderator should know? (optional)",
    left: "characters left",
    legal: "Notice of illegal content",
    explanation: "Why is it illegal? Name the law if you can.",
    name: "Your name",
    email: "Your e-mail address",
    child_protection: "It is about sexual abuse of children: name and address may be left out.",
    good_faith: "I believe in good faith that what I say here is accurate and complete.",
    send: "Send report",
    sending: "Sending …",
    cancel: "Cancel",
    close: "Close",
    withdraw: "Withdraw my report",
    received: "Thank you. A moderator will look at this comment.",
    already_reported: "You have reported this comment before. A moderator will look at it.",
    kept: "Thank you. A moderator has looked at this comment already and decided that it stays.",
    removed: "Thank you. This comment has been removed already.",
    noticed: "Your notice has been received. A person will look at it. If you left an address, you will be told the decision.",
    withdrawn: "Your report is withdrawn.",
    missing: "Some answers are missing or wrong. They are marked below.",
    mend: "Please check this answer.",
    many: "You have sent many reports in a short time. Please try again later.",
    gone: "This comment cannot be reported any more.",
    failed: "Your report could not be sent. Please try again.",
    lang: "en",
    ...JSON.parse(labels || "{}"),
  };
  const REASONS = "offensive abusive hateful threatening spam off_topic personal_information illegal other".split(" ");
  const STYLE = `
    :host { all: initial !important; display: inline-block !important; font: inherit !important;
      color: inherit !important; color-scheme: inherit !important }
    :host([data-dialog]) { position: absolute !important }
    * { box-sizing: border-box; font: inherit }
    .link { all: unset; cursor: pointer; text-decoration: underline; text-underline-offset: .15em; display: inline-block; padding: .25em 0;
      font-size: max(13px, .875em) }
    :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
    :host, dialog { --accent: #0b57a4; --wrong: #b3261e }
    @supports (color: light-dark(red, red)) { :host, dialog { --accent: var(--evenhand-accent, light-dark(#0b57a4, #9cc8ff));
      --wrong: light-dark(#b3261e, #ffb4ab) } }
    dialog { font: max(16px, 1rem)/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; text-align: start;
      width: min(34em, calc(100vw - 1em)); max-height: calc(100dvh - 1em); overflow: auto; padding: 1.25em;
      border: 1px solid GrayText; border-radius: .5em }
    dialog::backdrop { background: rgb(0 0 0 / .5) }
    h2 { font-size: 1.25em; font-weight: 700; margin: 0 0 .75em }
    p { margin: .5em 0 }
    fieldset { border: 0; margin: 0 0 1em; padding: 0; min-width: 0 }
    legend, .label { display: block; font-weight: 600; padding: 0; margin: .5em 0 .25em }
    .choice { display: flex; gap: .6em; padding: .3em 0; cursor: pointer }
    .choice input { flex: none; width: 1.1em; height: 1.1em; margin: .2em 0; accent-color: var(--accent) }
    textarea, .line { display: block; width: 100%; padding: .5em; color: inherit; background: Field;
      border: 1px solid GrayText; border-radius: .25em }
    textarea { resize: vertical }
    [aria-invalid=true] { outline: 2px solid var(--wrong) }
    .hint { font-size: .875em; margin: .25em 0 }
    .wrong { color: var(--wrong); font-weight: 600; margin: .25em 0 }
    .wrong:empty { display: none }
    .buttons { display: flex; flex-wrap: wrap; gap: .75em; margin-top: 1em }
    .buttons button { cursor: pointer; padding: .55em 1.1em; border-radius: .25em; border: 1px solid GrayText;
      background: Canvas; color: CanvasText }
    .buttons .main { background: var(--accent); border-color: var(--accent); color: Canvas; font-weight: 600 }
    [hidden] { display: none !important }`;

  const sheet = new CSSStyleSheet(); // not an inline style, so a strict Content-Security-Policy allows it
  sheet.replaceSync(STYLE);

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(name, value);
      else if (value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  /* What is found in a comment, but not in a reply inside it. */
  const MARK = "[data-evenhand-comment]";
  const own = (marked, what) => [...marked.querySelectorAll(what)].find((found) => found.closest(MARK) === marked);

  /* A place that the page's own styles do not reach. */
  function shadow() {
    const host = element("evenhand-report", { lang: words.lang });
    host.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
    return host;
  }

  function whoReports() {
    if (reporter) return reporter;
    const name = "evenhand-reporter";
    try {
      if (!localStorage.getItem(name)) localStorage.setItem(name, random());
      return localStorage.getItem(name);
    } catch {
      return (whoReports.once ??= random()); // no storage: until the page is left
    }
  }
  const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, "0")).join("");

  async function call(path, body) {
    const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
    const options = { method: "POST", headers, body: JSON.stringify(body), credentials: "omit", signal: AbortSignal.timeout(20000) };
    const answer = await fetch(base + path, options);
    return [answer.status, await answer.json().catch(() => ({}))];
  }

  // --- the dialog: one, filled anew for each comment ---------------------------------------------------------

  const said = element("p", { role: "status", tabindex: "-1" });
  const alarm = element("p", { role: "alert", class: "wrong" });
  const dialog = element("dialog", { "aria-labelledby": "title", close: () => opener?.focus() });
  const host = shadow();
  host.dataset.dialog = ""; // takes no room in the page
  host.shadowRoot.append(dialog);
  const filed = new WeakMap(); // comment's element -> the API's answer to the report
  let comment, opener;

  /* A control with its label, its hint and a place for what is wrong with it. */
  function field(name, control, ...hint) {
    const described = `wrong-${name} hint-${name}`;
    Object.entries({ id: name, name, "aria-describedby": described }).forEach((pair) => control.setAttribute(...pair));
    const tick = control.type === "checkbox";
    return [
      element("label", { class: tick ? "choice" : "label", for: name }, ...(tick ? [control] : []), words[name]),
      ...(tick ? [] : [control]),
      element("p", { class: "hint", id: `hint-${name}` }, ...hint),
      element("p", { class: "wrong", id: `wrong-${name}` }),
    ];
  }

  function form() {
    const reasons = REASONS.map((value) => element("label", { class: "choice" },
      element("input", { type: "radio", name: "reason", value, required: true, "aria-describedby": "wrong-reason" }), words[value]));
    const line = (type, autocomplete) => element("input", { type, autocomplete, class: "line", maxlength: "200" });
    // What a notice under Article 16 of the Digital Services Act has to say.
    const notice = element("fieldset", { hidden: true, disabled: true },
      element("legend", {}, words.legal),
      ...field("explanation", element("textarea", { rows: "3", maxlength: "2000", required: true })),
      ...field("child_protection", element("input", { type: "checkbox" })),
      ...field("name", line("text", "name")),
      ...field("email", line("email", "email")),
      ...field("good_faith", element("input", { type: "checkbox", required: true })));
    const left = element("span", {}, "500");
    const details = element("textarea", { rows: "3", maxlength: "500" });
    details.addEventListener("input", () => (left.textContent = 500 - details.value.length));
    const made = element("form", { novalidate: true, submit: send },
      element("fieldset", {}, element("legend", {}, words.why), ...reasons, element("p", { class: "wrong", id: "wrong-reason" })),
      notice,
      ...field("details", details, left, ` ${words.left}`),
      element("div", { class: "buttons" }, element("button", { class: "main" }, words.send), button(words.cancel, shut)));
    made.addEventListener("change", () => {
      const { reason, child_protection, name, email } = made.elements;
      notice.hidden = notice.disabled = reason.value !== "illegal";
      name.required = email.required = !child_protection.checked;
    });
    return made;
  }

  const button = (text, click, kind = "") => element("button", { type: "button", class: kind, click }, text);
  const shut = () => dialog.close();

  function fill(...content) {
    said.textContent = alarm.textContent = "";
    dialog.replaceChildren(element("h2", { id: "title" }, words.title), said, alarm, ...content);
  }

  function open(marked, from) {
    const other = marked !== comment;
    [comment, opener] = [marked, from];
    if (!filed.has(marked) && (other || !dialog.querySelector("form"))) fill(form()); // else what was typed is still there
    document.body.append(host);
    dialog.showModal();
    if (filed.has(marked)) conclude();
    else dialog.querySelector("input").focus();
  }

  /* Says what became of the report, in place of the form. */
  function conclude() {
    const { state, acknowledgement } = filed.get(comment);
    const withdrawal = /received|reported/.test(state) ? [button(words.withdraw, withdraw)] : [];
    fill(element("div", { class: "buttons" }, button(words.close, shut, "main"), ...withdrawal));
    said.textContent = acknowledgement && state === "received" ? words.noticed : words[state] || words.received;
    said.focus();
  }

  /* Marks a control as wrong, or with an empty problem as right. */
  function mark(control, problem) {
    dialog.querySelector(`#wrong-${control.name}`).textContent = problem;
    control.setAttribute("aria-invalid", Boolean(problem));
  }

  function complain(problems) {
    alarm.textContent = words.missing;
    problems[0].focus();
  }

  async function send(event) {
    event.preventDefault();
    const { elements } = event.target;
    const controls = [...elements].filter((control) => control.name && control.willValidate);
    controls.forEach((control) => mark(control, control.validationMessage));
    const problems = controls.filter((control) => !control.validity.valid);
    if (problems.length) return complain(problems);
    const value = (name) => elements[name].value.trim() || undefined;
    const [reason, details] = [value("reason"), value("details")];
    const notice = reason === "illegal" ? {
      explanation: value("explanation"), name: value("name"), email: value("email"), url: location.href,
      child_protection: elements.child_protection.checked, good_faith: true,
    } : undefined;
    const body = { site, comment: { ...reported(), ...itself() }, reporter: { id: whoReports() }, reason, details, notice };
    await busy(async () => {
      const [status, answer] = await call("/v1/reports", body);
      const named = host.shadowRoot.getElementById(answer.error?.field?.split(".").pop());
      if (status < 300) settle(answer);
      else if (status === 422 && named) mark(named, words.mend), complain([named]);
      else alarm.textContent = status === 429 ? words.many : status === 404 || status === 409 ? words.gone : words.failed;
    });
  }

  const reported = () => ({ id: comment.dataset.evenhandComment });

  /* The comment itself, where the page marks its text because no server sends it to evenhand. */
  function itself() {
    const text = own(comment, "[data-evenhand-text]")?.innerText.trim();
    const url = document.querySelector("link[rel=canonical]")?.href || location.origin + location.pathname;
    return text && { text, story: { id: story || url, url, title: document.title || undefined } };
  }

  const withdraw = () => busy(async () => {
    const body = { site, comment: reported(), reporter: { id: whoReports() } };
    const [status] = await call("/v1/reports/withdraw", body);
    if (status < 300) settle({ state: "withdrawn" });
    else alarm.textContent = words.failed;
  });

  /* One request at a time; what keeps it from being answered is said. */
  async function busy(work) {
    if (dialog.ariaBusy === "true") return;
    dialog.ariaBusy = "true";
    alarm.textContent = "";
    await work().catch(() => (alarm.textContent = words.failed));
    dialog.ariaBusy = "false";
  }

  function settle(answer) {
    filed.set(comment, answer);
    conclude();
    if (answer.state === "withdrawn") filed.delete(comment); // it may be reported again
    comment.dispatchEvent(new CustomEvent("evenhand:report", { bubbles: true, detail: answer }));
  }

  // --- the links, under comments that are there and those that come later --------------------------------------

  const links = new WeakMap(); // comment's element -> the host of its link

  function link(marked) {
    if (links.get(marked)?.isConnected) return;
    const { evenhandAuthor: author } = marked.dataset;
    const text = element("button", { class: "link", type: "button", "aria-haspopup": "dialog" }, words.report);
    if (author) text.setAttribute("aria-label", `${words.report}: ${author}`);
    text.addEventListener("click", () => open(marked, text));
    const place = shadow();
    place.shadowRoot.append(text);
    (own(marked, "[data-evenhand-place]") || marked).append(place);
    links.set(marked, place);
  }

  const look = () => document.querySelectorAll(MARK).forEach(link);
  const start = () => {
    look();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributeFilter: ["data-evenhand-comment"] });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
