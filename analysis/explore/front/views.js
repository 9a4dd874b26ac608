"use strict";
/* The views: each says which controls it has and draws what the state asks for.

   A view returns `nodes` (what is drawn), `caption` (what is shown, what was fixed and why), and `table` (the numbers,
   for the CSV). `context` has the model, the state, the rows that the filter leaves, and what they are compared by. */

const MOST_LINES = 60, MOST_PATHS = 1200, MOST_DIFFERENCES = 40, MOST_BEST = 8, ZONE_EPOCHS = 64;
const EPOCH = "epoch";

const SCALES = [["log", "logarithmic"], ["linear", "linear"]];
const COLOUR_SCALES = [...SCALES, ["rank", "by rank"]];

function scaleControls(...names) {
  const known = {
    colour: { name: "colour", label: "Colours", options: COLOUR_SCALES },
    values: { name: "values", label: "Values", options: SCALES },
    epochs: { name: "epochs", label: "Epochs", options: SCALES },
  };
  return names.map((name) => known[name]);
}

function axisOptions(axes) {
  return axes.map((axis) => [axis.name, axis.words]);
}

/** The experiment that figures are drawn around: the selected one if the filter leaves it, else the best. */
function reference(context) {
  const { model, state, rows, best } = context;
  const selected = model.rowOfId.get(state.at);
  return selected !== undefined && rows.includes(selected) ? selected : best;
}

function referenceWords(context, row) {
  return context.model.setting(row, context.axes) + (context.state.at === context.model.ids[row] ? " (the selected setting)" : " (the best setting)");
}

function columnsOf(context, row) {
  const { model, axes } = context;
  return Object.fromEntries([["experiment_id", model.ids[row]], ...axes.map((axis) => [axis.name, model.text(axis.name, row)])]);
}

const compares = { min: "least", max: "greatest" };

/* ---- zone ---- */

const zone = {
  name: "zone", title: "Zone",
  controls({ axes, state }) {
    const [x, y] = zoneAxes(axes, state);
    return [
      { name: "x", label: "Across", value: x, options: axisOptions(axes) },
      { name: "y", label: "Up", value: y, options: [...axisOptions(axes), [EPOCH, "epoch"]] },
      ...scaleControls("colour"),
    ];
  },
  async draw(context) {
    const { axes, state } = context;
    if (axes.length < 1 || (axes.length < 2 && zoneAxes(axes, state)[1] !== EPOCH)) return nothing("A map needs two axes that vary; the filter leaves fewer.");
    return zoneAxes(axes, state)[1] === EPOCH ? zoneByEpoch(context) : zoneOfAxes(context);
  },
};

function zoneAxes(axes, state) {
  const names = axes.map((axis) => axis.name);
  const x = names.includes(state.x) ? state.x : names[0];
  const decided = axes.find((axis) => axis.name === x)?.decides ?? [];
  const crosses = (axis) => axis.name !== x && !decided.includes(axis.name) && !axis.decides.includes(x);
  const fallback = axes.find(crosses)?.name ?? EPOCH;
  const y = state.y === EPOCH || (names.includes(state.y) && state.y !== x) ? state.y : fallback;
  return [x, y];
}

function zoneOfAxes(context) {
  const { model, state, rows, values, statistic, best, axes, width } = context;
  const [x, y] = zoneAxes(axes, state).map((name) => model.axes.get(name));
  const cells = cellsOf(model, rows, x.name, y.name, values, statistic.best);
  for (const cell of cells) cell.title = cellTitle(context, cell, x, y);
  const shades = new Shades(cells.map((cell) => cell.value), statistic.best, state.colour);
  const map = heatMap({ cells, x, y, shades, width, label: `${statistic.words} by ${x.words} and ${y.words}`,
    marked: (cell) => cell.row === best, chosen: (cell) => model.ids[cell.row] === state.at });
  onPoint(map, (cell) => context.select(cell.row));
  walkable(map, cells, context);
  const others = axes.filter((axis) => axis !== x && axis !== y);
  const most = d3.max(cells, (cell) => cell.count);
  const free = most > 1
    ? `Of the up to ${most} experiments at a place, which differ in ${others.map((axis) => axis.words).join(", ") || "their ids"}, the one with the ${compares[statistic.best] ?? "least"} value counts; filter to fix these axes.`
    : "There is one experiment at each place.";
  return {
    nodes: [map, colourLegend(shades, context.statisticWords, width)],
    caption: `${sentence(context.statisticWords)} by ${x.words} and ${y.words}. ${free} Each cell is a pair of values that was surveyed; nothing is interpolated. Bright is better; ★ is the best of all. Choose a cell with the mouse, or with the arrow keys and Enter, to see its runs.`,
    table: cells.map((cell) => ({ ...columnsOf(context, cell.row), [statistic.name]: cell.value, experiments_here: cell.count })),
  };
}

