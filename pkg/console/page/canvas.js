// The grid and the timeline of units, drawn some milliseconds a frame: thousands of them must not hold up the page.
import { formatDuration, inSlices, line } from './dom.js';
import { kindOf } from './unitstore.js';

// colours returns the page's colours. Asking for them costs a computation of styles.
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue('--' + name).trim();
  return { planned: colour('idle'), running: colour('running'), failed: colour('failed'), done: colour('done'), text: colour('quiet'), ink: colour('ink') };
}

// sliceUnits is how many units are looked at between two looks at the clock.
const sliceUnits = 250;

// resize makes a canvas as large as it is shown, in CSS pixels, and returns what draws on it.
function resize(canvas, width, height) {
  const scale = devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const c = canvas.getContext('2d');
  c.setTransform(scale, 0, 0, scale, 0, 0);
  c.font = '12px system-ui, sans-serif';
  c.textBaseline = 'middle';
  return c;
}

// Grid draws a cell for each unit.
export class Grid {
  constructor(canvas, store) {
    this.canvas = canvas;
    this.store = store;
    this.cells = [];
    this.label = 70;
    this.draw = inSlices(() => this.paint());
  }

  // show draws what has changed. looks is { colours, width, selected }; all: everything is drawn again.
  show(looks, all) {
    this.looks = looks;
    const next = this.store.arrangement + ' ' + looks.width;
    if (all || next !== this.arrangement) {
      this.arrangement = next;
      this.arrange();
    }
    this.draw();
  }

  arrange() {
    const list = this.store.list;
    this.side = list.length > 4000 ? 6 : list.length > 800 ? 9 : 14;
    this.size = this.side + (this.side > 6 ? 2 : 1);
    this.columns = Math.max(1, Math.floor((this.looks.width - this.label) / this.size));
    this.cells = [];
    let y = 0;
    for (let begin = 0; begin < list.length;) {
      const kind = kindOf(list[begin].id);
      let end = begin + 1;
      while (end < list.length && list[end].id.startsWith(kind + '/')) end++;
      this.cells.push({ kind, begin, end, y });
      y += Math.max(18, Math.ceil((end - begin) / this.columns) * this.size) + 6;
      begin = end;
    }
    this.height = Math.max(y, 1);
    this.fresh = true;
  }

  // paint draws the cells that look different from what is drawn.
  *paint() {
    const { colours: colour, width, selected } = this.looks;
    if (this.fresh) {
      this.canvas.style.height = this.height + 'px';
      this.context = resize(this.canvas, width, this.height);
      this.painted = [];
      this.context.fillStyle = colour.text;
      for (const g of this.cells) this.context.fillText(line(g.kind), 0, g.y + 8);
      this.fresh = false;
    }
    const [c, list, painted, side] = [this.context, this.store.list, this.painted, this.side];
    for (const g of this.cells) {
      for (let i = g.begin; i < g.end; i++) {
        if (i % sliceUnits === 0) yield;
        if (this.fresh) return; // it was arranged anew meanwhile
        const u = list[i];
        const looks = u.id === selected ? u.s + '!' : u.s;
        if (painted[i] === looks) continue;
        const x = this.label + ((i - g.begin) % this.columns) * this.size;
        const y = g.y + Math.floor((i - g.begin) / this.columns) * this.size;
        if (painted[i]) c.clearRect(x - 1, y - 1, side + 2, side + 2);
        painted[i] = looks;
        c.fillStyle = colour[u.s];
        c.fillRect(x, y, side, side);
        if (u.id === selected) {
          c.strokeStyle = colour.ink;
          c.lineWidth = 2;
          c.strokeRect(x, y, side, side);
        }
      }
    }
  }

  // find returns the unit at a place of the canvas.
  find(x, y) {
    const g = this.cells.findLast((cell) => y >= cell.y);
    const column = Math.floor((x - this.label) / this.size);
    if (!g || column < 0 || column >= this.columns) return null;
    const i = g.begin + Math.floor((y - g.y) / this.size) * this.columns + column;
    return i < g.end ? this.store.list[i] : null;
  }
}

