package verify

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// decoderErrors collects what ffmpeg's decoders and demuxers report about a file. The file's video and audio are
// decoded by separate processes, and both write here.
type decoderErrors struct {
	mu      sync.Mutex
	partial []byte // of a line that has not ended
	count   int
	first   string
}

// decoderMessage matches a line about the stream: one from a decoder or demuxer, or ffmpeg's own report that one failed.
var decoderMessage = regexp.MustCompile(`^\[(h264|hevc|vp[89]|av1|libdav1d|libaom-av1|aac(_latm)?|opus|vorbis|mp[123]float|mp3|e?ac3|flac|alac|` +
	`mpeg[12]video|mpeg4|prores|mov,[^ ]*|matroska,webm|hls|dash) @ |^Error while decoding|^Error submitting|corrupt decoded frame`)

// contextAddress matches the address that distinguishes two decoders of one process. It means nothing to a reader.
var contextAddress = regexp.MustCompile(` @ 0x[0-9a-f]+\]`)

// maxMessageLine bounds the length of a collected line, in bytes.
const maxMessageLine = 4096

func (d *decoderErrors) Write(data []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range bytes.Lines(data) {
		d.partial = append(d.partial, line[:min(len(line), maxMessageLine-min(len(d.partial), maxMessageLine))]...)
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue
		}
		text := strings.TrimSpace(string(d.partial))
		d.partial = d.partial[:0]
		if decoderMessage.MatchString(text) {
			d.count++
			if d.first == "" {
				d.first = contextAddress.ReplaceAllString(text, "]")
			}
		}
	}
	return len(data), nil
}

func (d *decoderErrors) check() Check {
	if d.count == 0 {
		return Check{Name: "decoding", Verdict: Good, Figure: "without errors"}
	}
	return Check{Name: "decoding", Verdict: Bad, Figure: fmt.Sprintf("%s, the first: %s", plural(d.count, "error"), d.first)}
}
