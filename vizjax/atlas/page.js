"use strict";

/* Words and numbers. What comes from outside gets into the page as text only, never as markup. */

const $ = (id) => document.getElementById(id);

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== "") element.textContent = text;
  return element;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const whole = (value) => (isNumber(value) ? value.toLocaleString("en") : "–");
const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;

function decimal(value, digits = 4) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3 || size >= 1e6) return value.toExponential(digits - 2);
  return size >= 10 ** digits ? String(Math.round(value)) : value.toPrecision(digits);
}

function words(value) {
  if (Array.isArray(value)) return value.map(words).join(", ");
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}

function listFacts(list, facts) {
  list.replaceChildren(...facts.map(([name, value]) => {
    const fact = make("div");
    fact.append(make("dt", "", name), make("dd", "", value));
    return fact;
  }));
}

/* The atlas: the manifest is in the page, each layer comes from a script of its own when needed. */

const manifest = JSON.parse($("manifest").textContent);
const layerNames = JSON.parse($("order").textContent);
const layerInfo = new Map(Object.entries(manifest.layers ?? {}));
const arrivals = new Map();
const loading = new Map();

// Called by layers/<slug>/layer.js.
window.vizjaxLayer = (layer) => arrivals.get(layer?.name)?.(layer);

// A name is taken only when it cannot lead out of the folder. A slug is already percent-encoded: its
// "%" are part of the folder's name and have to be encoded once more.
function layerPath(name, file) {
  const slug = String(layerInfo.get(name).slug);
  const safe = !/^\.*$/.test(slug) && /^[A-Za-z0-9._-]+$/.test(file) && !/^\.+$/.test(file);
  return safe ? `layers/${encodeURIComponent(slug)}/${file}` : null;
}

function requestLayer(name) {
  return new Promise((resolve, reject) => {
    const path = layerPath(name, "layer.js");
    if (!path) return reject(new Error("The folder of this layer has a name that cannot be opened."));
    const script = make("script");
    arrivals.set(name, resolve);
    script.onload = () => reject(new Error(`The file ${path} does not hold this layer.`));
    script.onerror = () => reject(new Error(`The file ${path} is not there.\n`
      + "The atlas may still be in the making, or its folder was copied without it."));
    script.src = path;
    document.head.append(script);
  });
}

function loadLayer(name) {
  if (!loading.has(name)) {
    const layer = requestLayer(name).then((raw) => readLayer(name, raw));
    layer.catch(() => loading.delete(name));  // so that it can be tried again
    loading.set(name, layer);
  }
  return loading.get(name);
}

// The manifest's names of a layer's units, of those that have one.
function readNames(layer, units) {
  const names = units.map((unit) => [unit, layerInfo.get(layer).names?.[unit]]);
  return new Map(names.filter(([, name]) => typeof name === "string" && name.trim()));
}

// Turns the shards, which are lists, into runs by facet and unit. A run is one optimization: the
// pictures of one facet of one unit, side by side in a sheet.
function readLayer(name, raw) {
  const pictures = new Map(Object.entries(raw.facets));
  const facets = new Map([...pictures.keys()].map((facet) => [facet, new Map()]));
  for (const shard of raw.shards) {
    const each = pictures.get(shard.facet);
    const sheet = layerPath(name, String(shard.sheet));
    if (!each || !(shard.columns > 0)) continue;
    shard.units.forEach((unit, job) => {
      const [score, final, baseline] = [shard.score[job], shard.final[job], shard.baseline[job]];
      facets.get(shard.facet).set(unit, {
        unit, sheet, score, final, baseline, first: job * each, columns: shard.columns,
        rise: isNumber(final) && isNumber(baseline) ? final - baseline : null,
        status: String(shard.status[job]), attempts: shard.attempts[job],
      });
    });
  }
  const found = new Set([...facets.values()].flatMap((runs) => [...runs.keys()]));
  const units = [...found].sort((a, b) => a - b);
  const [height, width] = raw.size;
  return { height, width, pictures, facets, units, names: readNames(name, units) };
}

/* Sheets and painting. Tiles are drawn on canvases, one for a row of the grid: a scaled background takes
   in a rim of the neighbouring tiles, and a canvas for each tile is too much for a browser to compose. */

const sheets = new Map();  // path -> picture and its state, the longest unused first
const tasks = new WeakMap();  // canvas -> pictures still to be drawn on it
const SHEETS_KEPT = 96;
const PICTURE_GAP = 2;
let sheetTimer = 0;

function openSheet(path) {
  const known = sheets.get(path);
  if (known) {
    sheets.delete(path);
    sheets.set(path, known);
    return;
  }
  const sheet = { image: new Image(), state: "waiting" };
  sheets.set(path, sheet);
  sheet.image.onload = () => sheetArrived(sheet, "ready");
  sheet.image.onerror = () => sheetArrived(sheet, "missing");
  sheet.image.src = path;
}

