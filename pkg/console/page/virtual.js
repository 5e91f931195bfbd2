// A list of any length, of which only the rows that can be seen are in the document.
import { el } from './dom.js';
import { everyFrame } from './frames.js';

// VirtualList draws rows of a fixed height. make(index) returns the element of a row.
export class VirtualList {
  constructor({ label, height, make, near }) {
    this.height = height;
    this.make = make;
    this.near = near; // called when the end is near; may be missing
    this.count = 0;
    this.space = el('div', { class: 'virtual-space' });
    this.element = el('div', { class: 'virtual', role: 'list', 'aria-label': label, tabindex: '0' }, this.space);
    this.rows = new Map(); // the rows in the document, by index
    const draw = everyFrame(() => this.draw());
    this.changed = () => {
      this.stale = true;
      draw();
    };
    this.element.addEventListener('scroll', draw, { passive: true });
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
      const row = this.make(i);
      row.style.top = i * this.height + 'px';
      row.setAttribute('role', 'listitem');
      row.setAttribute('aria-posinset', i + 1);
      row.setAttribute('aria-setsize', this.count);
      this.rows.set(i, row);
      this.space.insertBefore(row, this.rows.get(i + 1) || null);
      if (focused && row.dataset.key === focused) row.focus({ preventScroll: true });
    }
    if (last > this.count - 50) this.near?.();
  }
}
