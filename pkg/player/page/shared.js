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

// mediaAddress returns where a file is served. Names may hold any character.
const mediaAddress = (path) => 'media/' + path.split('/').map(encodeURIComponent).join('/');
