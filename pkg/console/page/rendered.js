// The latest frames of a scene, while others are rendered.
import { ask, el, setText } from './dom.js';

// interval is the least time between two questions for the frames, in milliseconds.
const interval = 1000;

// RenderedFrames shows the frames of the job of a name.
export class RenderedFrames {
  constructor(name) {
    this.query = '?name=' + encodeURIComponent(name);
    this.asked = -Infinity;
    this.count = el('p', { class: 'summary' });
    this.grid = el('ul', { class: 'rendered' });
    this.items = new Map(); // by number
    this.element = el('section', { class: 'card', hidden: true, 'aria-label': 'Frames' },
      el('div', { class: 'card-head' }, el('h2', {}, 'Latest frames'), this.count), this.grid);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  // refresh asks for the frames, unless the source of the job is no scene. News that come meanwhile lead to one more question.
  refresh(source) {
    if (this.timer || this.closed || !/\.blend$/i.test(source || '')) return;
    this.timer = setTimeout(async () => {
      this.asked = performance.now();
      this.timer = 0;
      const list = await ask('/console/frames' + this.query).catch(() => null); // the page does without them
      if (list && !this.closed) this.show(list);
    }, Math.max(0, this.asked + interval - performance.now()));
  }

  // show shows the frames that there are. A frame that was shown before is not loaded again.
  show(list) {
    this.element.hidden = list.arrived === 0;
    setText(this.count, list.arrived + ' of ' + list.frames + ' rendered');
    const items = list.latest.map((n) => [n, this.items.get(n) || this.item(n)]);
    if (items.map(([n]) => n).join() === [...this.items.keys()].join()) return; // what has the focus keeps it
    this.items = new Map(items);
    this.grid.replaceChildren(...this.items.values());
  }

  item(number) {
    const address = '/console/frame' + this.query + '&number=' + number;
    return el('li', {}, el('a', { href: address, target: '_blank', rel: 'noopener' },
      el('img', { src: address, alt: 'Frame ' + number, decoding: 'async' }), String(number)));
  }
}
