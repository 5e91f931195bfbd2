// Shows a package as players do while they play fast, in headless Chromium, and prints the numbers of the frames as JSON.
//   node trick.mjs '{"chromium": …, "profile": …, "page": …, "player": "hls" | "shaka", "media": …, "times": [seconds, …], "bits": n, "modules": …}'
// Shaka seeks in a rendition for trick play, hls.js in an I-frame playlist.
import { context, options } from './browser.mjs';

// Runs in the page. The picture has a column for each bit of the frame's number, the lowest at the left: white for 1.
async function read({ player, media, times, bits }) {
  const video = document.querySelector('video');
  video.muted = true;
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const until = async (what, done) => {
    for (const end = performance.now() + 30000; !done(); await sleep(5)) {
      if (performance.now() > end) throw new Error('timed out: ' + what + ', at ' + video.currentTime + ', readyState ' + video.readyState);
    }
  };
  const canvas = document.createElement('canvas');
  canvas.width = bits;
  canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const number = (shown) => {
    const w = shown.videoWidth / bits;
    let n = 0;
    for (let i = 0; i < bits; i++) { // the middle of each column, without what a codec blurs at its edges
      context.drawImage(shown, (i + 0.25) * w, shown.videoHeight / 4, w / 2, shown.videoHeight / 2, i, 0, 1, 1);
      if (context.getImageData(i, 0, 1, 1).data[0] > 127) n |= 1 << i;
    }
    return n;
  };
  const shown = [];
  if (player === 'shaka') {
    const shakaPlayer = new shaka.Player();
    await shakaPlayer.attach(video);
    // What is buffered at normal speed stays buffered: so little of it.
    shakaPlayer.configure({ streaming: { segmentPrefetchLimit: 0, bufferingGoal: 1, rebufferingGoal: 0.1 } });
    await shakaPlayer.load(media);
    await until('first frame', () => video.readyState >= 2);
    shakaPlayer.trickPlay(2, true);
    for (const time of times) {
      let announced = false;
      video.requestVideoFrameCallback(() => { announced = true; });
      video.currentTime = time;
      await until('seek to ' + time, () => !video.seeking && video.readyState >= 2);
      for (let i = 0; i < 40 && !announced; i++) await sleep(5);
      shown.push(number(video));
    }
    shakaPlayer.cancelTrickPlay();
    await until('normal speed', () => video.playbackRate === 1 && video.readyState >= 2);
    await shakaPlayer.destroy();
  } else {
    const hls = new Hls({ enableWorker: false });
    hls.loadSource(media);
    hls.attachMedia(video);
    await until('first frame', () => video.readyState >= 2);
    const iframes = hls.createIFramePlayer();
    const still = document.createElement('video');
    still.muted = true;
    document.body.append(still);
    iframes.attachMedia(still);
    let problem = '';
    iframes.on(Hls.Events.ERROR, (_, data) => { problem = data.details; });
    for (const time of times) {
      let announced = false;
      still.requestVideoFrameCallback(() => { announced = true; });
      let asked = 0;
      await until('I-frame of ' + time + ' ' + problem, () => {
        if (performance.now() > asked + 500) { // as a pointer on the seek bar does: the first call only loads the playlist
          asked = performance.now();
          iframes.loadMediaAt(time);
        }
        return still.currentTime === time && !still.seeking && still.readyState >= 2;
      });
      for (let i = 0; i < 40 && !announced; i++) await sleep(5);
      shown.push(number(still));
    }
    hls.destroy();
  }
  return shown;
}

try {
  const page = await context.newPage();
  const files = new Set();
  page.on('request', (r) => files.add(r.url()));
  await page.goto(options.page);
  const shown = await page.evaluate(read, options);
  console.log(JSON.stringify({ shown, files: [...files] }));
} finally {
  await context.close();
}
