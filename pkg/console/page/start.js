// The dialog that starts a job: an upload, a form, and the same request as YAML. The server checks it with what checks a request of
// the command line, and the form's fields are made from what it has read of the YAML.
import { $, ask, base, el, formatBytes, printable, setAttribute } from './dom.js';
import { toYAML } from './yaml.js';

const containers = [
  ['', 'mp4 (default)'], ['mp4', 'mp4'], ['mkv', 'mkv'], ['webm', 'webm'], ['hls', 'hls: package'], ['dash', 'dash: package'],
  ['cmaf', 'cmaf: HLS and DASH'], ['stills', 'stills'], ['poster', 'poster'], ['sprites', 'sprites: sheets of thumbnails'], ['gif', 'gif: animations'],
  ['webp', 'webp: animations'], ['avif', 'avif: animations'], ['clip', 'clip: silent mp4'],
];
const codecs = [['', 'default'], ['h264', 'H.264'], ['h265', 'H.265'], ['av1', 'AV1'], ['vp9', 'VP9']];
const speeds = ['ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower', 'veryslow'];

// outputFields are the fields of an output in the form: pointer below it, label, and what they are.
const outputFields = [
  { at: '/name', label: 'Name' },
  { at: '/container', label: 'Container', options: containers },
  { at: '/preset', label: 'Preset', named: true, encoded: true },
  { at: '/video/0/codec', label: 'Codec', options: codecs, encoded: true },
  { at: '/video/0/preset', label: 'Speed', list: speeds, hint: 'default', encoded: true },
  { at: '/video/0/height', label: 'Height', number: true, hint: 'as the source', encoded: true },
  { at: '/video/0/crf', label: 'Quality (CRF)', number: true, hint: 'default', encoded: true },
];
const pathFields = [{ at: '/source', label: 'Source' }, { at: '/destination', label: 'Destination' }];

let tree = {};
let fields = new Map(); // pointer → { input, problem, … }
let settings = null;
let checking = 0; // number of the last check, so that a late answer is not shown
let timer = 0;
let upload = null;

// at returns the value at a pointer.
function at(pointer) {
  return pointer.split('/').slice(1).reduce((node, key) => node?.[key], tree);
}

// put sets or, with an empty value, removes the value at a pointer, with the objects and lists on the way.
function put(pointer, value) {
  const keys = pointer.split('/').slice(1);
  const way = [tree];
  keys.slice(0, -1).forEach((key, i) => {
    const node = way[i];
    if (node[key] === null || typeof node[key] !== 'object') {
      if (value === '') return;
      node[key] = /^\d+$/.test(keys[i + 1]) ? [] : {};
    }
    way.push(node[key]);
  });
  if (value !== '') {
    way.at(-1)[keys.at(-1)] = value;
    return;
  }
  if (way.length < keys.length) return;
  delete way.at(-1)[keys.at(-1)];
  for (let i = way.length - 1; i > 0; i--) { // what is empty now goes as well, but no output does
    if (Object.keys(way[i]).length > 0 || keys.length - i < 2 && keys[0] === 'outputs') break;
    if (keys[i - 1] === 'outputs' || Array.isArray(way[i - 1]) && way[i - 1] === tree.outputs) break;
    if (Array.isArray(way[i - 1])) way[i - 1].splice(Number(keys[i - 1]), 1);
    else delete way[i - 1][keys[i - 1]];
  }
}

function makeField(f, pointer) {
  const id = 'field' + pointer.replaceAll('/', '-');
  const attributes = {
    id, 'aria-describedby': (f.named ? id + '-note ' : '') + id + '-problem', placeholder: f.hint, spellcheck: 'false', autocomplete: 'off',
    inputmode: f.number ? 'numeric' : null, list: f.list ? 'speeds' : null,
  };
  const options = f.named ? namedPresets() : f.options;
  const input = options
    ? el('select', attributes, options.map(([value, text]) => el('option', { value }, text)))
    : el('input', attributes);
  const note = f.named && el('span', { id: id + '-note', class: 'note', hidden: true });
  const problem = el('span', { id: id + '-problem', class: 'problem', hidden: true });
  input.addEventListener('input', () => {
    const text = input.value;
    put(pointer, f.number && /^\d+$/.test(text) ? Number(text) : text);
    if (pointer.endsWith('/container')) showEncoding();
    fromForm();
  });
  fields.set(pointer, { f, input, problem, note });
  return el('div', { class: 'field' }, el('label', { for: id }, f.label), input, note, problem);
}

// namedPresets returns the options of the field that selects named settings.
function namedPresets() {
  return [['', 'none'], ...(settings?.presets || []).map((p) => [p.name, p.name + (p.own ? ' (yours)' : '')])];
}

