package verify

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// decoderErrors collects what ffmpeg's decoders and demuxers report about a file. The file's video and audio are
// decoded by separate processes, and both write here.
type decoderErrors struct {
	mu      sync.Mutex
	partial []byte // of a line that has not ended
	count   int
	first   string
	kinds   map[string]int    // by message without its numbers
	example map[string]string // the first message of each kind
}

// maxMessageKinds bounds how many kinds of message are told apart.
const maxMessageKinds = 200

// messageNumber matches what differs between two messages of one kind, such as positions and stream numbers.
var messageNumber = regexp.MustCompile(`(0x)?[0-9a-f]*[0-9][0-9a-f]*`)

// decoderMessage matches a line about the stream: one from a decoder or demuxer, or ffmpeg's own report that one failed.
var decoderMessage = regexp.MustCompile(`^\[(h264|hevc|vp[89]|av1|libdav1d|libaom-av1|aac(_latm)?|opus|vorbis|mp[123]float|mp3|e?ac3|flac|alac|` +
	`mpeg[12]video|mpeg4|prores|mov,[^ ]*|matroska,webm|hls|dash) @ |^Error while decoding|^Error submitting`)

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
		level, text := ffmpeg.Level(text)
		if level != "warning" && decoderMessage.MatchString(text) {
			d.add(contextAddress.ReplaceAllString(text, "]"))
		}
	}
	return len(data), nil
}

func (d *decoderErrors) add(message string) {
	d.count++
	if d.first == "" {
		d.first, d.kinds, d.example = message, map[string]int{}, map[string]string{}
	}
	kind := messageNumber.ReplaceAllString(message, "N")
	if d.kinds[kind] == 0 {
		if len(d.kinds) >= maxMessageKinds {
			return
		}
		d.example[kind] = message
	}
	d.kinds[kind]++
}

// check judges the errors of the output's decoders. What the source's decoders report as often is the source's damage,
// which a copied track keeps.
func (d *decoderErrors) check(source *decoderErrors) Check {
	if d.count == 0 {
		return Check{Name: "decoding", Verdict: Good, Figure: "without errors"}
	}
	more, first := 0, ""
	for _, kind := range slices.Sorted(maps.Keys(d.kinds)) {
		if excess := d.kinds[kind] - source.kinds[kind]; excess > 0 {
			more += excess
			if first == "" || d.example[kind] == d.first {
				first = d.example[kind]
			}
		}
	}
	switch {
	case more == 0:
		return Check{Name: "decoding", Verdict: Note, Figure: fmt.Sprintf("%s that the source has too, the first: %s", Plural(d.count, "error"), d.first)}
	case more < d.count:
		return Check{Name: "decoding", Verdict: Bad, Figure: fmt.Sprintf("%s more than the source has, the first: %s", Plural(more, "error"), first)}
	}
	return Check{Name: "decoding", Verdict: Bad, Figure: fmt.Sprintf("%s, the first: %s", Plural(d.count, "error"), d.first)}
}
