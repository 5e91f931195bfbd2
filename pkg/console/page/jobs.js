// The list of jobs.
import { $, announce, ask, base, complain, el, formatDuration, formatTime, line, setAttribute, setText } from './dom.js';
import { inSlices, nextFrame } from './frames.js';

const filters = [
  ['all', 'All', () => true],
  ['running', 'Running', (r) => r.status === 'RUNNING' && r.phase !== 'waiting'],
  ['waiting', 'Waiting', (r) => r.status === 'RUNNING' && r.phase === 'waiting'],
  ['done', 'Done', (r) => r.status === 'SUCCEEDED'],
  ['failed', 'Failed', (r) => r.status === 'FAILED' || r.status === 'TIMED_OUT'],
  ['stopped', 'Stopped', (r) => r.status === 'ABORTED'],
];

const phases = {
  waiting: 'Waiting', reading: 'Reading the source', firstPass: 'First pass', working: 'Running', merging: 'Merging', elsewhere: 'Running in another process',
};
const statuses = { RUNNING: 'Running', SUCCEEDED: 'Done', FAILED: 'Failed', ABORTED: 'Stopped', TIMED_OUT: 'Timed out' };

// statusOf returns the words for a row's status, and the name of its colour.
export function statusOf(row) {
  if (row.status === 'RUNNING') return [phases[row.phase] || 'Running', row.phase === 'waiting' ? 'waiting' : 'running'];
  const colour = { SUCCEEDED: 'done', FAILED: 'failed', TIMED_OUT: 'failed', ABORTED: 'stopped' }[row.status];
  return [statuses[row.status] || row.status, colour];
}

const step = 200; // rows that are shown at first, and more with each press of the button
const sliceRows = 16; // new rows that are made for a frame: what fills a screen, so that the first view takes few frames

// JobsView draws the rows that pass the filter and the search.
export class JobsView {
  constructor(rows) {
    this.rows = rows;
    this.filter = 'all';
    this.limit = step;
    this.drawn = new Map(); // name → the elements of its row
    this.order = [];
    this.changed = inSlices(() => this.draw());
    this.buttons = filters.map(([key, label]) => {
      const count = el('span', { class: 'count' });
      const button = el('button', { type: 'button', 'aria-pressed': String(key === 'all'), onclick: () => this.choose(key) }, label, ' ', count);
      button.count = count;
      return button;
    });
    $('filters').append(...this.buttons);
    $('search').addEventListener('input', () => {
      this.limit = step;
      this.changed();
    });
    $('more').addEventListener('click', () => this.showMore());
    setInterval(() => this.changed(), 10000); // times that pass
  }

  choose(key) {
    this.filter = key;
    this.limit = step;
    filters.forEach(([other], i) => setAttribute(this.buttons[i], 'aria-pressed', String(other === key)));
    this.changed();
  }

  async showMore() {
    this.limit += step;
    const all = [...this.rows.values()];
    if (this.selected().length < this.limit && all.length > 0 && !this.complete) {
      try {
        // The server sends the newest jobs, and older ones only where they have not ended.
        const ended = all.filter((r) => r.status !== 'RUNNING' || r.old);
        const before = Math.min(...(ended.length ? ended : all).map((r) => r.seq));
        const older = await ask('/console/older?before=' + before);
        for (const row of older.rows) {
          if (!this.rows.has(row.name)) this.rows.set(row.name, { ...row, old: true });
        }
        this.complete = !older.more;
      } catch (error) {
        complain(error);
      }
    }
    this.changed();
  }

  selected() {
    const passes = filters.find(([key]) => key === this.filter)[2];
    const words = $('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    return [...this.rows.values()].filter((r) => {
      if (!passes(r)) return false;
      if (words.length === 0) return true;
      const text = [r.name, r.source, r.destination, ...r.outputs, r.error || '', r.cause || ''].join('\n').toLowerCase();
      return words.every((w) => text.includes(w));
    }).sort((a, b) => b.seq - a.seq);
  }

  // draw brings the list up to date, some rows at a time.
  *draw() {
    if ($('jobs-view').hidden) return;
    const all = [...this.rows.values()];
    filters.forEach(([, , passes], i) => setText(this.buttons[i].count, all.filter(passes).length));
    const list = this.selected();
    const shown = list.slice(0, this.limit);
    const present = new Set(shown.map((r) => r.name));
    for (const [name, drawn] of this.drawn) {
      if (present.has(name)) continue;
      if (drawn.element.contains(document.activeElement)) $('main').focus({ preventScroll: true });
      drawn.element.remove();
      this.drawn.delete(name);
    }
    $('empty').hidden = shown.length > 0;
    setText($('empty'), all.length === 0 ? 'No jobs yet. Drop a film here, or press New job.' : 'No job matches.');
    $('jobs').hidden = shown.length === 0;
    $('more').hidden = list.length <= this.limit && (this.complete || all.length < step);
    let previous = null;
    let made = 0;
    for (const row of shown) {
      let drawn = this.drawn.get(row.name);
      const fresh = !drawn;
      if (fresh) {
        drawn = makeRow(row.name);
        this.drawn.set(row.name, drawn);
      }
      const place = previous ? previous.nextSibling : $('rows').firstChild;
      if (place !== drawn.element) $('rows').insertBefore(drawn.element, place);
      previous = drawn.element;
      if (drawn.row !== row || row.status === 'RUNNING') {
        updateRow(drawn, row);
        if (!fresh) yield;
        else if (++made % sliceRows === 0) yield nextFrame;
      }
    }
  }
}

