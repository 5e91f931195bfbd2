'use strict';
// Thumbnails of a package above a bar of the page: the browser has none above its own.

let thumbnails = []; // { start, end, sheet, x, y, width, height }, in the order of the film

// cuesOf returns the thumbnails that WebVTT lists: the text of a cue is the address of a sheet with the place of a tile in it.
function cuesOf(text, base) {
  const seconds = (t) => t.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  const cue = /([\d:.]+) --> ([\d:.]+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g;
  return [...text.matchAll(cue)].map(([, start, end, sheet, ...place]) => {
    const [x, y, width, height] = place.map(Number);
    return { start: seconds(start), end: seconds(end), sheet: new URL(sheet, base).href, x, y, width, height };
  });
}

async function textOf(address) {
  const answer = await fetch(address);
  return answer.ok ? answer.text() : '';
}

// loadThumbnails looks for the thumbnails of a package beside the playlist of its sheets.
async function loadThumbnails(entry) {
  thumbnails = [];
  element('thumbnail').hidden = true;
  if (entry.kind !== 'hls') return;
  const playlist = new URL(mediaAddress(entry.name), location);
  const found = /^#EXT-X-IMAGE-STREAM-INF:(?:.*,)?URI="([^"]+)\.m3u8"/m.exec(await textOf(playlist));
  if (!found) return;
  const list = new URL(found[1] + '.vtt', playlist);
  if (list.origin !== location.origin) return;
  thumbnails = cuesOf(await textOf(list), list);
}

// hoverThumbnail shows the thumbnail of a time of the film.
function hoverThumbnail(t) {
  const tile = thumbnails.findLast((c) => c.start <= t);
  if (!tile || !Number.isFinite(video.duration)) return;
  element('thumbnail').dataset.start = tile.start;
  showTile(element('thumbnail'), element('bar'), t, video.duration, tile);
}

function startThumbnails() {
  const seek = element('seek');
  onHover(element('bar'), element('thumbnail'), () => video.duration || 0, hoverThumbnail);
  seek.addEventListener('input', () => hoverThumbnail(Number(seek.value)));
  seek.addEventListener('change', () => { element('thumbnail').hidden = true; });
}
