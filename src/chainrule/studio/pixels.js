// A canvas of cells. Sends {x: levels, channel by channel, known: 0 or 1 of each cell}; takes {item: levels}.
const { high, wide, channels, levels } = props;
const FREE = -1, HIDDEN = -2; // a cell without ink, and one that was made unknown
const find = (name) => element.querySelector(name);
const board = find('canvas'), pen = board.getContext('2d'), size = Math.max(6, Math.floor(420 / Math.max(high, wide)));
board.width = wide * size;
board.height = high * size;
let tool = 'ink', cells, edge, hole, last = null, grip = null;

function clear() {
  cells = Array.from({ length: high * wide }, () => FREE);
  edge = Math.floor(high / 2);
  hole = { top: high >> 2, left: wide >> 2, high: high >> 1, wide: wide >> 1 };
  find('[data-edge]').value = edge;
}

function ink() {
  if (channels === 1) return [levels === 2 ? 1 : +find('[data-shade]').value];
  const text = find('[data-colour]').value;
  return [1, 3, 5].map((at) => Math.round(parseInt(text.slice(at, at + 2), 16) / 255 * (levels - 1)));
}

function known(row, column) {
  const cell = cells[row * wide + column], mode = find('[data-mode]').value;
  if (cell === HIDDEN) return false;
  if (mode === 'rows') return row < edge;
  if (mode === 'rest') return cell !== FREE;
  return row < hole.top || row >= hole.top + hole.high || column < hole.left || column >= hole.left + hole.wide;
}

function show() {
  const mode = find('[data-mode]').value;
  for (let row = 0; row < high; row++) for (let column = 0; column < wide; column++) {
    const cell = cells[row * wide + column], [x, y] = [column * size, row * size];
    if (known(row, column)) {
      const shades = Array.isArray(cell) ? cell : Array(channels).fill(0);
      const [r, g, b] = [0, 1, 2].map((k) => Math.round(shades[Math.min(k, channels - 1)] / (levels - 1) * 255));
      pen.fillStyle = `rgb(${r},${g},${b})`;
      pen.fillRect(x, y, size, size);
    } else {
      pen.fillStyle = '#8d949e';
      pen.fillRect(x, y, size, size);
      pen.fillStyle = '#7d848e';
      pen.fillRect(x + size / 2 - 1, y + size / 2 - 1, 2, 2);
    }
  }
  pen.strokeStyle = '#2f8fdd';
  pen.lineWidth = 2;
  if (mode === 'rows') pen.strokeRect(-2, -2, board.width + 4, edge * size + 2);
  if (mode === 'hole') pen.strokeRect(hole.left * size, hole.top * size, hole.wide * size, hole.high * size);
  find('[data-for=rows]').hidden = mode !== 'rows';
  find('[data-tool=move]').hidden = mode !== 'hole';
  find('[data-for=grey]').hidden = channels > 1 || levels === 2;
  find('[data-for=colour]').hidden = channels === 1;
}

function send() {
  const x = [], mask = [];
  for (let channel = 0; channel < channels; channel++) {
    for (const cell of cells) x.push(Array.isArray(cell) ? cell[channel] : 0);
  }
  for (let row = 0; row < high; row++) for (let column = 0; column < wide; column++) mask.push(+known(row, column));
  props.value = { x, known: mask };
  trigger('input');
}

function place(event) {
  const box = board.getBoundingClientRect();
  return [(event.clientY - box.top) / box.height * high, (event.clientX - box.left) / box.width * wide];
}

function dab(y, x) {
  const brush = +find('[data-brush]').value, from = (v) => Math.round(v - brush / 2);
  for (let row = from(y); row < from(y) + brush; row++) for (let column = from(x); column < from(x) + brush; column++) {
    if (row < 0 || row >= high || column < 0 || column >= wide) continue;
    cells[row * wide + column] = tool === 'unknown' ? HIDDEN : tool === 'paper' ? Array(channels).fill(0) : ink();
    if (tool !== 'unknown') edge = Math.max(edge, row + 1);
  }
}

function stroke(event) {
  const here = place(event);
  if (tool === 'move') {
    const within = (v, most) => Math.min(Math.max(Math.round(v), 0), most);
    hole.top = within(here[0] - grip[0], high - hole.high);
    hole.left = within(here[1] - grip[1], wide - hole.wide);
  } else {
    const steps = Math.ceil(2 * Math.hypot(here[0] - last[0], here[1] - last[1])) || 1;
    for (let k = 1; k <= steps; k++) dab(...[0, 1].map((i) => last[i] + (here[i] - last[i]) * k / steps));
    find('[data-edge]').value = edge;
  }
  last = here;
  show();
}

board.onpointerdown = (event) => {
  board.setPointerCapture(event.pointerId);
  last = place(event);
  grip = [last[0] - hole.top, last[1] - hole.left];
  stroke(event);
};
board.onpointermove = (event) => { if (last) stroke(event); };
board.onpointerup = board.onpointercancel = () => { if (last) send(); last = null; };
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if ('clear' in button.dataset) { clear(); show(); send(); return; }
  tool = button.dataset.tool;
  for (const other of element.querySelectorAll('[data-tool]')) other.setAttribute('aria-pressed', other === button);
});
find('[data-edge]').oninput = (event) => { edge = +event.target.value; show(); };
find('[data-edge]').onchange = send;
find('[data-mode]').onchange = () => {
  const button = find(find('[data-mode]').value === 'hole' ? '[data-tool=move]' : '[data-tool=ink]');
  show();
  button.click();
  send();
};
watch('value', () => {
  const item = props.value && props.value.item;
  if (!item) return;
  clear();
  cells = cells.map((_, at) => Array.from({ length: channels }, (_, k) => item[k * high * wide + at]));
  show();
  send();
});
clear();
show();
