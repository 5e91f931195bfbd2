// The units of a job, in the order of their names.
import { formatBytes, formatDuration } from './dom.js';

const states = { p: 'planned', r: 'running', f: 'failed', d: 'done' };

export const kindOf = (id) => id.slice(0, id.indexOf('/'));

// took returns the seconds that the newest attempt at a unit took, or has taken so far; null if that is not known.
export function took(u) {
  if (!u.b) return null;
  if (u.e) return (u.e - u.b) / 1000;
  return u.s === 'running' ? (Date.now() - u.b) / 1000 : null;
}

// facts returns what is known of a unit, in words.
export function facts(u) {
  const seconds = took(u);
  const parts = [u.s + (u.n > 1 ? ', attempt ' + u.n : '')];
  if (seconds !== null) parts.push(formatDuration(seconds));
  if (u.f && seconds > 0) parts.push(Math.round(u.f / seconds) + ' frames/s');
  if (u.z) parts.push(formatBytes(u.z));
  if (u.p) parts.push('on Batch');
  return parts;
}

// records returns the units of a block, which the server sends in columns.
export function records(block) {
  const time = (at) => (at < 0 ? 0 : block.t + at);
  const list = block.id.map((name, i) => ({
    id: block.kind + '/' + name, s: states[block.s[i]], n: block.n[i], b: time(block.b[i]), e: time(block.e[i]), f: block.f[i], z: block.z[i],
    x: block.x?.[i] || '', w: block.w?.[i] || 0, p: false,
  }));
  for (const i of block.p || []) list[i].p = true;
  return list;
}

// UnitStore keeps units as objects that stay the same when they change, so that lists of them need not be made again.
export class UnitStore {
  constructor() {
    this.byID = new Map();
    this.live = new Set(); // those that the stream has told of: what is read later is older
    this.counts = { planned: 0, running: 0, failed: 0, done: 0 };
    this.sorted = [];
    this.inOrder = true;
    this.arrangement = 0; // changes with the list
  }

  // list returns all units in the order of their names.
  get list() {
    if (!this.inOrder) this.sorted.sort((a, b) => (a.id < b.id ? -1 : 1));
    this.inOrder = true;
    return this.sorted;
  }

  // read takes units that the server was asked for.
  read(list) {
    for (const u of list) {
      if (!this.live.has(u.id)) this.put(u);
    }
  }

  // told takes a unit that the stream has told of, and reports whether its state has changed.
  told(u) {
    this.live.add(u.id);
    const before = this.byID.get(u.id)?.s;
    this.put({ n: 0, b: 0, e: 0, f: 0, z: 0, ...u, p: u.p || this.byID.get(u.id)?.p, x: u.x || this.byID.get(u.id)?.x || '' });
    return before !== u.s;
  }

  put(u) {
    const have = this.byID.get(u.id);
    this.counts[u.s]++;
    if (have) {
      this.counts[have.s]--;
      Object.assign(have, u);
      return;
    }
    this.byID.set(u.id, u);
    if (this.sorted.length > 0 && this.sorted.at(-1).id > u.id) this.inOrder = false;
    this.sorted.push(u);
    this.arrangement++;
  }
}
