"use strict";
/* Figures, drawn with Observable Plot as SVG. They take data and sizes and know nothing of the page. */

/* Okabe and Ito's colours, which colour-blind people can distinguish, without yellow, which is too pale for a line. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a5195", "#8c6d31"];
const BETTER = "#0072b2", WORSE = "#d55e00", UNSURE = "#8a94a0";
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const TEXT_PX = 12;

const ruler = document.createElement("canvas").getContext("2d");
function textWidth(text, size = TEXT_PX) {
  ruler.font = `${size}px ${FONT}`;
  return ruler.measureText(text).width;
}

function shortened(text, most) {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** The beginning and the end of a value: values of an axis often begin alike. */
function abridged(text, most) {
  const end = Math.floor((most - 1) / 2);
  return text.length <= most ? text : `${text.slice(0, most - 1 - end)}…${text.slice(-end)}`;
}

function style() {
  return { fontFamily: FONT, fontSize: `${TEXT_PX}px`, background: "transparent", color: "currentColor", overflow: "visible" };
}

/** Colours for numbers: bright is best. `kind` says how they are spread: by their logarithms, evenly, or by rank. */
class Shades {
  constructor(values, best, kind) {
    this.sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
    this.best = best;
    this.kind = kind === "log" && !(this.sorted[0] > 0) ? "linear" : kind;
    this.low = this.sorted[0];
    this.high = this.sorted[this.sorted.length - 1];
    this.interpolate = best ? d3.interpolateViridis : d3.interpolateCividis;
  }

  /** From 0, the least, to 1, the greatest. */
  place(value) {
    if (this.kind === "rank") return this.sorted.length < 2 ? 0 : (d3.bisectLeft(this.sorted, value)) / (this.sorted.length - 1);
    const scaled = this.kind === "log" ? Math.log : Number;
    const [low, high] = [scaled(this.low), scaled(this.high)];
    return high > low ? (scaled(value) - low) / (high - low) : 0;
  }

  colour(value) {
    if (!Number.isFinite(value)) return "none";
    const place = Math.min(1, Math.max(0, this.place(value)));
    return this.interpolate(this.best === "max" ? place : 1 - place);
  }

  /** The number at a place of the scale. */
  at(place) {
    if (this.kind === "rank") return d3.quantileSorted(this.sorted, place);
    if (this.kind === "log") return this.low * (this.high / this.low) ** place;
    return this.low + place * (this.high - this.low);
  }
}

function svg(width, height) {
  return d3.create("svg").attr("width", width).attr("height", height).attr("viewBox", `0 0 ${width} ${height}`)
    .attr("font-family", FONT).attr("font-size", TEXT_PX).attr("fill", "currentColor");
}

/** A bar of the colours, with numbers below it. */
function colourLegend(shades, label, width) {
  const wide = Math.min(width, 420), stops = 40, node = svg(width, 50);
  const crosshatch = { log: "logarithmic", linear: "linear", rank: "by rank" }[shades.kind];
  node.append("text").attr("y", 12).text(shortened(`${label} (${crosshatch} colours)`, Math.floor(width / 6.2)));
  for (const stop of d3.range(stops)) {
    node.append("rect").attr("x", (stop * wide) / stops).attr("y", 19).attr("width", wide / stops + 0.5).attr("height", 10)
      .attr("fill", shades.colour(shades.at((stop + 0.5) / stops)));
  }
  const ticks = wide < 300 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1];
  for (const place of ticks) {
    node.append("text").attr("x", place * wide).attr("y", 43).text(shortNumber(shades.at(place)))
      .attr("text-anchor", place === 0 ? "start" : place === 1 ? "end" : "middle");
  }
  return node.node();
}

/** Names with their colours, beside a line or, where one is given, a symbol; in as many rows as it takes. */
function lineLegend(items, width) {
  let x = 0, y = 14;
  const node = svg(width, 10);
  for (const { colour, label, symbol } of items) {
    const text = shortened(label, Math.floor((width - 30) / 6.6)), wide = textWidth(text) + 44;
    if (x && x + wide > width) [x, y] = [0, y + 20];
    if (symbol) node.append("path").attr("transform", `translate(${x + 14},${y - 4})`).attr("d", d3.symbol(symbol, 60)()).attr("fill", colour);
    else node.append("line").attr("x1", x).attr("x2", x + 20).attr("y1", y - 4).attr("y2", y - 4).attr("stroke", colour).attr("stroke-width", 2.5);
    node.append("text").attr("x", x + 26).attr("y", y).text(text);
    x += wide;
  }
  return node.attr("height", y + 8).attr("viewBox", `0 0 ${width} ${y + 8}`).node();
}

