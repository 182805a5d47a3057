// Questions about a report, asked from outside of it. Each answers with a list of what is wrong.
globalThis.asked = (() => {
  const all = (what) => [...document.querySelectorAll(what)];
  const shown = (it) => it.getClientRects().length > 0 && getComputedStyle(it).visibility === "visible";
  const later = (ms = 0) => new Promise((done) => setTimeout(done, ms));
  const colour = (it) => getComputedStyle(it).backgroundColor;
  const set = (field, value) => { field.value = value; field.dispatchEvent(new Event("input", { bubbles: true })); };
  const visible = () => all(".card").filter(shown).length;

  return {
    // Every link leads to something that can then be seen.
    async links() {
      const wrong = [];
      for (const hash of new Set(all("a[href]").map((it) => it.getAttribute("href")))) {
        const target = hash.startsWith("#") && document.getElementById(decodeURIComponent(hash.slice(1)));
        if (!target) { wrong.push("no target: " + hash); continue; }
        location.hash = hash;
        await later();
        if (!shown(target)) wrong.push("not shown: " + hash);
      }
      history.replaceState(null, "", location.pathname);
      return wrong;
    },
    // What sticks out of the window without a scroll bar of its own.
    wide() {
      const room = document.documentElement.clientWidth;
      return document.documentElement.scrollWidth <= room ? [] : all("body *")
        .filter((it) => it.getBoundingClientRect().right > room + 1 && !it.closest(".scroll, .nav")).slice(0, 5)
        .map((it) => it.tagName + "." + it.className + " ends at " + it.getBoundingClientRect().right);
    },
    filter() {
      const wrong = [], cards = all(".card"), search = document.getElementById("search"), severity = document.getElementById("severity");
      if (!search) return cards.length ? ["findings without a filter"] : [];
      set(search, "no finding has these words");
      if (visible() !== 0) wrong.push("words that nothing has leave " + visible());
      set(search, cards[0].id);
      if (!shown(cards[0]) || all(".card").some((it) => shown(it) && !it.textContent.includes(cards[0].id))) wrong.push("an id leaves others");
      set(search, "");
      for (const option of [...severity.options].slice(1)) {
        set(severity, option.value);
        const wanted = cards.filter((it) => it.dataset.severity === option.value).length;
        if (visible() !== wanted) wrong.push(option.value + " leaves " + visible() + " of " + wanted);
      }
      set(severity, "");
      const service = document.getElementById("service");
      for (const option of [...service.options].slice(1)) {
        set(service, option.value);
        const wanted = cards.filter((it) => it.dataset.services.split("\n").includes(option.value)).length;
        if (visible() !== wanted || wanted === 0) wrong.push("service " + option.value + " leaves " + visible() + " of " + wanted);
      }
      set(service, "");
      if (visible() !== cards.length) wrong.push("clearing shows " + visible() + " of " + cards.length);
      return wrong;
    },
    sort() {
      const wrong = [];
      all("details").forEach((it) => { it.open = true; });
      for (const table of all("table.sortable")) {
        const before = table.tBodies[0].rows.length;
        for (const head of table.querySelectorAll("thead th")) {
          const at = head.cellIndex;
          head.querySelector("button").click();
          const values = [...table.tBodies[0].rows].map((row) => row.cells[at].dataset.v).filter((it) => it !== undefined && it !== "").map(Number);
          const up = head.getAttribute("aria-sort") === "ascending";
          const right = values.every((it, n) => n === 0 || (up ? values[n - 1] <= it : values[n - 1] >= it));
          if (!right || !head.getAttribute("aria-sort")) wrong.push(head.textContent + " is not sorted");
        }
        if (table.tBodies[0].rows.length !== before) wrong.push("rows are lost");
      }
      return wrong;
    },
    // On paper everything is open and nothing asks to be pressed.
    paper() {
      const wrong = all("details .prose, details .records pre, details table").filter((it) => it.getClientRects().length === 0).slice(0, 5)
        .map((it) => "hidden: " + it.textContent.slice(0, 60));
      return wrong.concat(all("button, .filter, .side").filter((it) => it.getClientRects().length > 0 && !it.closest("thead")).map((it) => "printed: " + it.className + it.id));
    },
    background: () => colour(document.body),
    focused: () => (document.activeElement.closest(".card") || document.activeElement).id,
    box(what) {
      const it = document.querySelector(what);
      it.scrollIntoView({ block: "center", behavior: "instant" });
      const box = it.getBoundingClientRect();
      return [box.left, box.top, box.width, box.height];
    },
    // What must not run or load, tried in the ways that text of a log could try it.
    async intrude() {
      const script = document.createElement("script");
      script.textContent = "globalThis.intruded = 'script'";
      document.body.append(script);
      const holder = document.createElement("div");
      holder.innerHTML = "<img src='x.png' onerror=\"globalThis.intruded = 'handler'\"><a href=\"javascript:globalThis.intruded='link'\">x</a><b style='position:fixed'>x</b>";
      document.body.append(holder);
      holder.querySelector("a").click();
      const wrong = [];
      try { await fetch("https://example.org/"); wrong.push("fetched"); } catch { /* as it must be */ }
      await later(100);
      if (globalThis.intruded) wrong.push("ran: " + globalThis.intruded);
      if (getComputedStyle(holder.querySelector("b")).position === "fixed") wrong.push("a style attribute is in force");
      return wrong;
    },
    async axe() {
      all("details").forEach((it) => { it.open = true; });
      const found = await axe.run(document, { resultTypes: ["violations"] });
      return found.violations.filter((it) => it.impact === "serious" || it.impact === "critical")
        .map((it) => it.id + ": " + it.nodes.slice(0, 4).map((node) => node.target.join(" ") + " " + node.failureSummary).join(" | "));
    },
  };
})();