function makeRow(name) {
  const d = {};
  d.link = el('a', { href: '#/job/' + encodeURIComponent(name) });
  d.detail = el('span', { class: 'detail' });
  d.status = el('span', { class: 'status' });
  d.cause = el('span', { class: 'detail cause' });
  d.bar = el('progress', { max: 1, value: 0 });
  d.percent = el('span', { class: 'percent' });
  d.speed = el('span', { role: 'cell', class: 'number speed' });
  d.left = el('span', { role: 'cell', class: 'number left' });
  d.started = el('span', { role: 'cell', class: 'started' });
  d.took = el('span', { role: 'cell', class: 'number took' });
  d.cost = el('span', { role: 'cell', class: 'number cost' });
  d.actions = el('span', { role: 'cell', class: 'actions' });
  d.element = el('div', { class: 'job', role: 'row' },
    el('span', { role: 'cell', class: 'source' }, d.link, d.detail),
    el('span', { role: 'cell', class: 'state' }, d.status, d.cause),
    el('span', { role: 'cell', class: 'progress' }, d.bar, d.percent),
    d.speed, d.left, d.started, d.took, d.cost, d.actions);
  return d;
}

// updateRow shows a row as it is now.
function updateRow(d, row) {
  const [words, colour] = statusOf(row);
  setText(d.link, base(row.source) || row.name);
  setAttribute(d.link, 'title', line(row.source));
  setText(d.detail, row.name + (row.outputs.length ? ' → ' + row.outputs.join(', ') : ''));
  setText(d.status, words + (row.redrives ? ' (again ' + row.redrives + '×)' : ''));
  setAttribute(d.status, 'data-colour', colour);
  const failed = row.status !== 'SUCCEEDED' && row.status !== 'RUNNING';
  const warnings = row.warnings ? row.warnings + (row.warnings === 1 ? ' warning' : ' warnings') : '';
  setText(d.cause, failed ? [row.error, row.cause].filter(Boolean).join(': ') : warnings);
  setAttribute(d.cause, 'title', failed ? line(row.cause || '') : null);
  const percent = Math.floor(row.fraction * 100) + ' %';
  const idle = row.phase === 'waiting' || failed && !row.fraction;
  d.bar.hidden = idle;
  if (d.bar.value !== row.fraction) d.bar.value = row.fraction;
  setAttribute(d.bar, 'aria-label', 'Progress of ' + line(base(row.source)));
  setText(d.percent, idle ? '' : percent + (row.units && row.status === 'RUNNING' ? ' · ' + row.done + '/' + row.units : ''));
  const runs = row.status === 'RUNNING';
  setText(d.speed, runs && row.speed ? row.speed.toFixed(1) + '×' + (row.fps ? ' · ' + Math.round(row.fps) + ' fps' : '') : '');
  setText(d.left, runs && row.left ? formatDuration(row.left) : '');
  setText(d.started, formatTime(row.started));
  setText(d.took, row.phase === 'waiting' ? '' : formatDuration(((row.stopped || Date.now()) - row.started) / 1000));
  setText(d.cost, row.cpu ? formatDuration(row.cpu) + ' CPU' : '');
  const wanted = actionsOf(row).join() + (row.final || '');
  if (d.wanted !== wanted) {
    d.wanted = wanted;
    showActions(d.actions, row);
  }
  d.row = row;
}

// actionsOf returns what can be done with a job.
function actionsOf(row) {
  if (row.status === 'RUNNING') return row.phase === 'elsewhere' ? [] : ['stop'];
  return row.status === 'SUCCEEDED' ? ['remove'] : ['redrive', 'remove'];
}

const labels = { stop: 'Stop', redrive: 'Redrive', remove: 'Remove' };

// showActions shows the buttons for a job. What is done with one replaces it by others, and the keyboard stays there.
export function showActions(box, row) {
  const focused = box.contains(document.activeElement);
  box.replaceChildren(...actionButtons(row));
  if (focused) box.firstElementChild?.focus({ preventScroll: true });
}

function actionButtons(row) {
  return actionsOf(row).map((action) => {
    const button = el('button', { type: 'button', 'aria-label': labels[action] + ' ' + line(base(row.source)), onclick: () => act(button, action, row) }, labels[action]);
    if (action !== 'redrive' || !row.final) return button;
    // It can be reached and pressed, so that everybody learns the reason: a button that is disabled is passed over by keys and readers.
    setAttribute(button, 'aria-disabled', 'true');
    setAttribute(button, 'aria-description', 'Not possible: ' + line(row.final));
    setAttribute(button, 'title', line(row.final));
    return button;
  });
}

async function act(button, action, row) {
  if (button.getAttribute('aria-disabled')) {
    complain('This job cannot be redriven here: ' + row.final);
    return;
  }
  if (action === 'remove' && !button.dataset.sure) { // the second press counts
    button.dataset.sure = 'yes';
    button.textContent = 'Remove the record?';
    const name = button.getAttribute('aria-label');
    setAttribute(button, 'aria-label', name.replace(labels.remove, 'Remove the record of') + '?');
    announce('Press again to remove the record.');
    setTimeout(() => {
      delete button.dataset.sure;
      button.textContent = labels.remove;
      setAttribute(button, 'aria-label', name);
    }, 6000);
    return;
  }
  if (button.getAttribute('aria-busy')) return;
  setAttribute(button, 'aria-busy', 'true'); // a button that is disabled would lose the focus
  try {
    await ask('/console/' + action, { name: row.name });
    if (action === 'remove' && location.hash.startsWith('#/job/')) location.hash = '#/';
  } catch (error) {
    complain(error);
  } finally {
    setAttribute(button, 'aria-busy', null);
  }
}