/** The labels of a band scale, as many as have room. */
function bandTicks(places, texts, room, size = TEXT_PX) {
  const widest = d3.max(places, (place) => textWidth(abridged(texts[place], 18), size)) ?? 0;
  const step = Math.max(1, Math.ceil((widest + 8) / (room / places.length)));
  return { ticks: places.filter((_, number) => number % step === 0), isSparse: step > 1 };
}

/** Black or white, whichever is easier to read on a colour. */
function readableOn(colour) {
  return colour === "none" ? "currentColor" : d3.lab(colour).l > 52 ? "#111" : "#fff";
}

/** A map of two axes, a cell for each pair of values that was surveyed. */
function heatMap({ cells, x, y, shades, width, small = false, dense = false, marked, chosen, label }) {
  const size = small ? 10.5 : TEXT_PX;
  const xs = d3.sort(new Set(cells.map((cell) => cell.x))), ys = d3.sort(new Set(cells.map((cell) => cell.y)));
  const left = 14 + (d3.max(ys, (place) => textWidth(abridged(y.texts[place], 18), size)) ?? 0);
  const room = width - left - 16;
  const rowHeight = small ? Math.max(9, Math.min(22, 150 / ys.length)) : dense ? Math.max(6, 420 / ys.length) : Math.max(17, Math.min(44, 420 / ys.length));
  const { ticks } = bandTicks(xs, x.texts, room, size);
  const yTicks = ys.filter((_, number) => number % Math.max(1, Math.ceil((size + 2) / rowHeight)) === 0);
  const round = dense ? 0 : small ? 1 : 3, told = (cell) => shortNumber(cell.value);
  const hasRoom = !small && !dense && rowHeight >= 17 && room / xs.length > 8 + (d3.max(cells, (cell) => textWidth(told(cell), 11)) ?? 0);
  return Plot.plot({
    width, height: rowHeight * ys.length + (small ? 54 : 62), marginLeft: left, marginRight: 16, marginTop: small ? 18 : 24,
    marginBottom: small ? 36 : 38, style: { ...style(), fontSize: `${size}px` },
    x: { type: "band", domain: xs, padding: dense ? 0.02 : 0.04 },
    y: { type: "band", domain: ys, reverse: true, padding: dense ? 0 : 0.06 },
    ariaLabel: label,
    marks: [
      Plot.axisX({ ticks, tickFormat: (place) => abridged(x.texts[place], 18), label: `${x.words} →`, labelAnchor: "right", tickSize: 0 }),
      Plot.axisY({ ticks: yTicks, tickFormat: (place) => abridged(y.texts[place], 18), label: `↑ ${y.words}`, labelAnchor: "top", tickSize: 0 }),
      Plot.cell(cells, { x: "x", y: "y", fill: (cell) => shades.colour(cell.value), rx: round,
        stroke: (cell) => (Number.isFinite(cell.value) ? "none" : "currentColor"), strokeOpacity: 0.4, strokeDasharray: "2 2" }),
      Plot.cell(cells.filter(chosen), { x: "x", y: "y", fill: "none", stroke: "currentColor", strokeWidth: small ? 1.5 : 2.5, rx: round }),
      hasRoom ? Plot.text(cells, { x: "x", y: "y", text: (cell) => `${marked(cell) ? "★ " : ""}${told(cell)}`, fill: (cell) => readableOn(shades.colour(cell.value)), fontSize: 11 })
        : Plot.text(cells.filter(marked), { x: "x", y: "y", text: () => "★", fill: (cell) => readableOn(shades.colour(cell.value)), fontSize: small ? 9 : 14 }),
      small ? null : Plot.tip(cells, Plot.pointer({ x: "x", y: "y", title: (cell) => cell.title, fontSize: TEXT_PX, fill: "var(--card)", stroke: "var(--line)" })),
    ],
  });
}

