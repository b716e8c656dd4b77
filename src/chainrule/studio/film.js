// Plays an item in generation order; a click on a cell, then on a bar, asks for the item with that value.
const find = (name) => element.querySelector(name);
const board = find('[data-item]'), pen = board.getContext('2d'), SECONDS = 8, MOST_BARS = 24, WRAP = 32;
const BLUE = 'rgba(47,143,221,', ORANGE = '#d9822b', REDRAWN = 'rgba(217,130,43,.45)';
let film = null, tables, reads, at = 0, playing = false, before = null, size, last, cells;

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const glyph = (level) => {
  const name = film.names ? film.names[level] : `${level}`;
  return { '\n': '↵', ' ': '␣', '\t': '⇥' }[name] ?? (/\p{C}/u.test(name) ? '·' : name);
};

function cell(d) { // (row, column) of variable d
  const place = film.order[d], [a, b, c] = film.shape;
  if (film.kind === 'image') return [Math.floor(place % (b * c) / c), place % c];
  if (film.kind === 'roll') return [b - 1 - place % b, Math.floor(place / b)];
  if (film.kind === 'sound') return [0, place];
  return [Math.floor(place / WRAP), place % WRAP];
}

function grid() {
  const [a, b, c] = film.shape;
  return { image: [b, c], roll: [b, a], sound: [1, a], text: [Math.ceil(a / WRAP), Math.min(a, WRAP)] }[film.kind];
}

function load(value) {
  film = value;
  tables = new Float32Array(bytes(film.tables).buffer);
  reads = film.reads ? bytes(film.reads) : null;
  cells = film.values.map((_, d) => cell(d));
  const [high, wide] = grid();
  size = film.kind === 'text' ? 22 : film.kind === 'sound' ? 1 : Math.max(4, Math.floor(420 / Math.max(high, wide)));
  board.width = film.kind === 'sound' ? 1024 : wide * size;
  board.height = film.kind === 'sound' ? 200 : high * size;
  board.style.maxWidth = { image: '420px', text: `${board.width}px` }[film.kind] ?? '100%';
  board.style.height = film.kind === 'sound' ? '160px' : 'auto';
  find('[data-at]').max = film.values.length;
  find('.film').hidden = false;
  at = film.changed === null ? 0 : film.changed + 1;
  if (film.changed === null) before = null;
  play(true);
}

function readBy(site, other) { // whether a site reads another one before it
  if (reads) return reads[site * Math.ceil(film.values.length / film.variables / 8) + (other >> 3)] >> (other & 7) & 1;
  return other < site && other >= site - film.reach;
}

function draw() {
  const { values, levels, kind } = film, [high, wide] = grid(), here = Math.min(at, values.length - 1);
  pen.fillStyle = kind === 'sound' || kind === 'text' ? 'rgba(128,128,128,.12)' : '#8d949e';
  pen.clearRect(0, 0, board.width, board.height);
  pen.fillRect(0, 0, board.width, board.height);
  if (kind === 'sound') return wave(here);
  const shades = new Map(); // colours of a pixel come one after another
  for (let d = 0; d < at; d++) {
    const [row, column] = cells[d], key = row * wide + column;
    if (!shades.has(key)) shades.set(key, []);
    shades.get(key).push(d);
  }
  pen.font = '15px ui-monospace, monospace';
  pen.textAlign = 'center';
  const ink = getComputedStyle(element).color;
  if (kind === 'text') tint(here);
  for (const [key, drawn] of shades) {
    const x = key % wide * size, y = Math.floor(key / wide) * size, light = drawn.map((d) => values[d] / (levels - 1) * 255);
    const other = before && drawn.some((d) => before[d] !== values[d]);
    if (kind === 'text') {
      if (other) { pen.fillStyle = REDRAWN; pen.fillRect(x, y, size, size); }
      pen.fillStyle = ink;
      pen.fillText(glyph(values[drawn[0]]), x + size / 2, y + 16);
      continue;
    }
    const rgb = kind === 'image' && film.shape[0] === 3 ? [0, 1, 2].map((k) => light[k] ?? 0) : Array(3).fill(light[0]);
    pen.fillStyle = `rgb(${rgb.map(Math.round).join()})`;
    pen.fillRect(x, y, size, size);
    if (other) { pen.fillStyle = REDRAWN; pen.fillRect(x, y, size, size); }
  }
  if (kind !== 'text') tint(here);
  const [row, column] = cells[here];
  pen.strokeStyle = ORANGE;
  pen.lineWidth = 2;
  pen.strokeRect(column * size + 1, row * size + 1, size - 2, size - 2);
}

