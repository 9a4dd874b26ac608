"use strict";
/* The page: what can be chosen, the figure, what is compared, what is selected. */

const element = (id) => document.getElementById(id);
const PER_PAGE = 25;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

class Explorer {
  constructor(model) {
    this.model = model;
    this.drawing = 0;
    const { catalogue } = model;
    document.title = `Explorer: ${catalogue.name}`;
    element("title").textContent = catalogue.name;
    element("counts").textContent = [counted(catalogue.experiments, "experiment"), counted(catalogue.runs, "run"), catalogue.workload].join(" · ");
    this.fill(element("task"), catalogue.tasks.map((task) => [task.name, `${task.words || catalogue.workload} (${task.experiments.toLocaleString("en")})`]));
    element("task").closest("label").hidden = catalogue.tasks.length < 2;
    element("task").onchange = (event) => this.set({ task: event.target.value, kept: {}, at: "", compared: [], page: "0", statistic: "", x: "", y: "" });
    element("statistic").onchange = (event) => this.set({ statistic: event.target.value, part: "median", page: "0" });
    element("part").onchange = (event) => this.set({ part: event.target.value, page: "0" });
    element("reset").onclick = () => this.set({ kept: {}, page: "0" });
    this.fillStatistics();
    for (const kind of ["svg", "png", "csv"]) element(kind).onclick = () => this.download(kind);
    element("link").onclick = () => this.copyLink();
    window.addEventListener("hashchange", () => this.show());
    let width = window.innerWidth;
    window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; this.show(); } });
  }

  get state() { return readState(window.location.hash); }

  /** Change what is shown; the address follows, and the page follows the address. */
  set(change) {
    const next = writeState({ ...this.state, ...change });
    if (next === (window.location.hash || "#")) this.show();
    else window.location.hash = next;
  }

  fill(select, options, value) {
    select.replaceChildren(...options.map(([name, text]) => make("option", { value: name, textContent: text })));
    if (value !== undefined) select.value = value;
  }

  fillStatistics() {
    const groups = d3.group(this.model.catalogue.statistics, (each) => each.group);
    element("statistic").replaceChildren(...[...groups].map(([name, some]) =>
      make("optgroup", { label: name }, ...some.map((each) => make("option", { value: each.name, textContent: each.words })))));
  }

  /** What is shown, from the state: the rows, their axes, and the numbers by which they are compared. */
  async context() {
    const { model, state } = this, { catalogue } = model;
    const task = catalogue.tasks[model.taskNumber(state.task)];
    const statistic = model.statistics.get(state.statistic) ?? model.statistics.get(task.statistic) ?? catalogue.statistics[0];
    const part = statistic.columns[state.part] ? state.part : Object.keys(statistic.columns)[0];
    const values = await model.numbers(statistic.columns[part]);
    const rowsOfTask = model.rowsOfTask(model.taskNumber(state.task)), rows = model.filtered(rowsOfTask, state.kept);
    const metric = catalogue.curves.find((curve) => curve.name === (state.metric || catalogue.objective)) ?? catalogue.curves[0];
    return {
      model, state, task, statistic, part, values, rowsOfTask, rows, metric, curve: metric,
      axes: model.varied(rows), axesOfTask: model.varied(rowsOfTask), best: bestRow(rows, values, statistic.best),
      statisticWords: part === "median" && statistic.columns.q1 === undefined ? statistic.words : `${catalogue.parts[part]} ${statistic.words}`,
      width: Math.max(280, Math.floor(element("picture").clientWidth)),
      select: (row) => this.set({ at: model.ids[row] }),
      set: (change) => this.set(change),
      toggle: (axis, text) => this.toggle(axis, text),
      colourOf: (id) => this.colourOf(id),
    };
  }

  /** Draw all of the page. */
  async show() {
    const drawing = ++this.drawing;
    element("picture").classList.add("waiting");
    try {
      const context = await this.context();
      if (drawing !== this.drawing) return;
      this.showChoices(context);
      this.showBest(context);
      this.showTabs(context);
      this.showCompared(context);
      await Promise.all([this.showFigure(context, drawing), this.showSelected(context, drawing)]);
    } catch (error) {
      this.fail(element("picture"), error);
    }
    if (drawing === this.drawing) document.body.dataset.drawn = String(drawing);
  }

  fail(node, error) {
    node.classList.remove("waiting");
    node.replaceChildren(make("p", { className: "error", role: "alert", textContent: error.message }));
  }

  /* ---- what can be chosen ---- */

  showChoices(context) {
    const { model, state, task, statistic, part, rows, rowsOfTask, axesOfTask } = context;
    element("task").value = task.name;
    element("statistic").value = statistic.name;
    this.fill(element("part"), Object.keys(statistic.columns).map((name) => [name, model.catalogue.parts[name]]), part);
    element("meaning").textContent = `${statistic.meaning}${statistic.name === task.statistic ? ` ${task.compared}` : ""}`;
    element("left").textContent = `${rows.length.toLocaleString("en")} of ${counted(rowsOfTask.length, "experiment")}`;
    element("reset").hidden = rows.length === rowsOfTask.length;
    const open = new Set([...document.querySelectorAll("#filters details[open]")].map((node) => node.dataset.axis));
    const focused = document.activeElement?.dataset?.value;
    element("filters").replaceChildren(...axesOfTask.map((axis) => this.filterOf(axis, context, open.has(axis.name) || axis.name in state.kept || (!this.wasShown && axis.texts.length <= 6))));
    this.wasShown = true;
    if (focused) document.querySelector(`#filters [data-value="${CSS.escape(focused)}"]`)?.focus();
  }

  filterOf(axis, { model, state, rowsOfTask }, open) {
    const kept = state.kept[axis.name], places = model.placesOf(axis.name, rowsOfTask);
    const boxes = places.map((place) => {
      const text = axis.texts[place], value = `${axis.name}=${text}`;
      const box = make("input", { type: "checkbox", checked: !kept || kept.includes(text), onchange: () => this.toggle(axis, text, places) });
      box.dataset.value = value;
      return make("label", {}, box, make("span", { textContent: text }));
    });
    const told = kept ? `${kept.length} of ${places.length}` : `${places.length} values`;
    const node = make("details", { open, title: axis.meaning }, make("summary", {}, axis.words, make("span", { className: "note", textContent: told })), make("div", { className: "values" }, ...boxes));
    node.dataset.axis = axis.name;
    return node;
  }

  /** Keep a value of an axis or leave it out. The first one that is chosen in a figure is kept alone. */
  toggle(axis, text, places) {
    const { kept } = this.state, all = places?.map((place) => axis.texts[place]);
    const before = kept[axis.name] ?? all ?? [];
    const after = before.includes(text) ? before.filter((each) => each !== text) : [...before, text];
    const rest = Object.fromEntries(Object.entries(kept).filter(([name]) => name !== axis.name));
    const isAll = after.length === 0 || (all && after.length === all.length);
    this.set({ kept: isAll ? rest : { ...rest, [axis.name]: after }, page: "0" });
  }

  showBest({ model, best, values, statisticWords, axesOfTask, rows }) {
    const node = element("best");
    if (best === undefined) return node.replaceChildren(make("p", { textContent: "No experiment that the filter leaves has a value of this statistic." }));
    node.replaceChildren(
      make("span", { className: "number", textContent: shortNumber(values[best]) }), " ",
      make("span", { textContent: `is the best ${statisticWords} of ${counted(rows.length, "experiment")}: ${model.setting(best, axesOfTask)} ` }),
      make("button", { type: "button", className: "quiet", textContent: "Select it", onclick: () => this.set({ at: model.ids[best] }) }));
  }

  showTabs({ state }) {
    const all = [...VIEWS, { name: "table", title: "Table" }], current = all.some((view) => view.name === state.view) ? state.view : "zone";
    element("tabs").replaceChildren(...all.map((view) => make("button", {
      type: "button", role: "tab", id: `tab-${view.name}`, textContent: view.title, "aria-selected": String(view.name === current), "aria-controls": "figure",
      tabIndex: view.name === current ? 0 : -1, onclick: () => this.set({ view: view.name }),
      onkeydown: (event) => this.walkTabs(event, all.map((each) => each.name), current),
    })));
    element("figure").setAttribute("aria-labelledby", `tab-${current}`);
    if (this.focusTab) element(`tab-${current}`).focus();
    this.focusTab = false;
  }

  walkTabs(event, names, current) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    this.focusTab = true;
    this.set({ view: names[(names.indexOf(current) + step + names.length) % names.length] });
  }

  /* ---- the figure ---- */

  async showFigure(context, drawing) {
    const { state } = context, view = VIEWS.find((each) => each.name === state.view) ?? (state.view === "table" ? tableView(this) : VIEWS[0]);
    this.showControls(view.controls(context), state);
    if (!context.rows.length) return this.put(nothing("The filter leaves no experiment: “Show all” removes it."), context);
    let drawn;
    try {
      drawn = await view.draw(context);
    } catch (error) {
      if (drawing === this.drawing) { this.fail(element("picture"), error); element("caption").textContent = ""; }
      return;
    }
    if (drawing === this.drawing) this.put(drawn, context, view);
  }

  put(drawn, { task }, view) {
    const picture = element("picture");
    picture.classList.remove("waiting");
    picture.replaceChildren(...drawn.nodes);
    element("caption").textContent = drawn.caption;
    for (const drawing of picture.querySelectorAll("svg:not(svg svg)")) {
      drawing.setAttribute("role", "img");
      if (!drawing.hasAttribute("aria-label")) drawing.setAttribute("aria-label", drawn.caption.split(". ")[0]);
    }
    const filter = Object.entries(this.state.kept).map(([name, texts]) => `${this.model.axes.get(name)?.words ?? name} ${texts.join(" or ")}`);
    this.shown = { ...drawn, name: [task.words, view?.name ?? "figure"].filter(Boolean).join(" "),
      told: [drawn.caption, filter.length ? `Filtered: ${filter.join("; ")}.` : ""].filter(Boolean).join(" ") };
    const hasPicture = drawn.nodes.some((node) => node.matches?.("svg, figure") || node.querySelector?.("svg"));
    element("svg").hidden = element("png").hidden = !hasPicture;
    element("csv").hidden = !drawn.table.length;
  }

  showControls(controls, state) {
    element("controls").replaceChildren(...controls.map(({ name, label, options, value }) => {
      const select = make("select", { id: `control-${name}`, onchange: (event) => this.set({ [name]: event.target.value }) });
      this.fill(select, options, value ?? state[name]);
      return make("label", {}, label, select);
    }));
  }

  /* ---- what is compared and selected ---- */

  colourOf(id) {
    const place = this.state.compared.indexOf(id);
    return place < 0 ? undefined : COLOURS[place % COLOURS.length];
  }

  showCompared({ model, state, axesOfTask }) {
    const rows = state.compared.map((id) => model.rowOfId.get(id)).filter((row) => row !== undefined), node = element("compared");
    node.hidden = !rows.length;
    const differing = model.varied(rows);
    node.replaceChildren(
      make("h2", { textContent: `Compared: ${rows.length}` }),
      make("ul", { className: "chips" }, ...rows.map((row) => this.chip(row, model.setting(row, differing.length ? differing : axesOfTask)))),
      make("p", {}, make("button", { type: "button", textContent: "Show their curves", onclick: () => this.set({ view: "curves", lines: "compared" }) }), " ",
        make("button", { type: "button", className: "quiet", textContent: "Remove all", onclick: () => this.set({ compared: [] }) })));
    node.querySelector("p").style.marginTop = "8px";
  }

  chip(row, text) {
    const id = this.model.ids[row], dot = make("span", { className: "dot" });
    dot.style.background = this.colourOf(id);
    return make("li", {}, dot,
      make("button", { type: "button", textContent: text, title: "Select it", onclick: () => this.set({ at: id }) }),
      make("button", { type: "button", textContent: "×", ariaLabel: `Remove ${text}`, onclick: () => this.compare(id) }));
  }

  compare(id) {
    const { compared } = this.state;
    this.set({ compared: compared.includes(id) ? compared.filter((each) => each !== id) : [...compared, id] });
  }

  async showSelected(context, drawing) {
    const { model, state, statistic, values, axesOfTask, best } = context, node = element("selected"), row = model.rowOfId.get(state.at);
    node.hidden = row === undefined;
    if (row === undefined) return;
    const isCompared = state.compared.includes(state.at);
    const facts = make("dl", {}, ...axesOfTask.flatMap((axis) => [make("dt", { textContent: axis.words, title: axis.meaning }), make("dd", { textContent: model.text(axis.name, row) })]),
      make("dt", { textContent: statistic.words }), make("dd", { textContent: shortNumber(values[row]) }), make("dt", { textContent: "id" }), make("dd", {}, make("code", { textContent: state.at })));
    const small = make("div", { className: "small" }), told = make("p", { className: "note" });
    const runs = make("div");
    const buttons = make("p", {}, make("button", { type: "button", className: isCompared ? "" : "strong", id: "add", textContent: isCompared ? "Remove from comparison" : "Add to comparison", onclick: () => this.compare(state.at) }), " ",
      make("button", { type: "button", className: "quiet", textContent: "Close", onclick: () => this.set({ at: "" }) }));
    const parts = [make("h2", { textContent: "Selected experiment" }), make("div", { className: "two" }, make("div", {}, facts, buttons), make("div", {}, small, told)), runs];
    node.replaceChildren(...parts);
    try {
      await this.fillSelected(context, row, { small, told, runs, best }, () => drawing === this.drawing);
    } catch (error) {
      if (drawing === this.drawing) this.fail(small, error);
    }
  }

  async fillSelected(context, row, { small, told, runs, best }, isCurrent) {
    const { model, state, metric } = context, { abilities } = model.source, id = model.ids[row];
    const width = Math.max(260, Math.floor(small.clientWidth));
    const summary = (await model.ask("curves", [id], metric.name))[0];
    const all = abilities.runs ? await model.ask("runs", id, metric.name) : undefined;
    const differs = abilities.differences && best !== undefined && best !== row ? await model.ask("difference", id, model.ids[best]).catch(() => undefined) : undefined;
    if (!isCurrent()) return;
    const lines = (all?.runs ?? []).map((run) => ({ key: `run ${run.repetition}`, id, colour: UNSURE, isThin: true, label: `run ${run.repetition}`, epochs: all.epochs, median: run.curve, q1: run.curve, q3: run.curve }));
    if (summary) lines.push({ ...summary, key: "median", colour: COLOURS[0], label: "median over the runs" });
    const yLog = state.values === "log" && lines.some((line) => line.median.some((value) => value > 0));
    if (lines.length) small.replaceChildren(curveFigure({ lines, width, height: 250, xLog: state.epochs === "log", yLog, yLabel: metric.words, bands: true }));
    told.textContent = [`${sentence(metric.words)} by epoch: the median with the quartiles${all ? `, and each of ${counted(all.runs.length, "run")} in grey` : ""}.`, differs ? `Best setting less this one: ${differs.text}` : ""].join(" ");
    if (all) runs.replaceChildren(runsTable(all.runs, model.catalogue));
  }

  /* ---- downloads ---- */

  say(text) {
    element("done").textContent = text;
  }

  async copyLink() {
    const address = window.location.href;
    try {
      await navigator.clipboard.writeText(address);
      this.say("The address is copied; it shows the same.");
    } catch {
      this.say("Copy the address of this page; it shows the same.");
    }
  }

  async download(kind) {
    const { name, table, told } = this.shown, file = `${name.replace(/[^\w.-]+/g, "_")}.${kind}`;
    if (kind === "csv") save(new Blob([csvOf(table)], { type: "text/csv" }), file);
    else {
      const picture = pictureOf(element("picture"), told);
      save(kind === "svg" ? new Blob([picture.text], { type: "image/svg+xml" }) : await pngOf(picture), file);
    }
    this.say(`${file} is saved.`);
  }
}