// mostLanes bounds the lanes of the timeline; more are too thin to see, and what would need them is left out.
const mostLanes = 60;

// Timeline draws a bar for each unit that has begun, in lanes, so that none covers another.
export class Timeline {
  constructor(canvas, store) {
    this.canvas = canvas;
    this.store = store;
    this.bars = [];
    this.draw = inSlices(() => this.paint());
  }

  show(looks) {
    this.looks = looks;
    this.draw();
  }

  // place computes the bars, and the number of their lanes.
  *place(now) {
    const free = []; // when each lane is free
    const bars = [];
    const begun = this.store.list.filter((u) => u.b);
    yield;
    begun.sort((a, b) => a.b - b.b);
    for (const [i, u] of begun.entries()) {
      if (i % sliceUnits === 0) yield;
      const end = u.e || (u.s === 'running' ? now : u.b);
      let lane = free.findIndex((at) => at <= u.b);
      if (lane < 0 && free.length === mostLanes) continue;
      if (lane < 0) lane = free.length;
      free[lane] = Math.max(end, u.b + 1);
      bars.push({ unit: u, lane, begin: u.b, end });
    }
    return [bars, free.length];
  }

  // paint draws on a canvas of its own, which then replaces what is shown at once.
  *paint() {
    const { colours: colour, width, selected } = this.looks;
    const [bars, count] = yield* this.place(Date.now());
    const high = count > 24 ? 6 : 14;
    const height = bars.length ? count * high + 22 : 1;
    const draft = document.createElement('canvas');
    const c = resize(draft, width, height);
    let scale = null;
    if (bars.length > 0) {
      const begin = bars[0].begin;
      const end = Math.max(bars.reduce((latest, b) => Math.max(latest, b.end), begin), begin + 1000);
      scale = { begin, perPixel: (end - begin) / Math.max(1, width), high };
      yield* this.paintBars(c, bars, scale, colour, selected);
      c.fillStyle = colour.text;
      const steps = Math.max(2, Math.floor(width / 150));
      for (let i = 0; i <= steps; i++) {
        c.textAlign = i === 0 ? 'left' : i === steps ? 'right' : 'center';
        c.fillText(formatDuration((end - begin) * i / steps / 1000), width * i / steps, count * high + 12);
      }
    }
    yield;
    [this.bars, this.scale] = [bars, scale];
    this.canvas.style.height = height + 'px';
    if (this.canvas.width !== draft.width || this.canvas.height !== draft.height) [this.canvas.width, this.canvas.height] = [draft.width, draft.height];
    const shown = this.canvas.getContext('2d');
    shown.clearRect(0, 0, draft.width, draft.height);
    shown.drawImage(draft, 0, 0);
  }

  *paintBars(c, bars, scale, colour, selected) {
    const drawnTo = []; // the pixel and the state at the end of each lane: what lies within one pixel is drawn once
    for (const [i, b] of bars.entries()) {
      if (i % sliceUnits === 0) yield;
      const x = (b.begin - scale.begin) / scale.perPixel;
      const until = Math.round((b.end - scale.begin) / scale.perPixel) + b.unit.s;
      if (drawnTo[b.lane] === until && b.unit.id !== selected) continue;
      drawnTo[b.lane] = until;
      c.fillStyle = colour[b.unit.s];
      c.fillRect(x, b.lane * scale.high, Math.max(1, (b.end - b.begin) / scale.perPixel - 0.5), scale.high - 1);
      if (b.unit.id === selected) {
        c.strokeStyle = colour.ink;
        c.lineWidth = 2;
        c.strokeRect(x, b.lane * scale.high, Math.max(2, (b.end - b.begin) / scale.perPixel - 0.5), scale.high - 1);
      }
    }
  }

  // find returns the unit at a place of the canvas.
  find(x, y) {
    if (!this.scale) return null;
    const at = this.scale.begin + x * this.scale.perPixel;
    const near = 2 * this.scale.perPixel;
    return this.bars.find((b) => b.lane === Math.floor(y / this.scale.high) && at >= b.begin - near && at <= b.end + near)?.unit || null;
  }
}