function cellTitle(context, cell, x, y) {
  const { model, statistic } = context;
  const more = cell.count > 1 ? `\nbest of ${cell.count}: ${shortened(model.setting(cell.row, context.axes.filter((axis) => axis !== x && axis !== y)), 90)}` : "";
  return `${x.words} ${x.texts[cell.x]}, ${y.words} ${y.texts[cell.y]}\n${statistic.words}: ${shortNumber(cell.value)}${more}`;
}

async function zoneByEpoch(context) {
  const { model, state, rows, values, statistic, axes, width } = context;
  const x = model.axes.get(zoneAxes(axes, state)[0]), metric = context.curve;
  const chosen = model.placesOf(x.name, rows).map((place) => bestRow(rows.filter((row) => model.codes.get(x.name)[row] === place), values, statistic.best)).filter((row) => row !== undefined);
  const drawn = evenly(chosen, MOST_LINES);
  const curves = await model.ask("curves", drawn.map((row) => model.ids[row]), metric.name);
  const last = d3.max(curves, (curve) => curve.epochs.at(-1)) ?? 1;
  const kept = [...new Set(d3.range(ZONE_EPOCHS).map((at) => Math.round(last ** (at / (ZONE_EPOCHS - 1)))))];
  const cells = curves.flatMap((curve) => {
    const row = model.rowOfId.get(curve.id), places = kept.map((epoch) => d3.bisectLeft(curve.epochs, epoch));
    return places.flatMap((place, y) => (place < curve.epochs.length ? [{ x: model.codes.get(x.name)[row], y, row, value: curve.median[place], count: 1, epoch: curve.epochs[place] }] : []));
  });
  const best = cells.reduce((found, cell) => (!found || isBetter(cell.value, found.value, metric.best) ? cell : found), undefined);
  for (const cell of cells) cell.title = `${x.words} ${x.texts[cell.x]}, epoch ${cell.epoch}\n${metric.words}: ${shortNumber(cell.value)}\n${shortened(model.setting(cell.row, axes.filter((axis) => axis !== x)), 90)}`;
  const shades = new Shades(cells.map((cell) => cell.value), metric.best ?? "min", state.colour);
  const map = heatMap({ cells, x, y: { words: "epoch (log-spaced)", texts: kept.map(String) }, shades, width, dense: true, label: `${metric.words} by ${x.words} and epoch`,
    marked: (cell) => cell === best, chosen: (cell) => model.ids[cell.row] === state.at && cell.y === 0 });
  onPoint(map, (cell) => context.select(cell.row));
  return {
    nodes: [map, colourLegend(shades, `median ${metric.words}`, width)],
    caption: `Median ${metric.words} over the runs by ${x.words} and epoch, at ${kept.length} log-spaced epochs${drawn.length < chosen.length ? `, at ${drawn.length} of ${chosen.length} values` : ""}. For each ${x.words} the other axes are as in its best experiment by ${context.statisticWords}; filter to fix them. ★ is the best place of this map.`,
    table: cells.map((cell) => ({ ...columnsOf(context, cell.row), epoch: cell.epoch, [`${metric.name}_median`]: cell.value })),
  };
}

/* ---- learning curves ---- */