function sheetArrived(sheet, outcome) {
  sheet.state = outcome;
  for (const canvas of waitingCanvases()) drawReady(canvas);
  for (const [path, { state: stage }] of sheets) {
    if (sheets.size <= SHEETS_KEPT) break;
    if (stage !== "waiting") sheets.delete(path);
  }
}

const waitingCanvases = () => document.querySelectorAll("canvas[data-state=waiting]");

// Sheets are asked for a moment later, and only for tiles still there: rushing through ten thousand
// units does not load all that flew past.
function askForSheets() {
  sheetTimer ||= setTimeout(() => {
    sheetTimer = 0;
    for (const canvas of waitingCanvases()) {
      for (const task of tasks.get(canvas)) openSheet(task.path);
    }
  }, 60);
}

// The pictures of a unit side by side, as near to a square as their number allows.
function mosaic(count, width, aspect) {
  const columns = Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  const each = (width - PICTURE_GAP * (columns - 1)) / columns;
  return { columns, each, height: rows * each * aspect + PICTURE_GAP * (rows - 1) };
}

// What is to be drawn for `count` pictures of a run, from `picture` on, in a box `width` wide.
function tasksFor(run, picture, count, width, left = 0) {
  const { height: tileHeight, width: tileWidth } = state.data;
  const aspect = tileHeight / tileWidth;
  const { columns, each } = mosaic(count, width, aspect);
  return Array.from({ length: run?.sheet ? count : 0 }, (_, place) => {
    const tile = run.first + picture + place;
    return {
      path: run.sheet,
      tile: [(tile % run.columns) * tileWidth, Math.floor(tile / run.columns) * tileHeight, tileWidth, tileHeight],
      left: left + (place % columns) * (each + PICTURE_GAP),
      top: Math.floor(place / columns) * (each * aspect + PICTURE_GAP),
      width: each, height: each * aspect, radius: 0, opacity: 1, holder: null,
    };
  });
}

function paint(canvas, width, height, list) {
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = Math.max(1, Math.round(width * devicePixelRatio));  // empties it, too
  canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
  tasks.set(canvas, list);
  drawReady(canvas);
}

function drawReady(canvas) {
  const waiting = tasks.get(canvas).filter((task) => {
    const sheet = sheets.get(task.path);
    if (sheet?.state === "ready") draw(canvas, task, sheet.image);
    if (sheet?.state === "missing") task.holder?.classList.add("blank");
    return !sheet || sheet.state === "waiting";
  });
  tasks.set(canvas, waiting);
  canvas.dataset.state = waiting.length ? "waiting" : "done";
  if (waiting.length) askForSheets();
}

function draw(canvas, task, image) {
  const pixels = (length) => Math.round(length * devicePixelRatio);  // edges on whole pixels are crisp
  const [left, top] = [pixels(task.left), pixels(task.top)];
  const [width, height] = [pixels(task.left + task.width) - left, pixels(task.top + task.height) - top];
  const context = canvas.getContext("2d");
  context.save();
  context.beginPath();
  context.roundRect(left, top, width, height, pixels(task.radius));
  context.clip();
  context.globalAlpha = task.opacity;
  context.imageSmoothingQuality = "high";
  context.drawImage(cutTile(image, task.tile), left, top, width, height);
  context.restore();
}

// One tile as it is. Scaled out of the sheet directly, a browser mixes its neighbours into its edges.
const scissors = document.createElement("canvas");
function cutTile(image, [left, top, width, height]) {
  scissors.width = width;
  scissors.height = height;
  scissors.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
  return scissors;
}

/* What is shown: which units, and in which order. */

const state = {
  layer: null, data: null, facet: null,
  sort: "unit", descending: false, status: "all", wanted: null, minimum: null, size: 132,
  order: [],       // units shown, in order
  active: 0,       // place in the order that the keyboard is at
  unit: null,      // unit in the zoom
  picture: null,   // [facet, number] of the large picture
};

const runOf = (unit, facet = state.facet) => state.data?.facets.get(facet)?.get(unit);
const nameOf = (unit) => state.data?.names.get(unit) ?? "";
const titleOf = (unit) => `${unit} ${nameOf(unit)}`.trimEnd();

// "3, 5, 100-120, 400-" as a list of ranges; null when there is none, undefined when it makes no sense.
function readNumbers(text) {
  const parts = text.replace(/\s*[-–]\s*/g, "-").split(/[\s,;]+/).filter(Boolean);
  const ranges = parts.map((part) => /^(\d+)(-?)(\d*)$/.exec(part));
  if (!ranges.length) return null;
  if (!ranges.every(Boolean)) return undefined;
  return ranges.map(([, from, dash, to]) => {
    const ends = [Number(from), !dash ? Number(from) : to === "" ? Infinity : Number(to)];
    return [Math.min(...ends), Math.max(...ends)];
  });
}

const simple = (text) => text.trim().replace(/\s+/g, " ").toLowerCase();

