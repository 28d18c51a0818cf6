// Tables that sort and filter, the theme, and the page's following of what goes on in the runs' folder.
"use strict";

const Tables = (() => {
  const FIRST = 200;  // rows that are laid out unless all are asked for: what a browser needs a second for is thousands
  let limit = FIRST;
  const sorted = new Map();  // table's id -> [column, ascending]
  const picked = new Set();  // the runs whose boxes are ticked, whether their rows are shown or not

  function value(row, column, kind) {
    const cell = row.cells[column];
    const text = cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent.trim();
    if (kind === "text") return text.toLowerCase();
    return text === "" ? NaN : Number(text.replaceAll(",", ""));
  }

  function sort(table) {
    const [column, ascending] = sorted.get(table.id) || [null, true];
    if (column === null) return;
    for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const form = asking(table);
    if (form) return ask(form);
    const rows = [...table.tBodies[0].rows];
    let kind = table.tHead.rows[0].cells[column].dataset.sort;
    if (kind === "auto") {
      const numeric = rows.every((row) => row.cells[column].textContent.trim() === "" || !isNaN(value(row, column, "number")));
      kind = numeric ? "number" : "text";
    }
    const keyed = rows.map((row) => [value(row, column, kind), row]);
    const sign = ascending ? 1 : -1;
    const none = (key) => key === "" || Number.isNaN(key);  // what has no value comes last either way
    keyed.sort(([a], [b]) => none(a) || none(b) ? none(a) - none(b) : a < b ? -sign : a > b ? sign : 0);
    table.tBodies[0].append(...keyed.map(([, row]) => row));
    document.querySelectorAll("form.filters").forEach(filter);
  }

  function asking(table) {  // the form of a table of which the server sends the rows that are to be shown
    return document.querySelector(`form[data-asks][data-table="${table.id}"]`);
  }

  function ask(form) {  // what is asked for stands in the address, so that it is kept when the page is loaded again
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    const head = document.querySelector(`#${form.dataset.table} th[aria-sort]`);
    if (head) { query.set("sort", head.textContent.trim()); query.set("order", head.getAttribute("aria-sort")); }
    if (limit === Infinity) query.set("all", "yes");
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
    form.dataset.busy = "yes";
    Live.look();
  }

  function filter(form) {
    if (form.dataset.asks !== undefined) return;
    const table = document.getElementById(form.dataset.table);
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = [...form.querySelectorAll("select")].filter((one) => one.value);
    let count = 0;
    for (const row of table.tBodies[0].rows) {
      const text = words.length ? row.textContent.toLowerCase() : "";
      const left = words.every((word) => text.includes(word)) &&
                   chosen.every((one) => row.dataset[one.name] === one.value);
      count += left;
      row.dataset.left = left ? "yes" : "";
      row.hidden = !left || count > limit;
    }
    const cut = count > limit;
    form.querySelector("[data-count]").textContent =
      `${count} of ${table.tBodies[0].rows.length}${cut ? `, the first ${limit} are shown` : ""}`;
    form.querySelector("[data-all]").hidden = !cut;
    filterCharts();
  }

  function filterCharts() {
    const table = document.getElementById("trials");
    if (!table || typeof Charts === "undefined") return;
    const rows = [...table.tBodies[0].rows];
    const left = rows.filter((row) => row.dataset.left).map((row) => row.dataset.trial);
    Charts.onlyTrials(left.length === rows.length ? null : new Set(left));
  }

  function chosen() {
    return [...picked];
  }

  function choose() {
    document.querySelectorAll("td.choose input").forEach((box) => { box.checked = picked.has(box.value); });
    const button = document.getElementById("compare");
    if (button) button.disabled = chosen().length === 0;
  }

  function again() {  // after rows were changed
    document.querySelectorAll("table.sortable").forEach((table) => { if (!asking(table)) sort(table); });
    document.querySelectorAll("form.filters").forEach(filter);
    choose();
  }

  function start() {
    document.querySelectorAll("table.sortable thead th[data-sort]").forEach((head) => {
      const by = () => {
        const table = head.closest("table");
        const given = head.getAttribute("aria-sort");
        const [column, ascending] = given ? [head.cellIndex, given === "ascending"] : [null, true];
        const first = head.dataset.sort === "text";  // numbers: the largest first
        sorted.set(table.id, [head.cellIndex, column === head.cellIndex ? !ascending : first]);
        sort(table);
      };
      head.tabIndex = 0;
      head.addEventListener("click", by);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter") by(); });
    });
    document.querySelectorAll("form.filters").forEach((form) => {
      const changed = () => form.dataset.asks === undefined ? filter(form) : ask(form);
      form.addEventListener("input", changed);
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("click", (event) => {
        if (!event.target.closest("[data-all]")) return;
        limit = Infinity;
        changed();
      });
    });
    if (new URLSearchParams(location.search).has("all")) limit = Infinity;
    document.addEventListener("change", (event) => {
      const box = event.target.closest("td.choose input");
      if (!box) return;
      if (box.checked) picked.add(box.value); else picked.delete(box.value);
      choose();
    });
    const button = document.getElementById("compare");
    if (button) button.addEventListener("click", () => {
      location.href = `/compare?${chosen().map((name) => `run=${encodeURIComponent(name)}`).join("&")}`;
    });
    again();
  }

  return { start, again, chosen, filterCharts };
})();

