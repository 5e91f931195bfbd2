// Elements and texts. Every text on the page goes through printable() and textContent: names of files, messages and titles come
// from strangers.

const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

// printable shows control characters, and those that reorder text, as their numbers, as mapreel's own messages do. Line breaks and
// tabs stay.
export function printable(text) {
  return String(text).replace(unprintable, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

// line is printable() for a text that stands in one line.
export function line(text) {
  return printable(text).replace(/[\n\t]/g, (c) => (c === '\n' ? '\\n' : '\\t'));
}

export const $ = (id) => document.getElementById(id);

// el makes an element. Attributes whose value is null or false are left out; children are elements or texts.
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

// svg is el for elements of SVG.
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : line(child));
  }
  return element;
}

// setText sets the text of an element if it differs: a change costs layout, and screen readers may repeat it.
export function setText(element, text) {
  const shown = line(text);
  if (element.textContent !== shown) element.textContent = shown;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

export const base = (path) => String(path).split('/').filter(Boolean).pop() || String(path);

export function formatDuration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return s + ' s';
  const two = (n) => String(n).padStart(2, '0');
  if (s < 3600) return Math.floor(s / 60) + ':' + two(s % 60) + ' min';
  if (s < 86400) return Math.floor(s / 3600) + ':' + two(Math.floor(s / 60) % 60) + ' h';
  return Math.floor(s / 86400) + ' d ' + (Math.floor(s / 3600) % 24) + ' h';
}

export function formatBytes(n) {
  if (!n) return '0 B';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const i = Math.min(Math.floor(Math.log10(n) / 3), units.length - 1);
  const value = n / 1000 ** i;
  return (i === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)) + ' ' + units[i];
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

// formatTime formats a time of today with seconds, and another with its date. Intl would do it for every language, but the page has
// one, and the first use of Intl holds a page up for 50 ms.
export function formatTime(ms) {
  const at = new Date(ms);
  const two = (n) => String(n).padStart(2, '0');
  const time = two(at.getHours()) + ':' + two(at.getMinutes());
  return at.toDateString() === new Date().toDateString() ? time + ':' + two(at.getSeconds()) : at.getDate() + ' ' + months[at.getMonth()] + ' ' + time;
}

// ask requests JSON of the server, and throws what it answers in words where it refuses.
export async function ask(path, send) {
  const answer = await fetch(path, send === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(send) });
  const data = await answer.json().catch(() => ({ error: 'HTTP ' + answer.status }));
  if (!answer.ok && !data.problems) throw new Error(data.error || 'HTTP ' + answer.status);
  return data;
}

let toastTimer = 0;

// complain shows an error for some seconds.
export function complain(error) {
  const box = $('toast');
  box.textContent = printable(error.message || error);
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, 10000);
}

// announce tells screen readers.
export function announce(text) { setText($('live'), text); }

// askLines requests lines of JSON, and yields the value of each when it comes.
export async function* askLines(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || 'HTTP ' + answer.status);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const text of lines) {
      const data = JSON.parse(text);
      if (data.error) throw new Error(data.error);
      yield data;
    }
  }
}