/** Curves by epoch with bands between the quartiles. */
function curveFigure({ lines, width, height = 420, xLog, yLog, yLabel, bands }) {
  const points = lines.flatMap((line) => line.epochs.map((epoch, at) => ({
    line, epoch, median: usable(line.median[at], yLog), q1: usable(line.q1[at], yLog), q3: usable(line.q3[at], yLog),
  })));
  const isCrowded = new Set(lines.map((line) => line.id)).size > COLOURS.length;
  const drawn = (dashed) => Plot.lineY(points.filter((point) => Boolean(point.line.dashed) === dashed), {
    x: "epoch", y: "median", z: (point) => point.line.key, stroke: (point) => point.line.colour,
    strokeWidth: (point) => (isCrowded || point.line.isThin ? 1.1 : 2), strokeOpacity: isCrowded ? 0.75 : 1, strokeDasharray: dashed ? "5 3" : null });
  return Plot.plot({
    width, height, marginLeft: 62, marginRight: 18, marginTop: 26, marginBottom: 40, style: style(), grid: true,
    insetTop: 6, insetBottom: 6,
    x: { type: xLog ? "log" : "linear", label: "epoch →", ticks: 6, tickFormat: xLog ? "~s" : ",", nice: false },
    y: { type: yLog ? "log" : "linear", label: `↑ ${yLabel}`, ticks: yLog ? spacedTicks(points.map((point) => ({ ...point, value: point.median })), 6) : 6, tickFormat: shortNumber, nice: !yLog },
    marks: [
      bands ? Plot.areaY(points.filter((point) => !point.line.dashed), { x: "epoch", y1: "q1", y2: "q3", z: (point) => point.line.key, fill: (point) => point.line.colour, fillOpacity: 0.17, curve: "linear" }) : null,
      drawn(true),
      drawn(false),
      Plot.tip(points, Plot.pointer({ x: "epoch", y: "median", maxRadius: 40, fontSize: TEXT_PX, fill: "var(--card)", stroke: "var(--line)",
        title: (point) => `${point.line.label}\nepoch ${point.epoch}: ${shortNumber(point.median)}\nquartiles ${shortNumber(point.q1)} to ${shortNumber(point.q3)}` })),
    ],
  });
}

function usable(value, log) {
  return value === null || (log && value <= 0) ? NaN : value;
}

/** The surveyed values of an axis of numbers, as many as have room. */
function surveyedTicks(points, axis, room) {
  const numbers = [...new Set(points.map((point) => point.number))];
  const widest = d3.max(points, (point) => textWidth(axis.texts[point.place], 10.5));
  return evenly(numbers, Math.max(2, Math.min(numbers.length, Math.floor(room / (1.5 * widest + 14)))));
}

/** Ticks for a logarithmic scale that need not span a power of ten. */
function spacedTicks(points, count = 4) {
  const [low, high] = d3.extent(points.flatMap((point) => [point.value, point.q1, point.q3]).filter(Number.isFinite));
  return high / low > 8 ? count : d3.ticks(low, high, count);
}