// What is asked for, as a test of units: numbers, and where units have names parts of these, too. As names
// may hold commas, the whole is looked for first. Null and undefined are as for numbers.
function readUnits(text) {
  const among = (ranges) => (unit) => ranges.some(([from, to]) => from <= unit && unit <= to);
  const ranges = readNumbers(text);
  if (ranges) return among(ranges);
  if (ranges === null || !state.data.names.size) return ranges;
  const holds = (part) => (unit) => simple(nameOf(unit)).includes(part);
  if (state.data.units.some(holds(simple(text)))) return holds(simple(text));
  const tests = text.split(/[,;]/).map(simple).filter(Boolean).map((part) => {
    const numbers = readNumbers(part);
    return numbers ? among(numbers) : holds(part);
  });
  return (unit) => tests.some((test) => test(unit));
}

function isShown(unit) {
  const run = runOf(unit);
  return (state.status === "all" || run?.status === state.status)
    && (!state.wanted || state.wanted(unit))
    && (state.minimum === null || (isNumber(run?.final) && run.final >= state.minimum));
}

const alphabet = new Intl.Collator("en", { numeric: true });

// Units without a score, or without a name, come last whichever way the others are sorted.
function compareUnits(a, b) {
  const way = state.descending ? -1 : 1;
  if (state.sort === "unit") return way * (a - b);
  if (state.sort === "name") {
    const [x, y] = [nameOf(a), nameOf(b)];
    return x && y ? way * alphabet.compare(x, y) || a - b : !x - !y || a - b;
  }
  const [x, y] = [runOf(a)?.[state.sort], runOf(b)?.[state.sort]];
  if (isNumber(x) && isNumber(y)) return way * (x - y) || a - b;
  return isNumber(y) - isNumber(x) || a - b;
}

function update() {
  if (!state.data) return;
  const here = state.order[state.active];
  const wanted = readUnits($("numbers").value);
  showProblem(wanted === undefined);
  state.wanted = wanted ?? null;
  state.order = state.data.units.filter(isShown).sort(compareUnits);
  state.active = Math.max(0, state.order.indexOf(here));
  showCount();
  relayout();
}

function showCount() {
  const requested = layerInfo.get(state.layer).units;
  const runs = [...(state.data.facets.get(state.facet)?.values() ?? [])];
  const shown = state.order.length;
  const progress = runs.length < requested ? `${whole(runs.length)} of ${whole(requested)} done` : plural(requested, "unit");
  $("count").textContent = progress + (shown < state.data.units.length ? `, ${whole(shown)} shown` : "");
  for (const option of $("status").options) {
    const count = option.value === "all" ? runs.length : runs.filter((run) => run.status === option.value).length;
    option.textContent = `${option.value} (${whole(count)})`;
  }
  $("toolbar").classList.toggle("idle", !state.data.units.length);
  if (!state.data.units.length) notify(`0 of ${whole(requested)} done`, "This layer has no pictures yet. Load the page again later.");
  else if (!shown) notify("No unit fits the filter", "", "Clear the filter", clearFilter);
  else notify();
}

function notify(title, text = "", action = "", act = null) {
  $("notice").hidden = !title;
  $("grid").hidden = Boolean(title);
  $("notice").replaceChildren(make("p", "", title), make("p", "", text));
  if (!action) return;
  const button = make("button", "", action);
  button.onclick = act;
  $("notice").append(button);
}

function clearFilter() {
  Object.assign(state, { status: "all", minimum: null });
  $("status").value = "all";
  $("numbers").value = $("minimum").value = "";
  update();
}

function showProblem(wrong) {
  $("numbers").setAttribute("aria-invalid", wrong);
  $("problem").hidden = !wrong;
  $("problem").textContent = wrong ? "Units are given as 12, as 100-120, or as 3, 5, 9." : "";
}

/* The grid. Only rows near the window are in the document. */

const rows = new Map();  // row number -> its element
const SPARE_ROWS = 2;
const CAPTION = 24;
let layout = { columns: 1, width: 1, gap: 0, art: 1, rowHeight: 1, rows: 0, pictures: 1 };
let drawPending = false;