// showNotes shows what the selected presets are for.
function showNotes() {
  for (const [pointer, { note }] of fields) {
    if (!note) continue;
    const chosen = settings?.presets.find((p) => p.name === at(pointer));
    note.textContent = printable(chosen ? chosen.description + ' Fields that say something else come first.' : '');
    note.hidden = !chosen;
  }
}

// showEncoding hides the fields of an encoder where previews are made.
function showEncoding() {
  for (const [pointer, field] of fields) {
    if (!field.f.encoded) continue;
    const container = at(pointer.split('/').slice(0, 3).join('/') + '/container') || 'mp4';
    field.input.parentElement.hidden = !['mp4', 'mkv', 'webm', 'hls', 'dash', 'cmaf'].includes(container);
  }
}

// drawForm makes the fields of the tree's outputs, and shows its values.
function drawForm() {
  const outputs = Array.isArray(tree.outputs) ? tree.outputs : [];
  if (!fields.has('/source') || $('outputs').childElementCount !== outputs.length) {
    fields = new Map();
    $('paths').replaceChildren(...pathFields.map((f) => makeField(f, f.at)));
    $('outputs').replaceChildren(...outputs.map((_, i) => {
      const remove = el('button', { type: 'button', 'aria-label': 'Remove output ' + (i + 1), onclick: () => {
        tree.outputs.splice(i, 1);
        drawForm();
        fromForm();
      } }, 'Remove');
      return el('fieldset', { class: 'output' }, el('legend', {}, 'Output ' + (i + 1)), outputs.length > 1 && remove,
        outputFields.map((f) => makeField(f, '/outputs/' + i + f.at)));
    }));
  }
  for (const [pointer, { f, input }] of fields) {
    const value = at(pointer);
    const text = value === undefined || value === null || typeof value === 'object' ? '' : String(value);
    if (input.options && ![...input.options].some((o) => o.value === text)) input.add(new Option(printable(text), text));
    if (input.value !== text && input !== document.activeElement) input.value = text;
  }
  showEncoding();
  showNotes();
}

function fromForm() {
  showNotes();
  $('yaml').value = toYAML(tree);
  soon(false);
}

// soon has the text checked when nobody has typed for a moment.
function soon(redraw) {
  clearTimeout(timer);
  timer = setTimeout(() => check(redraw), 250);
}

async function check(redraw) {
  const number = ++checking;
  let verdict;
  try {
    verdict = await ask('/console/check', { text: $('yaml').value });
  } catch (error) {
    verdict = { problems: [{ pointer: '', message: error.message }] };
  }
  if (number !== checking) return;
  $('fields').disabled = !verdict.tree; // the form would replace a text that nobody can read
  if (redraw && verdict.tree) {
    tree = verdict.tree;
    drawForm();
  }
  showProblems(verdict.problems);
}

// showProblems shows each problem at its field, and all of them under the text.
function showProblems(problems) {
  for (const [pointer, { input, problem }] of fields) {
    const mine = problems.filter((p) => p.pointer === pointer || fieldOf(p.pointer) === pointer);
    problem.textContent = printable(mine.map((p) => p.message).join('\n'));
    problem.hidden = mine.length === 0;
    setAttribute(input, 'aria-invalid', mine.length > 0 ? 'true' : null);
  }
  $('problems').replaceChildren(...problems.map((p) => {
    const where = p.line ? 'Line ' + p.line + ': ' : '';
    const text = where + (p.pointer && !p.line ? p.pointer + ': ' : '') + p.message;
    return el('li', {}, p.line ? el('button', { type: 'button', onclick: () => select(p.line) }, text) : text);
  }));
  setAttribute($('yaml'), 'aria-invalid', problems.length > 0 ? 'true' : null);
}

// fieldOf returns the field that a problem is shown at: its own, or that of the nearest value around it.
function fieldOf(pointer) {
  for (let p = pointer; p; p = p.slice(0, p.lastIndexOf('/'))) {
    if (fields.has(p)) return p;
  }
  return /^\/outputs\/\d+$/.test(pointer) ? pointer + '/name' : null;
}

// select selects a line of the text.
function select(number) {
  const lines = $('yaml').value.split('\n');
  const start = lines.slice(0, number - 1).reduce((sum, l) => sum + l.length + 1, 0);
  $('yaml').focus();
  $('yaml').setSelectionRange(start, start + (lines[number - 1] || '').length);
}

function showUploadProblem(text) {
  $('upload-problem').textContent = printable(text);
  $('upload-problem').hidden = !text;
}

