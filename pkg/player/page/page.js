'use strict';
// Plays the entries of entries.json: HLS with hls.js, single files with <video> alone.

const video = element('video');
let hls = null;

function fillSelect(id, options, chosen, onChoose) {
  const select = element(id);
  select.parentElement.hidden = options.length < 2;
  select.replaceChildren(...options.map(([value, text]) => new Option(printable(text), value, false, value === chosen)));
  select.onchange = () => onChoose(Number(select.value));
}

function formatBitrate(bits) {
  return bits >= 1e6 ? (bits / 1e6).toFixed(1) + ' Mb/s' : Math.round(bits / 1e3) + ' kb/s';
}

function codecName(codec) {
  const names = { avc1: 'H.264', avc3: 'H.264', hvc1: 'H.265', hev1: 'H.265', av01: 'AV1', vp09: 'VP9', mp4a: 'AAC', opus: 'Opus' };
  return names[(codec || '').split('.')[0].toLowerCase()] || codec || 'unknown codec';
}

function levelName(level) {
  const size = level.height ? level.width + '×' + level.height : 'audio only';
  const range = level.videoRange && level.videoRange !== 'SDR' ? ', ' + level.videoRange : '';
  return size + ', ' + codecName(level.videoCodec || level.audioCodec) + range + ', ' + formatBitrate(level.bitrate);
}

const errorTexts = {
  networkError: 'A file of the package could not be read',
  mediaError: 'The browser could not decode the media',
  muxError: 'A segment does not match the playlist',
  otherError: 'The package could not be played',
};

function playPackage(address) {
  if (!Hls.isSupported()) {
    if (video.canPlayType('application/vnd.apple.mpegurl')) {
      video.src = address;
    } else {
      showProblem('This browser can play neither HLS nor Media Source Extensions.');
    }
    return;
  }
  // hls.js starts its worker from a blob: URL, which the page's policy does not allow.
  hls = new Hls({ enableWorker: false });
  let recovered = false;
  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    const levels = hls.levels.map((l, i) => [i, levelName(l)]);
    fillSelect('levels', levels.length > 1 ? [[-1, 'automatic'], ...levels] : levels, -1, (n) => { hls.currentLevel = n; });
  });
  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => {
    fillSelect('audio', hls.audioTracks.map((t, i) => [i, t.name]), hls.audioTrack, (n) => { hls.audioTrack = n; });
  });
  hls.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, () => {
    fillSelect('subtitles', [[-1, 'off'], ...hls.subtitleTracks.map((t, i) => [i, t.name])], hls.subtitleTrack, (n) => {
      hls.subtitleDisplay = n >= 0;
      hls.subtitleTrack = n;
    });
  });
  hls.on(Hls.Events.MANIFEST_LOADED, (_, data) => {
    const chapters = data.sessionData?.['com.apple.hls.chapters']?.URI;
    if (chapters) loadChapters(new URL(chapters, new URL(address, location)).href.replace(/\.json$/, '.vtt')); // beside it
  });
  hls.on(Hls.Events.AUDIO_TRACK_SWITCHING, (_, track) => { element('audio').value = track.id; });
  hls.on(Hls.Events.SUBTITLE_TRACK_SWITCH, (_, track) => { element('subtitles').value = track.id; });
  hls.on(Hls.Events.FRAG_BUFFERED, () => {
    // Where the sound begins seconds after the picture there is nothing to play before it; hls.js itself jumps over two seconds at most.
    const begin = video.buffered.length ? video.buffered.start(0) : 0;
    if (begin > 0 && video.currentTime === 0 && video.readyState < 2 && !video.seeking) video.currentTime = begin;
  });
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    const undecodable = data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR; // a retry does not help
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !recovered && !undecodable) {
      recovered = true;
      hls.recoverMediaError();
      return;
    }
    const file = data.frag?.url || data.url || data.context?.url || '';
    const status = data.response?.code ? ' (HTTP ' + data.response.code + ')' : '';
    let text = (errorTexts[data.type] || errorTexts.otherError) + status + ': ' + data.details;
    if (file) text += ', ' + decodeURIComponent(new URL(file, location).pathname.replace(/^\/media\//, ''));
    if (undecodable) text = 'This browser lacks the decoders for this package: ' + (data.error?.message || '');
    showProblem(text + '.');
    hls.destroy();
  });
  hls.loadSource(address);
  hls.attachMedia(video);
}

