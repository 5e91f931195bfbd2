// The machine's graph, drawn from its definition.
import { el, setAttribute, setText, svg } from './dom.js';

const box = { height: 34, gapX: 22, gapY: 30, pad: 14, head: 40 };
const widthOf = (text) => Math.max(90, 7.2 * text.length + 28);

// successors returns the names of the states that may follow one, with what leads there.
function successors(state) {
  const list = [];
  const add = (to, why) => {
    if (to && !list.some((s) => s.to === to)) list.push({ to, why });
  };
  for (const choice of state.Choices || []) add(choice.Next, '');
  add(state.Default, '');
  add(state.Next, '');
  for (const c of state.Catch || []) add(c.Next, 'catch');
  return list;
}

// layers places states below those that lead to them. It returns the layer of each, and the edges; those that lead back are marked.
function layers(states, start) {
  const edges = [];
  const open = new Set();
  const seen = new Set();
  const order = [];
  const visit = (name) => {
    seen.add(name);
    open.add(name);
    for (const { to, why } of successors(states[name])) {
      if (!states[to]) continue;
      edges.push({ from: name, to, why, back: open.has(to) });
      if (!seen.has(to)) visit(to);
    }
    open.delete(name);
    order.unshift(name);
  };
  visit(start);
  const depth = Object.fromEntries(order.map((n) => [n, 0]));
  for (const name of order) {
    for (const e of edges) {
      if (e.from === name && !e.back) depth[e.to] = Math.max(depth[e.to], depth[name] + 1);
    }
  }
  return { depth, edges, order };
}

// arrange computes the place of every state, and the ways of the edges. An edge that passes layers has a place in each of them.
function arrange(states, start) {
  const { depth, edges, order } = layers(states, start);
  const rows = [];
  const put = (node) => { (rows[node.layer] ||= []).push(node); };
  const nodes = new Map();
  for (const name of order) {
    const state = states[name];
    const inner = state.Type === 'Map' ? arrange(state.ItemProcessor.States, state.ItemProcessor.StartAt) : null;
    const node = {
      name, state, inner, layer: depth[name],
      width: Math.max(widthOf(name), inner ? inner.width + 2 * box.pad : 0), height: inner ? box.head + inner.height + box.pad : box.height,
    };
    nodes.set(name, node);
    put(node);
  }
  for (const e of edges) {
    e.way = [];
    if (e.back) continue;
    for (let l = depth[e.from] + 1; l < depth[e.to]; l++) {
      const bend = { layer: l, width: 10, height: box.height, bend: true };
      e.way.push(bend);
      put(bend);
    }
  }
  const chains = edges.filter((e) => !e.back).map((e) => [nodes.get(e.from), ...e.way, nodes.get(e.to)]);
  orderRows(rows, chains);
  return place(rows, nodes, edges);
}

// orderRows orders each layer by the middle of its neighbours above and below, a few times.
function orderRows(rows, chains) {
  const at = new Map();
  const number = () => rows.forEach((row) => row.forEach((n, i) => at.set(n, (i + 0.5) / row.length)));
  number();
  const links = chains.flatMap((chain) => chain.slice(1).map((n, i) => [chain[i], n]));
  for (let sweep = 0; sweep < 4; sweep++) {
    for (const row of rows) {
      const middle = new Map(row.map((n) => {
        const near = links.flatMap(([a, b]) => (a === n ? [at.get(b)] : b === n ? [at.get(a)] : []));
        return [n, near.length ? near.reduce((x, y) => x + y, 0) / near.length : at.get(n)];
      }));
      row.sort((a, b) => middle.get(a) - middle.get(b));
    }
    number();
  }
}

function place(rows, nodes, edges) {
  const widths = rows.map((row) => row.reduce((sum, n) => sum + n.width + box.gapX, -box.gapX));
  const room = edges.some((e) => e.back) ? 30 : 0; // on both sides, for edges that lead back
  const width = Math.max(...widths) + 2 * room;
  let y = 0;
  rows.forEach((row, i) => {
    let x = (width - widths[i]) / 2;
    const height = Math.max(...row.map((n) => n.height));
    for (const n of row) {
      n.x = x;
      n.y = y;
      n.rowHeight = height;
      n.rowTop = y;
      x += n.width + box.gapX;
    }
    y += height + box.gapY;
  });
  return { nodes, edges, width, height: y - box.gapY };
}

