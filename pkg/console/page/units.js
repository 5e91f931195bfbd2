// The units of a job: a grid, a timeline and a list, and what is known of the one that is selected.
import { ask, complain, el, everyFrame, formatBytes, formatDuration, formatTime, line, printable, setText } from './dom.js';
import { VirtualList } from './virtual.js';

const stateWords = { planned: 'planned', running: 'running', failed: 'failed', done: 'done' };
// updateInterval and timelineInterval are how often news are drawn, in milliseconds. The timeline moves as a whole, so it costs most.
const updateInterval = 400;
const timelineInterval = 2000;
const kindOf = (id) => id.slice(0, id.indexOf('/'));

// took returns the seconds that the newest attempt at a unit took, or has taken so far; null if that is not known.
function took(u) {
  if (!u.b) return null;
  if (u.e) return (u.e - u.b) / 1000;
  return u.s === 'running' ? (Date.now() - u.b) / 1000 : null;
}

function facts(u) {
  const seconds = took(u);
  const parts = [stateWords[u.s] + (u.n > 1 ? ', attempt ' + u.n : '')];
  if (seconds !== null) parts.push(formatDuration(seconds));
  if (u.f && seconds > 0) parts.push(Math.round(u.f / seconds) + ' frames/s');
  if (u.z) parts.push(formatBytes(u.z));
  if (u.p) parts.push('on Batch');
  return parts;
}

// mostLanes bounds the lanes of the timeline; more are too thin to see, and what would need them is left out.
const mostLanes = 60;

// lanes places attempts in rows, so that none covers another.
export function lanes(units, now) {
  const free = []; // when each lane is free
  const bars = [];
  for (const u of units.filter((unit) => unit.b).sort((a, b) => a.b - b.b)) {
    const end = u.e || (u.s === 'running' ? now : u.b);
    let lane = free.findIndex((at) => at <= u.b);
    if (lane < 0 && free.length === mostLanes) continue;
    if (lane < 0) lane = free.length;
    free[lane] = Math.max(end, u.b + 1);
    bars.push({ unit: u, lane, begin: u.b, end });
  }
  return { bars, count: free.length };
}

// UnitsView shows units.
export class UnitsView {
  constructor(job) {
    this.job = job;
    this.units = new Map();
    this.live = new Set(); // units that the stream has told of: what is read later is older
    this.selected = null;
    this.filter = '';
    this.list = [];
    this.cells = [];
    this.bars = [];
    this.summary = el('p', { class: 'summary' });
    this.grid = el('canvas', { class: 'grid', 'aria-hidden': 'true' });
    this.timeline = el('canvas', { class: 'timeline', 'aria-hidden': 'true' });
    this.tip = el('div', { class: 'tip', hidden: true });
    this.table = new VirtualList({ label: 'Units', height: 30, make: (i) => this.row(this.list[i]) });
    this.choice = el('select', { 'aria-label': 'Show units that are', onchange: () => {
      this.filter = this.choice.value;
      this.changed();
    } }, [['', 'all'], ['running', 'running'], ['failed', 'failed'], ['retried', 'tried again'], ['planned', 'planned'], ['done', 'done']]
      .map(([value, text]) => el('option', { value }, text)));
    this.detail = el('div', { class: 'unit-detail', 'aria-live': 'polite' });
    this.element = el('section', { class: 'units card', 'aria-labelledby': 'units-heading' },
      el('div', { class: 'card-head' }, el('h2', { id: 'units-heading' }, 'Units'), this.summary, el('label', { class: 'inline' }, 'Show ', this.choice)),
      el('div', { class: 'canvas' }, this.grid), el('h3', {}, 'Timeline'), el('div', { class: 'canvas' }, this.timeline), this.tip,
      el('div', { class: 'split' }, this.table.element, this.detail));
    this.soon = everyFrame(() => this.draw());
    for (const canvas of [this.grid, this.timeline]) {
      canvas.addEventListener('pointermove', (e) => this.hover(canvas, e));
      canvas.addEventListener('pointerleave', () => { this.tip.hidden = true; });
      canvas.addEventListener('click', (e) => {
        const found = this.find(canvas, e);
        if (found) this.select(found.id, true);
      });
    }
    this.watcher = new ResizeObserver(() => this.changed());
    this.watcher.observe(this.element);
    this.dark = matchMedia('(prefers-color-scheme: dark)');
    this.repaint = () => {
      this.painted = null;
      this.changed();
    };
    this.dark.addEventListener('change', this.repaint);
  }

