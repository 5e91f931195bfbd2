package stage

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/media"
)

// MergeGC is the GOGC of a process that does nothing but merge, as the function is: it keeps below 64 MB for 200 GB, where
// Go's 100 takes 72 MB (docs/decisions/027-interleaved-audio.md), and costs a few per cent of Merge's own time.
const MergeGC = 50

// Merge makes one output of its pieces and publishes it. The final MP4 is computed from the pieces' sample tables and
// checked against what the workers reported before a byte of it is written; the media bytes are moved by the store.
func (w *Worker) Merge(ctx context.Context, in film.MergeItem) (None, error) {
	j, err := w.load(ctx, in.Job)
	if err != nil {
		return None{}, err
	}
	for _, out := range j.Outputs {
		if out.Name == in.Output {
			return None{}, w.mergeUnit(ctx, j, out)
		}
	}
	return None{}, fault.New(fault.Internal, "job %s has no output %q", j.ID, in.Output)
}

func (w *Worker) mergeUnit(ctx context.Context, j film.Job, out film.OutputPlan) error {
	id := film.OutputUnit(out.Name)
	return w.unit(ctx, j.ID, id, func(u ledger.Unit, dir string) (any, Event, error) {
		m := &merge{Worker: w, job: j, out: out, unit: u, dir: dir}
		facts, err := m.run(ctx)
		if err != nil {
			return nil, Event{}, fmt.Errorf("output %s: %w", out.File, err)
		}
		return facts, Event{Type: Published, URL: facts.URL, Frames: int64(facts.Frames), Bytes: facts.Bytes()}, nil
	}, func(ledger.Unit) {}) // both attempts published the same bytes under the same name: nothing to remove
}

// merge is one attempt at one output.
type merge struct {
	*Worker
	job  film.Job
	out  film.OutputPlan
	unit ledger.Unit
	dir  string

	video []film.SegmentFacts
	audio []heard // of out.Audio, in their order
	text  film.SidecarFacts
}

func (m *merge) run(ctx context.Context) (film.OutputFacts, error) {
	facts := film.OutputFacts{URL: outputURL(m.job.Request, m.out)}
	if err := m.gather(ctx); err != nil {
		return facts, err
	}
	facts.Tracks = len(m.out.Audio) + len(m.texts())
	if m.pictured() {
		facts.Tracks++
		facts.Frames = m.picture().Samples
		if facts.Frames == 0 {
			return facts, fault.New(fault.Corrupt, "no frame of the source could be decoded")
		}
	}
	store, key, err := m.Resolve(ctx, facts.URL)
	if err != nil {
		return facts, err
	}
	var info blob.Info
	switch {
	case m.out.Container.Packaged():
		facts.Folder = mediaURL(m.job.Request, m.out)
		if m.out.Manifest != "" {
			facts.Manifest = destined(m.job.Request, m.out.Manifest)
		}
		info, facts.Media, err = m.publish(ctx)
	case m.out.Container == film.MP4:
		info, err = m.stitch(ctx, store, key, m.audio)
	default:
		info, err = m.remux(ctx, store, key, facts.Frames)
	}
	if err != nil {
		return facts, err
	}
	facts.Size, facts.Version = info.Size, info.Version
	facts.Digest, err = digest(ctx, store, key, info.Size)
	return facts, err
}

// pictured says whether the output has a picture.
func (m *merge) pictured() bool { return len(m.out.Renditions) > 0 }

// gather reads what the workers reported, and makes sure that nothing is missing.
func (m *merge) gather(ctx context.Context) error {
	if m.pictured() {
		for u, err := range m.Ledger.Units(ctx, m.job.ID, "video/") {
			var facts film.SegmentFacts
			if err := reported(u, err, &facts); err != nil {
				return err
			}
			if want := film.VideoUnit(len(m.video)); u.ID != want {
				return fault.New(fault.Corrupt, "%s is missing in the ledger", want)
			}
			m.video = append(m.video, facts)
		}
		if len(m.video) != m.job.Segments || m.job.Segments == 0 {
			return fault.New(fault.Corrupt, "the ledger holds %d segments, the plan has %d", len(m.video), m.job.Segments)
		}
	}
	for _, s := range m.out.Audio {
		sound, err := m.join(ctx, s)
		if err != nil {
			return err
		}
		m.audio = append(m.audio, sound)
	}
	if m.job.HasSidecar() {
		u, err := m.Ledger.Unit(ctx, m.job.ID, film.SidecarUnit)
		return reported(u, err, &m.text)
	}
	return nil
}

