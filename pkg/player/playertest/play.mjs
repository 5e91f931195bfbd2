// Plays a package in headless Chromium and prints what happened as JSON.
//   node play.mjs '{"chromium": …, "profile": …, "page": …, "player": "hls" | "dash", "media": …, "seeks": [0…1, …], "rate": n, "modules": …}'
import { context, options } from './browser.mjs';

// Runs in the page: plays, seeks and switches, and returns what it observed. It judges nothing.
async function observe({ player, media, seeks, rate }) {
  const problems = [];
  const enough = 0.3; // seconds of buffered media with which playback need not wait
  const recordProblem = (text) => { if (problems.length < 50) problems.push(text); };
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const video = document.querySelector('video');
  video.muted = true;
  video.addEventListener('error', () => recordProblem('video element: ' + video.error?.message));

  // One interface for both players. It starts with rung n, so that no other rung is loaded and discarded.
  const rates = [];
  const open = async (n = 0) => {
    if (player === 'hls') {
      const hls = new Hls({ enableWorker: false, maxBufferLength: 30, startLevel: n, capLevelToPlayerSize: false });
      // Three errors are harmless: a request that hls.js aborted itself to seek or switch; a non-fatal stall with media in
      // the buffer, where the decoder waits for the processor; and one append without effect, because hls.js emptied the
      // buffer for a switch at the same moment. It loads that segment again, and a second failure counts.
      const harmless = (d) => d.details === 'aborted' || (d.details === 'bufferStalledError' && !d.fatal && d.buffer > enough) ||
        (d.details === 'bufferAppendNoProgress' && !d.fatal && d.appendsWithoutProgress === 1);
      hls.on(Hls.Events.ERROR, (_, d) => harmless(d) || recordProblem('hls.js: ' + d.type + ' ' + d.details + ' ' + (d.reason || d.error?.message || '') + ' ' + (d.frag?.relurl || '')));
      hls.loadSource(media);
      hls.attachMedia(video);
      await new Promise((done, fail) => {
        hls.once(Hls.Events.MANIFEST_PARSED, done);
        hls.once(Hls.Events.ERROR, (_, d) => fail(new Error(d.details)));
      });
      hls.loadLevel = n;
      return {
        rungs: hls.levels.map((l) => l.width + 'x' + l.height),
        audioTracks: hls.audioTracks.length,
        subtitleTracks: hls.subtitleTracks.length,
        over: () => false,
        next: (n) => { hls.nextLevel = n; },
        close: () => hls.destroy(),
      };
    }
    const dash = dashjs.MediaPlayer().create();
    dash.initialize();
    dash.updateSettings({
      debug: { logLevel: 0 },
      streaming: { abr: { autoSwitchBitrate: { video: false }, initialBitrate: { video: rates[n] ? rates[n] / 1000 + 1 : -1 } }, buffer: { fastSwitchEnabled: true, bufferTimeDefault: 30, bufferTimeAtTopQuality: 30 } },
    });
    dash.on('error', (e) => recordProblem('dash.js: ' + (e.error?.message || e.error)));
    // dash.js also looks ten times a second whether playback is at the end. Where it sees that before the browser has fired "ended", it fires
    // its own event and pauses, and the browser's never comes.
    let over = false;
    dash.on('playbackEnded', () => { over = video.currentTime >= video.duration - 0.01; });
    const ready = new Promise((done) => dash.on('streamInitialized', done));
    dash.attachView(video);
    dash.setAutoPlay(false);
    dash.attachSource(media);
    await Promise.race([ready, sleep(60000).then(() => { throw new Error('dash.js never initialised: ' + problems.join('; ')); })]);
    const rungs = dash.getRepresentationsByType('video');
    rungs.forEach((r, i) => { rates[i] = r.bandwidth; });
    return {
      rungs: rungs.map((r) => r.width + 'x' + r.height), audioTracks: dash.getTracksFor('audio').length, subtitleTracks: dash.getTracksFor('text').length,
      over: () => over,
      next: (n) => { dash.setRepresentationForTypeById('video', rungs[n].id, true); }, close: () => dash.destroy(),
    };
  };

  const until = async (what, done, seconds) => {
    const end = performance.now() + seconds * 1000;
    while (!done()) {
      if (performance.now() > end) { recordProblem('timed out: ' + what + ', at ' + video.currentTime.toFixed(3) + ' s, readyState ' + video.readyState + ', buffered ' + ranges(video.buffered)); return false; }
      await sleep(20);
    }
    return true;
  };
  const ranges = (b) => Array.from({ length: b.length }, (_, i) => b.start(i).toFixed(3) + '-' + b.end(i).toFixed(3)).join(' ');

  const report = { player, rungs: [], plays: [], seeks: [], switches: [], problems };
  const first = await open();
  report.rungs = first.rungs;
  report.audioTracks = first.audioTracks;
  report.subtitleTracks = first.subtitleTracks;
  first.close();

  for (let n = 0; n < Math.max(report.rungs.length, 1); n++) {
    const p = await open(n);
    let stalls = 0;
    let jumps = 0;
    let latest = 0;
    let playing = false;
    // Only a decoder without data counts as a stall. One that waits for the processor is not the package's fault.
    const starved = () => !Array.from({ length: video.buffered.length }).some((_, i) => video.buffered.start(i) <= video.currentTime && video.buffered.end(i) > video.currentTime + enough);
    const onWaiting = () => { if (playing && video.currentTime < video.duration - 0.3 && starved()) stalls++; };
    const onSeeking = () => { if (playing && !p.over()) jumps++; };
    video.addEventListener('waiting', onWaiting);
    video.addEventListener('seeking', onSeeking);
    await until('rung ' + n + ' has its first frame', () => video.readyState >= 3, 60);
    // Playback starts with a full buffer: the test is of the package, not of how fast this machine loads it.
    const ahead = () => (video.buffered.length ? video.buffered.end(0) : 0);
    await until('rung ' + n + ' is buffered', () => ahead() >= Math.min(video.duration - 0.3, 15), 60);
    const start = video.buffered.length ? video.buffered.start(0) : -1;
    const frames = [];
    let recording = true;
    const onFrame = (_, meta) => { frames.push(meta.mediaTime); if (recording) video.requestVideoFrameCallback(onFrame); };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(onFrame);
    video.playbackRate = rate;
    await video.play();
    playing = true;
    const ended = await until('rung ' + n + ' plays to its end', () => {
      if (video.currentTime < latest - 0.001) recordProblem('rung ' + n + ': time went back from ' + latest + ' to ' + video.currentTime);
      latest = Math.max(latest, video.currentTime);
      return video.ended || p.over();
    }, 120);
    recording = false;
    const quality = video.getVideoPlaybackQuality();
    report.plays.push({
      rung: report.rungs[n] || 'sound', size: video.videoWidth + 'x' + video.videoHeight, ended, stalls, jumps, start, duration: video.duration,
      end: video.currentTime, gaps: Math.max(0, video.buffered.length - 1), buffered: ranges(video.buffered), frames: quality.totalVideoFrames,
      corrupted: quality.corruptedVideoFrames || 0, firstFrame: frames.length ? frames[0] : -1,
    });
    video.removeEventListener('waiting', onWaiting);
    video.removeEventListener('seeking', onSeeking);
    p.close();
    video.playbackRate = 1;
  }

  if (seeks.length) {
    const p = await open();
    await until('ready before seeking', () => video.readyState >= 3, 60);
    video.pause();
    for (const part of seeks) {
      const target = part * video.duration;
      video.currentTime = target;
      const arrived = await until('seek to ' + target.toFixed(3), () => !video.seeking && video.readyState >= 2, 60) && Math.abs(video.currentTime - target) < 0.1;
      await video.play();
      const moved = await until('playing from ' + target.toFixed(3), () => video.ended || video.currentTime > target + 0.15, 60);
      report.seeks.push({ target, arrived, moved, at: video.currentTime });
      video.pause();
    }
    p.close();
  }

  if (report.rungs.length > 1) {
    const p = await open();
    await until('ready before switching', () => video.readyState >= 3, 60);
    for (let i = 0; i < report.rungs.length + 1; i++) {
      const n = (i + 1) % report.rungs.length;
      video.currentTime = 0.1;
      p.next(n);
      await video.play().catch(() => {});
      const want = report.rungs[n];
      const ok = await until('switch to ' + want, () => video.videoWidth + 'x' + video.videoHeight === want, 60);
      report.switches.push({ to: want, ok });
      video.pause();
    }
    p.close();
  }
  return report;
}

try {
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (e) => problems.push('page: ' + e.message));
  page.on('requestfailed', (r) => { if (r.failure()?.errorText !== 'net::ERR_ABORTED') problems.push('request: ' + r.url() + ' ' + r.failure()?.errorText); });
  page.on('response', (r) => { if (r.status() >= 400) problems.push('response: ' + r.url() + ' ' + r.status()); });
  await page.goto(options.page);
  const report = await page.evaluate(observe, options);
  report.problems.push(...problems);
  console.log(JSON.stringify(report));
} finally {
  await context.close();
}