/* ---- tables ---- */

function tableView(explorer) {
  return {
    name: "table", title: "Table", controls: () => [],
    async draw(context) {
      const { model, state, rows, axes, statistic, values, statisticWords } = context, [low, high] = await quartilesOf(context);
      const columns = [...axes.map((axis) => ({ name: axis.name, text: axis.words, key: (row) => model.codes.get(axis.name)[row], shown: (row) => model.text(axis.name, row) })),
        ...[["value", statisticWords, values], ["q1", "lower quartile", low], ["q3", "upper quartile", high]].map(([name, text, numbers]) => ({ name, text, key: (row) => numbers[row], shown: (row) => shortNumber(numbers[row]), number: true }))];
      const [sortBy, direction] = state.sort.split(" "), column = columns.find((each) => each.name === sortBy);
      const sorted = column ? ordered(rows, Object.fromEntries(rows.map((row) => [row, column.key(row)])), direction === "down" ? "max" : "min") : ordered(rows, values, statistic.best);
      const pages = Math.max(1, Math.ceil(rows.length / PER_PAGE)), page = Math.min(pages - 1, Math.max(0, Number(state.page) || 0));
      const head = make("tr", {}, ...columns.map((each) => headOf(explorer, each, column, direction)), make("th", { scope: "col", textContent: "Compare" }));
      const body = sorted.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((row) => rowOf(explorer, columns, row));
      return {
        nodes: [make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Experiments" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body))), pager(explorer, page, pages)],
        caption: `All ${counted(rows.length, "experiment")} that the filter leaves, ${column ? `by ${column.text}` : "the best first"}. Choose a row to see its runs.`,
        table: sorted.map((row) => ({ ...columnsOf(context, row), [statistic.name]: values[row], q1: low[row], q3: high[row] })),
      };
    },
  };
}

function headOf(explorer, each, sorted, direction) {
  const isSorted = each === sorted, next = isSorted && direction === "up" ? "down" : "up";
  return make("th", { scope: "col", className: each.number ? "n" : "", "aria-sort": isSorted ? (direction === "down" ? "descending" : "ascending") : "none" },
    make("button", { type: "button", textContent: each.text, onclick: () => explorer.set({ sort: `${each.name} ${next}`, page: "0" }) }));
}

function rowOf(explorer, columns, row) {
  const id = explorer.model.ids[row], isCompared = explorer.state.compared.includes(id);
  const cells = columns.map((each, number) => make("td", { className: each.number ? "n" : "" }, number ? each.shown(row) : make("button", { type: "button", className: "quiet", textContent: each.shown(row), title: "Select it" })));
  const add = make("button", { type: "button", textContent: isCompared ? "Remove" : "Add", onclick: (event) => { event.stopPropagation(); explorer.compare(id); } });
  return make("tr", { className: "can", "aria-selected": String(explorer.state.at === id), onclick: () => explorer.set({ at: id }) }, ...cells, make("td", {}, add));
}

function pager(explorer, page, pages) {
  const to = (number, text) => make("button", { type: "button", textContent: text, disabled: number < 0 || number >= pages, onclick: () => explorer.set({ page: String(number) }) });
  return make("div", { className: "pager", hidden: pages < 2 }, to(page - 1, "Previous"), `page ${page + 1} of ${pages}`, to(page + 1, "Next"));
}

function runsTable(runs, catalogue) {
  const head = ["run", `${catalogue.objective.replaceAll("_", " ")} that it counts by`, "at epoch"].map((text, number) => make("th", { scope: "col", className: number ? "n" : "", textContent: text }));
  const rows = runs.map((run) => make("tr", {}, make("td", { textContent: run.repetition }), make("td", { className: "n", textContent: shortNumber(run.value) }), make("td", { className: "n", textContent: run.epoch ?? "–" })));
  return make("details", {}, make("summary", { textContent: `The ${counted(runs.length, "run")} in numbers` }), make("div", { className: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))));
}

