'use strict';
// Scrubs through previews: the still that is on screen, the animations of that part of the film, and the thumbnail above the bar.

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

function setSource(image, source) {
  if (image.getAttribute('src') !== source) image.setAttribute('src', source);
}

function show(t) {
  element('time').textContent = formatTime(t) + ' / ' + formatTime(previews.duration);
  const stills = previews.previews.find((p) => p.form === 'stills' && !p.archive);
  const poster = previews.previews.find((p) => p.form === 'poster');
  const file = stills ? at(stills.files, t) : poster && poster.files[0];
  element('stage').hidden = element('still').hidden = !file; // animations alone have no picture here
  if (file) {
    setSource(element('still'), mediaAddress(file.path));
    element('still').alt = 'The film at ' + formatTime(t);
  }
  for (const figure of element('slices').children) {
    const preview = previews.previews[figure.dataset.preview];
    const slice = at(preview.files, t);
    figure.hidden = !slice || t > slice.end;
    if (figure.hidden) continue;
    setSource(figure.firstChild, mediaAddress(slice.path));
    const caption = printable(preview.form + ', ' + formatTime(slice.start) + ' to ' + formatTime(slice.end));
    figure.firstChild.setAttribute(preview.form === 'clip' ? 'aria-label' : 'alt', caption);
    figure.lastChild.textContent = caption;
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
  const box = element('thumbnail');
  showTile(box, element('bar'), t, previews.duration, {
    sheet: mediaAddress(sprites.files[Math.floor(tile / perSheet)].path), width: sprites.width, height: sprites.height,
    x: (n % sprites.columns) * sprites.width, y: Math.floor(n / sprites.columns) * sprites.height,
  });
  box.dataset.tile = tile;
}

async function load(entry) {
  const answer = await fetch(mediaAddress(entry.name));
  if (!answer.ok) throw new Error(entry.name + ': ' + answer.status);
  previews = await answer.json();
  element('title').textContent = printable(entry.name);
  document.title = printable(entry.name) + ' · mapreel';
  element('seek').max = previews.duration;
  element('seek').value = 0;
  element('slices').replaceChildren();
  previews.previews.forEach((p, i) => {
    if (!['gif', 'webp', 'avif', 'clip'].includes(p.form)) return;
    const figure = document.createElement('figure');
    figure.dataset.preview = i;
    const picture = document.createElement(p.form === 'clip' ? 'video' : 'img');
    if (p.form === 'clip') Object.assign(picture, { muted: true, loop: true, autoplay: true, playsInline: true });
    picture.width = p.width;
    picture.height = p.height;
    figure.append(picture, document.createElement('figcaption'));
    element('slices').append(figure);
  });
  show(0);
}

// showLinks shows where a server has the job that made the previews, and all of their files as one.
async function showLinks() {
  const answer = await fetch('facts.json');
  const facts = answer.ok ? await answer.json() : {};
  for (const [link, address] of [[element('job').firstElementChild, facts.job], [element('download'), facts.archive]]) {
    if (address) link.href = address;
  }
  element('job').hidden = !facts.job;
  element('download').hidden = !facts.archive;
}

async function start() {
  const entries = await (await fetch('entries.json')).json();
  entries.forEach((e, i) => element('entries').add(new Option(printable(e.name), i)));
  element('entries').parentElement.hidden = entries.length < 2;
  element('entries').addEventListener('change', () => load(entries[element('entries').value]).catch((e) => showProblem(String(e))));
  element('seek').addEventListener('input', () => {
    show(Number(element('seek').value));
    hover(Number(element('seek').value));
  });
  onHover(element('bar'), element('thumbnail'), () => previews.duration, hover);
  await load(entries[0]);
  showLinks().catch(() => {}); // the previews are shown without
}

start().catch((e) => showProblem('The previews cannot be shown: ' + e));
