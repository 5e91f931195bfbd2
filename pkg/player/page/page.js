'use strict';
// Plays what entries.json names: HLS with hls.js, single files with the browser's own <video>.

const by = (id) => document.getElementById(id);
const video = by('video');
let hls = null;

function problem(text) {
  by('problem').textContent = text;
  by('problem').hidden = !text;
}

function clock(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const s = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  return (hours ? hours + ':' : '') + two(Math.floor(s / 60) % 60) + ':' + two(s % 60);
}

function offer(id, options, chosen, choose) {
  const select = by(id);
  select.parentElement.hidden = options.length < 2;
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === chosen)));
  select.onchange = () => choose(Number(select.value));
}

function rate(bits) {
  return bits >= 1e6 ? (bits / 1e6).toFixed(1) + ' Mb/s' : Math.round(bits / 1e3) + ' kb/s';
}

function levelName(level) {
  const size = level.height ? level.width + '×' + level.height : 'sound';
  const range = level.videoRange && level.videoRange !== 'SDR' ? ', ' + level.videoRange : '';
  return size + ', ' + (level.videoCodec || level.audioCodec || 'unknown codec') + range + ', ' + rate(level.bitrate);
}

const words = {
  networkError: 'A file of the package could not be read',
  mediaError: 'The browser could not decode the media',
  muxError: 'A segment is not what the playlist says',
  otherError: 'The package could not be played',
};

function playPackage(address) {
  if (!Hls.isSupported()) {
    if (video.canPlayType('application/vnd.apple.mpegurl')) {
      video.src = address;
    } else {
      problem('This browser can play neither HLS nor Media Source Extensions.');
    }
    return;
  }
  // A worker would be started from a blob: address, which the page's policy does not allow.
  hls = new Hls({ enableWorker: false });
  let recovered = false;
  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    offer('levels', [[-1, 'automatic'], ...hls.levels.map((l, i) => [i, levelName(l)])], -1, (n) => { hls.currentLevel = n; });
  });
  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => {
    offer('sounds', hls.audioTracks.map((t, i) => [i, t.name]), hls.audioTrack, (n) => { hls.audioTrack = n; });
  });
  hls.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, () => {
    offer('texts', [[-1, 'off'], ...hls.subtitleTracks.map((t, i) => [i, t.name])], hls.subtitleTrack, (n) => {
      hls.subtitleDisplay = n >= 0;
      hls.subtitleTrack = n;
    });
  });
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !recovered) {
      recovered = true;
      hls.recoverMediaError();
      return;
    }
    const where = data.frag?.url || data.url || data.context?.url || '';
    const status = data.response?.code ? ' (HTTP ' + data.response.code + ')' : '';
    let text = (words[data.type] || words.otherError) + status + ': ' + data.details;
    if (where) text += ', ' + decodeURIComponent(new URL(where, location).pathname.replace(/^\/media\//, ''));
    if (data.details === 'manifestIncompatibleCodecsError') text = 'This browser lacks the decoders for this package: ' + (data.error?.message || '');
    problem(text + '.');
    hls.destroy();
  });
  hls.loadSource(address);
  hls.attachMedia(video);
}

function play(entry) {
  problem('');
  hls?.destroy();
  hls = null;
  for (const id of ['levels', 'sounds', 'texts']) by(id).parentElement.hidden = true;
  video.removeAttribute('src');
  by('title').textContent = document.title = entry.name;
  const address = 'media/' + entry.name.split('/').map(encodeURIComponent).join('/');
  if (entry.kind === 'hls') {
    playPackage(address);
  } else if (entry.kind === 'dash') {
    problem('This page plays HLS and single files. Play the .mpd with a DASH player, or make the package with HLS playlists beside it.');
  } else {
    video.src = address;
  }
}

video.addEventListener('error', () => {
  if (hls || !video.getAttribute('src')) return;
  const reasons = { 2: 'The file could not be read to its end', 3: 'The file could not be decoded', 4: 'This browser cannot play this kind of file' };
  problem((reasons[video.error?.code] || 'The file cannot be played') + (video.error?.message ? ' (' + video.error.message + ')' : '') + '.');
});

function tick() {
  by('time').textContent = clock(video.currentTime) + ' / ' + clock(video.duration);
  const parts = [];
  if (video.videoWidth) parts.push(video.videoWidth + '×' + video.videoHeight);
  const quality = video.getVideoPlaybackQuality?.();
  if (quality?.totalVideoFrames) parts.push(quality.totalVideoFrames + ' frames shown, ' + quality.droppedVideoFrames + ' dropped');
  by('details').textContent = parts.join(' · ');
}
for (const event of ['timeupdate', 'durationchange', 'seeking', 'resize', 'ended']) video.addEventListener(event, tick);

fetch('entries.json')
  .then((answer) => {
    if (!answer.ok) throw new Error('HTTP ' + answer.status);
    return answer.json();
  })
  .then((entries) => {
    offer('entries', entries.map((e, i) => [i, e.name]), 0, (n) => play(entries[n]));
    play(entries[0]);
  })
  .catch((error) => problem('mapreel no longer answers: ' + error.message + '. Start it again and reload.'));
