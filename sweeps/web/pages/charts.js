// Draws the charts that the server describes with Plotly, in the colours of the page, each when it comes into view.
"use strict";

const Charts = (() => {
  // Okabe and Ito's colours, which colour-blind readers tell apart; lighter ones where they stand on a dark ground.
  const HUES = {
    light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a87900", "#3fa0d8", "#555555"],
    dark: ["#56b4e9", "#ff9455", "#2fc79a", "#e59ac3", "#e6b422", "#8fd0f5", "#c8c8c8"],
  };
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
  const VIRIDIS = ["#440154", "#482173", "#433e85", "#38588c", "#2d708e", "#25858e", "#1e9b8a", "#2ab07f", "#52c569",
                   "#86d549", "#c2df23", "#fde725"];
  // What a state looks like: a place among the colours, and a symbol, so that it shows without colour as well.
  const STATES = {
    finished: [0, "circle"], best: [1, "star"], pruned: [6, "x-thin-open"], diverged: [3, "triangle-up"],
    failed: [1, "square"], running: [2, "diamond"], stopped: [4, "triangle-down"], "cut off": [4, "cross"],
    interrupted: [4, "triangle-left"], waiting: [6, "circle-open"],
  };
  const PLAIN = { displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

  const waiting = new Map();  // element -> figure that is not drawn yet
  const shown = new Map();    // key -> {element, figure, source}
  const away = new Set();     // runs, by their number, that were switched off in the legend
  let dark = false;

  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && waiting.has(entry.target)) draw(entry.target);
    }
  }, { rootMargin: "200px" });

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    return { text: of("--text"), quiet: of("--quiet"), grid: of("--grid"), ground: of("--card") };
  }

  function coloured(trace) {
    const hues = HUES[dark ? "dark" : "light"];
    const look = { ...trace };
    const meta = trace.meta || {};
    if (away.has(meta.run)) look.visible = false;
    let colour = null, symbol = null, dash = "solid";
    if (meta.state !== undefined) {
      const [hue, mark] = STATES[meta.state] || [6, "circle"];
      colour = hues[hue];
      symbol = mark;
    } else if (meta.shade !== undefined) {
      colour = VIRIDIS[Math.round(meta.shade * (VIRIDIS.length - 1))];
    } else if (meta.hue !== undefined) {
      colour = hues[meta.hue % hues.length];
      dash = DASHES[(meta.dash + Math.floor(meta.hue / hues.length)) % DASHES.length] || "solid";
    }
    if (colour === null) return look;
    if (trace.type === "bar") {
      look.marker = { color: colour, line: { color: colours().ground, width: 1 } };
    } else {
      look.line = { width: meta.state === "best" ? 3 : 1.6, dash, ...trace.line, color: colour };
      look.marker = { size: meta.state === undefined ? 5 : 8, ...trace.marker, color: colour };
      if (symbol !== null) look.marker = { ...look.marker, symbol, line: { color: colour, width: 1.5 } };
    }
    return look;
  }

  // Powers of ten alone where an axis spans several; numbers between them where it does not.
  function ticks(figure) {
    const values = figure.data.flatMap((trace) => trace.y || []).filter((value) => value > 0);
    const decades = Math.log10(Math.max(...values) / Math.min(...values));
    if (decades > 1.5) return { dtick: Math.ceil(decades / 6) };
    return { dtick: decades > 0.7 ? "D2" : "D1", tickformat: "~g" };
  }

  // A text in lines of about this many pixels.
  function wrapped(text, width, letter) {
    const lines = [""];
    for (const word of text.split(" ")) {
      const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
      if (lines.at(-1) && longer.length * letter > width) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    return lines;
  }

  function legendRows(figure, width) {
    const names = new Set(figure.data.filter((trace) => trace.showlegend !== false && trace.name)
      .map((trace) => trace.name));
    const longest = Math.max(...[...names].map((name) => name.length), 1);
    return Math.ceil(names.size / Math.max(Math.floor((width - 80) / (longest * 6.2 + 46)), 1));
  }

  function laidOut(figure, width) {
    const of = colours();
    // Making room for long labels costs a second pass over all of a chart: only where labels are words.
    const axis = (own) => ({ gridcolor: of.grid, zerolinecolor: of.grid, linecolor: of.quiet, automargin: worded,
                             exponentformat: "power", ...own,
                             title: { font: { size: 12 }, standoff: 8, ...(own && own.title) } });
    const worded = figure.data.some((trace) => (trace.y || []).some((value) => typeof value === "string"));
    const rows = figure.layout.showlegend ? legendRows(figure, width) : 0;
    const title = wrapped(figure.layout.title.text, width - 30, 7.4);
    const least = (figure.layout.meta && figure.layout.meta.least) || 0;
    const layout = {
      font: { color: of.text, size: 12, family: "system-ui, sans-serif" },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      hoverlabel: { font: { size: 12 } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: of.quiet, activecolor: of.text },
      legend: { orientation: "h", x: 0, xanchor: "left", y: -0.22, yanchor: "top", font: { size: 11 } },
      showlegend: false,
      ...figure.layout,
      margin: { l: 68, r: 16, t: 26 + 18 * title.length, b: 52, ...figure.layout.margin },
      title: { text: title.join("<br>"), font: { size: 14 }, x: 0, xref: "container", xanchor: "left", pad: { l: 12 },
               y: 1, yref: "container", yanchor: "top" },
      xaxis: axis(figure.layout.xaxis), yaxis: axis(figure.layout.yaxis),
      height: (figure.layout.height || 310) + 18 * (rows + title.length - 1),
    };
    layout.title.pad.t = title.length > 1 ? 24 : 12;  // of several lines, Plotly sets the first one higher
    layout.width = Math.max(width, least);  // where that is more than there is, the card scrolls
    if (layout.yaxis.type === "log") Object.assign(layout.yaxis, ticks(figure));
    layout.annotations = (figure.layout.annotations || []).map((one) => ({ ...one, font: { size: 10, color: of.text },
      bgcolor: one.xshift ? of.ground : undefined, opacity: one.xshift ? 0.85 : 1 }));
    layout.shapes = (figure.layout.shapes || []).map((one) => ({ ...one, line: { ...one.line, color: of.quiet } }));
    return [figure.data.map(coloured), layout];
  }

  // On paper there is no scrolling and no unfolding: all charts are drawn before the page is printed, for its width.
  function printed(now) {
    document.documentElement.classList.toggle("printed", now);
    if (now) for (const fold of document.querySelectorAll("main details")) fold.open = true;
    for (const { element } of shown.values()) if (now || element.dataset.drawn) draw(element);
  }
  addEventListener("beforeprint", () => printed(true));
  addEventListener("afterprint", () => printed(false));

  function draw(element) {
    const figure = waiting.get(element) || shown.get(element.dataset.chart).figure;
    if (element.clientWidth === 0) {  // it was filtered out: it is drawn when it is seen again
      waiting.set(element, figure);
      delete element.dataset.drawn;
      return;
    }
    waiting.delete(element);
    const [data, layout] = laidOut(figure, element.clientWidth);
    element.style.minHeight = `${layout.height + 2}px`;  // and its border
    return Plotly.react(element, data, layout, PLAIN).then(() => {
      element.dataset.drawn = "yes";
      if (typeof Tables !== "undefined") Tables.filterCharts();
    });
  }

  function place(grid, chart) {
    const source = JSON.stringify(chart);
    const known = shown.get(chart.key);
    if (known) {
      if (known.source !== source) {
        known.source = source;
        known.figure = chart;
        if (known.element.dataset.drawn) draw(known.element);
        else waiting.set(known.element, chart);
      }
      return;
    }
    const element = document.createElement("div");
    element.className = "chart";
    element.dataset.chart = chart.key;
    if (chart.layout.meta && chart.layout.meta.wide) element.classList.add("wide");
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", chart.name);
    grid.append(element);
    shown.set(chart.key, { element, figure: chart, source });
    waiting.set(element, chart);
    watch.observe(element);
  }

  // Place the charts of all sections; what is there already is only changed where it differs.
  function show(root, sections) {
    for (const section of sections) {
      let part = [...root.children].find((one) => one.dataset.section === section.title);
      if (!part) {
        part = document.createElement("section");
        part.dataset.section = section.title;
        const heading = document.createElement("h2");
        heading.textContent = section.title;
        root.append(part);
        if (section.folded) {
          const fold = document.createElement("details"), summary = document.createElement("summary");
          summary.append(heading, ` (${section.charts.length})`);
          fold.append(summary);
          part.append(fold);
          part = fold;
        } else part.append(heading);
        if (section.says) {
          const says = document.createElement("p");
          says.className = "quiet";
          says.textContent = section.says;
          part.append(says);
        }
        const grid = document.createElement("div");
        grid.className = "grid";
        part.append(grid);
      }
      const grid = part.querySelector(".grid");
      for (const chart of section.charts) place(grid, chart);
    }
    find();
  }

  function again() {
    for (const { element } of shown.values()) if (element.dataset.drawn) draw(element);
  }

  function theme(isDark) {
    dark = isDark;
    legend();
    again();
  }

  // The legend that stands above all charts where runs are compared: a sample of its line before each run's name.
  function legend() {
    for (const key of document.querySelectorAll("[data-hue]")) {
      const [hues, hue] = [HUES[dark ? "dark" : "light"], Number(key.dataset.hue)];
      const line = key.querySelector("line");
      line.setAttribute("stroke", hues[hue % hues.length]);
      line.setAttribute("stroke-dasharray", ["", "9 9", "3 3", "9 3 3 3", "15 15", "15 3 3 3"][Math.floor(hue / hues.length) % 6]);
    }
  }

  // The places to go to on a long page, and what finds charts by words in their titles.
  function find() {
    const finder = document.getElementById("finder");
    if (!finder) return;
    const words = finder.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { element, figure } of shown.values()) {
      const text = `${element.closest("section").dataset.section} ${figure.name}`.toLowerCase();
      element.hidden = !words.every((word) => text.includes(word));
    }
    for (const part of document.querySelectorAll("[data-section]")) {
      part.hidden = !part.querySelector(".chart:not([hidden])");
      if (words.length && part.querySelector("details")) part.querySelector("details").open = true;
    }
    const places = [...document.querySelectorAll("main section:not([hidden]) h2")];
    finder.querySelector("nav").replaceChildren(...places.map((heading, i) => {
      const link = document.createElement("a");
      heading.id = `part-${i}`;
      link.href = `#part-${i}`;
      link.textContent = heading.textContent;
      link.addEventListener("click", () => { const fold = heading.closest("details"); if (fold) fold.open = true; });
      return link;
    }));
  }

  function start() {
    const finder = document.getElementById("finder");
    if (finder) {
      finder.addEventListener("input", find);
      finder.addEventListener("submit", (event) => event.preventDefault());
    }
    for (const key of document.querySelectorAll("button[data-hue]")) {
      key.addEventListener("click", () => {
        const run = Number(key.dataset.hue);
        if (!away.delete(run)) away.add(run);
        key.setAttribute("aria-pressed", String(!away.has(run)));
        again();
      });
    }
    let width = innerWidth, soon = null;
    addEventListener("resize", () => {  // legends and titles break into lines by the width
      clearTimeout(soon);
      if (innerWidth !== width) soon = setTimeout(() => { width = innerWidth; again(); }, 200);
    });
  }

  // Show the traces of these trials alone; null for all.
  function onlyTrials(numbers) {
    for (const { element, figure } of shown.values()) {
      if (!element.dataset.drawn || !figure.data.some((trace) => trace.meta && trace.meta.trial !== undefined)) continue;
      const visible = figure.data.map((trace) =>
        numbers === null || !trace.meta || trace.meta.trial === undefined || numbers.has(String(trace.meta.trial)));
      if (JSON.stringify(visible) === element.dataset.visible) continue;
      element.dataset.visible = JSON.stringify(visible);
      Plotly.restyle(element, { visible });
    }
  }

  return { show, start, theme, find, legend, onlyTrials };
})();