// With `keep`, the units in sight stay in sight.
function relayout(keep = false) {
  const above = -$("grid").getBoundingClientRect().top;
  const middle = above + innerHeight / 2;
  const anchor = (Math.floor(middle / layout.rowHeight) + 0.5) * layout.columns;
  const focused = $("grid").contains(document.activeElement);
  const room = $("grid").clientWidth;
  if (!state.data || !room) return clearRows();
  const { height, width } = state.data;
  const gap = state.size < 100 ? 8 : 14;
  const columns = Math.max(1, Math.floor((room + gap) / (state.size + gap)));
  const cell = Math.floor((room - gap * (columns - 1)) / columns);
  const pictures = state.data.pictures.get(state.facet) ?? 1;
  const art = mosaic(pictures, cell, height / width).height;
  const rowHeight = art + CAPTION + gap;
  layout = { columns, width: cell, gap, art, rowHeight, rows: Math.ceil(state.order.length / columns), pictures };
  const grid = $("grid");
  grid.style.setProperty("--art", `${art}px`);
  grid.style.height = `${layout.rows * rowHeight}px`;
  grid.classList.toggle("tiny", cell < 92);
  grid.classList.toggle("tiniest", cell < 72);
  grid.setAttribute("aria-rowcount", layout.rows);
  grid.setAttribute("aria-colcount", columns);
  clearRows();
  if (keep && above > 0) scrollBy(0, (Math.floor(anchor / columns) + 0.5) * rowHeight - middle);
  drawRows();
  if (focused) focusPlace(state.active);
}

function clearRows() {
  rows.clear();
  $("grid").replaceChildren();
}

function scheduleDraw() {
  if (drawPending) return;
  drawPending = true;
  requestAnimationFrame(() => { drawPending = false; drawRows(); });
}

function visibleRows() {
  const top = -$("grid").getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / layout.rowHeight) - SPARE_ROWS);
  const last = Math.min(layout.rows - 1, Math.floor((top + innerHeight) / layout.rowHeight) + SPARE_ROWS);
  return [first, last];
}

function drawRows() {
  if (!state.data || $("grid").hidden) return;
  const [first, last] = visibleRows();
  const wanted = new Set();
  for (let row = first; row <= last; row++) wanted.add(row);
  // The focus must not fall out of the page by scrolling; without focus the keyboard starts in sight.
  const activeRow = Math.floor(state.active / layout.columns);
  if ($("grid").contains(document.activeElement)) wanted.add(activeRow);
  else if (!wanted.has(activeRow) && first <= last) setActive(Math.min(first + SPARE_ROWS, last) * layout.columns);
  for (const [row, element] of rows) {
    if (wanted.has(row)) continue;
    element.remove();
    rows.delete(row);
  }
  let next = null;  // rows stay in order in the document, for those who listen to it
  for (const row of [...wanted].sort((a, b) => b - a)) {
    if (!rows.has(row)) {
      rows.set(row, makeRow(row));
      $("grid").insertBefore(rows.get(row), next);
    }
    next = rows.get(row);
  }
}

function makeRow(row) {
  const element = make("div", "row");
  element.setAttribute("role", "row");
  element.setAttribute("aria-rowindex", row + 1);
  element.style.transform = `translateY(${row * layout.rowHeight}px)`;
  element.style.gridTemplateColumns = `repeat(${layout.columns}, ${layout.width}px)`;
  element.style.columnGap = `${layout.gap}px`;
  const start = row * layout.columns;
  const end = Math.min(start + layout.columns, state.order.length);
  const canvas = make("canvas");
  const list = [];
  for (let place = start; place < end; place++) {
    const run = runOf(state.order[place]);
    const cell = makeCell(place, run);
    const left = (place - start) * (layout.width + layout.gap);
    for (const task of tasksFor(run, 0, layout.pictures, layout.width, left)) {
      list.push({ ...task, holder: cell, radius: 5, opacity: run.status === "ok" ? 1 : 0.35 });
    }
    element.append(cell);
  }
  paint(canvas, layout.columns * (layout.width + layout.gap) - layout.gap, layout.art, list);
  element.append(canvas);
  return element;
}

function makeCell(place, run) {
  const unit = state.order[place];
  const status = run?.status ?? "not done";
  const cell = make("div", run?.sheet ? "cell" : "cell blank");
  cell.dataset.place = place;
  cell.tabIndex = place === state.active ? 0 : -1;
  cell.setAttribute("role", "gridcell");
  cell.setAttribute("aria-colindex", (place % layout.columns) + 1);
  const name = nameOf(unit);
  cell.setAttribute("aria-label", `Unit ${unit}, ${name && `${name}, `}final score ${decimal(run?.final)}, ${status}`);
  const caption = make("p", "", String(unit));
  if (name) {
    caption.title = titleOf(unit);
    caption.append(make("span", "name", name));
  }
  caption.append(make("span", "", decimal(state.sort === "rise" ? run?.rise : run?.final, 3)));
  cell.append(caption);
  if (status !== "ok") cell.append(makeBadge(status));
  return cell;
}

function makeBadge(status) {
  const badge = make("span", "badge", status);
  badge.dataset.status = status;
  return badge;
}

const cellAt = (place) => document.querySelector(`.cell[data-place="${Number(place)}"]`);

function setActive(place) {
  cellAt(state.active)?.setAttribute("tabindex", -1);
  state.active = place;
  cellAt(place)?.setAttribute("tabindex", 0);
}

function focusPlace(place) {
  if (!state.order.length) return;
  setActive(Math.max(0, Math.min(place, state.order.length - 1)));
  revealPlace(state.active);
  cellAt(state.active)?.focus({ preventScroll: true });
}

