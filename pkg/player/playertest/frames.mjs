// Seeks in each rung of a package in headless Chromium, reads the number of the frame from the picture,
// and prints the numbers as JSON, one list for each rung.
//   node frames.mjs '{"chromium": …, "profile": …, "page": …, "player": "hls" | "dash" | "shaka", "media": …, "times": [seconds, …], "bits": n, "modules": …}'
import { context, options } from './browser.mjs';

// Runs in the page. The picture has a column for each bit of the frame's number, the lowest at the left: white for 1.
async function read({ player, media, times, bits, clearKeys, screenshots }) {
  const video = document.querySelector('video');
  video.muted = true;
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const until = async (what, done) => {
    for (const end = performance.now() + 30000; !done(); await sleep(5)) {
      if (performance.now() > end) throw new Error('timed out: ' + what + ', readyState ' + video.readyState + ', height ' + video.videoHeight);
    }
  };
  const open = {
    hls: async (n) => {
      const hls = new Hls({ enableWorker: false, startLevel: n, capLevelToPlayerSize: false });
      hls.loadSource(media);
      hls.attachMedia(video);
      await new Promise((done) => hls.once(Hls.Events.MANIFEST_PARSED, done));
      hls.loadLevel = n;
      return { rungs: hls.levels.map((l) => l.height), close: () => hls.destroy() };
    },
    dash: async (n) => {
      const dash = dashjs.MediaPlayer().create();
      dash.initialize();
      dash.updateSettings({ debug: { logLevel: 0 }, streaming: { abr: { autoSwitchBitrate: { video: false } } } });
      const ready = new Promise((done) => dash.on('streamInitialized', done));
      dash.attachView(video);
      dash.setAutoPlay(false);
      dash.attachSource(media);
      await ready;
      const rungs = dash.getRepresentationsByType('video');
      dash.setRepresentationForTypeById('video', rungs[n].id, true);
      return { rungs: rungs.map((r) => r.height), close: () => dash.destroy() };
    },
    shaka: async (n) => {
      const shakaPlayer = new shaka.Player();
      await shakaPlayer.attach(video);
      shakaPlayer.configure({ abr: { enabled: false }, streaming: { segmentPrefetchLimit: 0 }, drm: { clearKeys: clearKeys || {} } });
      await shakaPlayer.load(media);
      const rungs = shakaPlayer.getVariantTracks().sort((a, b) => a.height - b.height);
      shakaPlayer.selectVariantTrack(rungs[n], true);
      return { rungs: rungs.map((r) => r.height), close: () => shakaPlayer.destroy() };
    },
  }[player];

  const canvas = document.createElement('canvas');
  canvas.width = bits;
  canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const number = async () => {
    let picture = video;
    let [width, height] = [video.videoWidth, video.videoHeight];
    if (screenshots) { // a canvas gets no picture of a video that is decrypted
      picture = new Image();
      picture.src = 'data:image/png;base64,' + await window.screenshot();
      await picture.decode();
      [width, height] = [picture.width, picture.height];
    }
    const w = width / bits;
    let n = 0;
    for (let i = 0; i < bits; i++) { // the middle of each column, without what a codec blurs at its edges
      context.drawImage(picture, (i + 0.25) * w, height / 4, w / 2, height / 2, i, 0, 1, 1);
      if (context.getImageData(i, 0, 1, 1).data[0] > 127) n |= 1 << i;
    }
    return n;
  };

  const out = [];
  for (let n = 0, count = 1; n < count; n++) {
    const p = await open(n);
    count = p.rungs.length;
    await until('rung ' + n, () => video.readyState >= 2 && video.videoHeight === p.rungs[n]);
    const numbers = [];
    let last; // time of the frame that was announced last; undefined: none was
    for (const time of times) {
      const isOf = (t) => t < time + 0.01 && t > time - 1;
      const patience = last === undefined || isOf(last) ? 2000 : 20000; // ms: no frame is announced where it was shown before
      let shown = false;
      // On a busy machine, a frame from before the seek may be announced after it.
      const announced = (_, frame) => {
        last = frame.mediaTime;
        shown ||= isOf(last);
        if (!shown) video.requestVideoFrameCallback(announced);
      };
      video.requestVideoFrameCallback(announced);
      video.currentTime = time;
      await until('seek to ' + time, () => !video.seeking && video.readyState >= 2);
      for (const began = performance.now(); !shown && performance.now() - began < patience;) await sleep(5);
      last ??= time;
      // Chromium may draw the frame of a paused video only with the next one, so a screenshot needs more seeks within the frame.
      for (let i = 1; screenshots && i <= 4; i++) {
        video.currentTime = time + i / 500;
        await until('seek again to ' + time, () => !video.seeking && video.readyState >= 2);
        await sleep(150);
      }
      numbers.push(video.videoHeight === p.rungs[n] ? await number() : -1);
    }
    out.push(numbers);
    await p.close();
  }
  return out;
}

try {
  const page = await context.newPage();
  await page.exposeFunction('screenshot', async () => (await page.locator('video').screenshot()).toString('base64'));
  await page.goto(options.page);
  console.log(JSON.stringify(await page.evaluate(read, options)));
} finally {
  await context.close();
}
