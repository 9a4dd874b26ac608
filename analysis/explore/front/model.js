"use strict";
/* The experiments as columns, and what the figures make of them: filters, the best of each cell, slices, orders.

   An experiment is a row number; an axis is an array of the places of its values; a statistic is an array of numbers. */

class Model {
  constructor(source, catalogue, ids) {
    Object.assign(this, { source, catalogue, ids, n: ids.length });
    this.rowOfId = new Map(ids.map((id, row) => [id, row]));
    this.axes = new Map(catalogue.axes.map((axis) => [axis.name, axis]));
    this.statistics = new Map(catalogue.statistics.map((each) => [each.name, each]));
    this.codes = new Map();
    this.columns = new Map();
    this.answers = new Map();
  }

  static async open(source) {
    const catalogue = await source.catalogue();
    const model = new Model(source, catalogue, await source.ids());
    for (const { name } of catalogue.axes) model.codes.set(name, await source.codes(name));
    model.taskCodes = catalogue.task_column ? await source.codes(catalogue.task_column) : new Uint32Array(model.n);
    return model;
  }

  /** A column of numbers; asked for once. */
  numbers(column) {
    if (!this.columns.has(column)) this.columns.set(column, this.source.numbers(column));
    return this.columns.get(column);
  }

  /** An answer of the source; asked for once for the same question. */
  ask(question, ...parameters) {
    const key = JSON.stringify([question, ...parameters]);
    if (!this.answers.has(key)) {
      const answer = this.source[question](...parameters);
      answer.catch(() => this.answers.delete(key));
      this.answers.set(key, answer);
    }
    return this.answers.get(key);
  }

  taskNumber(name) {
    return Math.max(0, this.catalogue.tasks.findIndex((task) => task.name === name));
  }

  rowsOfTask(number) {
    return d3.range(this.n).filter((row) => this.taskCodes[row] === number);
  }

  /** The places of the values that a filter of texts keeps, by axis. */
  keptPlaces(kept) {
    const places = {};
    for (const [name, texts] of Object.entries(kept)) {
      const axis = this.axes.get(name);
      if (axis) places[name] = axis.texts.flatMap((text, place) => (texts.includes(text) ? [place] : []));
    }
    return places;
  }

  filtered(rows, kept) {
    const sets = Object.entries(this.keptPlaces(kept)).map(([name, places]) => [this.codes.get(name), new Set(places)]);
    return sets.length ? rows.filter((row) => sets.every(([codes, places]) => places.has(codes[row]))) : rows;
  }

  /** The axes that take several values among some rows; those with most values first. */
  varied(rows) {
    const counted = this.catalogue.axes.map((axis) => [axis, this.placesOf(axis.name, rows).length]);
    return counted.filter(([, count]) => count > 1).sort((a, b) => b[1] - a[1]).map(([axis]) => axis);
  }

  placesOf(name, rows) {
    const codes = this.codes.get(name), seen = new Uint8Array(this.axes.get(name).texts.length);
    for (const row of rows) seen[codes[row]] = 1;
    return d3.range(seen.length).filter((place) => seen[place]);
  }

  text(name, row) { return this.axes.get(name).texts[this.codes.get(name)[row]]; }

  /** The setting of an experiment in words. */
  setting(row, axes) {
    return axes.map((axis) => `${axis.words} ${this.text(axis.name, row)}`).join(", ") || "the only setting";
  }
}

/** Whether one number is better than another; without a direction, less is. What is not finite is worst. */
function isBetter(a, b, best) {
  if (!Number.isFinite(a)) return false;
  return !Number.isFinite(b) || (best === "max" ? a > b : a < b);
}

function bestRow(rows, values, best) {
  let found;
  for (const row of rows) {
    if (found === undefined ? Number.isFinite(values[row]) : isBetter(values[row], values[found], best)) found = row;
  }
  return found;
}

function ordered(rows, values, best) {
  const sign = best === "max" ? -1 : 1;
  const key = (row) => (Number.isFinite(values[row]) ? sign * values[row] : Infinity);
  return [...rows].sort((a, b) => key(a) - key(b) || a - b);
}

/** The best experiment for each pair of values of two axes, and how many there are to choose from. */
function cellsOf(model, rows, x, y, values, best) {
  const xs = model.codes.get(x), ys = model.codes.get(y), cells = new Map();
  const height = model.axes.get(y).texts.length;
  for (const row of rows) {
    const key = xs[row] * height + ys[row], cell = cells.get(key);
    if (!cell) cells.set(key, { x: xs[row], y: ys[row], row, count: 1 });
    else {
      cell.count += 1;
      if (isBetter(values[row], values[cell.row], best)) cell.row = row;
    }
  }
  return [...cells.values()].map((cell) => ({ ...cell, value: values[cell.row] }));
}

/** The rows that are as a given one in all axes but some. */
function alike(model, rows, row, but) {
  const fixed = [...model.codes].filter(([name]) => !but.includes(name)).map(([, codes]) => codes);
  return rows.filter((other) => fixed.every((codes) => codes[other] === codes[row]));
}

/** At most so many of some rows in an order: the first, the last, and evenly chosen ones between them. */
function evenly(rows, most) {
  if (rows.length <= most) return rows;
  return d3.range(most).map((place) => rows[Math.round((place * (rows.length - 1)) / (most - 1))]);
}

function shortNumber(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return String(Number(value.toPrecision(4)));
  return value.toExponential(2).replace(/\.?0*e\+?/, "e");
}

function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