function revealPlace(place) {
  const ceiling = $("toolbar").offsetHeight + 8;
  const top = $("grid").getBoundingClientRect().top + Math.floor(place / layout.columns) * layout.rowHeight;
  const bottom = top + layout.rowHeight;
  if (top < ceiling) scrollBy(0, top - ceiling);
  else if (bottom > innerHeight) scrollBy(0, bottom - innerHeight);
  drawRows();
}

/* The zoom. */

const zoomed = () => runOf(state.unit, state.picture[0]);

function showUnit(unit) {
  if (!state.order.includes(unit)) clearFilter();  // a link wins over what was filtered before
  state.unit = unit;
  const wish = state.picture ?? [state.facet, 0];
  const facets = [wish[0], state.facet, ...state.data.facets.keys()];
  const facet = facets.find((name) => runOf(unit, name));
  state.picture = [facet, facet === wish[0] ? wish[1] : 0];
  setActive(state.order.indexOf(unit));
  if (!$("zoom").open) $("zoom").showModal();
  document.title = `${state.layer} / ${titleOf(unit)} – ${modelName}`;
  $("where").textContent = state.layer;
  $("back").disabled = state.active === 0;
  $("forth").disabled = state.active === state.order.length - 1;
  $("command").textContent = exportCommand();
  fillStrip();
  showPicture();
  for (const by of [-1, 1]) {  // the next steps need not wait
    const run = runOf(state.order[state.active + by], facet);
    if (run?.sheet) openSheet(run.sheet);
  }
}

function fillStrip() {
  const groups = [...state.data.facets].map(([facet, runs]) => {
    const run = runs.get(state.unit);
    const group = make("div", "", run ? facet : `${facet} (not done)`);
    const list = make("ul");
    for (let picture = 0; run && picture < state.data.pictures.get(facet); picture++) {
      const item = make("li");
      const button = make("button");
      const canvas = make("canvas");
      button.setAttribute("aria-label", `${facet}, picture ${picture + 1}`);
      button.onclick = () => { state.picture = [facet, picture]; showPicture(); };
      button.picture = [facet, picture];
      paintOne(canvas, run, picture, 56);
      button.append(canvas);
      item.append(button);
      list.append(item);
    }
    group.append(list);
    return group;
  });
  $("strip").replaceChildren(...groups);
}

function paintOne(canvas, run, picture, width) {
  const list = tasksFor(run, picture, 1, width).map((task) => ({ ...task, holder: canvas }));
  canvas.classList.toggle("blank", !list.length);
  paint(canvas, width, width * state.data.height / state.data.width, list);
}

function showPicture() {
  const [facet, picture] = state.picture;
  const run = zoomed();
  for (const button of $("strip").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.picture[0] === facet && button.picture[1] === picture);
  }
  const { clientWidth, clientHeight } = $("stage");
  const { height, width } = state.data;
  paintOne($("picture"), run, picture, Math.floor(Math.min(clientWidth, clientHeight * width / height)));
  const name = nameOf(state.unit);
  $("picture").setAttribute("aria-label", `What unit ${state.unit}${name && ` (${name})`} of ${state.layer} responds to: ${facet}, picture ${picture + 1}`);
  showScores(run, facet);
}

function showScores(run, facet) {
  const finals = [...state.data.facets.get(facet).values()].map((each) => each.final).filter(isNumber);
  const place = finals.filter((final) => final > run.final).length + 1;
  $("rank").textContent = isNumber(run.final)
    ? `${facet}, rank ${whole(place)} of ${whole(finals.length)} by final score` : `${facet}, without a final score`;
  listFacts($("scores"), [
    ["Final", decimal(run.final)], ["Last step", decimal(run.score)], ["Baseline", decimal(run.baseline)],
    ["Rise", decimal(run.rise)], ["Status", run.status], ["Attempts", whole(run.attempts)],
  ]);
  $("unit").replaceChildren(nameOf(state.unit) ? titleOf(state.unit) : `Unit ${state.unit}`);
  if (run.status !== "ok") $("unit").append(makeBadge(run.status));
  drawSpread(finals, run.final);
}

function makeShape(tag, attributes, text = "") {
  const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
  shape.textContent = text;
  return shape;
}

