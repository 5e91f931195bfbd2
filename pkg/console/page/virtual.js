// A list of any length, of which only the rows that can be seen are in the document.
import { el } from './dom.js';
import { everyFrame } from './frames.js';

// VirtualList draws rows of a fixed height. make(index) returns the button that is in a row. Tab reaches the list as a whole, and leaves
// it again; the arrow keys, Page Up, Page Down, Home and End move the focus from row to row.
export class VirtualList {
  constructor({ label, height, make, near }) {
    this.height = height;
    this.make = make;
    this.near = near; // called when the end is near; may be missing
    this.count = 0;
    this.space = el('div', { class: 'virtual-space' });
    this.element = el('div', { class: 'virtual', role: 'list', 'aria-label': label, 'aria-description': 'The arrow keys go from row to row.', tabindex: '0' }, this.space);
    this.rows = new Map(); // the rows in the document, by index
    const draw = everyFrame(() => this.draw());
    this.changed = () => {
      this.stale = true;
      draw();
    };
    this.element.addEventListener('scroll', draw, { passive: true });
    this.element.addEventListener('keydown', (e) => this.move(e));
  }

  // move moves the focus as a key says.
  move(e) {
    if (this.stale) this.draw(); // the row that has the focus may have another index by now
    const onList = document.activeElement === this.element;
    const index = onList ? Math.ceil(this.element.scrollTop / this.height) : this.indexOf(document.activeElement);
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.height) - 1);
    const by = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -index, End: this.count - 1 - index }[e.key];
    if (index < 0 || this.count === 0 || by === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    const into = onList && e.key.startsWith('Arrow') ? 0 : by; // the first that can be seen
    this.wanted = Math.min(Math.max(index + into, 0), this.count - 1);
    const top = this.wanted * this.height;
    const box = this.element;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + this.height > box.scrollTop + box.clientHeight) box.scrollTop = top + this.height - box.clientHeight;
    this.draw();
  }

  // indexOf returns the index of the row that an element is in; -1 if it is in none.
  indexOf(element) {
    const row = this.space.contains(element) && element.closest('[role="listitem"]');
    return row ? Number(row.getAttribute('aria-posinset')) - 1 : -1;
  }

  // setCount says how many rows there are, and draws those that can be seen again.
  setCount(count) {
    this.count = count;
    this.changed();
  }

  // show scrolls a row into view.
  show(index) {
    const top = index * this.height;
    const box = this.element;
    this.space.style.height = this.count * this.height + 'px'; // it cannot be scrolled further than it is high
    if (top < box.scrollTop || top + this.height > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 2;
    this.changed();
  }

  // atEnd reports whether the last row can be seen.
  get atEnd() { return this.element.scrollTop + this.element.clientHeight >= (this.count - 1) * this.height; }

  draw() {
    this.space.style.height = this.count * this.height + 'px';
    const spare = 5;
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.height) - spare);
    const last = Math.min(this.count, Math.ceil((this.element.scrollTop + (this.element.clientHeight || 400)) / this.height) + spare);
    const focused = this.stale && this.space.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    for (const [i, row] of this.rows) {
      if (!this.stale && i >= first && i < last) continue; // scrolling makes the rows that come into view, and no other
      row.remove();
      this.rows.delete(i);
    }
    this.stale = false;
    for (let i = last - 1; i >= first; i--) { // each before the one that follows it, so that the keyboard meets them in order
      if (this.rows.has(i)) continue;
      const button = this.make(i);
      button.tabIndex = -1;
      const row = el('div', { class: 'virtual-row', role: 'listitem', 'aria-posinset': i + 1, 'aria-setsize': this.count }, button);
      row.style.top = i * this.height + 'px';
      this.rows.set(i, row);
      this.space.insertBefore(row, this.rows.get(i + 1) || null);
      if (focused && button.dataset.key === focused) button.focus({ preventScroll: true });
    }
    this.rows.get(this.wanted)?.firstChild.focus({ preventScroll: true });
    this.wanted = null;
    if (last > this.count - 50) this.near?.();
  }
}
