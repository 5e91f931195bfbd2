// One job: what came of it, its graph, its units and its events.
import { announce, ask, base, complain, el, formatBytes, formatDuration, formatTime, line, printable, setText } from './dom.js';
import { showActions, statusOf } from './jobs.js';
import { Graph, StateTracker } from './graph.js';
import { RenderedFrames } from './rendered.js';
import { UnitsView } from './units.js';
import { VirtualList } from './virtual.js';

let definition = null;

// setDefinition spares asking for the definition of the state machine.
export function setDefinition(known) { definition = known; }

// elsewhereInterval is how often the units of a job that runs in another process are read again, in milliseconds.
const elsewhereInterval = 3000;

// usedInterval is how often it is asked what a job that runs has used, in milliseconds: all of its units are read for that.
const usedInterval = 10000;

// announceInterval is the least time between two announcements of a job's progress, in milliseconds.
const announceInterval = 10000;

const stepOf = (e) => (e.details.stateEnteredEventDetails || e.details.stateExitedEventDetails || e.details.mapIterationStartedEventDetails ||
  e.details.mapIterationSucceededEventDetails || e.details.mapIterationFailedEventDetails || e.details.evaluationFailedEventDetails || {}).name || '';

// JobView shows the job of a name in an element.
export class JobView {
  constructor(parent, name, rows) {
    this.name = name;
    this.rows = rows;
    this.parent = parent;
    this.events = [];
    this.states = new StateTracker();
    this.maps = [];
    this.lastEvent = 0; // that the server has told of
    this.said = new Set();
    this.tenth = null; // of the job's progress, that screen readers were told of last
    this.toldAt = -Infinity;
    this.units = new UnitsView(name);
    this.frames = new RenderedFrames(name);
    this.heading = el('h1', {});
    this.status = el('span', { class: 'status' });
    this.actions = el('span', { class: 'actions' });
    this.bar = el('progress', { max: 1, value: 0, 'aria-label': 'Progress' });
    this.numbers = el('p', { class: 'numbers' });
    this.final = el('p', { class: 'numbers', hidden: true });
    this.problem = el('div', { class: 'failure card', hidden: true });
    this.warnings = el('ul', { class: 'warnings' });
    this.warningBox = el('section', { class: 'card', hidden: true, 'aria-label': 'Warnings' }, el('h2', {}, 'Warnings'), this.warnings);
    this.outputs = el('section', { class: 'card outputs', hidden: true, 'aria-label': 'Outputs' });
    this.request = el('pre', { tabindex: '0' });
    this.list = new VirtualList({ label: 'Events', height: 28, make: (i) => this.eventRow(this.events[i]) });
    this.eventDetail = el('pre', { class: 'event-detail', tabindex: '0', 'aria-live': 'polite', hidden: true });
    this.graphBox = el('div', { class: 'graph-box' });
    parent.replaceChildren(
      el('p', { class: 'back' }, el('a', { href: '#/' }, '← Jobs')),
      el('div', { class: 'job-head' }, this.heading, this.status, this.actions), this.bar, this.numbers, this.final, this.problem, this.outputs, this.warningBox,
      this.frames.element,
      el('div', { class: 'columns' },
        el('section', { class: 'card', 'aria-label': 'Graph' }, el('h2', {}, 'State machine'), this.graphBox),
        el('section', { class: 'card events', 'aria-label': 'Events' }, el('h2', {}, 'Events'), this.list.element, this.eventDetail,
          el('details', {}, el('summary', {}, 'Request'), this.request))),
      this.units.element);
    this.timer = setInterval(() => this.rowChanged(), 1000);
    this.usedTimer = setInterval(() => {
      if ((this.rows.get(this.name) || {}).status === 'RUNNING') this.readUsed();
    }, usedInterval);
  }

  // open asks for everything at once. The stream of changes must have been asked for before.
  open() {
    this.load().catch((error) => {
      if (!this.closed) this.missing(error);
    });
    this.units.load().then(() => this.readUsed(), (error) => {
      if (!this.closed && this.job) complain(error);
    });
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
    clearInterval(this.usedTimer);
    this.units.close();
    this.frames.close();
  }

  missing(error) {
    this.parent.replaceChildren(el('p', { class: 'back' }, el('a', { href: '#/' }, '← Jobs')), el('h1', {}, this.name), el('p', { class: 'problem' }, error.message));
  }