let chapters = []; // cues
const chapterAt = (time) => chapters.findLastIndex((c) => c.startTime <= time + 0.001);

function loadChapters(address) {
  const track = document.createElement('track');
  track.kind = 'chapters';
  track.src = address;
  track.addEventListener('load', () => {
    chapters = [...track.track.cues];
    fillSelect('chapters', chapters.map((c, i) => [i, formatTime(c.startTime) + '  ' + c.getCueAsHTML().textContent]), chapterAt(video.currentTime),
      (n) => { video.currentTime = chapters[n].startTime + 0.001; });
  });
  video.append(track);
  track.track.mode = 'hidden'; // loads it
}

video.addEventListener('timeupdate', () => { if (chapters.length) element('chapters').value = chapterAt(video.currentTime); });

function play(entry) {
  showProblem('');
  loadThumbnails(entry).catch(() => {}); // the film plays without
  hls?.destroy();
  hls = null;
  chapters = [];
  for (const track of video.querySelectorAll('track[kind=chapters]')) track.remove();
  for (const id of ['levels', 'audio', 'subtitles', 'chapters']) element(id).parentElement.hidden = true;
  video.removeAttribute('src');
  element('title').textContent = document.title = printable(entry.name);
  showFilm(entry);
  const address = mediaAddress(entry.name);
  if (entry.kind === 'hls') {
    playPackage(address);
  } else if (entry.kind === 'dash') {
    showProblem('This page plays HLS and single files. Play the .mpd with a DASH player, or make the package with HLS playlists beside it.');
  } else {
    video.src = address;
  }
}

video.addEventListener('error', () => {
  if (hls || !video.getAttribute('src')) return;
  const reasons = { 2: 'The file could not be read to its end', 3: 'The file could not be decoded', 4: 'This browser cannot play this kind of file' };
  showProblem((reasons[video.error?.code] || 'The file cannot be played') + (video.error?.message ? ' (' + video.error.message + ')' : '') + '.');
});

function showPosition() {
  element('time').textContent = formatTime(video.currentTime) + ' / ' + formatTime(video.duration);
  const parts = [];
  if (video.videoWidth) parts.push(video.videoWidth + '×' + video.videoHeight);
  const quality = video.getVideoPlaybackQuality?.();
  if (quality?.totalVideoFrames) parts.push(quality.totalVideoFrames + ' frames shown, ' + quality.droppedVideoFrames + ' dropped');
  element('details').textContent = parts.join(' · ');
}
for (const event of ['timeupdate', 'durationchange', 'seeking', 'resize', 'ended']) video.addEventListener(event, showPosition);

startThumbnails();

fetch('entries.json')
  .then((answer) => {
    if (!answer.ok) throw new Error('HTTP ' + answer.status);
    return answer.json();
  })
  .then((all) => {
    // An MPD and a playlist of the same name are the same package.
    const hasPlaylist = (e) => e.kind === 'dash' && all.some((o) => o.kind === 'hls' && o.name.replace(/\.m3u8$/i, '') === e.name.replace(/\.mpd$/i, ''));
    const entries = all.filter((e) => !hasPlaylist(e));
    fillSelect('entries', entries.map((e, i) => [i, e.name]), 0, (n) => play(entries[n]));
    play(entries[0]);
  })
  .catch((error) => showProblem('mapreel no longer answers: ' + error.message + '. Start it again and reload.'));