  close() {
    this.watcher.disconnect();
    clearTimeout(this.later);
    this.dark.removeEventListener('change', this.repaint);
  }

  // changed has everything drawn before the next frame.
  changed() {
    this.timelineAt = 0;
    this.soon();
  }

  // updated has what the stream tells drawn, not more often than a person can follow.
  updated() {
    if (this.later) return;
    this.later = setTimeout(() => {
      this.later = 0;
      this.soon();
    }, updateInterval);
  }

  // load reads all units from the server.
  async load(fresh) {
    if (fresh) this.live.clear();
    const list = await ask('/console/units?name=' + encodeURIComponent(this.job));
    for (const u of list) {
      if (!this.live.has(u.id)) this.units.set(u.id, u);
    }
    this.names = null;
    this.changed();
  }

  // merge takes units that have changed.
  merge(list) {
    for (const u of list) {
      const before = this.units.get(u.id);
      this.units.set(u.id, before && before.x && !u.x ? { ...u, x: before.x } : u);
      this.live.add(u.id);
      if (!before) this.names = null;
      if (this.selected === u.id && before?.s !== u.s) this.showDetail();
    }
    this.updated();
  }

  draw() {
    if (!this.element.isConnected) return;
    this.names ||= [...this.units.keys()].sort();
    const all = this.names.map((id) => this.units.get(id));
    this.list = all.filter((u) => !this.filter || (this.filter === 'retried' ? u.n > 1 : u.s === this.filter));
    const counts = { planned: 0, running: 0, failed: 0, done: 0 };
    for (const u of all) counts[u.s]++;
    setText(this.summary, all.length === 0 ? 'none yet' : all.length + ': ' + Object.entries(counts).filter(([, n]) => n).map(([s, n]) => n + ' ' + stateWords[s]).join(', '));
    this.element.toggleAttribute('data-empty', all.length === 0);
    this.table.setCount(this.list.length);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue('--' + name).trim();
    const colours = { planned: colour('idle'), running: colour('running'), failed: colour('failed'), done: colour('done'), text: colour('quiet'), line: colour('line'), ink: colour('ink') };
    this.drawGrid(all, colours);
    if (performance.now() - (this.timelineAt || -Infinity) > timelineInterval) {
      this.timelineAt = performance.now();
      this.drawTimeline(all, colours);
    }
  }