const Theme = (() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  function apply(onPaper = false) {  // where grounds are not printed, and light words cannot be read
    const wanted = localStorage.getItem("theme") || "auto";
    const dark = !onPaper && (wanted === "dark" || (wanted === "auto" && system.matches));
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document.getElementById("theme").value = wanted;
    if (typeof Charts !== "undefined") Charts.theme(dark);
  }
  function start() {
    apply();
    system.addEventListener("change", () => apply());
    addEventListener("beforeprint", () => apply(true));
    addEventListener("afterprint", () => apply());
    document.getElementById("theme").addEventListener("change", (event) => {
      localStorage.setItem("theme", event.target.value);
      apply();
    });
  }
  return { start };
})();

const Live = (() => {
  const SOON = 2000, LATER = 15000;  // milliseconds between two looks, while something runs and while nothing does
  let page = null, charts = null, looks = 0;

  function ages() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const passed = (Date.now() - Date.parse(time.dateTime)) / 1000;
      const [unit, length] = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].find(([, l]) => passed >= 2 * l) || ["s", 1];
      if (!time.title) time.title = time.textContent;
      time.textContent = `${Math.max(Math.round(passed / length), 0)} ${unit} ago`;
    }
  }

  async function text(address) {
    const answer = await fetch(address, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return answer.text();
  }

  function replace(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (other) part.replaceChildren(...other.childNodes);
    }
    document.querySelector("main").dataset.live = fresh.querySelector("main").dataset.live;
    Tables.again();
    if (typeof Charts !== "undefined") { Charts.legend(); Charts.find(); }
    ages();
  }

  async function look() {
    const status = document.getElementById("status"), mine = ++looks;
    try {
      const html = await text(location.href);
      if (mine !== looks) return;  // another look was begun since, for something else perhaps
      if (html !== page) replace(html);
      page = html;
      document.querySelectorAll("form[data-busy]").forEach((form) => delete form.dataset.busy);
      await draw();
      status.textContent = document.querySelector("main").dataset.live === "yes" ? "live" : "";
    } catch (error) {
      status.textContent = error instanceof TypeError ? "the dashboard has ended" : String(error.message);
    }
  }

  async function draw() {
    const root = document.getElementById("charts");
    if (!root) return;
    const found = await text(root.dataset.from || `/compare/charts.json${location.search}`);
    if (found !== charts) Charts.show(root, JSON.parse(found));
    charts = found;
  }

  async function start() {
    ages();
    const status = document.getElementById("status");
    try {
      await draw();
    } catch (error) {
      status.textContent = String(error.message);
    }
    status.textContent = document.querySelector("main").dataset.live === "yes" ? "live" : status.textContent;
    document.documentElement.dataset.ready = "yes";
    for (;;) {
      const soon = document.querySelector("main").dataset.live === "yes";
      await new Promise((done) => setTimeout(done, soon ? SOON : LATER));
      if (!document.hidden) await look();
    }
  }

  return { start, look };
})();

document.addEventListener("DOMContentLoaded", () => {
  Theme.start();
  Tables.start();
  if (typeof Charts !== "undefined") Charts.start();
  Live.start();
});
