'use strict';
// What the page that plays and the page of previews have in common.

const element = (id) => document.getElementById(id);

// Names come from files: control characters and those that reorder text are shown as their numbers, as in mapreel's own messages.
function printable(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

function showProblem(text) {
  element('problem').textContent = printable(text);
  element('problem').hidden = !text;
}

function formatTime(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const s = Math.floor(seconds + 0.001); // players stop a microsecond before the end
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  return (hours ? hours + ':' : '') + two(Math.floor(s / 60) % 60) + ':' + two(s % 60);
}

// showTile shows a thumbnail above the place of time t on a bar: a part of a sheet at x and y.
function showTile(box, bar, t, duration, { sheet, x, y, width, height }) {
  box.style.width = width + 'px';
  box.style.height = height + 'px';
  box.style.backgroundImage = 'url("' + sheet + '")';
  box.style.backgroundPosition = -x + 'px ' + -y + 'px';
  const left = (t / duration) * bar.clientWidth - width / 2;
  box.style.left = Math.max(0, Math.min(left, bar.clientWidth - width)) + 'px';
  box.hidden = false;
}

// onHover calls show with the time under the pointer on a bar, and hides the thumbnail when it leaves.
function onHover(bar, box, duration, show) {
  bar.addEventListener('pointermove', (e) => {
    const area = bar.getBoundingClientRect();
    show(Math.max(0, Math.min((e.clientX - area.left) / area.width, 1)) * duration());
  });
  bar.addEventListener('pointerleave', () => { box.hidden = true; });
}

// mediaAddress returns where a file is served. Names may hold any character.
const mediaAddress = (path) => 'media/' + path.split('/').map(encodeURIComponent).join('/');
