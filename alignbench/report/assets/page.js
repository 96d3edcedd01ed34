/* Draws the charts of the report from the data in the page, and hides what the reader unticks. */
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const boxes = [...document.querySelectorAll("input[data-key]")];
  const hidden = new Set(boxes.filter((box) => !box.defaultChecked).map((box) => box.dataset.key));
  const touch = window.matchMedia("(pointer: coarse)").matches;
  const FONT = { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 12 };
  const BESIDE = 1.8; // percent of depth, so that a star does not hide the point that it came of
  const starred = Object.values(data.charts).some(({ lines }) => lines.some(({ look }) => look.kind === "aligned"));
  const EDGES = [-2, starred ? 104 : 102];
  const ALONG = Array.from({ length: 27 }, (_, step) => EDGES[0] + (EDGES[1] - EDGES[0]) * step / 26);
  const INTERVALS = "part:intervals", PUBLISHED = "part:published", ALIGNED = "part:aligned", CEILING = "part:ceiling", CHANCE = "part:chance";
  const FEW = 3; // so many bands are told apart where they lie on each other; of more lines, bars
  const ASIDE = 1.6; // percent of depth over which bars are spread, so that they do not hide each other

  // Plotly reads labels as a kind of HTML; names come from folders and files.
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const wrapped = (name) => name.split(/(?<=[\/_,-])/).reduce((lines, piece) => {
    const last = lines[lines.length - 1];
    return last.length + piece.length > 30 ? [...lines, piece] : [...lines.slice(0, -1), last + piece];
  }, [""]).map((part) => escaped(part.trim())).join("<br>");
  const number = (value) => value.toFixed(3);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
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
      keys: twins ? keys : [...keys, INTERVALS], form: "band",
    };
  }

  // The same as a thin bar at each point; a baseline's is at the left edge.
  function bars(curve, look, keys) {
    const path = { x: [], y: [] };
    curve.x.forEach((depth, index) => {
      if (curve.low[index] === null || curve.high[index] === null) return;
      const x = look.kind === "baseline" ? EDGES[0] / 2 : depth;
      path.x.push(x, x, null);
      path.y.push(curve.low[index], curve.high[index], null);
    });
    return {
      ...path, mode: "lines", hoverinfo: "skip", line: { color: look.colour, width: 1.2 },
      keys: look.kind === "twins" ? keys : [...keys, INTERVALS], form: "bars",
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
    const thin = look.kind === "published" || look.kind === "reference";
    const along = flat ? ALONG : curve.x.map((depth) => depth + (star ? BESIDE : 0));
    const texts = curve.y.map((value, index) => (value === null ? "" : hover(curve, index, name, look.kind)));
    return {
      x: along, y: flat ? along.map(() => curve.y[0]) : curve.y,
      mode: star ? "markers" : look.kind === "tower" ? "lines+markers" : "lines",
      line: { color: look.kind === "reference" ? css("grey") : look.colour, dash: look.dash, width: look.kind === "twins" ? 1 : thin ? 1.5 : 2 },
      marker: { symbol: look.symbol || "circle", size: star ? 14 : look.symbol === "star" ? 10 : 7, color: look.colour, line: { color: css("paper"), width: 0.5 } },
      hoverinfo: "text", hovertext: flat ? along.map(() => texts[0]) : texts,
      hoverlabel: { bordercolor: look.colour },
      keys: look.kind === "published" ? [...keys, PUBLISHED] : star ? [...keys, ALIGNED] : keys,
    };
  }

  // A line from edge to edge that is no measurement: chance, or the noise ceiling.
  function level(value, text, line, key) {
    return {
      x: ALONG, y: ALONG.map(() => value), mode: "lines", line, hoverinfo: "text", hovertext: text,
      hoverlabel: { bordercolor: css("grey") }, keys: [key],
    };
  }

  function ceiling(found) {
    const [low, high] = [found.values[0], found.values[found.values.length - 1]];
    const text = `<b>${escaped(found.name)}</b><br>${found.values.map(number).join(" .. ")}`;
    const lines = [low, high].map((value) => level(value, text, { color: css("grey"), width: low === high ? 2 : 0.5 }, CEILING));
    if (low < high) Object.assign(lines[1], { fill: "tonexty", fillcolor: "rgba(128,128,128,0.22)" });
    return low < high ? lines : [lines[0]];
  }

  function traces(chart) {
    const found = chart.ceiling ? ceiling(chart.ceiling) : [];
    if (chart.chance !== null) {
      found.push(level(chart.chance, `<b>chance</b><br>${number(chart.chance)}`, { color: css("grey"), width: 1.5, dash: "1.5px,3px" }, CHANCE));
    }
    for (const { curve: place, look, keys, name } of chart.lines) {
      const curve = data.curves[place];
      const alone = look.kind === "aligned" || (look.kind === "tower" && curve.x.length === 1);
      if (curve.low && alone) found.push(whisker(curve, look, keys));
      else if (curve.low) found.push(band(curve, look, keys), bars(curve, look, keys));
      found.push({ ...line(curve, look, keys, name), measured: true });
    }
    return found.map((trace) => ({ ...trace, type: "scatter", showlegend: false }));
  }

  // Which traces are shown: those whose boxes are all ticked, and intervals in one of their two forms.
  function visible(all) {
    const form = all.filter((trace) => trace.form === "band" && shown(trace.keys)).length > FEW ? "bars" : "band";
    return all.map((trace) => shown(trace.keys) && (trace.form ?? form) === form);
  }

  const shown = (keys) => keys.every((key) => !hidden.has(key));

  // Bars that are shown stand a little aside of each other.
  function places(all, seen) {
    const drawn = all.filter((trace, index) => trace.form === "bars" && seen[index]);
    return all.map((trace) => {
      const aside = drawn.length > 1 && drawn.includes(trace) ? ASIDE * (drawn.indexOf(trace) / (drawn.length - 1) - 0.5) : 0;
      return aside ? trace.x.map((x) => (x === null ? null : x + aside)) : trace.x;
    });
  }

  // The traces as they are to be drawn now.
  function dressed(all) {
    const seen = visible(all), x = places(all, seen);
    return all.map((trace, index) => ({ ...trace, visible: seen[index], x: x[index] }));
  }

  // Baselines and chance are named on their lines, side by side, so that they are told apart without colours.
  function labels(chart) {
    const flat = chart.lines.filter(({ look, curve, keys }) =>
      look.kind === "baseline" && shown(keys) && data.curves[curve].y[0] !== null)
      .map(({ curve, name }) => ({ y: data.curves[curve].y[0], name }));
    if (chart.chance !== null && shown([CHANCE])) flat.push({ y: chart.chance, name: "chance" });
    return flat.map(({ y, name }, index) => ({ // neighbours are not on the same side, lest they run into each other
      x: (EDGES[1] - EDGES[0]) * (index + 0.5) / flat.length + EDGES[0], y,
      text: escaped(name), showarrow: false, yshift: (flat.length - index) % 2 ? 7 : -7, captureevents: false,
      font: { size: 10, color: css("ink") }, bgcolor: rgba(css("paper"), 0.75), borderpad: 0,
    }));
  }

  function layout(chart) {
    const font = { ...FONT, color: css("ink") };
    const title = { standoff: 8, font: { ...font, size: 11 } };
    const axis = { gridcolor: css("grid"), linecolor: css("grey"), ticks: "outside", tickcolor: css("grey"), zeroline: false, fixedrange: touch };
    return {
      font, paper_bgcolor: css("paper"), plot_bgcolor: css("paper"), margin: { l: 58, r: 12, t: 10, b: chart.has_depth ? 46 : 16 },
      hovermode: "closest", hoverdistance: 24, dragmode: touch ? false : "zoom",
      hoverlabel: { bgcolor: css("paper"), align: "left", font, namelength: -1 },
      xaxis: { ...axis, range: EDGES, showticklabels: chart.has_depth, tickvals: chart.has_depth ? [0, 20, 40, 60, 80, 100] : [],
        title: { ...title, text: chart.has_depth ? data.depth : "" } },
      yaxis: { ...axis, range: chart.span, title: { ...title, text: chart.score }, tickformat: ".2~f" },
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

  // A chart without a line that is ticked is folded away, and a sentence stands in its place.
  function fold({ box, traces: all }, seen) {
    const bare = !all.some(({ measured }, index) => measured && seen[index]);
    const figure = box.closest("figure");
    const opened = figure.classList.contains("bare") && !bare;
    figure.classList.toggle("bare", bare);
    figure.querySelector(".nothing").hidden = !bare;
    if (opened) Plotly.Plots.resize(box);
  }

  function refresh() {
    for (const plot of plots) {
      const seen = visible(plot.traces);
      Plotly.update(plot.box, { visible: seen, x: places(plot.traces, seen) }, { annotations: labels(plot.chart) });
      fold(plot, seen);
    }
    showRows();
  }

  function showRows() {
    for (const row of document.querySelectorAll("[data-keys]")) row.hidden = !shown(JSON.parse(row.dataset.keys));
    mark();
  }

  // A table that is wider than its box says so.
  function mark() {
    for (const box of document.querySelectorAll(".scroll")) {
      box.classList.remove("wider");
      box.classList.toggle("wider", box.scrollWidth > box.clientWidth + 1);
    }
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
  for (const plot of plots) {
    Plotly.newPlot(plot.box, dressed(plot.traces), layout(plot.chart), config);
    fold(plot, visible(plot.traces));
  }
  showRows();
  for (const one of document.querySelectorAll("details")) one.addEventListener("toggle", mark);
  window.addEventListener("resize", mark);
  document.documentElement.dataset.drawn = "true";

  // ------------------------------------------------------------------------------------------ dark and paper

  // Drawn anew in the colours that the page has now.
  function paint() {
    for (const plot of plots) {
      plot.traces = traces(plot.chart);
      const { width, height, autosize } = plot.box.layout;
      Plotly.react(plot.box, dressed(plot.traces), { ...layout(plot.chart), width, height, autosize }, config);
    }
  }
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", paint);

  const PAPER = { width: 690, height: 230, autosize: false }; // between the margins of A4 and of Letter, in CSS pixels
  const SCREEN = { width: null, height: null, autosize: true };
  const resize = (size) => plots.forEach(({ box }) => Plotly.relayout(box, size));
  const print = (printed, size) => {
    document.documentElement.classList.toggle("printed", printed);
    resize(size);
    if (dark.matches) paint();
  };
  window.addEventListener("beforeprint", () => print(true, PAPER));
  window.addEventListener("afterprint", () => print(false, SCREEN));
})();
