// The grid and the timeline of units, drawn some milliseconds a frame: thousands of them must not hold up the page.
import { formatDuration, line } from './dom.js';
import { inSlices, nextFrame } from './frames.js';
import { Raster, pixelOf } from './raster.js';
import { kindOf } from './unitstore.js';

// colours returns the page's colours: of texts, and as pixels. Asking for them costs a computation of styles.
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue('--' + name).trim();
  const pixel = (name) => pixelOf(colour(name));
  return { text: colour('quiet'), planned: pixel('idle'), running: pixel('running'), failed: pixel('failed'), done: pixel('done'), ink: pixel('ink') };
}

// sliceUnits is how many units are looked at between two looks at the clock.
const sliceUnits = 100;

// Grid draws a cell for each unit.
export class Grid {
  constructor(canvas, store) {
    this.store = store;
    this.raster = new Raster(canvas);
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
    const { raster } = this;
    if (this.fresh) {
      raster.resize(width, this.height);
      this.painted = [];
      this.labelled = false;
      this.fresh = false;
    }
    const [list, painted, side] = [this.store.list, this.painted, this.side];
    for (const g of this.cells) {
      for (let i = g.begin; i < g.end; i++) {
        if (i % sliceUnits === 0) yield;
        if (this.fresh) return; // it was arranged anew meanwhile
        const u = list[i];
        const looks = u.id === selected ? u.s + '!' : u.s;
        if (painted[i] === looks) continue;
        const x = this.label + ((i - g.begin) % this.columns) * this.size;
        const y = g.y + Math.floor((i - g.begin) / this.columns) * this.size;
        if (painted[i]?.endsWith('!')) raster.fill(x - 1, y - 1, side + 2, side + 2, 0);
        painted[i] = looks;
        raster.fill(x, y, side, side, colour[u.s]);
        if (u.id === selected) raster.frame(x, y, side, side, colour.ink);
      }
    }
    yield nextFrame;
    if (this.fresh) return;
    const c = raster.show(this.labelled ? this.label - 2 : 0);
    if (this.labelled) return;
    this.labelled = true;
    c.fillStyle = colour.text;
    for (const g of this.cells) c.fillText(line(g.kind), 0, g.y + 8);
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

// failedWidth is how wide the bar of a failed unit is at least, in pixels.
const failedWidth = 3;

// Timeline draws a bar for each unit that has begun or failed, in lanes, so that none covers another.
export class Timeline {
  constructor(canvas, store) {
    this.raster = new Raster(canvas);
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
    const beginOf = (u) => u.b || u.e; // an attempt that was killed has left only its end
    const begun = this.store.list.filter(beginOf);
    yield;
    begun.sort((a, b) => beginOf(a) - beginOf(b));
    for (const [i, u] of begun.entries()) {
      if (i % sliceUnits === 0) yield;
      const begin = beginOf(u);
      const end = u.e || (u.s === 'running' ? now : begin);
      let lane = free.findIndex((at) => at <= begin);
      if (lane < 0 && free.length === mostLanes) {
        if (u.s !== 'failed') continue;
        lane = free.indexOf(Math.min(...free)); // what failed is shown, over another where there is no room
      }
      if (lane < 0) lane = free.length;
      free[lane] = Math.max(end, begin + 1);
      bars.push({ unit: u, lane, begin, end });
    }
    return [bars, free.length];
  }

  // paint draws the bars, and then shows them all at once.
  *paint() {
    const { colours: colour, width, selected } = this.looks;
    const [bars, count] = yield* this.place(Date.now());
    const high = count > 24 ? 6 : 14;
    const { raster } = this;
    raster.resize(width, bars.length ? count * high + 22 : 1);
    let scale = null;
    if (bars.length > 0) {
      const begin = bars[0].begin;
      const end = Math.max(bars.reduce((latest, b) => Math.max(latest, b.end), begin), begin + 1000);
      scale = { begin, end, perPixel: (end - begin) / Math.max(1, width), high };
      yield* this.paintBars(raster, bars, scale, colour, selected);
    }
    yield nextFrame;
    [this.bars, this.scale] = [bars, scale];
    this.span = scale ? (scale.end - scale.begin) / 1000 : 0; // seconds
    const c = raster.show();
    c.fillStyle = colour.text;
    const steps = scale ? Math.max(2, Math.floor(width / 150)) : -1;
    for (let i = 0; i <= steps; i++) {
      c.textAlign = i === 0 ? 'left' : i === steps ? 'right' : 'center';
      const at = this.span * i / steps;
      c.fillText(this.span < 2 * steps ? at.toFixed(1) + ' s' : formatDuration(at), width * i / steps, count * high + 12);
    }
  }

  *paintBars(raster, bars, scale, colour, selected) {
    const drawnTo = []; // the pixel and the state at the end of each lane: what lies within one pixel is drawn once
    for (const [i, b] of bars.entries()) {
      if (i % sliceUnits === 0) yield;
      const x = (b.begin - scale.begin) / scale.perPixel;
      const until = Math.round((b.end - scale.begin) / scale.perPixel) + b.unit.s;
      if (drawnTo[b.lane] === until && b.unit.id !== selected) continue;
      drawnTo[b.lane] = until;
      const wide = (b.end - b.begin) / scale.perPixel - 0.5;
      const least = b.unit.s === 'failed' ? failedWidth : 1;
      raster.fill(Math.min(x, raster.width - least), b.lane * scale.high, Math.max(least, wide), scale.high - 1, colour[b.unit.s]);
      if (b.unit.id === selected) raster.frame(x, b.lane * scale.high, Math.max(2, wide), scale.high - 1, colour.ink);
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