function drawSpread(finals, mark) {
  const [WIDTH, FLOOR, CEILING, BINS] = [332, 74, 14, 32];
  const low = finals.reduce((least, value) => Math.min(least, value), Infinity);
  const high = finals.reduce((most, value) => Math.max(most, value), -Infinity);
  const binOf = (value) => Math.min(BINS - 1, Math.floor((value - low) / (high - low || 1) * BINS));
  const counts = new Array(BINS).fill(0);
  for (const value of finals) counts[binOf(value)] += 1;
  const most = Math.max(1, ...counts);
  const shapes = counts.map((count, bin) => {
    const height = count && Math.max(2, count / most * (FLOOR - CEILING));
    return makeShape("rect", { x: bin * WIDTH / BINS, y: FLOOR - height, width: WIDTH / BINS - 1.5, height, rx: 1 });
  });
  if (isNumber(mark)) {
    const bin = binOf(mark);
    shapes[bin].classList.add("here");
    const middle = (bin + 0.5) * WIDTH / BINS - 0.75;
    const peak = Number(shapes[bin].getAttribute("y")) - 4;
    shapes.push(makeShape("path", { d: `M${middle} ${peak}l-4 -7h8z`, class: "here" }));
  }
  if (finals.length) {
    shapes.push(makeShape("text", { x: 0, y: 89 }, decimal(low)));
    shapes.push(makeShape("text", { x: WIDTH, y: 89, "text-anchor": "end" }, decimal(high)));
  }
  $("spread").replaceChildren(...shapes);
}

// In single quotes a shell takes everything as it is, save the quote itself.
const shellWord = (word) => (/^[A-Za-z0-9_.,:/@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function exportCommand() {
  let folder = "DIR";
  if (location.protocol === "file:") {
    const path = readPart(location.pathname.replace(/\/[^/]*$/, ""));
    folder = shellWord(path.replace(/^\/(?=[A-Za-z]:)/, "") || "/");
  }
  return `vizjax export ${folder} --layer ${shellWord(state.layer)} --units ${state.unit}:${state.unit + 1} --out unit-${state.unit}`;
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  } catch {
    prompt("Copy this:", text);  // not every browser lets a page from a file at the clipboard
  }
}

let toastTimer = 0;
function toast(text) {
  clearTimeout(toastTimer);
  $("toast").textContent = text;
  $("toast").hidden = false;
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, 4000);
}

/* Where the page is: #layer or #layer/unit, always what is shown. */

function address(layer, unit = null) {
  return `#${encodeURIComponent(layer)}${unit === null ? "" : `/${unit}`}`;
}