const curvesView = {
  name: "curves", title: "Learning curves",
  controls({ model, axes, state }) {
    const metrics = model.catalogue.curves.map((curve) => [curve.name, curve.words]);
    return [
      { name: "metric", label: "Metric", value: state.metric || model.catalogue.objective, options: metrics },
      { name: "also", label: "and dashed", options: [["", "nothing"], ...metrics] },
      { name: "lines", label: "Of", options: [["best", `the best ${MOST_BEST}`], ["compared", "those compared"], ["all", `all, up to ${MOST_LINES}`], ...axes.map((axis) => [`by.${axis.name}`, `the best for each ${axis.words}`])] },
      ...scaleControls("epochs", "values"),
    ];
  },
  async draw(context) {
    const { model, state, width } = context;
    const { rows, words: which, shades } = lineRows(context);
    if (!rows.length) return nothing("No experiment is compared yet: choose one in a figure or in the table, then “Add to comparison”.");
    const ids = rows.map((row) => model.ids[row]), metrics = [context.curve, model.catalogue.curves.find((curve) => curve.name === state.also)].filter(Boolean);
    const asked = await Promise.all(metrics.map((metric) => model.ask("curves", ids, metric.name)));
    const lines = asked.flatMap((curves, number) => curves.map((curve) => lineOf(context, curve, rows, metrics[number], number > 0, shades)));
    lines.sort((a, b) => rows.indexOf(a.row) - rows.indexOf(b.row));
    if (!lines.length) return nothing("These experiments have not recorded this metric.");
    const bands = rows.length <= MOST_BEST;
    const hasLogarithms = lines.every((line) => line.median.every((value) => !(value < 0)) && line.median.some((value) => value > 0));
    const plot = curveFigure({ lines, width, xLog: state.epochs === "log", yLog: state.values === "log" && hasLogarithms, yLabel: metrics.map((metric) => metric.words).join(", "), bands });
    onPoint(plot, (point) => context.select(model.rowOfId.get(point.line.id)));
    const legend = shades ? colourLegend(shades, context.statisticWords, width) : lineLegend(lines.filter((line) => !line.dashed), width);
    return {
      nodes: [plot, legend],
      caption: `${sentence(metrics.map((metric) => `${metric.words} (${metric.meaning})`).join(" and "))} by epoch: the median over the runs${bands ? ", with the band between the quartiles, which shows how single runs differ" : ""}. Shown: ${which}.${metrics.length > 1 ? ` ${sentence(metrics[1].words)} is dashed.` : ""}${state.values === "log" && !hasLogarithms ? " The scale of values is linear, as some are negative or all of a curve are 0." : ""}`,
      table: lines.flatMap((line) => line.epochs.map((epoch, at) => ({ ...columnsOf(context, line.row), metric: line.metric, epoch, q1: line.q1[at], median: line.median[at], q3: line.q3[at] }))),
    };
  },
};

/** The experiments whose curves are drawn, and in words which they are; colours by the statistic if they are many. */
function lineRows(context) {
  const { model, state, rows, values, statistic, axes } = context;
  const sorted = () => ordered(rows, values, statistic.best);
  if (state.lines === "compared") {
    return { rows: state.compared.map((id) => model.rowOfId.get(id)).filter((row) => row !== undefined), words: "the compared experiments" };
  }
  const by = axes.find((axis) => state.lines === `by.${axis.name}`);
  if (by) {
    const places = model.placesOf(by.name, rows), drawn = evenly(places, MOST_BEST);
    const found = drawn.map((place) => bestRow(rows.filter((row) => model.codes.get(by.name)[row] === place), values, statistic.best)).filter((row) => row !== undefined);
    return { rows: found, words: `for each ${by.words} the best experiment by ${context.statisticWords}, whatever its other axes${drawn.length < places.length ? ` (${drawn.length} of ${places.length} values)` : ""}` };
  }
  if (state.lines === "all") {
    const drawn = evenly(sorted(), MOST_LINES);
    const which = drawn.length < rows.length ? `${drawn.length} of ${rows.length} experiments, evenly chosen from the best to the worst` : `all ${rows.length} experiments`;
    if (drawn.length <= MOST_BEST) return { rows: drawn, words: which };
    return { rows: drawn.reverse(), words: which, shades: new Shades(drawn.map((row) => values[row]), statistic.best, state.colour) };
  }
  const best = sorted().slice(0, MOST_BEST);
  return { rows: best, words: `the ${best.length} best of ${counted(rows.length, "experiment")} by ${context.statisticWords}` };
}

function lineOf(context, curve, rows, metric, dashed, shades) {
  const { model, values, axes } = context, row = model.rowOfId.get(curve.id);
  const differing = model.varied(rows), number = rows.indexOf(row);
  const colour = shades ? shades.colour(values[row]) : COLOURS[number % COLOURS.length];
  return { ...curve, key: `${metric.name} ${curve.id}`, row, metric: metric.name, dashed, colour, label: model.setting(row, differing.length ? differing : axes) };
}