func reported(u ledger.Unit, err error, facts any) error {
	if err != nil {
		return err
	}
	if u.State != ledger.Done {
		return fault.New(fault.Corrupt, "%s is %s, not done", u.ID, u.State)
	}
	return fault.Wrap(fault.Corrupt, json.Unmarshal(u.Facts, facts), "facts of "+u.ID)
}

// part is one piece in the order of its track.
type part struct {
	track int
	name  string
	facts film.StoredObject
	// Of a piece of sound that overlaps its neighbours: which of its packets are taken, by decode time. until 0: all.
	from, until media.Ticks
}

// headersAhead is how many pieces' headers are read at once, enough to hide a store's latency, and headersAtOnce of how many
// bytes altogether, but for a single one: read, a header takes some ten times its size.
const (
	headersAhead  = 32
	headersAtOnce = 256 << 10
)

// stitch computes the MP4 of the picture and these sounds, proves it, and has the store compose it.
func (m *merge) stitch(ctx context.Context, store blob.Store, key string, audio []heard) (blob.Info, error) {
	var none blob.Info
	var parts []part
	movie := isobmff.Movie{Tool: "mapreel", Interleave: interleave}
	if m.pictured() {
		movie.Tracks = append(movie.Tracks, isobmff.MovieTrack{Track: isobmff.Track{Enabled: true}, Delay: m.picture().First})
		for i, v := range m.video {
			if len(v.Chunks) > 0 && v.Chunks[m.out.Renditions[0]].Frames > 0 {
				parts = append(parts, part{name: film.VideoUnit(i), facts: v.Chunks[m.out.Renditions[0]].StoredObject})
			}
		}
	}
	for _, a := range audio {
		for _, p := range a.parts {
			p.track = len(movie.Tracks)
			parts = append(parts, p)
		}
		movie.Tracks = append(movie.Tracks, m.soundTrack(a))
	}
	if m.out.Container == film.MP4 {
		var err error
		if parts, err = m.beside(ctx, &movie, parts); err != nil {
			return none, err
		}
	}
	tables, err := os.Create(filepath.Join(m.dir, tablesFile))
	if err != nil {
		return none, fmt.Errorf("working folder: %w", err)
	}
	defer tables.Close()
	head, err := os.Create(filepath.Join(m.dir, headerFile))
	if err != nil {
		return none, fmt.Errorf("working folder: %w", err)
	}
	defer head.Close()
	beside := seats{}
	stitcher, err := m.fold(ctx, movie, tables, parts, beside)
	if err != nil {
		return none, err
	}
	buffer := bufio.NewWriter(head)
	file, err := stitcher.Finish(buffer)
	if err == nil {
		err = buffer.Flush()
	}
	if err != nil {
		return none, err
	}
	if err := m.prove(head, file.Size, audio); err != nil {
		return none, err
	}
	composed := []blob.Part{{From: workingFile{f: head}, Key: headerFile, Length: file.Header}}
	byTrack := make([][]part, len(movie.Tracks))
	for _, p := range parts {
		byTrack[p.track] = append(byTrack[p.track], p)
	}
	for _, r := range file.Ranges {
		for _, p := range beside.parts(m.Scratch, byTrack[r.Track][r.Chunk].facts.Key, r.Offset, r.Length) {
			// What continues the part before is one with it: a piece that holds its sound is a single part.
			if last := &composed[len(composed)-1]; last.Key == p.Key && last.From == p.From && last.Offset+last.Length == p.Offset {
				last.Length += p.Length
				continue
			}
			composed = append(composed, p)
		}
	}
	info, err := store.Compose(ctx, key, composed)
	if err == nil && info.Size != file.Size {
		return info, fault.New(fault.Corrupt, "the store composed %d bytes instead of %d", info.Size, file.Size)
	}
	return info, err
}

// What a merge has in its working folder rather than in memory: the movie's header, some megabytes for each hour, and
// what it is made of.
const (
	headerFile = "header"
	tablesFile = "tables"
)

// workingFile is a file of the attempt's own as what Compose can read.
type workingFile struct {
	blob.Store // none: there is but one file, and it is only read
	f          *os.File
}

func (w workingFile) Open(_ context.Context, _ string, offset, length int64) (io.ReadCloser, error) {
	if length < 0 {
		length = math.MaxInt64 - offset
	}
	return io.NopCloser(io.NewSectionReader(w.f, offset, length)), nil
}

