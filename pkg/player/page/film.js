'use strict';
// What the page can do with a film beside playing it: keyframes and seams on a seek bar, single frames, keys, a comparison with the
// source, and its verification. Of an output of a job, the server knows more than the file itself says; see facts.json.

const source = element('source');
let facts = {};
let keyframes = []; // seconds
let entryOf = null;

const largest = (list) => list.reduce((a, b) => (b.bandwidth > a.bandwidth ? b : a));

// playlistKeyframes returns the times of the keyframes of a package's largest rendition, by its I-frame playlist.
async function playlistKeyframes(address) {
  const text = await (await fetch(address)).text();
  const list = [...text.matchAll(/^#EXT-X-I-FRAME-STREAM-INF:(.*)$/gm)].map(([, attributes]) => ({
    bandwidth: Number(attributes.match(/(?:^|,)BANDWIDTH=(\d+)/)?.[1] || 0), uri: attributes.match(/(?:^|,)URI="([^"]*)"/)?.[1],
  })).filter((p) => p.uri);
  if (list.length === 0) return [];
  const playlist = await (await fetch(new URL(largest(list).uri, new URL(address, location)))).text();
  let at = 0;
  return [...playlist.matchAll(/^#EXTINF:([\d.]+)/gm)].map(([, length]) => {
    const begin = at;
    at += Number(length);
    return begin;
  });
}

function offerDownload(address, name) {
  const link = element('download');
  link.hidden = false;
  link.href = address;
  link.download = printable(name);
  link.textContent = address === facts.archive ? 'Download (zip)' : 'Download';
}

