"use strict";
/* What is shown, and the address that says so: the same address shows the same. */

const DEFAULTS = {
  task: "", view: "zone", statistic: "", part: "median", x: "", y: "", colour: "log", metric: "", also: "",
  epochs: "log", values: "log", lines: "best", sort: "", page: "0", at: "", compared: [], kept: {},
};

/** Read the state from the part of an address after the #. Values of axes are in it as text, so that it stays true when
    further values are surveyed. */
function readState(hash) {
  const state = structuredClone(DEFAULTS);
  for (const [name, value] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (name.startsWith("keep.")) state.kept[name.slice(5)] = splitList(value);
    else if (name === "compared") state.compared = splitList(value).filter((id) => /^\d{1,20}$/.test(id));
    else if (name in DEFAULTS) state[name] = value;
  }
  return state;
}

function writeState(state) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (name === "kept") for (const [axis, texts] of Object.entries(value)) parameters.set(`keep.${axis}`, joinList(texts));
    else if (name === "compared") { if (value.length) parameters.set(name, joinList(value)); }
    else if (value !== DEFAULTS[name]) parameters.set(name, value);
  }
  return `#${parameters}`;
}

/* A list in one value: its items are apart by |, which is escaped within them. */
function joinList(items) { return items.map((item) => item.replace(/[\\|]/g, "\\$&")).join("|"); }
function splitList(text) {
  return (text.match(/(?:\\.|[^|\\])+|(?<=^|\|)(?=\||$)/gs) ?? []).map((item) => item.replace(/\\(.)/gs, "$1"));
}