  // paper clears a canvas for a height in CSS pixels, and returns what draws on it.
  paper(canvas, height) {
    const scale = devicePixelRatio || 1;
    const width = canvas.parentElement.clientWidth;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      canvas.style.height = height + 'px';
    }
    const c = canvas.getContext('2d');
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, width, height);
    c.font = '12px system-ui, sans-serif';
    c.textBaseline = 'middle';
    return [c, width];
  }

  drawGrid(all, colours) {
    const size = all.length > 4000 ? 6 : all.length > 800 ? 9 : 14;
    const gap = size > 6 ? 2 : 1;
    const label = 70;
    const width = this.grid.parentElement.clientWidth;
    const columns = Math.max(1, Math.floor((width - label) / (size + gap)));
    const groups = new Map();
    for (const u of all) {
      const kind = kindOf(u.id);
      if (!groups.has(kind)) groups.set(kind, []);
      groups.get(kind).push(u);
    }
    let height = 0;
    for (const list of groups.values()) height += Math.max(18, Math.ceil(list.length / columns) * (size + gap)) + 6;
    // Where nothing has moved, only cells that have changed are drawn.
    const arrangement = [width, size, ...[...groups].map(([kind, list]) => kind + list.length)].join();
    const fresh = this.painted?.arrangement !== arrangement;
    const c = fresh ? this.paper(this.grid, Math.max(height, 1))[0] : this.grid.getContext('2d');
    const painted = fresh ? { arrangement, states: new Map() } : this.painted;
    this.painted = painted;
    this.cells = [];
    let y = 0;
    for (const [kind, list] of groups) {
      c.fillStyle = colours.text;
      if (fresh) c.fillText(line(kind), 0, y + 8);
      list.forEach((u, i) => {
        const looks = u.s + (u.id === this.selected ? '!' : '');
        if (painted.states.get(u.id) === looks) return;
        painted.states.set(u.id, looks);
        const x = label + (i % columns) * (size + gap);
        const top = y + Math.floor(i / columns) * (size + gap);
        if (!fresh) c.clearRect(x - 1, top - 1, size + 2, size + 2);
        c.fillStyle = colours[u.s];
        c.fillRect(x, top, size, size);
        if (u.id === this.selected) {
          c.strokeStyle = colours.ink;
          c.lineWidth = 2;
          c.strokeRect(x, top, size, size);
        }
      });
      this.cells.push({ list, y, columns, size: size + gap, label });
      y += Math.max(18, Math.ceil(list.length / columns) * (size + gap)) + 6;
    }
  }

  drawTimeline(all, colours) {
    const now = Date.now();
    const { bars, count } = lanes(all, now);
    this.bars = bars;
    const high = count > 24 ? 6 : 14;
    const [c, width] = this.paper(this.timeline, bars.length ? count * high + 22 : 1);
    if (bars.length === 0) return;
    const begin = bars[0].begin;
    const end = Math.max(bars.reduce((latest, b) => Math.max(latest, b.end), begin), begin + 1000);
    this.scale = { begin, perPixel: (end - begin) / Math.max(1, width), high };
    const drawnTo = []; // the pixel and the state at the end of each lane: what lies within one pixel is drawn once
    for (const b of bars) {
      const x = (b.begin - begin) / this.scale.perPixel;
      const end = Math.round((b.end - begin) / this.scale.perPixel) + b.unit.s;
      if (drawnTo[b.lane] === end && b.unit.id !== this.selected) continue;
      drawnTo[b.lane] = end;
      c.fillStyle = colours[b.unit.s];
      c.fillRect(x, b.lane * high, Math.max(1, (b.end - b.begin) / this.scale.perPixel - 0.5), high - 1);
      if (b.unit.id === this.selected) {
        c.strokeStyle = colours.ink;
        c.lineWidth = 2;
        c.strokeRect(x, b.lane * high, Math.max(2, (b.end - b.begin) / this.scale.perPixel - 0.5), high - 1);
      }
    }
    const bottom = count * high + 12;
    c.fillStyle = colours.text;
    const steps = Math.max(2, Math.floor(width / 150));
    for (let i = 0; i <= steps; i++) {
      c.textAlign = i === 0 ? 'left' : i === steps ? 'right' : 'center';
      c.fillText(formatDuration((end - begin) * i / steps / 1000), width * i / steps, bottom);
    }
    c.textAlign = 'left';
  }

  // find returns the unit at a place of a canvas.
  find(canvas, e) {
    const frame = canvas.getBoundingClientRect();
    const x = e.clientX - frame.left;
    const y = e.clientY - frame.top;
    if (canvas === this.grid) {
      for (const g of this.cells) {
        const row = Math.floor((y - g.y) / g.size);
        const column = Math.floor((x - g.label) / g.size);
        if (row < 0 || column < 0 || column >= g.columns) continue;
        const u = g.list[row * g.columns + column];
        if (u && y < g.y + Math.ceil(g.list.length / g.columns) * g.size) return u;
      }
      return null;
    }
    if (!this.scale) return null;
    const at = this.scale.begin + x * this.scale.perPixel;
    const near = 2 * this.scale.perPixel;
    return this.bars.find((b) => b.lane === Math.floor(y / this.scale.high) && at >= b.begin - near && at <= b.end + near)?.unit || null;
  }

  hover(canvas, e) {
    const u = this.find(canvas, e);
    this.tip.hidden = !u;
    if (!u) return;
    setText(this.tip, u.id + ': ' + facts(u).join(', ') + (u.x ? ': ' + u.x : ''));
    this.tip.style.left = Math.min(e.clientX + 12, innerWidth - 320) + 'px';
    this.tip.style.top = e.clientY + 14 + 'px';
  }

  row(u) {
    const seconds = took(u);
    return el('button', { type: 'button', class: 'unit', 'data-key': u.id, 'aria-current': u.id === this.selected ? 'true' : null, onclick: () => this.select(u.id) },
      el('span', { class: 'dot', 'data-colour': u.s }), el('span', { class: 'name' }, u.id), el('span', { class: 'word' }, stateWords[u.s]),
      el('span', { class: 'number attempt' }, u.n ? 'attempt ' + u.n : ''), el('span', { class: 'number' }, seconds === null ? '' : formatDuration(seconds)),
      el('span', { class: 'number wide' }, u.f && seconds > 0 ? Math.round(u.f / seconds) + ' fps' : ''), el('span', { class: 'number wide' }, u.z ? formatBytes(u.z) : ''),
      el('span', { class: 'why' }, u.x || ''));
  }

  select(id, scroll) {
    this.selected = id;
    this.changed();
    if (scroll) this.table.show(this.list.findIndex((u) => u.id === id));
    this.showDetail();
  }

  async showDetail() {
    const id = this.selected;
    let answer;
    try {
      answer = await ask('/console/unit?name=' + encodeURIComponent(this.job) + '&unit=' + encodeURIComponent(id));
    } catch (error) {
      complain(error);
      return;
    }
    if (id !== this.selected) return;
    const u = answer.unit || this.units.get(id);
    const pair = (name, value) => value && [el('dt', {}, name), el('dd', {}, value)];
    const pre = (text) => {
      const p = el('pre', { tabindex: '0' });
      p.textContent = printable(text);
      return p;
    };
    this.detail.replaceChildren(
      el('h3', {}, id),
      el('p', {}, facts(u).join(', ')),
      el('dl', {}, pair('Phase', answer.phase), pair('Route', answer.route && answer.route + ', class ' + answer.class), pair('Worker', answer.owner),
        pair('Not where it was first tried, because of', answer.reason), pair('Began', u.b && formatTime(u.b)), pair('Ended', u.e && formatTime(u.e))),
      ...(answer.warnings || []).map((w) => el('p', { class: 'warning' }, w)),
      answer.failure ? el('div', {}, el('h4', {}, (u.s === 'failed' ? 'Failed: ' : 'An attempt failed: ') + answer.failure.kind), pre(answer.failure.message)) : '',
      el('h4', {}, 'Executions'),
      ...answer.children.map((c) => this.child(c, pre)));
  }

  // child shows an execution that was about the unit, and its events when it is opened.
  child(c, pre) {
    const events = el('div');
    return el('details', { ontoggle: async (e) => {
      if (!e.target.open || events.childElementCount) return;
      try {
        const list = await ask('/console/history?name=' + encodeURIComponent(this.job) + '&child=' + encodeURIComponent(c.arn));
        events.replaceChildren(el('h4', {}, 'Input'), pre(c.input), el('h4', {}, 'Events'), ...list.map((x) => el('details', {},
          el('summary', {}, x.id + '  ' + x.type + '  ' + formatTime(x.time)), pre(JSON.stringify(x.details, null, 2)))));
      } catch (error) {
        complain(error);
      }
    } }, el('summary', {}, c.name + ' · ' + c.status + (c.stopped ? ' · ' + formatDuration((c.stopped - c.started) / 1000) : '')),
    c.error || c.cause ? pre([c.error, c.cause].filter(Boolean).join('\n')) : '', events);
  }
}
