"use strict";
/* Where the page gets its data from: a local server that reads the data set, or the page itself.

   Both answer the same questions. `abilities` says what the source can compute. */

class ServerSource {
  constructor() {
    this.abilities = { runs: true, differences: true, filteredEffects: true, allStatistics: true };
  }

  catalogue() { return this.#json("catalogue"); }
  async ids() { return Array.from(new BigUint64Array(await this.#bytes("ids")), String); }
  async codes(axis) { return new Uint32Array(await this.#bytes("codes", { axis })); }
  async numbers(column) { return new Float32Array(await this.#bytes("numbers", { column })); }
  curves(ids, metric) { return this.#json("curves", { ids: ids.join(","), metric }); }
  runs(id, metric) { return this.#json("runs", { id, metric }); }
  effects(task, kept) { return this.#json("effects", { task, kept: JSON.stringify(kept) }); }
  difference(a, b) { return this.#json("difference", { a, b }); }

  /** The difference of each experiment from one of them, and the ends of its interval. */
  async differences(reference) {
    const all = new Float32Array(await this.#bytes("differences", { reference }));
    const n = all.length / 3;
    return { estimate: all.subarray(0, n), low: all.subarray(n, 2 * n), high: all.subarray(2 * n) };
  }

  async #json(name, parameters) { return (await this.#answer(name, parameters)).json(); }
  async #bytes(name, parameters) { return (await this.#answer(name, parameters)).arrayBuffer(); }

  async #answer(name, parameters = {}) {
    const address = `api/${name}?${new URLSearchParams(parameters)}`;
    const response = await fetch(address).catch(() => {
      throw new Error("The explorer does not answer any more: start it again, then load this page again.");
    });
    if (!response.ok) {
      const told = await response.json().catch(() => ({ error: `${response.status} ${response.statusText}` }));
      throw new Error(told.error);
    }
    return response;
  }
}

class EmbeddedSource {
  constructor(embedded) {
    this.embedded = embedded;
    this.abilities = { runs: false, differences: false, filteredEffects: false, allStatistics: false };
    this.inflated = new Map();
  }

  async catalogue() { return this.embedded.catalogue; }
  async ids() { return this.embedded.ids; }
  async codes(axis) { return new Uint32Array(await this.#inflate(this.embedded.codes[axis])); }
  async numbers(column) { return new Float32Array(await this.#inflate(this.embedded.numbers[column])); }

  async curves(ids, metric) {
    const own = this.embedded.curves[metric];
    if (!own) throw new Error("This metric is not in this file; survey explore shows all of them.");
    const [places, counts, values] = await Promise.all([this.#places(), this.#inflate(own.counts), this.#inflate(own.values)]);
    const lengths = new Uint32Array(counts), numbers = new Float32Array(values), most = own.epochs.length;
    const at = (row, part) => Array.from(
      numbers.subarray((part * lengths.length + row) * most, (part * lengths.length + row) * most + lengths[row]),
      (value) => (Number.isFinite(value) ? value : null));
    return ids.filter((id) => places.has(id) && lengths[places.get(id)]).map((id) => {
      const row = places.get(id);
      return { id, epochs: own.epochs.slice(0, lengths[row]), q1: at(row, 0), median: at(row, 1), q3: at(row, 2) };
    });
  }

  async effects(task) { return this.embedded.effects[task]; }

  async #places() { return (this.places ??= new Map(this.embedded.ids.map((id, row) => [id, row]))); }

  /** The bytes of an array, which is kept as gzip in base64. */
  async #inflate(text) {
    if (!this.inflated.has(text)) {
      const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      this.inflated.set(text, await new Response(stream).arrayBuffer());
    }
    return this.inflated.get(text);
  }
}

function openSource() {
  const embedded = document.getElementById("embedded");
  return embedded ? new EmbeddedSource(JSON.parse(embedded.textContent)) : new ServerSource();
}