/* ---- slices ---- */

const slices = {
  name: "slices", title: "Slices",
  controls: () => scaleControls("values"),
  async draw(context) {
    const { model, state, rows, values, statistic, axes, width } = context, row = reference(context);
    if (!axes.length || row === undefined) return nothing("No axis varies among what the filter leaves.");
    const [low, high] = await quartilesOf(context);
    const columns = Math.max(1, Math.min(3, Math.floor(width / 300))), panel = Math.floor((width - 18 * (columns - 1)) / columns);
    const drawn = axes.map((axis) => ({ axis, rows: alike(model, rows, row, [axis.name, ...axis.decides]) })).filter((slice) => model.placesOf(slice.axis.name, slice.rows).length > 1);
    if (!drawn.length) return nothing("No other experiment differs from this one in one axis alone, as in a random search.");
    const table = [];
    const panels = drawn.map(({ axis, rows: along }) => {
      const points = along.map((other) => ({
        row: other, place: model.codes.get(axis.name)[other], number: axis.numbers ? axis.numbers[model.codes.get(axis.name)[other]] : null,
        value: values[other], q1: low[other], q3: high[other],
        title: `${axis.words} ${model.text(axis.name, other)}\n${statistic.words}: ${shortNumber(values[other])}\nquartiles ${shortNumber(low[other])} to ${shortNumber(high[other])}`,
      })).sort((a, b) => a.place - b.place);
      table.push(...points.map((point) => ({ along: axis.name, ...columnsOf(context, point.row), [statistic.name]: point.value, q1: point.q1, q3: point.q3 })));
      const plot = sliceFigure({ points, axis, width: panel, yLabel: shortened(statistic.words, Math.floor(panel / 7)), yLog: state.values === "log" && points.every((point) => !(point.value <= 0)), marked: (point) => point.row === row, label: `${statistic.words} along ${axis.words}` });
      onPoint(plot, (point) => context.select(point.row));
      return panelOf(axis.words, plot);
    });
    return {
      nodes: [gridOf(panels, columns)],
      caption: `${sentence(context.statisticWords)} along each axis, from ${referenceWords(context, row)}, circled: all other axes stay as they are there. Bands and bars are quartiles over the runs. Axes of categories have no line, as nothing is between their values.`,
      table,
    };
  },
};

async function quartilesOf({ model, statistic }) {
  const unknown = new Float32Array(model.n).fill(NaN);
  const named = (part) => (statistic.columns[part] ? model.numbers(statistic.columns[part]) : unknown);
  return Promise.all([named("q1"), named("q3")]);
}

/* ---- pairs of axes ---- */

const pairs = {
  name: "pairs", title: "Pairs of axes",
  controls: () => scaleControls("colour"),
  async draw(context) {
    const { model, state, rows, values, statistic, best, width } = context;
    const axes = context.axes.slice(0, 6);
    const all = axes.flatMap((x, number) => axes.slice(number + 1).map((y) => [x, y]));
    if (!all.length) return nothing("Pairs need two axes that vary; the filter leaves fewer.");
    const columns = Math.max(1, Math.min(3, Math.floor(width / 290))), panel = Math.floor((width - 18 * (columns - 1)) / columns);
    const cells = all.map(([x, y]) => cellsOf(model, rows, x.name, y.name, values, statistic.best));
    const shades = new Shades(cells.flat().map((cell) => cell.value), statistic.best, state.colour);
    const panels = all.map(([x, y], number) => {
      const map = heatMap({ cells: cells[number], x, y, shades, width: panel, small: true, label: `${statistic.words} by ${x.words} and ${y.words}`,
        marked: (cell) => cell.row === best, chosen: (cell) => model.ids[cell.row] === state.at });
      return panelOf(`${x.words} × ${y.words}`, map, () => context.set({ view: "zone", x: x.name, y: y.name }));
    });
    return {
      nodes: [gridOf(panels, columns), colourLegend(shades, context.statisticWords, width)],
      caption: `${sentence(context.statisticWords)} for each pair of ${axes.length < context.axes.length ? `the ${axes.length} axes with most values` : "axes"}. At each place the best experiment counts, whatever its other axes. One scale of colours for all; ★ is the best. Choose a map to enlarge it.`,
      table: all.flatMap(([x, y], number) => cells[number].map((cell) => ({ across: x.name, up: y.name, ...columnsOf(context, cell.row), [statistic.name]: cell.value }))),
    };
  },
};