  async load() {
    const events = this.readEvents(true);
    events.catch(() => {}); // what fails now fails below as well
    const [job, machine] = await Promise.all([ask('/console/job?name=' + encodeURIComponent(this.name)), definition || ask('/console/definition')]);
    definition = machine;
    if (this.closed) return;
    if (!this.graph) {
      this.graph = new Graph(definition);
      this.graphBox.append(this.graph.element, this.graph.summary);
    }
    this.show(job);
    await events;
    await this.readEvents();
  }

  // show shows what the server knows of the job from the beginning.
  show(job) {
    this.job = job;
    if (!this.rows.has(this.name)) this.rows.set(this.name, { ...job.row, old: true });
    this.request.textContent = printable(JSON.stringify(job.input, null, 2));
    this.problem.hidden = !job.error && !job.cause;
    if (!this.problem.hidden) {
      const text = el('pre', { tabindex: '0' });
      text.textContent = printable(job.cause || '');
      this.problem.replaceChildren(el('h2', {}, job.error || 'Stopped'), job.cause ? text : '');
    }
    this.outputs.hidden = job.outputs.length === 0;
    this.outputs.replaceChildren(el('h2', {}, 'Outputs'), el('ul', {}, job.outputs.map((o) => el('li', {},
      el('a', { href: o.play, class: 'play' }, '▶ ' + o.name), el('span', { class: 'detail' },
        [formatBytes(o.size), o.frames && o.frames + ' frames', o.path].filter(Boolean).join(' · ')),
      el('a', { href: o.file, download: line(o.archive ? o.name.replace(/\.[^.]*$/, '') + '.zip' : o.name), 'aria-label': 'Download ' + line(o.name) },
        o.archive ? 'Download (zip)' : 'Download')))));
    this.frames.refresh(job.row.source);
    this.addWarnings(job.warnings);
    this.setHead(job.head);
    this.rowChanged();
  }

  // readUsed asks what the job has used so far, for the line of numbers. The page does without it where it cannot be had.
  readUsed() {
    ask('/console/used?name=' + encodeURIComponent(this.name)).then((used) => {
      this.used = used.cpu && 'used ' + formatDuration(used.cpu / 1000) + ' of processors, nothing at AWS';
      if (!this.closed) this.rowChanged();
    }, () => {});
  }

  addWarnings(list) {
    for (const w of list) {
      if (this.said.has(w)) continue;
      this.said.add(w);
      this.warnings.append(el('li', {}, w));
    }
    this.warningBox.hidden = this.said.size === 0;
  }

  // receive takes news from the stream.
  async receive(news) {
    if (news.units) this.units.merge(news.units);
    this.frames.refresh(this.job?.row.source);
    this.addWarnings(news.warnings || []);
    this.setHead(news.head);
    const ended = news.ended && this.running;
    this.running = !news.ended;
    const again = news.begun && this.begun; // the stream was interrupted, or the job runs anew
    this.begun ||= news.begun;
    try {
      const elsewhere = !news.ended && !news.units && this.rows.get(this.name)?.phase === 'elsewhere' && this.units.olderThan(elsewhereInterval);
      const missed = news.begun && !await this.units.covers(news.begun);
      await Promise.all([this.readEvents(), (ended || missed || elsewhere) && this.units.load(true)]);
      if (!ended && !again) return;
      this.show(await ask('/console/job?name=' + encodeURIComponent(this.name)));
      this.readUsed();
    } catch (error) {
      if (!this.closed) complain(error);
    }
  }

  setHead(head) {
    this.maps = head.maps;
    this.units.expected = Math.max(0, ...head.maps.map((m) => m.total));
    this.lastEvent = Math.max(this.lastEvent, head.lastEvent);
    this.colour();
  }

  // readEvents reads the events that are new, a page at a time. Those that are told of meanwhile are read as well. first: the server
  // has not told yet whether there are any.
  async readEvents(first) {
    if (this.reading) return this.reading;
    this.reading = (async () => {
      while (!this.closed && (first || this.lastEvent > (this.events.at(-1)?.id || 0))) {
        first = false;
        const list = await ask('/console/history?name=' + encodeURIComponent(this.name) + '&after=' + (this.events.at(-1)?.id || 0));
        for (const e of list) {
          this.events.push(e);
          this.states.add(e);
        }
        const follow = this.list.atEnd;
        this.list.setCount(this.events.length);
        if (follow) this.list.show(this.events.length - 1);
        this.colour();
        if (list.length === 0) return;
      }
    })();
    try {
      await this.reading;
    } finally {
      this.reading = null;
    }
  }

