// The page: which view it shows, and the stream of changes that the views draw.
import { $, announce, base, complain, line, setText } from './dom.js';
import { JobsView } from './jobs.js';
import { JobView, setDefinition } from './job.js';

const rows = new Map(); // by name
const jobsView = new JobsView(rows);
let jobView = null;
let source = null;
let seen = ''; // the last message about the list of jobs

// openStart opens the dialog for a new job. Its script is not needed for the first view, and read when it is.
const openStart = (files) => import('./start.js').then((start) => start.openStart(files), complain);

const words = { RUNNING: 'runs', SUCCEEDED: 'is done', FAILED: 'has failed', ABORTED: 'was stopped', TIMED_OUT: 'took too long' };

// receive applies a message about the list of jobs.
function receive(update) {
  const known = rows.size > 0;
  if (update.full) {
    const names = new Set(update.rows.map((r) => r.name));
    for (const [name, row] of rows) {
      if (!names.has(name) && !row.old) rows.delete(name);
    }
  }
  const news = [];
  for (const row of update.rows) {
    const before = rows.get(row.name);
    if (known && before?.status !== row.status) news.push(base(row.source) + ' ' + (words[row.status] || row.status));
    rows.set(row.name, row);
  }
  for (const name of update.gone || []) rows.delete(name);
  if (news.length > 0) announce(news.length > 3 ? news.length + ' jobs have changed' : news.join('; '));
  jobsView.changed();
  jobView?.rowChanged();
  document.documentElement.dataset.ready = 'yes';
}

// connect opens the stream, of the job that is shown as well. The browser opens it again after an interruption.
function connect() {
  source?.close();
  source = new EventSource('/events?' + new URLSearchParams({ ...seen && { after: seen }, ...jobView && { job: jobView.name } }));
  source.addEventListener('open', () => { setText($('connection'), ''); });
  source.addEventListener('error', () => { setText($('connection'), 'The server does not answer; trying again …'); });
  source.addEventListener('jobs', (e) => {
    seen = e.lastEventId;
    receive(JSON.parse(e.data));
  });
  source.addEventListener('job', (e) => {
    const news = JSON.parse(e.data);
    if (jobView?.name === news.name) jobView.receive(news);
  });
}

// route shows what the address names: #/job/NAME or the list.
function route() {
  const match = location.hash.match(/^#\/job\/(.+)$/);
  let name = null;
  try {
    name = match && decodeURIComponent(match[1]);
  } catch { /* no name */ }
  jobView?.close();
  jobView = name === null ? null : new JobView($('job-view'), name, rows);
  $('jobs-view').hidden = name !== null;
  $('job-view').hidden = name === null;
  document.title = (name === null ? 'Jobs' : line(name)) + ' · mapreel';
  if (name === null && document.documentElement.dataset.ready) jobsView.changed();
  window.scrollTo(0, 0);
  connect();
  jobView?.open(); // after the stream has begun, so that it tells of what changes meanwhile
}

addEventListener('hashchange', () => {
  route();
  $('main').focus({ preventScroll: true });
});
// A hidden page needs no news, and browsers allow a server only six connections for all of its pages.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) source?.close();
  else connect();
});
document.addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || $('start').open || e.target.closest('input, textarea, select')) return;
  if (e.key === '/' && !$('jobs-view').hidden) {
    e.preventDefault();
    $('search').focus();
  } else if (e.key === 'n') {
    e.preventDefault();
    openStart();
  } else if (e.key === 'Escape' && jobView) {
    location.hash = '#/';
  }
});
$('new').addEventListener('click', () => openStart());
// A film that is dropped anywhere is meant for a new job.
addEventListener('dragover', (e) => {
  if (!e.dataTransfer?.types.includes('Files')) return;
  e.preventDefault();
  if (!$('start').open) openStart();
});
addEventListener('drop', (e) => {
  if (!e.dataTransfer?.files.length) return;
  e.preventDefault();
  openStart([...e.dataTransfer.files]); // the list is empty after the event
});
addEventListener('pagehide', () => source?.close());

// The page came with the first message, and with the definition that graphs are drawn from.
const first = JSON.parse($('first').textContent || 'null');
if (first) {
  seen = first.id;
  setDefinition(first.definition);
}
route();
if (first) receive(first.jobs);
