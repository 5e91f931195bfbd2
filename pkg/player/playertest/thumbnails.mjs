// Asks a player in headless Chromium for the thumbnails of a package, and prints the numbers of the frames that they show as JSON.
//   node thumbnails.mjs '{"chromium": …, "profile": …, "page": …, "player": "dash" | "shaka" | "hls" | "mapreel", "media": …, "times": [seconds, …], "bits": n, "modules": …}'
import { context, options } from './browser.mjs';

// hls.js shows the thumbnails of an I-frame playlist of images, the others those of sheets. Shaka must show the same of both in a playlist of HLS.
// Runs in the page. A thumbnail has a column for each bit of the frame's number, the lowest at the left: white for 1.
async function read({ player, media, times, bits }) {
  const video = document.querySelector('video');
  let thumbnailAt; // url, x, y, width, height; or several that show the same
  if (player === 'shaka') {
    const shakaPlayer = new shaka.Player();
    await shakaPlayer.attach(video);
    await shakaPlayer.load(media);
    const tracks = shakaPlayer.getImageTracks();
    const kinds = tracks.map((t) => t.codecs).sort().join();
    if (media.endsWith('.m3u8') && kinds !== 'jpeg,mjpg') throw new Error('tracks of images: ' + kinds);
    thumbnailAt = (time) => Promise.all(tracks.map(async (track) => {
      const t = await shakaPlayer.getThumbnails(track.id, time);
      let url = t.uris[0];
      if (track.codecs === 'mjpg') { // as Shaka's own bar does: the picture is the mdat of the range
        const range = await fetch(url, { headers: { Range: 'bytes=' + t.startByte + '-' + t.endByte } });
        if (range.status !== 206) throw new Error('status ' + range.status + ' of a range');
        new shaka.util.Mp4Parser().box('mdat', shaka.util.Mp4Parser.allData((data) => {
          url = URL.createObjectURL(new Blob([data], { type: 'image/jpeg' }));
        }, true)).parse(await range.arrayBuffer(), false);
      }
      return { url, x: t.positionX, y: t.positionY, width: t.width, height: t.height };
    }));
  } else if (player === 'hls') {
    const hls = new Hls({ enableWorker: false });
    const parsed = new Promise((done) => hls.once(Hls.Events.MANIFEST_PARSED, done));
    hls.loadSource(media);
    hls.attachMedia(video);
    await parsed;
    const images = hls.createImageIFramePlayer({ maxFragLookUpTolerance: 0 }); // by default it shows the next one a quarter of a second early
    images.attachImage(new Image()); // without one there is no event
    const loaded = []; // hls.js shows the last one of a playlist only once
    images.on(Hls.Events.FRAG_BUFFERED, (_, { frag }) => loaded.push({ start: frag.start, end: frag.end, data: frag.data.slice() }));
    thumbnailAt = async (time) => {
      const found = () => loaded.find((f) => f.start <= time && time < f.end);
      for (const end = performance.now() + 30000; !found();) {
        if (performance.now() > end) throw new Error('no image of ' + time + ', but of ' + loaded.map((f) => f.start));
        images.loadMediaAt(time); // as a pointer on a seek bar does: the first call only loads the playlist
        await new Promise((done) => setTimeout(done, 100));
      }
      const url = URL.createObjectURL(new Blob([found().data], { type: 'image/jpeg' }));
      const bitmap = await createImageBitmap(await (await fetch(url)).blob());
      return { url, x: 0, y: 0, width: bitmap.width, height: bitmap.height };
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
  const numberIn = async (t) => {
    const sheet = new Image();
    sheet.src = t.url;
    await sheet.decode();
    let n = 0;
    for (let i = 0; i < bits; i++) { // the middle of each column, without what JPEG blurs at its edges
      context.drawImage(sheet, t.x + (i + 0.25) * t.width / bits, t.y + t.height / 4, t.width / bits / 2, t.height / 2, i, 0, 1, 1);
      if (context.getImageData(i, 0, 1, 1).data[0] > 127) n |= 1 << i;
    }
    return n;
  };
  for (const time of times) {
    const shown = [];
    for (const t of [await thumbnailAt(time)].flat()) shown.push(await numberIn(t));
    if (shown.some((n) => n !== shown[0])) throw new Error('at ' + time + ' thumbnails of frames ' + shown.join());
    numbers.push(shown[0]);
  }
  return numbers;
}

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
