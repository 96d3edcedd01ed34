/* Draws the charts of the report from the data in the page, and hides what the reader unticks. */
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const boxes = [...document.querySelectorAll("input[data-key]")];
  const hidden = new Set(boxes.filter((box) => !box.defaultChecked).map((box) => box.dataset.key));
  const touch = window.matchMedia("(pointer: coarse)").matches;
  const FONT = { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 12, color: "#1b1b1b" };
  const BESIDE = 1.8; // percent of depth, so that a star does not hide the point that it came of
  const starred = Object.values(data.charts).some(({ lines }) => lines.some(({ look }) => look.kind === "aligned"));
  const EDGES = [-2, starred ? 104 : 102];
  const ALONG = Array.from({ length: 27 }, (_, step) => EDGES[0] + (EDGES[1] - EDGES[0]) * step / 26);
  const INTERVALS = "part:intervals", PUBLISHED = "part:published", ALIGNED = "part:aligned", CEILING = "part:ceiling";

  // Plotly reads labels as a kind of HTML; names come from folders and files.
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const wrapped = (name) => name.split(/(?<=[\/_,-])/).reduce((lines, piece) => {
    const last = lines[lines.length - 1];
    return last.length + piece.length > 30 ? [...lines, piece] : [...lines.slice(0, -1), last + piece];
  }, [""]).map((part) => escaped(part.trim())).join("<br>");
  const number = (value) => value.toFixed(3);
  const rgba = (colour, alpha) =>
    `rgba(${[1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)).join(",")},${alpha})`;

  // ------------------------------------------------------------------------------------------------ traces

  function hover(curve, index, name, kind) {
    const layer = curve.layers[index];
    const said = [`<b>${wrapped(name)}</b>${kind === "published" ? " (published)" : ""}`];
    if (layer !== "image") said.push(`${escaped(layer)}, depth ${curve.x[index].toFixed(1)} %`);
    said.push(number(curve.y[index]) + (kind === "twins" ? " (mean)" : ""));
    if (curve.low && curve.low[index] !== null && curve.high[index] !== null) {
      const ends = `${number(curve.low[index])} .. ${number(curve.high[index])}`;
      said.push(kind === "twins" ? `least .. greatest: ${ends}` : `95 % interval: ${ends}`);
    }
    if (curve.n) said.push(`${curve.n.toLocaleString("en")} judgments`);
    return said.join("<br>");
  }

  // Runs of neighbouring layers that have both ends of an interval, each a closed outline.
  function outline(x, low, high) {
    const path = { x: [], y: [] };
    let start = 0;
    for (let end = 0; end <= x.length; end += 1) {
      if (end < x.length && low[end] !== null && high[end] !== null) continue;
      const at = x.slice(start, end);
      if (at.length > 0) {
        path.x.push(...at, ...[...at].reverse(), null);
        path.y.push(...high.slice(start, end), ...low.slice(start, end).reverse(), null);
      }
      start = end + 1;
    }
    return path;
  }

  function band(curve, look, keys) {
    const flat = look.kind === "baseline";
    const twins = look.kind === "twins";
    const x = flat ? EDGES : curve.x;
    const both = (ends) => (flat ? [ends[0], ends[0]] : ends);
    return {
      ...outline(x, both(curve.low), both(curve.high)),
      fill: "toself", mode: "lines", hoverinfo: "skip", line: { width: 0, color: look.colour },
      fillcolor: rgba(look.colour, twins ? 0.25 : flat ? 0.1 : 0.16),
      ...(twins && { fillpattern: { shape: "/", size: 6, solidity: 0.25, fgcolor: look.colour, bgcolor: rgba(look.colour, 0.12) } }),
      keys: twins ? keys : [...keys, INTERVALS],
    };
  }

  // The interval of one layer alone, which makes no band.
  function whisker(curve, look, keys) {
    const star = look.kind === "aligned";
    const x = curve.x[0] + (star ? BESIDE : 0);
    return {
      x: [x, x], y: [curve.low[0], curve.high[0]], mode: "lines", hoverinfo: "skip",
      line: { color: look.colour, width: 2 }, keys: [...keys, ...(star ? [ALIGNED] : []), INTERVALS],
    };
  }

  function line(curve, look, keys, name) {
    const flat = curve.layers[0] === "image";
    const star = look.kind === "aligned";
    const along = flat ? ALONG : curve.x.map((depth) => depth + (star ? BESIDE : 0));
    const texts = curve.y.map((value, index) => (value === null ? "" : hover(curve, index, name, look.kind)));
    return {
      x: along, y: flat ? along.map(() => curve.y[0]) : curve.y,
      mode: star ? "markers" : look.kind === "tower" ? "lines+markers" : "lines",
      line: { color: look.colour, dash: look.dash, width: look.kind === "twins" ? 1 : look.kind === "published" ? 1.5 : 2 },
      marker: { symbol: look.symbol || "circle", size: star ? 14 : look.symbol === "star" ? 10 : 7, color: look.colour, line: { color: "#fff", width: 0.5 } },
      hoverinfo: "text", hovertext: flat ? along.map(() => texts[0]) : texts,
      hoverlabel: { bordercolor: look.colour },
      keys: look.kind === "published" ? [...keys, PUBLISHED] : star ? [...keys, ALIGNED] : keys,
    };
  }

  function ceiling(found) {
    const [low, high] = [found.values[0], found.values[found.values.length - 1]];
    const text = `<b>${escaped(found.name)}</b><br>${found.values.map(number).join(" .. ")}`;
    const grey = { color: "#9a9a9a", width: low === high ? 2 : 0.5 };
    const shared = { mode: "lines", line: grey, hoverinfo: "text", hovertext: text, hoverlabel: { bordercolor: "#777" }, keys: [CEILING] };
    const lines = [low, high].map((value) => ({ ...shared, x: ALONG, y: ALONG.map(() => value) }));
    if (low < high) Object.assign(lines[1], { fill: "tonexty", fillcolor: "rgba(120,120,120,0.22)" });
    return low < high ? lines : [lines[0]];
  }

  function traces(chart) {
    const found = chart.ceiling ? ceiling(chart.ceiling) : [];
    for (const { curve: place, look, keys, name } of chart.lines) {
      const curve = data.curves[place];
      const alone = look.kind === "aligned" || (look.kind === "tower" && curve.x.length === 1);
      if (curve.low) found.push((alone ? whisker : band)(curve, look, keys));
      found.push(line(curve, look, keys, name));
    }
    return found.map((trace) => ({ ...trace, type: "scatter", showlegend: false, visible: shown(trace.keys) }));
  }

  const shown = (keys) => keys.every((key) => !hidden.has(key));

  // Baselines are named on their lines, side by side, so that they are told apart without colours.
  function labels(chart) {
    const flat = chart.lines.filter(({ look, curve, keys }) =>
      look.kind === "baseline" && shown(keys) && data.curves[curve].y[0] !== null);
    return flat.map(({ curve, name }, index) => ({
      x: (EDGES[1] - EDGES[0]) * (index + 0.5) / flat.length + EDGES[0], y: data.curves[curve].y[0],
      text: escaped(name), showarrow: false, yshift: 7, captureevents: false,
      font: { size: 10, color: "#333" }, bgcolor: "rgba(255,255,255,0.75)", borderpad: 0,
    }));
  }

  function layout(chart) {
    const title = { standoff: 8, font: { ...FONT, size: 11 } };
    const axis = { gridcolor: "#e4e4e4", linecolor: "#555", ticks: "outside", tickcolor: "#999", zeroline: false, fixedrange: touch };
    return {
      font: FONT, paper_bgcolor: "#fff", plot_bgcolor: "#fff", margin: { l: 58, r: 12, t: 10, b: chart.has_depth ? 46 : 16 },
      hovermode: "closest", hoverdistance: 24, dragmode: touch ? false : "zoom",
      hoverlabel: { bgcolor: "#fff", align: "left", font: { ...FONT, size: 12 }, namelength: -1 },
      xaxis: { ...axis, range: EDGES, showticklabels: chart.has_depth, tickvals: chart.has_depth ? [0, 20, 40, 60, 80, 100] : [],
        title: { ...title, text: chart.has_depth ? data.depth : "" } },
      yaxis: { ...axis, title: { ...title, text: chart.score }, tickformat: ".2~f" },
      annotations: labels(chart),
    };
  }

  const config = {
    displaylogo: false, responsive: true, displayModeBar: touch ? false : "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], toImageButtonOptions: { format: "svg" },
  };

  // ----------------------------------------------------------------------------------------------- toggles

  const plots = [...document.querySelectorAll("[data-chart]")].map((box) => ({
    box, chart: data.charts[box.dataset.chart], traces: traces(data.charts[box.dataset.chart]),
  }));

  function refresh() {
    for (const { box, chart, traces: all } of plots) {
      Plotly.update(box, { visible: all.map(({ keys }) => shown(keys)) }, { annotations: labels(chart) });
    }
    for (const row of document.querySelectorAll("[data-keys]")) row.hidden = !shown(JSON.parse(row.dataset.keys));
  }

  function toggle(event) {
    const { key } = event.target.dataset;
    if (event.target.checked) hidden.delete(key);
    else hidden.add(key);
    for (const box of boxes) box.checked = !hidden.has(box.dataset.key);
    refresh();
  }

  for (const box of boxes) {
    box.checked = box.defaultChecked;
    box.addEventListener("change", toggle);
  }
  for (const { box, chart, traces: all } of plots) Plotly.newPlot(box, all, layout(chart), config);
  for (const row of document.querySelectorAll("[data-keys]")) row.hidden = !shown(JSON.parse(row.dataset.keys));
  document.documentElement.dataset.drawn = "true";

  // ------------------------------------------------------------------------------------------------- paper

  const PAPER = { width: 690, height: 230, autosize: false }; // between the margins of A4 and of Letter, in CSS pixels
  const SCREEN = { width: null, height: null, autosize: true };
  const resize = (size) => plots.forEach(({ box }) => Plotly.relayout(box, size));
  window.addEventListener("beforeprint", () => resize(PAPER));
  window.addEventListener("afterprint", () => resize(SCREEN));
})();
