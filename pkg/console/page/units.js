// The units of a job: a grid, a timeline and a list, and what is known of the one that is selected.
import { ask, askLines, complain, el, formatBytes, formatDuration, formatTime, printable, setAttribute, setText } from './dom.js';
import { Grid, Timeline, colours } from './canvas.js';
import { everyFrame } from './frames.js';
import { UnitStore, facts, records, took } from './unitstore.js';
import { VirtualList } from './virtual.js';

// updateInterval and timelineInterval are how often news are drawn, in milliseconds. The timeline moves as a whole, so it costs most.
const updateInterval = 400;
const timelineInterval = 2000;

// indented returns JSON as people read it.
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// UnitsView shows units.
export class UnitsView {
  constructor(job) {
    this.job = job;
    this.store = new UnitStore();
    this.selected = null;
    this.filter = '';
    this.list = [];
    this.width = 0;
    this.expected = 0; // number of units, until all have been read
    this.loadedAt = -Infinity;
    this.timelineAt = -Infinity;
    this.summary = el('p', { class: 'summary' });
    const [gridCanvas, timelineCanvas] = ['grid', 'timeline'].map((name) => el('canvas', { class: name, role: 'img', 'aria-label': name === 'grid' ? 'Grid of the units' : 'Timeline of the units' }));
    [this.gridCanvas, this.timelineCanvas] = [gridCanvas, timelineCanvas];
    this.grid = new Grid(gridCanvas, this.store);
    this.timeline = new Timeline(timelineCanvas, this.store);
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
      el('div', { class: 'canvas' }, gridCanvas), el('h3', {}, 'Timeline'), el('div', { class: 'canvas' }, timelineCanvas), this.tip,
      el('div', { class: 'split' }, this.table.element, this.detail));
    this.soon = everyFrame(() => this.draw());
    for (const [canvas, drawing] of [[gridCanvas, this.grid], [timelineCanvas, this.timeline]]) {
      canvas.addEventListener('pointermove', (e) => this.hover(e, drawing.find(e.offsetX, e.offsetY)));
      canvas.addEventListener('pointerleave', () => { this.tip.hidden = true; });
      canvas.addEventListener('click', (e) => {
        const found = drawing.find(e.offsetX, e.offsetY);
        if (found) this.select(found.id, true);
      });
    }
    this.watcher = new ResizeObserver((entries) => {
      this.width = Math.floor(entries[0].contentRect.width);
      this.changed();
    });
    this.watcher.observe(this.element);
    this.dark = matchMedia('(prefers-color-scheme: dark)');
    this.repaint = () => {
      this.colours = null;
      this.changed();
    };
    this.dark.addEventListener('change', this.repaint);
  }

  close() {
    this.watcher.disconnect();
    clearTimeout(this.later);
    this.dark.removeEventListener('change', this.repaint);
  }

  // olderThan reports whether the units were read longer ago than some milliseconds.
  olderThan(ms) { return performance.now() - this.loadedAt > ms; }

  // changed has everything drawn before the next frame.
  changed() {
    this.timelineAt = -Infinity;
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

  // covers reports whether the units that were read last, or are being read, are at least as new as a position in the changes of a run.
  async covers({ run, changes }) {
    const from = await this.position;
    return from?.run === run && from.changes >= changes;
  }

  // load reads all units from the server. fresh: what the stream has told of before is no longer true.
  async load(fresh) {
    if (fresh) this.store.live.clear();
    if (this.loading) { // what is being read may be too old
      this.again = true;
      return;
    }
    this.loading = true;
    let begun;
    this.position = new Promise((resolve) => { begun = resolve; });
    try {
      do {
        this.again = false;
        for await (const block of askLines('/console/units?name=' + encodeURIComponent(this.job))) {
          if (block.from) begun(block.from);
          if (!block.id) continue; // the first and the last line
          const first = this.store.sorted.length === 0;
          this.store.read(records(block));
          if (first) this.changed();
          else this.updated();
        }
      } while (this.again);
      this.loadedAt = performance.now();
    } finally {
      begun(null); // where it has failed
      this.loading = false;
      this.updated();
    }
  }

  // merge takes units that have changed.
  merge(list) {
    for (const u of list) {
      if (this.store.told(u) && this.selected === u.id) this.showDetail();
    }
    this.updated();
  }

  draw() {
    if (!this.element.isConnected || this.width === 0) return;
    const all = this.store.list;
    this.list = this.filter ? all.filter((u) => (this.filter === 'retried' ? u.n > 1 : u.s === this.filter)) : all;
    const total = this.loading ? Math.max(all.length, this.expected) : all.length;
    setText(this.summary, all.length === 0 ? 'none yet'
      : total + ': ' + Object.entries(this.store.counts).filter(([, n]) => n).map(([s, n]) => n + ' ' + s).join(', ') + (total > all.length ? ' …' : ''));
    this.element.toggleAttribute('data-empty', all.length === 0);
    this.describe();
    this.table.setCount(this.list.length);
    const fresh = !this.colours;
    this.colours ||= colours();
    const looks = { colours: this.colours, width: this.width, selected: this.selected };
    this.grid.show(looks, fresh);
    if (performance.now() - this.timelineAt > timelineInterval) {
      this.timelineAt = performance.now();
      this.timeline.show(looks);
    }
  }

  // describe says in words what the drawings show. Each unit is in the list below them.
  describe() {
    const words = Object.entries(this.store.counts).filter(([, n]) => n).map(([s, n]) => n + ' ' + s).join(', ') + '. The list that follows has each of them.';
    setAttribute(this.gridCanvas, 'aria-label', 'Grid of the units: ' + words);
    const { span } = this.timeline;
    setAttribute(this.timelineCanvas, 'aria-label', 'Timeline of the units' + (span ? ', ' + formatDuration(span) : '') + ': ' + words);
  }

  hover(e, u) {
    this.tip.hidden = !u;
    if (!u) return;
    setText(this.tip, u.id + ': ' + facts(u).join(', ') + (u.x ? ': ' + u.x : ''));
    this.tip.style.left = Math.min(e.clientX + 12, innerWidth - 320) + 'px';
    this.tip.style.top = e.clientY + 14 + 'px';
  }

  row(u) {
    const seconds = took(u);
    return el('button', { type: 'button', class: 'unit', 'data-key': u.id, 'aria-current': u.id === this.selected ? 'true' : null, onclick: () => this.select(u.id) },
      el('span', { class: 'dot', 'data-colour': u.s }), el('span', { class: 'name' }, u.id), el('span', { class: 'word' }, u.s),
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
    const u = answer.unit || this.store.byID.get(id);
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
      ...(answer.logs || []).map((l, i, all) => el('details', { class: 'log', open: i === all.length - 1 ? '' : null },
        el('summary', {}, all.length > 1 || l.attempt > 1 ? 'Log of attempt ' + l.attempt : 'Log'), pre(l.text))),
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
        events.replaceChildren(el('h4', {}, 'Input'), pre(indented(c.input)), ...(c.output ? [el('h4', {}, 'Output'), pre(indented(c.output))] : []), el('h4', {}, 'Events'), ...list.map((x) => el('details', {},
          el('summary', {}, x.id + '  ' + x.type + '  ' + formatTime(x.time)), pre(JSON.stringify(x.details, null, 2)))));
      } catch (error) {
        complain(error);
      }
    } }, el('summary', {}, c.name + ' · ' + c.status + (c.stopped ? ' · ' + formatDuration((c.stopped - c.started) / 1000) : '')),
    c.error || c.cause ? pre([c.error, c.cause].filter(Boolean).join('\n')) : '', events);
  }
}