// path returns the way of an edge.
function path(e, nodes, width) {
  const a = nodes.get(e.from);
  const b = nodes.get(e.to);
  if (e.back) { // along the nearer side
    const left = a.x + a.width / 2 < width / 2;
    const x = left ? 8 : width - 8;
    const from = left ? a.x : a.x + a.width;
    const to = left ? b.x - 5 : b.x + b.width + 5;
    const ya = a.y + a.height / 2;
    const yb = b.y + b.height / 2;
    return `M${from} ${ya} C${x} ${ya} ${x} ${ya} ${x} ${ya - 12} L${x} ${yb + 12} C${x} ${yb} ${x} ${yb} ${to} ${yb}`;
  }
  let x = a.x + a.width / 2;
  let y = a.y + a.height;
  let d = `M${x} ${y}`;
  const to = (nx, ny) => {
    const middle = (y + ny) / 2;
    d += ` C${x} ${middle} ${nx} ${middle} ${nx} ${ny}`;
    x = nx;
    y = ny;
  };
  for (const bend of e.way) {
    to(bend.x + bend.width / 2, bend.rowTop);
    d += ` L${x} ${bend.rowTop + bend.rowHeight}`;
    y = bend.rowTop + bend.rowHeight;
  }
  to(b.x + b.width / 2, b.y - 5);
  return d;
}

// Graph is the graph of a definition. set() colours it.
export class Graph {
  constructor(definition) {
    this.states = new Map(); // name → { group, count, title }
    const layout = arrange(definition.States, definition.StartAt);
    const margin = 8;
    this.element = svg('svg', {
      class: 'graph', role: 'img', 'aria-label': 'The graph of the state machine',
      viewBox: `${-margin} ${-margin} ${layout.width + 2 * margin} ${layout.height + 2 * margin}`, width: layout.width + 2 * margin,
    }, svg('defs', {}, svg('marker', { id: 'arrow', viewBox: '0 0 8 8', refX: 4, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto-start-reverse' },
      svg('path', { d: 'M0 0 L8 4 L0 8 z', class: 'tip' }))));
    this.draw(this.element, layout);
    this.summary = el('p', { class: 'hidden' });
  }

  draw(parent, layout) {
    for (const e of layout.edges) {
      parent.append(svg('path', { d: path(e, layout.nodes, layout.width), class: 'edge' + (e.why === 'catch' ? ' catch' : ''), 'marker-end': 'url(#arrow)' }));
    }
    for (const n of layout.nodes.values()) {
      const title = svg('title');
      const count = svg('text', { class: 'counts', x: n.width / 2, y: 33, 'text-anchor': 'middle' });
      const group = svg('g', { class: 'node' + (n.inner ? ' map' : ''), transform: `translate(${n.x} ${n.y})`, 'data-colour': 'idle' },
        title,
        svg('rect', { width: n.width, height: n.height, rx: n.state.Type === 'Choice' ? 16 : 6 }),
        svg('text', { x: n.width / 2, y: n.inner ? 17 : 21, 'text-anchor': 'middle' }, n.name),
        n.inner && count);
      if (n.inner) {
        const inside = svg('g', { transform: `translate(${(n.width - n.inner.width) / 2} ${box.head})` });
        this.draw(inside, n.inner);
        group.append(inside);
      }
      this.states.set(n.name, { group, count, title, type: n.state.Type });
      parent.append(group);
    }
  }

  // set colours the states. status(name) returns { colour, count, words }.
  set(status) {
    const words = [];
    for (const [name, s] of this.states) {
      const now = status(name);
      setAttribute(s.group, 'data-colour', now.colour);
      setText(s.count, now.count || '');
      setText(s.title, name + ' (' + s.type + '): ' + now.words + (now.count ? ', ' + now.count : ''));
      if (now.colour !== 'idle') words.push(name + ': ' + now.words + (now.count ? ', ' + now.count : ''));
    }
    setText(this.summary, words.join('. '));
  }
}

// StateTracker follows the events of a history: which states were entered, and what became of them.
export class StateTracker {
  constructor() { this.states = new Map(); }

  of(name) {
    let s = this.states.get(name);
    if (!s) this.states.set(name, s = { entered: 0, exited: 0, failed: 0, inside: 0, retried: 0 });
    return s;
  }

  add(e) {
    const entered = e.details.stateEnteredEventDetails;
    const exited = e.details.stateExitedEventDetails;
    if (entered) {
      const s = this.of(entered.name);
      s.entered++;
      s.inside++;
    } else if (exited) {
      const s = this.of(exited.name);
      s.exited++;
      s.inside = Math.max(0, s.inside - 1);
    } else if (['ExecutionFailed', 'ExecutionAborted', 'ExecutionTimedOut'].includes(e.type)) {
      for (const s of this.states.values()) {
        if (s.inside > 0) s.ended = e.type === 'ExecutionAborted' ? 'stopped' : 'failed';
      }
    } else if (e.type === 'ExecutionRedriven') {
      for (const s of this.states.values()) {
        s.inside = 0;
        s.ended = null;
      }
    }
  }

  // status returns how a state stands.
  status(name) {
    const s = this.states.get(name);
    if (!s || s.entered === 0) return { colour: 'idle', words: 'not entered' };
    if (s.ended && s.inside > 0) return { colour: s.ended, words: s.ended };
    if (s.inside > 0) return { colour: 'running', words: 'running' };
    return { colour: 'done', words: 'done' };
  }
}