// fold adds every piece to a stitcher that knows the tracks from their first pieces, and notes what sound they hold.
func (m *merge) fold(ctx context.Context, movie isobmff.Movie, tables isobmff.Tables, parts []part, beside seats) (*isobmff.Stitcher, error) {
	var stitcher *isobmff.Stitcher
	firsts := map[int]bool{}
	var first []part
	for _, p := range parts {
		if !firsts[p.track] {
			firsts[p.track] = true
			first = append(first, p)
		}
	}
	pieces, err := m.headers(ctx, first)
	if err != nil {
		return nil, err
	}
	for i, p := range first {
		t, known := pieces[i].Track, &movie.Tracks[p.track].Track
		t.Language, t.Name, t.Enabled = known.Language, known.Name, known.Enabled
		if first := movie.Tracks[0]; t.Handler == textHandler && first.Handler == "vide" {
			t.Width, t.Height = first.Width, first.Height // text lies over the whole picture
		}
		*known = t
	}
	stitcher = isobmff.NewStitcher(movie, tables)
	err = m.read(ctx, parts, func(p part, piece isobmff.Chunk) error {
		beside.add(p.facts.Key, piece)
		if err := stitcher.Add(p.track, p.taken(piece)); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	beside.sort()
	return stitcher, nil
}

// taken is what of its piece a part takes.
func (p part) taken(piece isobmff.Chunk) isobmff.Chunk {
	if p.until > 0 {
		return piece.Slice(int64(p.from), int64(p.until))
	}
	return piece
}

// read gives use the pieces of parts in their order. It reads some ahead, and holds no more of them.
func (m *merge) read(ctx context.Context, parts []part, use func(p part, piece isobmff.Chunk) error) error {
	for len(parts) > 0 {
		n, size := 1, parts[0].facts.Header
		for n < min(headersAhead, len(parts)) && size+parts[n].facts.Header <= headersAtOnce {
			size += parts[n].facts.Header
			n++
		}
		pieces, err := m.headers(ctx, parts[:n])
		if err != nil {
			return err
		}
		for i, piece := range pieces {
			if err := use(parts[i], piece); err != nil {
				return err
			}
		}
		parts = parts[n:]
	}
	return nil
}

// headers reads the headers of pieces side by side.
func (m *merge) headers(ctx context.Context, parts []part) ([]isobmff.Chunk, error) {
	pieces := make([]isobmff.Chunk, len(parts))
	g, ctx := errgroup.WithContext(ctx)
	for i, p := range parts {
		g.Go(func() error {
			data, err := readRange(ctx, m.Scratch, p.facts.Key, 0, p.facts.Header)
			if err != nil {
				return err
			}
			pieces[i], err = isobmff.ReadChunk(data)
			if err == nil && pieces[i].Header+pieces[i].Payload() != p.facts.Size {
				err = fault.New(fault.Corrupt, "the piece tells of %d bytes and has %d", pieces[i].Header+pieces[i].Payload(), p.facts.Size)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		})
	}
	return pieces, g.Wait()
}

// soundTrack describes a sound of the output.
func (m *merge) soundTrack(a heard) isobmff.MovieTrack {
	source := m.job.Source.Audio[m.job.AudioRenditions[a.sound].Track]
	return isobmff.MovieTrack{
		Track: isobmff.Track{Language: source.Language, Name: source.Title, Enabled: m.enabled(a.sound)},
		Skip:  int64(a.Skip), Delay: int64(a.Delay), Length: int64(a.Length), Group: audioGroup, Flags: source.Flags,
	}
}

// audioGroup is the alternate group of the audio tracks: a player plays one of them.
const audioGroup = 1

// enabled says whether a player plays a sound of the output unless told otherwise: the source's defaults, or the first
// where the source has none.
func (m *merge) enabled(sound int) bool {
	for _, s := range m.out.Audio {
		if m.job.Source.Audio[m.job.AudioRenditions[s].Track].Default {
			return m.job.Source.Audio[m.job.AudioRenditions[sound].Track].Default
		}
	}
	return sound == m.out.Audio[0]
}

// picture is the output's timeline of the picture: what the workers reported, in ticks of its rendition's clock.
func (m *merge) picture() isobmff.Expected {
	e := isobmff.Expected{Handler: "vide"}
	for _, v := range m.video {
		if len(v.Chunks) == 0 || v.Chunks[m.out.Renditions[0]].Frames == 0 {
			continue
		}
		piece := v.Chunks[m.out.Renditions[0]]
		if e.Samples == 0 {
			e.First = int64(piece.First)
		}
		e.Samples += piece.Frames
		e.Last = int64(piece.Last)
	}
	return e
}

// prove reads the header back, by other code than wrote it, and compares with what the workers reported.
func (m *merge) prove(header io.ReaderAt, size int64, audio []heard) error {
	var want []isobmff.Expected
	if m.pictured() {
		want = append(want, m.picture())
	}
	for _, a := range audio {
		first := int64(a.Delay - a.Skip)
		want = append(want, isobmff.Expected{Handler: "soun", Samples: a.Samples, First: first, Last: first + int64(a.Last)})
	}
	if m.out.Container == film.MP4 {
		want = append(want, m.expectedBeside()...)
	}
	return isobmff.Check(header, size, want)
}

// opusDelay is the priming of Opus in microseconds: 312 samples of 48 kHz, libopus's look-ahead. ffmpeg's Matroska
// demuxer takes it off every timestamp and its muxer does not put it on, so sound is early by as much for each time that
// it passes through: once in the output, and once as a piece where it was copied. (Seen with ffmpeg 5.1; TestSoundStaysWithThePicture would
// tell where it is otherwise.)
const opusDelay = 6_500

// remux has ffmpeg write a container that is not ours from the stitched picture and the sounds.
func (m *merge) remux(ctx context.Context, store blob.Store, key string, frames int) (blob.Info, error) {
	var none blob.Info
	r := ffmpeg.Remux{Muxer: "matroska", Path: filepath.Join(m.dir, "output")}
	if m.out.Container == film.WebM {
		r.Muxer = "webm"
	}
	stitched := ffmpeg.Input{Demuxer: "mov"}
	var encoded []heard
	for _, a := range m.audio {
		if len(a.parts) > 0 {
			encoded = append(encoded, a)
		}
	}
	if m.pictured() || len(encoded) > 0 {
		movie := fmt.Sprintf("%s/%s.%d.mp4", m.job.ID, m.unit.ID, m.unit.Attempt)
		defer m.remove(context.WithoutCancel(ctx), []string{movie})
		if _, err := m.stitch(ctx, m.Scratch, movie, encoded); err != nil {
			return none, err
		}
		var err error
		if stitched.Location, err = m.Scratch.Locate(ctx, movie); err != nil {
			return none, err
		}
	}
	track := 0 // of what was stitched
	if m.pictured() {
		r.Inputs = append(r.Inputs, ffmpeg.RemuxInput{Input: stitched, Streams: []ffmpeg.RemuxStream{{Default: true}}})
		track++
	}
	for _, a := range m.audio {
		sound := m.job.AudioRenditions[a.sound]
		source := m.job.Source.Audio[sound.Track]
		stream := ffmpeg.RemuxStream{Language: source.Language, Title: source.Title, Default: m.enabled(a.sound), Flags: source.Flags}
		stream.From = from(m.job.Source, source, sound.Codec)
		in := stitched
		if len(a.parts) > 0 { // an input of its own, or the streams would come in another order
			stream.Index = track
			track++
		} else {
			in = ffmpeg.Input{Demuxer: "matroska", TimestampOffset: ffmpeg.Offset, Origin: int64(m.job.Source.Origin.In(media.Microseconds))}
			var err error
			if in.Location, err = m.Scratch.Locate(ctx, a.Key); err != nil {
				return none, err
			}
			if source.Codec == "opus" {
				in.Origin -= opusDelay
			}
		}
		if sound.Codec == film.Opus || (sound.Codec == film.AudioCopy && source.Codec == "opus") {
			in.Origin -= opusDelay
		}
		r.Inputs = append(r.Inputs, ffmpeg.RemuxInput{Input: in, Streams: []ffmpeg.RemuxStream{stream}})
	}
	if err := m.remuxBeside(ctx, &r); err != nil {
		return none, err
	}
	var written int64
	_, err := ffmpeg.Run(ctx, m.Tools.FFmpeg, ffmpeg.RemuxArgs(r), ffmpeg.RunOptions{
		Dir: m.dir, Limits: bounded(ctx, ffmpeg.Limits{Memory: copyMemory}), OnProgress: func(p ffmpeg.Progress) { written = p.Frame },
	})
	if err != nil {
		return none, err
	}
	if m.pictured() && written != int64(frames) {
		return none, fault.New(fault.Corrupt, "%d frames were encoded, the %s holds %d", frames, m.out.Container, written)
	}
	f, err := os.Open(r.Path)
	if err != nil {
		return none, err
	}
	defer f.Close()
	return store.Put(ctx, key, f)
}
