// Asks a player in headless Chromium for the thumbnails of a package, and prints the numbers of the frames that they show as JSON.
//   node thumbnails.mjs '{"chromium": …, "profile": …, "page": …, "player": "dash" | "shaka" | "mapreel", "media": …, "times": [seconds, …], "bits": n, "modules": …}'
import { createRequire } from 'node:module';

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(options.modules + '/')('playwright-core');

// Runs in the page. A thumbnail has a column for each bit of the frame's number, the lowest at the left: white for 1.
async function read({ player, media, times, bits }) {
  const video = document.querySelector('video');
  let thumbnailAt; // url, x, y, width, height
  if (player === 'shaka') {
    const shakaPlayer = new shaka.Player();
    await shakaPlayer.attach(video);
    await shakaPlayer.load(media);
    const [track] = shakaPlayer.getImageTracks();
    thumbnailAt = async (time) => {
      const t = await shakaPlayer.getThumbnails(track.id, time);
      return { url: t.uris[0], x: t.positionX, y: t.positionY, width: t.width, height: t.height };
    };
  } else if (player === 'mapreel') { // the page of mapreel play, with a pointer above its bar
    const bar = document.getElementById('bar');
    const box = document.getElementById('thumbnail');
    const area = bar.getBoundingClientRect();
    thumbnailAt = async (time) => {
      const clientX = area.left + (time / video.duration) * area.width;
      bar.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY: area.top + 1, bubbles: true }));
      if (box.hidden) throw new Error('no thumbnail is shown at ' + time);
      const [x, y] = box.style.backgroundPosition.split(' ').map((p) => -Number.parseFloat(p));
      return { url: JSON.parse(box.style.backgroundImage.slice(4, -1)), x, y, width: Number.parseFloat(box.style.width), height: Number.parseFloat(box.style.height) };
    };
  } else {
    const dash = dashjs.MediaPlayer().create();
    dash.initialize();
    dash.updateSettings({ debug: { logLevel: 0 } });
    const ready = new Promise((done) => dash.on('playbackMetaDataLoaded', done));
    dash.attachView(video);
    dash.setAutoPlay(false);
    dash.attachSource(media);
    await ready;
    thumbnailAt = (time) => new Promise((done) => dash.provideThumbnail(time, done));
  }
  const canvas = document.createElement('canvas');
  canvas.width = bits;
  canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const numbers = [];
  for (const time of times) {
    const t = await thumbnailAt(time);
    const sheet = new Image();
    sheet.src = t.url;
    await sheet.decode();
    let n = 0;
    for (let i = 0; i < bits; i++) { // the middle of each column, without what JPEG blurs at its edges
      context.drawImage(sheet, t.x + (i + 0.25) * t.width / bits, t.y + t.height / 4, t.width / bits / 2, t.height / 2, i, 0, 1, 1);
      if (context.getImageData(i, 0, 1, 1).data[0] > 127) n |= 1 << i;
    }
    numbers.push(n);
  }
  return numbers;
}

const context = await chromium.launchPersistentContext(options.profile, {
  executablePath: options.chromium,
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--mute-audio', '--disable-dev-shm-usage'],
});
try {
  const page = await context.newPage();
  await page.goto(options.player === 'mapreel' ? options.page + '/own/' : options.page);
  if (options.player === 'mapreel') {
    await page.waitForFunction(() => thumbnails.length > 0 && document.querySelector('video').duration > 0, null, { timeout: 60000 });
  }
  console.log(JSON.stringify(await page.evaluate(read, options)));
} finally {
  await context.close();
}