/** A statistic along one axis: a line through numbers; points alone where the values are categories. */
function sliceFigure({ points, axis, width, yLabel, yLog, marked, label }) {
  const numeric = Boolean(axis.numbers) && points.every((point) => point.number !== null);
  const places = points.map((point) => point.place), left = 58;
  const x = numeric
    ? { type: axis.log ? "log" : "linear", label: `${axis.words} →` }
    : { type: "point", domain: places, label: `${axis.words} →`, padding: 0.6 };
  const room = width - left - 14, letters = Math.max(6, Math.min(18, Math.floor(room / places.length / 6)));
  const categories = room / places.length < 36 ? bandTicks(places, axis.texts, room, 10.5).ticks : places;
  const at = numeric ? "number" : "place", scaled = points.map((point) => ({ ...point,
    value: usable(point.value, yLog), q1: usable(point.q1, yLog), q3: usable(point.q3, yLog) }));
  return Plot.plot({
    width, height: 190, marginLeft: left, marginRight: 14, marginTop: 22, marginBottom: 34, grid: true,
    insetTop: 8, insetBottom: 8, style: { ...style(), fontSize: "10.5px" }, ariaLabel: label, x,
    y: { type: yLog ? "log" : "linear", label: `↑ ${yLabel}`, ticks: yLog ? spacedTicks(scaled) : 4, tickFormat: shortNumber, nice: !yLog },
    marks: [
      numeric ? Plot.axisX(surveyedTicks(points, axis, width - left), { text: (number) => axis.texts[axis.numbers.indexOf(number)], label: `${axis.words} →` })
        : Plot.axisX({ ticks: categories, tickFormat: (place) => abridged(axis.texts[place], letters), label: `${axis.words} →` }),
      numeric ? Plot.areaY(scaled, { x: at, y1: "q1", y2: "q3", fill: COLOURS[0], fillOpacity: 0.17 }) : Plot.ruleX(scaled, { x: at, y1: "q1", y2: "q3", stroke: COLOURS[0], strokeWidth: 2, strokeOpacity: 0.5 }),
      numeric ? Plot.lineY(scaled, { x: at, y: "value", stroke: COLOURS[0], strokeWidth: 2 }) : null,
      Plot.dot(scaled, { x: at, y: "value", r: 3.5, fill: COLOURS[0] }),
      Plot.dot(scaled.filter(marked), { x: at, y: "value", r: 6.5, stroke: "currentColor", strokeWidth: 2 }),
      Plot.tip(scaled, Plot.pointerX({ x: at, y: "value", title: "title", fontSize: TEXT_PX, fill: "var(--card)", stroke: "var(--line)" })),
    ],
  });
}

/** Lines through all axes, coloured by the statistic; `toggle` is called with a value that is clicked. */
function parallelFigure({ model, rows, axes, values, shades, statistic, width, chosen, select, keptIn, toggle }) {
  const height = 430, top = 46, bottom = 26, sides = 46;
  const node = svg(width, height), last = axes.length;
  const along = d3.scalePoint(d3.range(last + 1), [sides + 18, width - sides - 14]);
  const up = [height - bottom, top];
  const scales = axes.map((axis) => d3.scalePoint(model.placesOf(axis.name, rows), up).padding(0.4));
  const ends = d3.extent(rows, (row) => (Number.isFinite(values[row]) ? values[row] : undefined));
  const ofValues = (shades.kind === "log" ? d3.scaleLog : d3.scaleLinear)(ends, statistic.best === "max" ? up : up.toReversed());
  const path = (row) => d3.line()([
    ...axes.map((axis, number) => [along(number), scales[number](model.codes.get(axis.name)[row])]),
    ...(Number.isFinite(values[row]) ? [[along(last), ofValues(values[row])]] : []),
  ]);
  const worstFirst = [...rows].reverse(), thin = rows.length > 200;
  const usual = { width: thin ? 0.9 : 1.4, opacity: thin ? 0.35 : 0.55 };
  node.append("g").attr("fill", "none").selectAll("path").data(worstFirst).join("path").attr("d", path)
    .attr("stroke", (row) => (Number.isFinite(values[row]) ? shades.colour(values[row]) : "#888"))
    .attr("stroke-width", (row) => (chosen(row) ? 4 : usual.width)).attr("stroke-opacity", (row) => (chosen(row) ? 1 : usual.opacity))
    .style("cursor", "pointer").on("click", (_, row) => select(row))
    .on("mouseenter", function () { d3.select(this).raise().attr("stroke-width", 4).attr("stroke-opacity", 1); })
    .on("mouseleave", function (_, row) { if (!chosen(row)) d3.select(this).attr("stroke-width", usual.width).attr("stroke-opacity", usual.opacity); })
    .append("title").text((row) => `${model.setting(row, axes)}\n${statistic.words} ${shortNumber(values[row])}`);
  const room = (width - 2 * sides) / Math.max(1, last);
  axes.forEach((axis, number) => {
    const places = scales[number].domain(), step = Math.max(1, Math.ceil((14 * places.length) / (height - top - bottom)));
    const group = node.append("g").attr("transform", `translate(${along(number)},0)`);
    group.append("line").attr("y1", top).attr("y2", height - bottom).attr("stroke", "currentColor").attr("stroke-opacity", 0.5);
    group.append("text").attr("y", 18 + (number % 2) * 15).attr("text-anchor", "middle").attr("font-weight", 600)
      .text(shortened(axis.words, Math.max(6, Math.floor((2 * room) / 7.4))));
    group.selectAll(null).data(places.filter((_, place) => place % step === 0)).join("text").attr("x", -7)
      .attr("y", (place) => scales[number](place)).attr("dy", "0.32em").attr("text-anchor", "end")
      .attr("stroke", "var(--card)").attr("stroke-width", 4).attr("paint-order", "stroke").style("cursor", "pointer")
      .attr("text-decoration", (place) => (keptIn(axis, place) ? "underline" : null))
      .text((place) => abridged(axis.texts[place], 13)).on("click", (_, place) => toggle(axis, place))
      .append("title").text((place) => `Filter by ${axis.words} ${axis.texts[place]}`);
  });
  const group = node.append("g").attr("transform", `translate(${along(last)},0)`);
  group.append("line").attr("y1", top).attr("y2", height - bottom).attr("stroke", "currentColor").attr("stroke-opacity", 0.5);
  group.append("text").attr("x", sides).attr("y", 18 + (last % 2) * 15).attr("text-anchor", "end").attr("font-weight", 600)
    .text(shortened(statistic.words, Math.max(10, Math.floor((2 * room) / 7.4))));
  for (const tick of shades.kind === "log" ? d3.range(5).map((step) => shades.at(step / 4)) : ofValues.ticks(5)) {
    group.append("text").attr("x", 7).attr("y", ofValues(tick)).attr("dy", "0.32em").text(shortNumber(tick));
  }
  return node.node();
}