/* ---- parallel coordinates ---- */

const parallel = {
  name: "parallel", title: "Parallel coordinates",
  controls: () => scaleControls("colour"),
  async draw(context) {
    const { model, state, rows, values, statistic, axes, width } = context;
    if (!axes.length) return nothing("No axis varies among what the filter leaves.");
    const most = evenly(ordered(rows, values, statistic.best), MOST_PATHS);
    const shades = new Shades(most.map((row) => values[row]), statistic.best, state.colour);
    const shown = axes.slice(0, Math.max(2, Math.floor(width / 90)));
    const figure = parallelFigure({ model, rows: most, axes: shown, values, shades, statistic, width,
      chosen: (row) => model.ids[row] === state.at, select: context.select,
      keptIn: (axis, place) => (state.kept[axis.name] ?? []).includes(axis.texts[place]),
      toggle: (axis, place) => context.toggle(axis, axis.texts[place]) });
    return {
      nodes: [figure, colourLegend(shades, context.statisticWords, width)],
      caption: `Each line is an experiment: its value on each axis, and ${context.statisticWords} on the last, the better the higher. ${most.length < rows.length ? `Shown are ${most.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")}, evenly chosen from the best to the worst. ` : ""}Choose a value of an axis to filter by it, or a line to see its runs.`,
      table: most.map((row) => ({ ...columnsOf(context, row), [statistic.name]: values[row] })),
    };
  },
};

/* ---- effects ---- */

const effectsView = {
  name: "effects", title: "Effects",
  controls: () => [],
  async draw(context) {
    const { model, state, width, task } = context, canFilter = model.source.abilities.filteredEffects;
    const found = await model.ask("effects", task.name, canFilter ? model.keptPlaces(state.kept) : {});
    if (!found || !found.effects.length) return nothing(["What matters cannot be computed here.", ...(found?.remarks ?? [])].join(" "));
    const pairsFrom = 0.005, shown = found.effects.filter((each) => each.axes.length < 2 || each.share >= pairsFrom);
    const hidden = found.effects.length - shown.length;
    const ignored = !canFilter && Object.keys(state.kept).length ? " The filter does not apply here." : "";
    return {
      nodes: [effectsFigure({ effects: shown, width })],
      caption: `Which share of the variance of the ${found.metric.replaceAll("_", " ")} each axis explains (dark), what each pair explains beyond its two axes (light), and the noise between runs of the same setting (grey): of one run of one setting, both drawn at random. Computed on ${found.computed_on}.${hidden ? ` ${counted(hidden, "interaction")} below 0.5 % ${hidden === 1 ? "is" : "are"} not drawn.` : ""} ${found.remarks.join(" ")}${ignored}`,
      table: found.effects.map((each) => ({ effect: each.name, share: each.share })),
    };
  },
};

/* ---- differences from a setting ---- */

const differencesView = {
  name: "differences", title: "Differences",
  controls: () => [],
  async draw(context) {
    const { model, rows, values, statistic, axes, width, state } = context, row = reference(context);
    if (!model.source.abilities.differences) return nothing("Differences with their intervals are computed from the runs, which are not in this file: survey explore shows them.");
    if (row === undefined || rows.length < 2) return nothing("There is no other experiment to compare with.");
    const found = await model.ask("differences", model.ids[row]);
    const objective = model.catalogue.curves.find((curve) => curve.name === model.catalogue.objective);
    const others = ordered(rows.filter((other) => other !== row), values, statistic.best);
    const marked = state.compared.map((id) => model.rowOfId.get(id)).filter((other) => others.includes(other));
    const shown = [...new Set([...marked, ...others])].slice(0, MOST_DIFFERENCES);
    const drawn = shown.map((other) => differenceRow(context, found, row, other, objective.best));
    const unknown = drawn.filter((each) => !Number.isFinite(each.low)).length;
    const known = drawn.filter((each) => Number.isFinite(each.estimate));
    if (!known.length) return nothing("None of these experiments has a finite score in all its runs.");
    const plot = differencesFigure({ rows: known, width, label: "Differences", axisLabel: `${objective.words}: mean less that of the reference →` });
    onPoint(plot, (each) => context.select(each.row));
    const legend = lineLegend([{ colour: BETTER, symbol: d3.symbolTriangle, label: "better" }, { colour: WORSE, symbol: d3.symbolSquare, label: "worse" }, { colour: UNSURE, symbol: d3.symbolCircle, label: "cannot be told from it" }], width);
    return {
      nodes: [plot, legend],
      caption: `By how much the mean ${objective.words} of other settings differs from that of the reference, ${referenceWords(context, row)}, with intervals at 95 %: run by run where draws are paired. Shown: ${drawn.length < others.length ? `${drawn.length} of ${others.length}: those compared, then the best by ${context.statisticWords}` : `all ${others.length} others`}.${unknown ? ` ${counted(unknown, "setting")} without an interval, for lack of finite runs.` : ""} Each interval holds for a comparison chosen beforehand; of many, some exclude zero by luck. Select another setting to compare with it.`,
      table: others.map((other) => ({ ...columnsOf(context, other), difference: found.estimate[other], low: found.low[other], high: found.high[other] })),
    };
  },
};

function differenceRow({ model, axes }, found, reference, other, best) {
  const [estimate, low, high] = [found.estimate[other], found.low[other], found.high[other]];
  const differing = axes.filter((axis) => model.codes.get(axis.name)[reference] !== model.codes.get(axis.name)[other]);
  const isSure = low > 0 || high < 0, improves = best === "max" ? estimate > 0 : estimate < 0;
  const label = model.setting(other, differing.length ? differing : axes);
  return {
    id: model.ids[other], row: other, estimate, low, high, label, colour: !isSure ? UNSURE : improves ? BETTER : WORSE,
    symbol: !isSure ? "circle" : improves ? "triangle" : "square",
    title: `${label}\n${shortNumber(estimate)}, between ${shortNumber(low)} and ${shortNumber(high)}`,
  };
}

const VIEWS = [zone, curvesView, slices, pairs, parallel, effectsView, differencesView];

/* ---- what views share ---- */

function nothing(text) {
  const node = document.createElement("p");
  node.className = "muted";
  node.textContent = text;
  return { nodes: [node], caption: "", table: [] };
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function panelOf(title, plot, open) {
  const panel = document.createElement("div"), heading = document.createElement("h3");
  panel.className = "panel";
  if (open) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "quiet", textContent: title });
    heading.append(button);
    panel.classList.add("link");
    panel.addEventListener("click", open);
  } else heading.textContent = title;
  panel.append(heading, plot);
  return panel;
}