/* ---- files ---- */

function csvOf(table) {
  const columns = Object.keys(table[0] ?? {});
  const cell = (value) => {
    if (value === null || value === undefined || (typeof value === "number" && !Number.isFinite(value))) return "";
    const text = String(value);
    // A spreadsheet would take what begins like this for a formula.
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) && !/^-?[\d.e+-]+$/i.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [columns, ...table.map((row) => columns.map((name) => row[name]))].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function save(blob, file) {
  const address = URL.createObjectURL(blob);
  const link = make("a", { href: address, download: file });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** All drawings of the figure as one SVG, where they stand, with what the caption says below them. */
function pictureOf(container, told) {
  const frame = container.getBoundingClientRect(), colours = getComputedStyle(document.body), margin = 16;
  const width = Math.ceil(frame.width) + 2 * margin, lines = wrapped(told, width - 2 * margin), textTop = Math.ceil(frame.height) + margin + 24;
  const height = textTop + 17 * lines.length + margin;
  const outer = svg(width, height).attr("xmlns", "http://www.w3.org/2000/svg").attr("color", colours.color);
  outer.append("rect").attr("width", width).attr("height", height).attr("fill", getComputedStyle(element("figure")).backgroundColor);
  for (const heading of container.querySelectorAll("h3")) {
    const place = heading.getBoundingClientRect();
    outer.append("text").attr("x", place.left - frame.left + margin).attr("y", place.top - frame.top + margin + 14).attr("font-weight", 600).text(heading.textContent);
  }
  for (const drawing of container.querySelectorAll("svg")) {
    if (drawing.parentElement.closest("svg")) continue;
    const place = drawing.getBoundingClientRect(), copy = drawing.cloneNode(true);
    for (const tip of copy.querySelectorAll("[aria-label=tip]")) tip.remove();
    copy.setAttribute("x", place.left - frame.left + margin);
    copy.setAttribute("y", place.top - frame.top + margin);
    outer.node().append(copy);
  }
  lines.forEach((line, number) => outer.append("text").attr("x", margin).attr("y", textTop + 17 * number).text(line));
  const text = new XMLSerializer().serializeToString(outer.node()).replaceAll("var(--card)", getComputedStyle(element("figure")).backgroundColor);
  return { text, width, height };
}

function wrapped(text, width) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (textWidth(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.filter(Boolean);
}

async function pngOf({ text, width, height }) {
  const image = new Image(), canvas = make("canvas", { width: 2 * width, height: 2 * height });
  await new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = () => reject(new Error("The picture cannot be drawn."));
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

(async () => {
  try {
    const explorer = new Explorer(await Model.open(openSource()));
    await explorer.show();
  } catch (error) {
    element("picture").replaceChildren(make("p", { className: "error", role: "alert", textContent: error.message }));
  }
})();
