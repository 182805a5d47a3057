// Adds to a page that is complete without it: filter, sort, theme, keyboard, copy, and reading values off the time line.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const one = (id) => document.getElementById(id);
  root.classList.add("scripted");

  // Theme: the reader's choice for this view; files have no storage worth trusting.
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const theme = () => { root.dataset.theme = dark() ? "light" : "dark"; };
  one("theme").addEventListener("click", theme);

  let quiet;
  const say = (text) => {
    const said = one("said");
    said.textContent = text;
    said.classList.add("on");
    clearTimeout(quiet);
    quiet = setTimeout(() => said.classList.remove("on"), 1800);
  };

  // Links to something folded open it.
  const reveal = () => {
    let id = "";
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    const target = id && one(id);
    if (!target) return;
    const inner = target.matches(".card") && target.querySelector("details.more");
    if (inner) inner.open = true;
    for (let up = target.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    if (target.hidden) { clear(); }
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  const closed = new Set();
  addEventListener("beforeprint", () => all("details:not([open])").forEach((it) => { closed.add(it); it.open = true; }));
  addEventListener("afterprint", () => { closed.forEach((it) => { it.open = false; }); closed.clear(); });

  // Filter.
  const cards = all(".card");
  const search = one("search"), severity = one("severity"), scenario = one("scenario"), service = one("service");
  let range = null;
  const words = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));
  const filter = () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const data = card.dataset;
      const inTime = !range || (data.start !== "" && Number(data.start) <= range[1] && Number(data.end) >= range[0]);
      const fits = inTime && (!severity.value || data.severity === severity.value) && (!scenario.value || data.scenario === scenario.value)
        && (!service.value || data.services.split("\n").includes(service.value))
        && wanted.every((word) => words.get(card).includes(word));
      card.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    one("matches").textContent = shown === cards.length ? "" : shown + " of " + cards.length + (range ? ", " + clock(range[0]) + " to " + clock(range[1]) + " UTC" : "");
  };
  const clear = () => { if (search) { search.value = severity.value = scenario.value = service.value = ""; range = null; filter(); document.dispatchEvent(new Event("cleared")); } };
  const clock = (ms) => new Date(ms).toISOString().slice(11, 19);
  if (search) {
    search.form.addEventListener("submit", (event) => event.preventDefault());
    for (const field of [search, severity, scenario, service]) field.addEventListener("input", filter);
    one("unfold").addEventListener("click", (event) => {
      const open = event.target.textContent === "Open all";
      all(".card > details").forEach((it) => { it.open = open; });
      event.target.textContent = open ? "Close all" : "Open all";
    });
  }

  // Copy as Markdown.
  const copied = (done) => say(done ? "Copied" : "Select the text and copy it by hand");
  const byHand = (pre) => {
    const selection = getSelection(), range = document.createRange();
    range.selectNodeContents(pre);
    selection.removeAllRanges();
    selection.addRange(range);
    let done = false;
    try { done = document.execCommand("copy"); } catch { done = false; }
    if (done) selection.removeAllRanges();
    copied(done);
  };
  all(".copy").forEach((button) => button.addEventListener("click", () => {
    const pre = button.parentElement.querySelector("pre");
    if (navigator.clipboard) navigator.clipboard.writeText(pre.textContent).then(() => copied(true), () => byHand(pre));
    else byHand(pre);
  }));

  // Sort.
  const value = (row, at) => {
    const cell = row.cells[at];
    const data = cell ? cell.dataset.v : "";
    return data === undefined ? (cell.textContent || "").trim() : data === "" ? -Infinity : Number(data);
  };
  all("table.sortable").forEach((table) => all("thead th", table).forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const body = table.tBodies[0], rows = [...body.rows];
      const numeric = rows.some((row) => typeof value(row, at) === "number");
      const up = head.ariaSort ? head.ariaSort !== "ascending" : !numeric;
      all("thead th", table).forEach((it) => it.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const plain = (text) => Number(String(text).replace(/,/g, ""));
      rows.sort((a, b) => {
        const [x, y] = [value(a, at), value(b, at)];
        const order = typeof x === "number" && typeof y === "number" ? x - y : !Number.isNaN(plain(x)) && !Number.isNaN(plain(y)) ? plain(x) - plain(y) : String(x).localeCompare(String(y), "en");
        return up ? order : -order;
      });
      body.append(...rows);
    });
  }));

  // Pictures lead to findings.
  all("[data-to]").forEach((it) => it.addEventListener("click", () => { if (it.dataset.to) location.hash = it.dataset.to; }));

  // Keyboard.
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      if (event.key === "Escape") { clear(); event.target.blur(); }
      return;
    }
    const step = { j: 1, k: -1 }[event.key];
    if (step) {
      const shown = cards.filter((card) => !card.hidden);
      const now = shown.indexOf(document.activeElement.closest ? document.activeElement.closest(".card") : null);
      const next = shown[now < 0 ? (step > 0 ? 0 : shown.length - 1) : Math.min(Math.max(now + step, 0), shown.length - 1)];
      if (next) { next.focus({ preventScroll: true }); next.scrollIntoView(); }
    } else if (event.key === "/" && search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "t") theme();
    else if (event.key === "Escape") clear();
  });

  // Time line: a line under the pointer with the values there; dragging chooses a time. Arrow keys move the line, and choose
  // with shift.
  const island = one("timeline-data"), picture = document.querySelector("#timeline svg");
  if (island && picture) {
    const axis = JSON.parse(island.textContent);
    const shape = (tag, kind) => {
      const made = document.createElementNS(picture.namespaceURI, tag);
      made.setAttribute("class", kind);
      picture.append(made);
      return made;
    };
    const set = (what, values) => Object.entries(values).forEach(([key, it]) => what.setAttribute(key, it));
    const height = picture.viewBox.baseVal.height - 30;
    const brush = shape("rect", "brush"), cross = shape("line", "cross"), readout = one("readout"), rest = readout.textContent;
    const at = (event) => {
      const box = picture.getBoundingClientRect();
      return Math.min(Math.max(((event.clientX - box.left) / box.width) * axis.width, axis.left), axis.right);
    };
    const time = (x) => axis.from + ((x - axis.left) / (axis.right - axis.left)) * (axis.to - axis.from);
    const short = (it) => (Math.abs(it) >= 1e6 ? it.toExponential(2) : String(it));
    // Cards that go away above the picture must not move it from under the hand.
    const still = (change) => {
      const top = picture.getBoundingClientRect().top;
      change();
      scrollBy({ top: picture.getBoundingClientRect().top - top, behavior: "instant" });
    };
    let from = null, cursor = null;
    const point = (x) => {
      const ms = time(x);
      set(cross, { x1: x, x2: x, y1: 0, y2: height });
      const parts = [];
      for (const lane of axis.lanes) {
        const it = lane.values[Math.floor((ms - axis.start) / lane.step)];
        if (it !== null && it !== undefined) parts.push(lane.name + " " + short(it) + (lane.unit ? " " + lane.unit : ""));
      }
      const bold = document.createElement("b");
      bold.textContent = clock(ms) + " UTC";
      readout.replaceChildren(bold, "  " + parts.join(", "));
      if (from !== null) set(brush, { x: Math.min(from, x), width: Math.abs(x - from), y: 0, height });
    };
    const choose = (to) => {
      if (Math.abs(to - from) > 6) {
        range = [time(Math.min(from, to)), time(Math.max(from, to))];
        if (search) { still(filter); say(one("matches").textContent || "All findings"); }
      } else if (range) {
        set(brush, { width: 0 });
        range = null;
        if (search) still(filter);
      }
    };
    picture.addEventListener("pointermove", (event) => point(at(event)));
    picture.addEventListener("pointerleave", () => { set(cross, { x1: 0, x2: 0, y1: 0, y2: 0 }); readout.textContent = rest; });
    picture.addEventListener("pointerdown", (event) => { if (event.button === 0 && event.pointerType === "mouse") from = at(event); });
    addEventListener("pointerup", (event) => {
      if (from === null) return;
      choose(at(event));
      from = null;
    });
    let held = null;
    picture.parentElement.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!way || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const before = cursor ?? axis.left;
      cursor = Math.min(Math.max(before + (way * (axis.right - axis.left)) / 60, axis.left), axis.right);
      held = event.shiftKey ? (held ?? before) : null;
      from = held;
      point(cursor);
      if (held !== null) choose(cursor);
      else say(readout.textContent);
      from = null;
    });
    document.addEventListener("cleared", () => { set(brush, { width: 0 }); held = null; });
    picture.addEventListener("dragstart", (event) => event.preventDefault());
  }
  reveal();
})();