/** Bars of shares of the variance. */
function effectsFigure({ effects, width }) {
  const most = Math.min(280, width * 0.4), left = 12 + Math.min(most, d3.max(effects, (each) => textWidth(each.name)) ?? 0);
  const letters = Math.floor(most / 6.6);
  return Plot.plot({
    width, height: 30 * effects.length + 56, marginLeft: left, marginRight: 52, marginTop: 10, marginBottom: 40, style: style(),
    x: { label: "share of the variance →", tickFormat: "%", domain: [0, d3.max(effects, (each) => each.share ?? 0) || 1], nice: true, grid: true },
    y: { type: "band", domain: effects.map((each) => each.name), label: null, tickSize: 0, tickFormat: (name) => shortened(name, letters), padding: 0.25 },
    marks: [
      Plot.barX(effects, { x: "share", y: "name", rx: 2, fill: (each) => (each.axes.length === 1 ? COLOURS[0] : each.axes.length ? COLOURS[4] : UNSURE) }),
      Plot.text(effects, { x: "share", y: "name", text: (each) => (each.share === null ? "unknown" : d3.format(".1%")(each.share)), textAnchor: "start", dx: 6 }),
      Plot.ruleX([0]),
    ],
  });
}

/** Differences from one setting with their intervals, the least first. */
function differencesFigure({ rows, width, label, axisLabel }) {
  const most = Math.min(330, width * 0.42), letters = Math.floor(most / 6.4);
  const left = 14 + Math.min(most, d3.max(rows, (row) => textWidth(shortened(row.label, letters))) ?? 0);
  return Plot.plot({
    width, height: 20 * rows.length + 64, marginLeft: left, marginRight: 20, marginTop: 26, marginBottom: 38, style: style(), ariaLabel: label,
    x: { label: axisLabel, grid: true, tickFormat: shortNumber, ticks: Math.max(3, Math.floor((width - left) / 90)), nice: true },
    y: { type: "band", domain: rows.map((row) => row.id), label: null, tickSize: 0,
      tickFormat: (id) => shortened(rows.find((row) => row.id === id).label, letters) },
    marks: [
      Plot.ruleX([0], { strokeDasharray: "3 3" }),
      Plot.ruleY(rows, { y: "id", x1: "low", x2: "high", stroke: "colour", strokeWidth: 3, strokeOpacity: 0.55 }),
      Plot.dot(rows, { y: "id", x: "estimate", fill: "colour", symbol: "symbol", r: 4.5 }),
      Plot.tip(rows, Plot.pointerY({ y: "id", x: "estimate", title: "title", fontSize: TEXT_PX, fill: "var(--card)", stroke: "var(--line)" })),
    ],
  });
}
