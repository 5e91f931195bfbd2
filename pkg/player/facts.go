package player

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff/movieindex"
	"github.com/mapreel/mapreel/pkg/matroska"
	"github.com/mapreel/mapreel/pkg/media"
)

// Seconds are a time that is written as a number of seconds.
type Seconds = film.Seconds

// Facts are what the page shows of a file beside what the browser knows. Of a package the playlists say the rest.
type Facts struct {
	Size int64 `json:"size,omitempty"` // bytes, of a single file
	// Frame is the average duration of a frame; 0: not known.
	Frame Seconds `json:"frame,omitempty"`
	// Keyframes are times after the first frame.
	Keyframes []Seconds `json:"keyframes,omitempty"`
	// Seams are the times after the first frame at which a segment begins that was encoded for itself.
	Seams []Seconds `json:"seams,omitempty"`
	// Video has a line for each rendition of an output that a job made.
	Video []string `json:"video,omitempty"`
	// Source is the address of the media that the output was made of, relative to the page; "" if the page cannot show it.
	Source string `json:"source,omitempty"`
	// Job is the address of the page of the job that made the output; "" if there is none.
	Job string `json:"job,omitempty"`
	// Archive is the address of all files of a package as one, relative to the page; "" if there is none.
	Archive string `json:"archive,omitempty"`
	// Verify is the address at which the output can be compared with its source, relative to the page; "" if it cannot.
	Verify string `json:"verify,omitempty"`
}

// maxKeyframes bounds the keyframes that a page is told of. More could not be told apart on a screen.
const maxKeyframes = 20_000

// Facts returns what the first entry's own bytes say. What cannot be read is left out.
func (p *Player) Facts(r *http.Request) (f Facts) {
	e := p.entries[0]
	if name := r.URL.Query().Get("name"); name != "" {
		i := slices.IndexFunc(p.entries, func(e Entry) bool { return e.Name == name })
		if i < 0 {
			return f
		}
		e = p.entries[i]
	}
	if e.Kind != "file" {
		return f
	}
	file, info, err := openRegular(p.root, e.Name)
	if err != nil {
		return f
	}
	defer file.Close() //nolint:errcheck // only read
	f.Size = info.Size()
	switch strings.ToLower(path.Ext(e.Name)) {
	case ".mkv", ".webm":
		if index, err := matroska.ReadIndex(r.Context(), file, info.Size()); err == nil {
			f.Keyframes = cues(index)
		}
	default:
		if index, err := movieindex.Read(r.Context(), file, info.Size()); err == nil {
			f.Keyframes, f.Frame = syncSamples(index)
		}
	}
	f.Keyframes = f.Keyframes[:min(len(f.Keyframes), maxKeyframes)]
	return f
}

// cues returns the times of the keyframes of the first video track with any, after the first.
func cues(index *matroska.Index) (list []Seconds) {
	for _, t := range index.Tracks {
		times := index.Cues[t.Number]
		if t.Type != matroska.Video || len(times) == 0 {
			continue
		}
		for _, at := range times {
			list = append(list, Seconds(time.Duration(at-times[0])*time.Duration(index.TimestampScale)))
		}
		return list
	}
	return nil
}

// syncSamples returns the times of the sync samples of the first video track, after its first frame, and the average duration of a
// frame.
func syncSamples(index *movieindex.Index) (list []Seconds, frame Seconds) {
	for _, t := range index.Tracks {
		n := len(t.Presentation)
		if t.Handler != "vide" || n == 0 {
			continue
		}
		base := media.Rational{Num: 1, Den: int64(t.Timescale)}
		for _, at := range t.Sync {
			list = append(list, Seconds(base.Duration(media.Ticks(at-t.Presentation[0]))))
		}
		if n > 1 {
			frame = Seconds(base.Duration(media.Ticks(t.Presentation[n-1]-t.Presentation[0])) / time.Duration(n-1))
		}
		return list, frame
	}
	return nil, 0
}

// facts answers with the facts of an entry.
func (p *Player) facts(w http.ResponseWriter, r *http.Request) {
	WriteFacts(w, p.Facts(r))
}

// WriteFacts answers with facts: a server that knows more of an output than its bytes say answers facts.json itself.
func WriteFacts(w http.ResponseWriter, f Facts) {
	protect(w.Header())
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(f) // fails only if the browser closed the connection
}