// showFilm shows what is known of an entry that begins to play.
async function showFilm(entry) {
  entryOf = entry;
  facts = {};
  keyframes = [];
  setComparison(false);
  drawMarks();
  for (const id of ['compare', 'verify', 'download']) element(id).hidden = true;
  if (entry.kind === 'file') offerDownload(mediaAddress(entry.name), entry.name);
  try {
    const answer = await fetch('facts.json?name=' + encodeURIComponent(entry.name));
    const found = answer.ok ? await answer.json() : {};
    const times = found.keyframes || (entry.kind === 'hls' ? await playlistKeyframes(mediaAddress(entry.name)) : []);
    if (entry !== entryOf) return;
    facts = found;
    keyframes = times;
  } catch {
    return; // the film plays without
  }
  element('job').hidden = !facts.job;
  if (facts.job) element('job').firstElementChild.href = facts.job;
  if (facts.archive) offerDownload(facts.archive, entry.name.replace(/^.*\//, '').replace(/\.[^.]*$/, '') + '.zip');
  element('compare').hidden = !facts.source;
  element('verify').hidden = !facts.verify;
  if (facts.verify) showVerification(await (await fetch(facts.verify)).json());
  showAbout();
  drawMarks();
}

// showAbout shows codec and bitrate.
function showAbout() {
  const level = hls?.levels?.[hls.currentLevel >= 0 ? hls.currentLevel : hls.loadLevel];
  const parts = [];
  if (level) parts.push('Playing ' + levelName(level));
  if (facts.video?.length) parts.push(facts.video.length === 1 ? facts.video[0] : 'Renditions: ' + facts.video.join('; '));
  if (facts.size && Number.isFinite(video.duration)) parts.push(formatBitrate(facts.size * 8 / video.duration) + ' in all, ' + (facts.size / 1e6).toFixed(1) + ' MB');
  element('about').textContent = printable(parts.join(' · '));
}

// The seek bar, and what lies along it.

function drawMarks() {
  const canvas = element('marks');
  const width = canvas.clientWidth;
  const scale = devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.round(14 * scale);
  const c = canvas.getContext('2d');
  c.scale(scale, scale);
  const seams = facts.seams || [];
  const duration = video.duration;
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  // The middle of the thumb is half a thumb from the ends of the bar.
  const x = (at) => 8 + at / duration * (width - 16);
  const line = (times, colour, thickness, height) => {
    c.fillStyle = colour;
    let last = -Infinity;
    for (const at of times) {
      if (x(at) - last < thickness + 1) continue; // what lies closer could not be told apart
      last = x(at);
      c.fillRect(last - thickness / 2, 0, thickness, height);
    }
  };
  if (Number.isFinite(duration) && duration > 0) {
    line(keyframes, '#7d8794', 1, 8);
    line(seams, dark ? '#e0a14a' : '#c26a00', 2.5, 14);
  }
  const words = (n, name) => n + ' ' + name + (n === 1 ? '' : 's');
  element('marked').replaceChildren(...[[keyframes.length, 'keyframe', 'key'], [seams.length, 'seam', 'seam']].filter(([n]) => n > 0).map(([n, name, kind]) => {
    const mark = document.createElement('b');
    mark.className = kind;
    mark.textContent = words(n, name);
    return mark;
  }));
}

const seek = element('seek');
seek.addEventListener('input', () => {
  stopRewinding();
  video.currentTime = Number(seek.value);
});
function followTime() {
  if (Number.isFinite(video.duration)) {
    seek.max = video.duration;
    if (!video.seeking) seek.value = video.currentTime;
    seek.setAttribute('aria-valuetext', formatTime(video.currentTime) + ' of ' + formatTime(video.duration));
  }
}
for (const event of ['timeupdate', 'durationchange', 'seeked']) video.addEventListener(event, followTime);
video.addEventListener('durationchange', () => {
  drawMarks();
  showAbout();
});
video.addEventListener('resize', showAbout);
addEventListener('resize', drawMarks);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawMarks);

// Single frames.

let shownAt = 0; // time of the frame on the screen
let settled = true; // it is known
let soughtAt = 0; // when the last step began, as performance.now()
function seen(_, frame) {
  // A busy browser may tell of the frame before a step after it, and once more of the one on the screen while it seeks another.
  if (frame.presentationTime >= soughtAt && !(video.seeking && frame.mediaTime === shownAt)) {
    shownAt = frame.mediaTime;
    settled = true;
  }
  video.requestVideoFrameCallback(seen);
}
video.requestVideoFrameCallback?.(seen);
let settling = 0; // timer
video.addEventListener('seeking', () => {
  clearTimeout(settling); // it is of the seek before
  settled = false;
});
video.addEventListener('seeked', () => {
  // A browser that shows the same frame again, or that tells nothing of frames, calls nobody. Chromium sometimes does not either.
  clearTimeout(settling);
  settling = setTimeout(() => {
    if (!settled && !video.seeking) shownAt = Math.floor((video.currentTime + 0.001) / frameLength()) * frameLength();
    settled = true;
  }, 250);
});

function frameLength() {
  const rate = Number(hls?.levels?.[Math.max(0, hls.currentLevel)]?.attrs?.['FRAME-RATE']);
  return facts.frame || (rate > 0 ? 1 / rate : 1 / 25);
}

// step shows the next frame, or the one before: it seeks to the middle of it, because times are rounded.
function step(direction) {
  stopRewinding();
  video.pause();
  if (!settled) return;
  const at = shownAt + (direction > 0 ? 1.5 : -0.5) * frameLength();
  soughtAt = performance.now();
  video.currentTime = Math.max(0, Math.min(at, video.duration || 0));
}

// Speeds. Browsers play forwards only; backwards is a seek every tenth of a second.

let rewinding = 0; // speed
let rewinder = 0;
function stopRewinding() {
  clearInterval(rewinder);
  rewinding = 0;
}
function toggle() {
  stopRewinding();
  video.playbackRate = 1;
  if (video.paused) video.play().catch((error) => showProblem(String(error.message || error)));
  else video.pause();
}
function faster() {
  const was = rewinding || video.paused;
  stopRewinding();
  video.playbackRate = was ? 1 : Math.min(8, video.playbackRate * 2);
  if (video.paused) video.play().catch((error) => showProblem(String(error.message || error)));
}
function backwards() {
  video.pause();
  const speed = rewinding ? Math.min(8, rewinding * 2) : 1;
  stopRewinding();
  rewinding = speed;
  rewinder = setInterval(() => {
    if (video.seeking) return;
    video.currentTime = Math.max(0, video.currentTime - 0.1 * rewinding);
    if (video.currentTime === 0) stopRewinding();
  }, 100);
}

// toKeyframe goes to the keyframe before or after.
function toKeyframe(direction) {
  const now = settled ? shownAt : video.currentTime;
  const half = frameLength() / 2;
  const at = direction > 0 ? keyframes.find((k) => k > now + half) : keyframes.findLast((k) => k < now - half);
  if (at === undefined) return;
  soughtAt = performance.now();
  video.currentTime = at + half; // inside of the frame, whatever is rounded
}

const keys = {
  ' ': toggle, k: toggle, l: faster, j: backwards, ',': () => step(-1), '.': () => step(1),
  ArrowLeft: (e) => (e.shiftKey ? toKeyframe(-1) : jump(-5)), ArrowRight: (e) => (e.shiftKey ? toKeyframe(1) : jump(5)),
};
function jump(seconds) {
  stopRewinding();
  video.currentTime = Math.max(0, Math.min(video.currentTime + seconds, video.duration || 0));
}
document.addEventListener('keydown', (e) => {
  const act = keys[e.key.length === 1 ? e.key.toLowerCase() : e.key];
  if (!act || e.ctrlKey || e.metaKey || e.altKey || e.target.closest('select, textarea, #split') || e.key === ' ' && e.target.closest('button, a, summary')) return;
  e.preventDefault(); // before the browser's own keys for the video
  e.stopPropagation();
  act(e);
}, true);
element('back').addEventListener('click', () => step(-1));
element('next').addEventListener('click', () => step(1));
element('toggle').addEventListener('click', toggle);
for (const event of ['play', 'pause']) video.addEventListener(event, () => { element('toggle').textContent = video.paused ? 'Play' : 'Stop'; });

// The comparison: the source lies over the output, cut at the slider.

let comparing = false;
function setComparison(on) {
  comparing = on;
  element('comparison').hidden = !on;
  element('compare').setAttribute('aria-pressed', String(on));
  video.controls = !on;
  source.pause();
  if (on) {
    source.src = facts.source;
    follow();
  } else {
    source.removeAttribute('src');
    source.load();
  }
}
// follow has the source show what the output shows.
function follow() {
  if (!comparing) return;
  source.playbackRate = video.playbackRate;
  const apart = Math.abs(source.currentTime - video.currentTime);
  if (apart > (video.paused ? 0.001 : 0.1) && !source.seeking) source.currentTime = video.currentTime;
  if (video.paused) source.pause();
  else if (source.paused && source.readyState >= 2) source.play().catch(() => {}); // the next event tries again
}
for (const event of ['play', 'pause', 'seeking', 'seeked', 'ratechange', 'timeupdate']) video.addEventListener(event, follow);
for (const event of ['loadeddata', 'canplay', 'seeked']) source.addEventListener(event, follow);
source.addEventListener('error', () => {
  if (!comparing) return;
  setComparison(false);
  showProblem('This browser cannot play the source.');
});
element('compare').addEventListener('click', () => setComparison(!comparing));
element('split').addEventListener('input', () => element('stage').style.setProperty('--split', element('split').value + '%'));

// The verification.

let polling = 0;
async function askVerification(method) {
  clearTimeout(polling);
  const entry = entryOf;
  try {
    const answer = await fetch(facts.verify, { method, ...(method === 'POST' ? { headers: { 'Content-Type': 'application/json' }, body: '{}' } : {}) });
    const data = await answer.json();
    if (entry === entryOf) showVerification(answer.ok ? data : { state: 'failed', problem: data.error });
  } catch (error) {
    showVerification({ state: 'failed', problem: String(error.message || error) });
  }
}

const verdicts = { good: 'good', bad: 'BAD', note: '–' };
function showVerification(now) {
  const goesOn = now.state === 'waiting' || now.state === 'running';
  element('verified').hidden = now.state === 'none';
  element('verify').disabled = goesOn;
  element('verifying').hidden = element('cancel').hidden = !goesOn;
  element('verifying').value = now.done || 0;
  const report = now.report;
  const bad = report?.checks.filter((c) => c.verdict === 'bad').length;
  const words = {
    waiting: 'Waits for another verification to end.', running: 'Every frame and sample is compared with the source.', failed: 'It could not be compared: ' + (now.problem || ''),
    done: bad ? bad + ' of ' + report?.checks.length + ' checks failed.' : 'The output matches its source.',
  };
  const verdict = printable(words[now.state] || '');
  if (element('verdict').textContent !== verdict) element('verdict').textContent = verdict; // screen readers would say it again each time
  element('verdict').dataset.verdict = now.state === 'failed' ? 'bad' : report?.verdict || '';
  element('scroll').hidden = !report;
  if (report) {
    const row = (cell, verdict, ...texts) => {
      const tr = document.createElement('tr');
      tr.dataset.verdict = verdict;
      tr.append(...texts.map((text) => Object.assign(document.createElement(cell), { textContent: printable(text || '') })));
      return tr;
    };
    element('checks').replaceChildren(row('th', '', 'Verdict', 'Check', 'Found', 'Good is'), ...report.checks.map((c) => row('td', c.verdict, verdicts[c.verdict] || c.verdict, c.name, c.figure, c.limit)));
  }
  element('plot').hidden = !now.plot;
  if (now.plot) element('plot').src = 'plot.svg?' + Date.now();
  if (goesOn) polling = setTimeout(() => askVerification('GET'), 500);
}
element('verify').addEventListener('click', () => askVerification('POST'));
element('cancel').addEventListener('click', () => askVerification('DELETE'));