// take uploads a film, and makes it the source.
function take(files) {
  if (files.length > 1) showUploadProblem('One film at a time: the others were left out.');
  else showUploadProblem('');
  upload?.abort();
  const file = files[0];
  const request = new XMLHttpRequest(); // fetch tells no progress of what is sent
  upload = request;
  const began = Date.now();
  const done = () => {
    if (upload === request) upload = null;
    $('start-button').disabled = false;
    $('upload-stop').hidden = true;
  };
  $('upload').hidden = false;
  $('upload-stop').hidden = false;
  $('upload-name').textContent = printable(file.name);
  $('upload-progress').value = 0;
  $('start-button').disabled = true;
  request.upload.addEventListener('progress', (e) => {
    if (!e.total) return;
    const seconds = (Date.now() - began) / 1000;
    $('upload-progress').value = e.loaded / e.total;
    $('upload-text').textContent = formatBytes(e.loaded) + ' of ' + formatBytes(e.total) + (seconds > 1 ? ', ' + formatBytes(e.loaded / seconds) + '/s' : '');
  });
  request.addEventListener('load', () => {
    done();
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch { /* not ours */ }
    if (request.status !== 200) {
      $('upload').hidden = true;
      showUploadProblem(answer.error || 'The upload failed: HTTP ' + request.status);
      return;
    }
    $('upload-progress').value = 1;
    $('upload-text').textContent = formatBytes(file.size) + ', uploaded';
    adopt(answer.path);
  });
  request.addEventListener('error', () => {
    done();
    $('upload').hidden = true;
    showUploadProblem('The upload broke off. Nothing of it was kept.');
  });
  request.addEventListener('abort', () => {
    done();
    $('upload').hidden = true;
  });
  request.open('POST', '/console/upload?file=' + encodeURIComponent(file.name));
  request.send(file);
}

// adopt makes an uploaded file the source, and names the output after it.
function adopt(path) {
  const name = base(path).replace(/\.[^.]*$/, '');
  tree.source = path;
  const first = Array.isArray(tree.outputs) ? tree.outputs[0] : null;
  if (first && (!first.name || first.name === 'film')) first.name = name;
  drawForm();
  fromForm();
}

let preparing = null;

// prepare asks for the server's settings and makes the form. Dragging a film and dropping it each open the dialog: a second answer
// would take away what the first one was filled with meanwhile.
async function prepare() {
  try {
    settings = await ask('/console/settings');
  } catch (error) {
    showStartProblem(error.message);
  }
  tree = { source: '', destination: (settings?.uploads || '') + '/out', outputs: [{ name: 'film', container: 'mp4' }] };
  drawForm();
  $('yaml').value = toYAML(tree);
}

// openStart opens the dialog, and uploads what was dropped.
export async function openStart(files) {
  if (!$('start').open) {
    $('start').showModal();
    $('start-problem').hidden = true;
  }
  if (!settings) await (preparing ||= prepare().finally(() => { preparing = null; }));
  if (files?.length) take(files);
  else if (!upload) fields.get('/source')?.input.focus();
}

function showStartProblem(text) {
  $('start-problem').textContent = printable(text);
  $('start-problem').hidden = !text;
}

async function start() {
  showStartProblem('');
  $('start-button').disabled = true;
  try {
    const answer = await ask('/console/start', { text: $('yaml').value });
    if (answer.problems) {
      showProblems(answer.problems);
      showStartProblem(answer.problems.length === 1 ? 'The request has a problem.' : 'The request has ' + answer.problems.length + ' problems.');
      return;
    }
    $('start').close();
    $('upload').hidden = true;
    location.hash = '#/job/' + encodeURIComponent(answer.name);
  } catch (error) {
    showStartProblem(error.message);
  } finally {
    $('start-button').disabled = upload !== null;
  }
}

document.body.append(el('datalist', { id: 'speeds' }, speeds.map((value) => el('option', { value }))));
$('yaml').addEventListener('input', () => soon(true));
$('start-form').addEventListener('submit', (e) => {
  e.preventDefault();
  start();
});
$('start-close').addEventListener('click', () => $('start').close());
$('upload-stop').addEventListener('click', () => upload?.abort());
$('add-output').addEventListener('click', () => {
  if (!Array.isArray(tree.outputs)) tree.outputs = [];
  tree.outputs.push({ name: 'film-' + (tree.outputs.length + 1), container: 'mp4' });
  drawForm();
  fromForm();
});
$('file').addEventListener('change', () => {
  if ($('file').files.length) take([...$('file').files]);
  $('file').value = '';
});
for (const type of ['dragenter', 'dragover']) $('drop').addEventListener(type, () => $('drop').classList.add('over'));
for (const type of ['dragleave', 'drop']) $('drop').addEventListener(type, () => $('drop').classList.remove('over'));
