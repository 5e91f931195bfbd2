// Scrubs through previews: the still that is on screen, the animations of that part of the film, and the thumbnail above the bar.
'use strict';

const $ = (id) => document.getElementById(id);
let previews = { duration: 0, previews: [] };

// at returns the file of a preview that covers time t: the last one that has begun.
function at(files, t) {
  let low = 0;
  let high = files.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (files[middle].start <= t) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : files[low - 1];
}

// url returns where a file is served. Names may hold any character.
const url = (path) => 'media/' + path.split('/').map(encodeURIComponent).join('/');

function format(t) {
  const s = Math.floor(t);
  const two = (n) => String(n).padStart(2, '0');
  return (s >= 3600 ? Math.floor(s / 3600) + ':' + two(Math.floor(s / 60) % 60) : Math.floor(s / 60)) + ':' + two(s % 60);
}

function setSource(element, source) {
  if (element.getAttribute('src') !== source) element.setAttribute('src', source);
}

function show(t) {
  $('time').textContent = format(t) + ' / ' + format(previews.duration);
  const stills = previews.previews.find((p) => p.form === 'stills' && !p.archive);
  const poster = previews.previews.find((p) => p.form === 'poster');
  const file = stills ? at(stills.files, t) : poster && poster.files[0];
  $('still').hidden = !file;
  if (file) {
    setSource($('still'), url(file.path));
    $('still').alt = 'The film at ' + format(t);
  }
  for (const figure of $('slices').children) {
    const preview = previews.previews[figure.dataset.preview];
    const slice = at(preview.files, t);
    figure.hidden = !slice || t > slice.end;
    if (figure.hidden) continue;
    setSource(figure.firstChild, url(slice.path));
    figure.lastChild.textContent = preview.form + ', ' + format(slice.start) + ' to ' + format(slice.end);
  }
}

// hover shows the thumbnail of time t above the bar.
function hover(t) {
  const sprites = previews.previews.find((p) => p.form === 'sprites');
  if (!sprites || sprites.files.length === 0) return;
  const count = Math.ceil(previews.duration / sprites.interval);
  const tile = Math.min(Math.floor(t / sprites.interval), count - 1);
  const perSheet = sprites.columns * sprites.rows;
  const n = tile % perSheet;
  const box = $('thumbnail');
  box.style.width = sprites.width + 'px';
  box.style.height = sprites.height + 'px';
  box.style.backgroundImage = 'url("' + url(sprites.files[Math.floor(tile / perSheet)].path) + '")';
  box.style.backgroundPosition = -(n % sprites.columns) * sprites.width + 'px ' + -Math.floor(n / sprites.columns) * sprites.height + 'px';
  const left = (t / previews.duration) * $('bar').clientWidth - sprites.width / 2;
  box.style.left = Math.max(0, Math.min(left, $('bar').clientWidth - sprites.width)) + 'px';
  box.dataset.tile = tile;
  box.hidden = false;
}

function fail(message) {
  $('problem').textContent = message;
  $('problem').hidden = false;
}

async function load(entry) {
  const answer = await fetch(url(entry.name));
  if (!answer.ok) throw new Error(entry.name + ': ' + answer.status);
  previews = await answer.json();
  $('title').textContent = entry.name;
  document.title = entry.name + ' · mapreel';
  $('seek').max = previews.duration;
  $('seek').value = 0;
  $('slices').replaceChildren();
  previews.previews.forEach((p, i) => {
    if (!['gif', 'webp', 'avif', 'clip'].includes(p.form)) return;
    const figure = document.createElement('figure');
    figure.dataset.preview = i;
    const picture = document.createElement(p.form === 'clip' ? 'video' : 'img');
    if (p.form === 'clip') Object.assign(picture, { muted: true, loop: true, autoplay: true, playsInline: true });
    picture.width = p.width;
    picture.height = p.height;
    figure.append(picture, document.createElement('figcaption'));
    $('slices').append(figure);
  });
  show(0);
}

async function start() {
  const entries = await (await fetch('entries.json')).json();
  entries.forEach((e, i) => $('entries').add(new Option(e.name, i)));
  $('entries').parentElement.hidden = entries.length < 2;
  $('entries').addEventListener('change', () => load(entries[$('entries').value]).catch((e) => fail(String(e))));
  $('seek').addEventListener('input', () => {
    show(Number($('seek').value));
    hover(Number($('seek').value));
  });
  $('bar').addEventListener('pointermove', (e) => {
    const box = $('bar').getBoundingClientRect();
    hover(Math.max(0, Math.min((e.clientX - box.left) / box.width, 1)) * previews.duration);
  });
  $('bar').addEventListener('pointerleave', () => { $('thumbnail').hidden = true; });
  await load(entries[0]);
}

start().catch((e) => fail('The previews cannot be shown: ' + e));