function gridOf(panels, columns) {
  const grid = document.createElement("div");
  grid.className = "grid";
  grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  grid.append(...panels);
  return grid;
}

/** Call `choose` with what the pointer is at when it is clicked. */
function onPoint(plot, choose) {
  plot.style.cursor = "pointer";
  plot.addEventListener("click", () => plot.value && choose(plot.value));
}

/** Let the arrow keys go from cell to cell of a map, and Enter choose one. */
function walkable(map, cells, context) {
  let at = cells.find((cell) => context.model.ids[cell.row] === context.state.at) ?? cells.find((cell) => cell.row === context.best) ?? cells[0];
  const told = document.getElementById("done"), steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  map.setAttribute("tabindex", "0");
  map.addEventListener("keydown", (event) => {
    if (event.key === "Enter") return context.select(at.row);
    if (!steps[event.key]) return;
    event.preventDefault();
    at = neighbour(cells, at, steps[event.key]) ?? at;
    told.textContent = at.title.replaceAll("\n", ", ");
    markCell(map, cells, at);
  });
}

function neighbour(cells, from, [across, up]) {
  const beyond = cells.filter((cell) => (across ? cell.y === from.y && Math.sign(cell.x - from.x) === across : cell.x === from.x && Math.sign(cell.y - from.y) === up));
  return d3.least(beyond, (cell) => Math.abs(cell.x - from.x) + Math.abs(cell.y - from.y));
}

function markCell(map, cells, at) {
  const shapes = map.querySelectorAll("g[aria-label=cell]")[0].querySelectorAll("rect");
  shapes.forEach((shape, number) => {
    shape.style.outline = cells[number] === at ? "3px solid var(--mark)" : "";
  });
}
