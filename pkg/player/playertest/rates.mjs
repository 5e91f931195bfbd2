// Plays a package in headless Chromium, changes to another rate of its audio on the way, and prints what happened as JSON.
//   node rates.mjs '{"chromium": …, "profile": …, "page": …, "player": "hls" | "dash" | "shaka", "media": …, "modules": …}'
import { context, options } from './browser.mjs';

// Runs in the page. It begins with the lowest rate of audio, and changes to the highest after the first media segment.
async function play({ player, media }) {
  const problems = [];
  const video = document.querySelector('video');
  video.muted = true;
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const until = async (what, done) => {
    for (const end = performance.now() + 60000; !done(); await sleep(20)) {
      if (performance.now() > end) { problems.push('timed out: ' + what + ', at ' + video.currentTime + ', readyState ' + video.readyState); return; }
    }
  };
  // So little is buffered that the change takes effect during playback.
  let highest;
  let over = false; // dash.js: see play.mjs
  let rates;
  if (player === 'hls') {
    const hls = new Hls({ enableWorker: false, maxBufferLength: 2, maxMaxBufferLength: 2, capLevelToPlayerSize: false, autoStartLoad: false });
    hls.on(Hls.Events.ERROR, (_, d) => { if (d.fatal) problems.push('hls.js: ' + d.details); });
    hls.loadSource(media);
    hls.attachMedia(video);
    await new Promise((done) => hls.once(Hls.Events.MANIFEST_PARSED, done));
    rates = hls.levels.length;
    hls.loadLevel = 0;
    hls.startLoad(0);
    highest = () => { hls.loadLevel = hls.levels.length - 1; };
  } else if (player === 'dash') {
    const dash = dashjs.MediaPlayer().create();
    dash.initialize();
    dash.updateSettings({ debug: { logLevel: 0 }, streaming: { abr: { autoSwitchBitrate: { video: false, audio: false }, initialBitrate: { audio: 1 } }, buffer: { bufferTimeDefault: 2, bufferTimeAtTopQuality: 2 } } });
    dash.on('playbackEnded', () => { over = video.currentTime >= video.duration - 0.01; });
    dash.on('error', (e) => problems.push('dash.js: ' + (e.error?.message || e.error)));
    const ready = new Promise((done) => dash.on('streamInitialized', done));
    dash.attachView(video);
    dash.setAutoPlay(false);
    dash.attachSource(media);
    await ready;
    const list = dash.getRepresentationsByType('audio');
    rates = list.length;
    const most = list.reduce((a, b) => (a.bandwidth > b.bandwidth ? a : b));
    highest = () => dash.setRepresentationForTypeById('audio', most.id, false);
  } else {
    const shakaPlayer = new shaka.Player();
    await shakaPlayer.attach(video);
    shakaPlayer.addEventListener('error', (e) => problems.push('shaka: ' + e.detail.code));
    shakaPlayer.configure({ abr: { enabled: false, defaultBandwidthEstimate: 1 }, streaming: { bufferingGoal: 2, rebufferingGoal: 0.5 } });
    await shakaPlayer.load(media);
    const list = shakaPlayer.getVariantTracks().sort((a, b) => a.bandwidth - b.bandwidth);
    rates = list.length;
    shakaPlayer.selectVariantTrack(list[0], true);
    highest = () => shakaPlayer.selectVariantTrack(list[list.length - 1]);
  }
  await until('first frame', () => video.readyState >= 3);
  await video.play();
  await until('first segment', () => video.currentTime > 1);
  highest();
  let back = 0;
  let latest = 0;
  await until('end', () => {
    if (video.currentTime < latest - 0.001) back++;
    latest = Math.max(latest, video.currentTime);
    return video.ended || over;
  });
  if (back > 0) problems.push('time went back');
  if (video.webkitAudioDecodedByteCount === 0) problems.push('no audio was decoded');
  return { rates, problems, duration: video.duration, end: video.currentTime };
}

try {
  const page = await context.newPage();
  const files = [];
  page.on('request', (r) => files.push(r.url()));
  await page.goto(options.page);
  const report = await page.evaluate(play, options);
  console.log(JSON.stringify({ ...report, files }));
} finally {
  await context.close();
}