  colour() {
    this.graph?.set((name) => {
      const status = this.states.status(name);
      const runs = this.maps.filter((m) => m.state === name); // the newest first
      if (runs.length > 0) {
        const m = runs[0];
        status.count = m.succeeded + ' of ' + m.total + [[m.running, ' running'], [m.failed, ' failed'], [m.aborted, ' stopped']].map(([n, w]) => (n ? ', ' + n + w : '')).join('');
        if (runs.length > 1) status.count += ' · run ' + runs.length;
      }
      const iterations = this.events.filter((e) => e.type === 'MapIterationSucceeded' && stepOf(e) === name).length;
      if (runs.length === 0 && iterations > 0) status.count = iterations + ' done';
      return status;
    });
  }

  rowChanged() {
    const row = this.rows.get(this.name);
    if (!row) return;
    const [words, colour] = statusOf(row);
    setText(this.heading, base(row.source) || this.name);
    setText(this.status, words);
    this.status.dataset.colour = colour;
    this.bar.value = row.fraction;
    this.bar.hidden = row.phase === 'waiting';
    const runs = row.status === 'RUNNING';
    setText(this.numbers, [
      this.name, runs && Math.floor(row.fraction * 100) + ' %', row.units && row.done + ' of ' + row.units + ' ' + (row.noun || 'units'), runs && row.speed && row.speed.toFixed(1) + '× real time',
      runs && row.fps && Math.round(row.fps) + ' frames/s', runs && row.left && formatDuration(row.left) + ' left',
      'started ' + formatTime(row.started), row.stopped && 'took ' + formatDuration((row.stopped - row.started) / 1000), row.redrives && 'redriven ' + row.redrives + '×',
      this.used,
    ].filter(Boolean).join(' · '));
    if (runs) this.announceProgress(row);
    const key = [row.status, row.phase, row.final].join();
    if (this.drawn !== key) {
      if (this.drawn && this.announced !== words) announce(base(row.source) + ': ' + words);
      this.announced = words;
      this.drawn = key;
      showActions(this.actions, row);
      this.final.hidden = !row.final;
      setText(this.final, row.final ? 'Redrive is not possible: ' + row.final : '');
      // A job that ends without the stream's news of it: the stream began after its end.
      if (!runs && this.job && this.job.row.status !== row.status) ask('/console/job?name=' + encodeURIComponent(this.name)).then((j) => this.show(j), complain);
    }
  }

  // announceProgress tells screen readers of every tenth of the job, and not more often than they can say it.
  announceProgress(row) {
    const tenth = Math.floor(row.fraction * 10);
    const now = performance.now();
    if (this.tenth === null || tenth < this.tenth) this.tenth = tenth; // as the page begins, or the job anew
    if (tenth === this.tenth || now - this.toldAt < announceInterval) return;
    [this.tenth, this.toldAt] = [tenth, now];
    announce(base(row.source) + ': ' + tenth * 10 + ' %' + (row.left ? ', ' + formatDuration(row.left) + ' left' : ''));
  }

  eventRow(e) {
    return el('button', { type: 'button', class: 'event', 'data-key': e.id, onclick: () => {
      this.eventDetail.hidden = false;
      this.eventDetail.textContent = printable(e.id + ' ' + e.type + '\n' + JSON.stringify(readable(e.details), null, 2));
    } }, el('span', { class: 'number' }, String(e.id)), el('span', { class: 'type' + (/Failed|TimedOut|Aborted/.test(e.type) ? ' bad' : '') }, e.type),
    el('span', { class: 'step' }, stepOf(e)), el('span', { class: 'number' }, formatTime(e.time)));
  }
}

// readable returns the details of an event with the JSON in its inputs and outputs as JSON.
function readable(details) {
  return Object.fromEntries(Object.entries(details).map(([key, value]) => [key, Object.fromEntries(Object.entries(value).filter(([k]) => !k.endsWith('Details')).map(([k, v]) => {
    if (!['input', 'output', 'parameters', 'cause'].includes(k) || typeof v !== 'string') return [k, v];
    try {
      return [k, JSON.parse(v)];
    } catch {
      return [k, v];
    }
  }))]));
}