function tint(here) {
  const site = Math.floor(here / film.variables);
  const done = new Set();
  pen.fillStyle = `${BLUE}.28)`;
  for (let d = 0; d < at; d++) {
    const other = Math.floor(d / film.variables), [row, column] = cells[d], key = row * 1e5 + column;
    if (!readBy(site, other) || done.has(key)) continue;
    done.add(key);
    pen.fillRect(column * size, row * size, size, size);
  }
}

function wave(here) {
  const { values, levels, reach } = film, wide = board.width / values.length, first = Math.max(here - reach, 0);
  pen.fillStyle = `${BLUE}.15)`;
  pen.fillRect(first * wide, 0, (here - first) * wide, board.height);
  for (const [from, colour] of [[before, ORANGE], [values, '#2f8fdd']]) {
    if (!from) continue;
    pen.beginPath();
    for (let d = 0; d < (from === values ? at : from.length); d++) {
      if (from[d] >= 0) pen.lineTo(d * wide, (1 - from[d] / (levels - 1)) * board.height);
    }
    pen.strokeStyle = colour;
    pen.globalAlpha = from === values ? 1 : 0.4;
    pen.stroke();
    pen.globalAlpha = 1;
  }
  pen.fillStyle = ORANGE;
  pen.fillRect(here * wide, 0, 2, board.height);
}

function bars() {
  const { levels, values } = film, here = Math.min(at, values.length - 1);
  const own = tables.subarray(here * levels, (here + 1) * levels);
  let shown = Array.from({ length: levels }, (_, level) => level);
  if (film.names && levels > MOST_BARS) shown = shown.sort((a, b) => own[b] - own[a]).slice(0, MOST_BARS);
  find('[data-bars]').classList.toggle('many', shown.length > 64);
  const most = Math.max(...shown.map((level) => own[level])), few = shown.length <= MOST_BARS;
  find('[data-bars]').innerHTML = shown.map((level) => `<button type="button" data-level="${level}"
    aria-label="level ${level}, probability ${own[level].toPrecision(3)}" title="${own[level].toPrecision(3)}"
    class="${level === values[here] ? 'own' : ''}"><span style="height:${100 * own[level] / most}%"></span></button>`).join('');
  if (few) find('[data-bars]').querySelectorAll('button').forEach((bar, k) => bar.append(glyph(shown[k])));
  const name = film.names ? `“${glyph(values[here])}”` : values[here];
  const p = own[values[here]] ?? 1;
  find('[data-about]').textContent = `variable ${here + 1} of ${values.length}: p(${name} | those before) = ` +
    `${p.toPrecision(3)}, ${(-Math.log2(p)).toFixed(2)} bits; tallest bar ${most.toPrecision(3)}`;
}

function show() {
  find('[data-at]').value = at;
  draw();
  bars();
}

function play(on) {
  playing = on;
  find('[data-do=play]').textContent = on ? 'Pause' : 'Play';
  last = performance.now();
  show();
  if (on) requestAnimationFrame(tick);
}

let rest = 0; // of a variable
function tick(now) {
  if (!playing || !element.isConnected) return;
  rest += (now - last) / 1000 * film.values.length / SECONDS * 2 ** find('[data-speed]').value;
  last = now;
  if (rest >= 1) { at = Math.min(at + Math.floor(rest), film.values.length); rest %= 1; show(); }
  if (at >= film.values.length) play(false); else requestAnimationFrame(tick);
}

find('[data-at]').oninput = (event) => { at = +event.target.value; play(false); };
board.onclick = (event) => {
  const box = board.getBoundingClientRect(), [high, wide] = grid();
  const row = Math.floor((event.clientY - box.top) / box.height * high);
  const column = Math.floor((event.clientX - box.left) / box.width * wide);
  const found = cells.findIndex(([r, c]) => r === row && c === column);
  if (found >= 0) { at = found; play(false); }
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { do: what, level } = button.dataset, most = film.values.length;
  if (what === 'play') { if (!playing && at >= most) at = 0; play(!playing); }
  if (what === 'back' || what === 'on') { at = Math.min(Math.max(at + (what === 'on' ? 1 : -1), 0), most); play(false); }
  if (level === undefined) return;
  before = film.values;
  props.value = { values: film.values, d: Math.min(at, most - 1), level: +level };
  trigger('input');
});
watch('value', () => { if (props.value && props.value.tables) load(props.value); });