function readPart(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function readAddress() {
  const [layer, unit] = location.hash.slice(1).split("/");
  return [readPart(layer), /^\d+$/.test(unit ?? "") ? Number(unit) : null];
}

// A new place is a new entry in the history; a step from unit to unit is not, so that going back from
// a walk through the units leads to the grid.
function go(layer, unit = null) {
  const entry = { opened: unit !== null };
  if (unit !== null && state.unit !== null) history.replaceState(history.state, "", address(layer, unit));
  else history.pushState(entry, "", address(layer, unit));
  route();
}

async function route() {
  const [layer, unit] = readAddress();
  if (!layerInfo.has(layer)) {
    if (layer) toast(`There is no layer ${layer} in this atlas.`);
    if (!layerNames.length) return notify("This atlas has no layers yet");
    history.replaceState(null, "", address(layerNames[0]));
    return route();
  }
  if (layer !== state.layer) {
    leaveUnit();
    await showLayer(layer);
  }
  if (layer !== state.layer || !state.data) return;  // gone elsewhere meanwhile, or not loaded
  if (unit === null || state.data.units.includes(unit)) {
    if (location.hash !== address(layer, unit)) history.replaceState(history.state, "", address(layer, unit));
    return unit === null ? leaveUnit() : showUnit(unit);
  }
  toast(`Unit ${unit} of ${layer} is not in this atlas yet.`);
  leaveUnit();
  history.replaceState(null, "", address(layer));
}

async function showLayer(layer) {
  Object.assign(state, { layer, data: null, order: [], active: 0, picture: null });
  document.title = `${layer} – ${modelName}`;
  $("title").textContent = layer;
  $("count").textContent = "";
  $("toolbar").classList.add("idle");
  $("grid").setAttribute("aria-label", `Units of ${layer}`);
  markLayer();
  clearRows();
  scrollTo(0, Math.min(scrollY, document.querySelector("main").offsetTop));
  notify("Loading…");
  try {
    const data = await loadLayer(layer);
    if (state.layer !== layer) return;
    state.data = data;
    if (!data.facets.has(state.facet)) state.facet = data.facets.keys().next().value ?? null;
    fillFacets();
    fillNames();
    update();
  } catch (problem) {
    if (state.layer !== layer) return;
    notify("This layer cannot be shown", problem.message, "Try again", () => { state.layer = null; route(); });
  }
}

function leaveUnit() {
  state.unit = null;
  if ($("zoom").open) $("zoom").close();
  if (state.layer) document.title = `${state.layer} – ${modelName}`;
}

// The dialog can also be closed by the browser (Esc, the back gesture of a phone): the address follows.
function zoomClosed() {
  if ($("zoom").open) return;  // told late: it is open again, on another layer
  if (state.unit !== null) {
    state.unit = null;
    if (history.state?.opened) history.back();
    else { history.replaceState(null, "", address(state.layer)); route(); }
  }
  state.picture = null;
  if (state.data) focusPlace(state.active);
}

function stepUnit(by) {
  const unit = state.order[state.active + by];
  if (unit !== undefined) go(state.layer, unit);
}

function stepPicture(by) {
  const buttons = [...$("strip").querySelectorAll("button")];
  const now = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
  buttons[now + by]?.click();
}

function stepLayer(by) {
  const layer = layerNames[layerNames.indexOf(state.layer) + by];
  if (layer !== undefined) { leaveUnit(); go(layer); }
}

/* Header, layers, and what the page says of the atlas. */

const modelName = words(manifest.model?.name ?? "Atlas");

function fillHeader() {
  $("model").textContent = modelName;
  const units = [...layerInfo.values()].reduce((sum, info) => sum + (Number(info.units) || 0), 0);
  const facts = [plural(layerNames.length, "layer"), plural(units, "unit"), `seed ${words(manifest.seed)}`, words(manifest.backend),
    `weights ${words(manifest.model?.weights ?? "–").slice(0, 8)}`];
  $("overview").replaceChildren(...facts.map((fact) => make("li", "", fact)));
}

function fillAbout() {
  const recipe = Object.entries(manifest.recipe ?? {}).map(([name, value]) => [name, words(value)]);
  const versions = Object.entries(manifest.versions ?? {}).map(([name, value]) => [name, words(value)]);
  const provenance = [["Model", modelName], ["Weights", words(manifest.model?.weights ?? "–")], ["Seed", words(manifest.seed)],
    ["Width", words(manifest.width)], ["Backend", words(manifest.backend)], ...versions];
  for (const list of [$("recipe"), $("aboutrecipe")]) listFacts(list, recipe);
  for (const list of [$("provenance"), $("aboutprovenance")]) listFacts(list, provenance);
  const keys = [["Move between units", "← ↑ ↓ →"], ["Open a unit", "Enter"], ["Close", "Esc"], ["In the zoom: other unit", "← →"],
    ["In the zoom: other picture", "↑ ↓"], ["Filter by number or name", "/"], ["Previous, next layer", "[ ]"], ["This help", "?"]];
  listFacts($("keys"), keys);
  for (const key of $("keys").querySelectorAll("dd")) {
    key.replaceChildren(...key.textContent.split(" ").flatMap((word) => [make("kbd", "", word), " "]));
  }
}

function fillLayers() {
  $("search").hidden = layerNames.length <= 12;
  $("layers").replaceChildren(...layerNames.map((name) => {
    const item = make("li");
    const button = make("button");
    button.append(make("span", "", name), make("span", "", whole(layerInfo.get(name).units)));
    button.onclick = () => { toggle("choose", "nav", false); if (name !== state.layer) go(name); };
    button.layer = name;
    item.append(button);
    return item;
  }));
}

function markLayer() {
  for (const button of $("layers").querySelectorAll("button")) {
    if (button.layer !== state.layer) button.removeAttribute("aria-current");
    else { button.setAttribute("aria-current", "true"); keepInView($("nav"), button); }
  }
}

// scrollIntoView would scroll the page as well.
function keepInView(box, element) {
  const [outer, inner] = [box.getBoundingClientRect(), element.getBoundingClientRect()];
  if (inner.top < outer.top || inner.bottom > outer.bottom) box.scrollTop += inner.top - outer.top - outer.height / 3;
}

function findLayer() {
  const wanted = $("search").value.trim().toLowerCase();
  let found = 0;
  for (const button of $("layers").querySelectorAll("button")) {
    const fits = button.layer.toLowerCase().includes(wanted);
    button.parentElement.hidden = !fits;
    found += fits;
  }
  $("nolayer").hidden = found > 0;
}

function fillFacets() {
  $("facets").replaceChildren(...[...state.data.facets.keys()].map((facet) => {
    const button = make("button", "", facet);
    button.setAttribute("aria-pressed", facet === state.facet);
    button.onclick = () => {
      state.facet = facet;
      for (const other of $("facets").children) other.setAttribute("aria-pressed", other === button);
      update();
    };
    return button;
  }));
}

// What can be done with units only where they have names.
function fillNames() {
  const named = state.data.names.size > 0;
  $("byname").hidden = $("byname").disabled = !named;
  if (!named && state.sort === "name") $("sort").value = state.sort = "unit";
  $("numbers").placeholder = named ? "number or name" : "12, 100-120";
  $("numbers").title = `A number, a range${named ? ", part of a name" : ""}, or several of them ( / )`;
}

function toggle(button, panel, open = !$(panel).classList.contains("open")) {
  $(panel).classList.toggle("open", open);
  $(button).setAttribute("aria-expanded", open);
}

function showDirection() {
  $("direction").setAttribute("aria-label", state.descending ? "Descending; switch to ascending" : "Ascending; switch to descending");
  $("direction").title = state.descending ? "Descending" : "Ascending";
  $("direction").firstElementChild.style.rotate = state.descending ? "180deg" : "";
}

/* Light and dark: as the system has it, until chosen. A page from a file may have no storage. */

function recall() {
  try { return localStorage.getItem("vizjax-theme"); } catch { return null; }
}

function setTheme(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

function switchTheme() {
  const now = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  setTheme(next);
  try { localStorage.setItem("vizjax-theme", next); } catch { /* then it lasts as long as the page */ }
}

/* Hands: mouse, keyboard, touch. */

// Many keyboards have the brackets on AltGr, which some systems tell as Ctrl+Alt.
function isChord(event) {
  return (event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph");
}

function pressInGrid(event) {
  if (isChord(event)) return;
  const perPage = Math.max(1, Math.floor(innerHeight / layout.rowHeight) - 1) * layout.columns;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -layout.columns, ArrowDown: layout.columns,
    PageUp: -perPage, PageDown: perPage, Home: -Infinity, End: Infinity };
  if (Object.hasOwn(steps, event.key)) focusPlace(state.active + steps[event.key]);
  else if (event.key === "Enter" || event.key === " ") go(state.layer, state.order[state.active]);
  else return;
  event.preventDefault();
}

function pressInZoom(event) {
  if (isChord(event)) return;
  const reading = event.target === $("facts");  // there, up and down scroll
  const acts = { ArrowLeft: () => stepUnit(-1), ArrowRight: () => stepUnit(1) };
  if (!reading) Object.assign(acts, { ArrowUp: () => stepPicture(-1), ArrowDown: () => stepPicture(1) });
  if (!Object.hasOwn(acts, event.key)) return;
  event.preventDefault();
  acts[event.key]();
}

function pressAnywhere(event) {
  if (isChord(event) || $("about").open || event.target.matches("input, select")) return;
  if (event.key === "Escape") toggle("choose", "nav", false);
  const acts = { "[": () => stepLayer(-1), "]": () => stepLayer(1), "?": () => $("about").showModal() };
  if (!$("zoom").open) acts["/"] = openFilter;
  if (!Object.hasOwn(acts, event.key)) return;
  event.preventDefault();
  acts[event.key]();
}

function openFilter() {
  toggle("refine", "controls", true);
  $("numbers").focus();
}

function watchSwipes(stage) {
  let start = null;
  stage.addEventListener("touchstart", (event) => {
    start = event.touches.length === 1 ? event.touches[0] : null;
  }, { passive: true });
  stage.addEventListener("touchend", (event) => {
    if (!start) return;
    const across = event.changedTouches[0].clientX - start.clientX;
    const down = event.changedTouches[0].clientY - start.clientY;
    if (Math.abs(across) > 40 && Math.abs(across) > 1.5 * Math.abs(down)) stepUnit(across < 0 ? 1 : -1);
    start = null;
  });
}

function connect() {
  $("grid").addEventListener("keydown", pressInGrid);
  $("grid").addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (cell) go(state.layer, state.order[Number(cell.dataset.place)]);
  });
  $("sort").oninput = () => { state.sort = $("sort").value; update(); };
  $("direction").onclick = () => { state.descending = !state.descending; showDirection(); update(); };
  $("status").oninput = () => { state.status = $("status").value; update(); };
  $("numbers").oninput = update;
  $("minimum").oninput = () => { state.minimum = $("minimum").value === "" ? null : $("minimum").valueAsNumber; update(); };
  $("size").oninput = () => { state.size = $("size").valueAsNumber; relayout(true); };
  for (const id of ["numbers", "minimum"]) $(id).onkeydown = (event) => {
    if (event.key === "Enter") focusPlace(state.active);
    if (event.key === "Escape") $(id).blur();
  };
  $("search").oninput = findLayer;
  $("choose").onclick = () => toggle("choose", "nav");
  document.addEventListener("click", (event) => {  // on a phone the layers lie over the page
    if (!event.target.closest("#nav, #choose")) toggle("choose", "nav", false);
  });
  $("refine").onclick = () => toggle("refine", "controls");
  $("theme").onclick = switchTheme;
  $("help").onclick = () => $("about").showModal();
  $("zoom").addEventListener("close", zoomClosed);
  $("zoom").addEventListener("keydown", pressInZoom);
  $("close").onclick = () => $("zoom").close();
  $("back").onclick = () => stepUnit(-1);
  $("forth").onclick = () => stepUnit(1);
  $("copylink").onclick = () => copy($("copylink"), location.href);
  $("copycommand").onclick = () => copy($("copycommand"), $("command").textContent);
  watchSwipes($("stage"));
  document.addEventListener("keydown", pressAnywhere);
  addEventListener("hashchange", route);
  addEventListener("scroll", scheduleDraw, { passive: true });
  addEventListener("resize", () => {
    relayout(true);
    if ($("zoom").open) showPicture();
  });
}

history.scrollRestoration = "manual";
setTheme(recall());
fillHeader();
fillAbout();
fillLayers();
showDirection();
connect();
route();
