package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/stage"
)

// Disk is the file system that a folder lies on.
type Disk struct {
	ID   uint64 // the same for folders on the same file system
	Free int64  // bytes that we may still write
}

// room is how many bytes a job may take.
type room struct {
	Scratch     int64
	Destination int64
}

// progress is how much of a job is there already.
type progress struct {
	Segments int             // encoded
	Sounds   int             // pieces of sound
	Outputs  map[string]bool // by name
}

// What an encode may take. These are the upper end of what films take, not the most that noise can: a disk that fills up
// all the same ends the job in OutOfSpace with all that is finished kept, while a job that is refused needlessly helps nobody.
const (
	// bitsPerPixel is what a grainy film takes at a codec's default quality: 13 Mbit/s at 1080p25.
	bitsPerPixel = 0.25
	// growth is how much larger than its source an encode at a codec's default quality may be.
	growth = 2
	// copiedSound is the bit rate of a track that is copied: of Dolby Digital Plus and DTS, the most that films have.
	copiedSound = 1_536_000
	// unknownRate is taken where a source does not tell its frames a second.
	unknownRate = 60
	// around is what the ledger and indexes take, beside the share that margin gives them.
	around = 1 << 20
	margin = 1.05
)

// roomFor estimates how many bytes a job will yet write, at its fullest moment. Pieces stay until the job is done, and
// an output lies beside them; in file systems that share blocks between files it may take less, which nothing tells
// beforehand. For Matroska and WebM ffmpeg reads a stitched file and writes another before the output is put where it
// belongs.
func roomFor(j film.Job, have progress) room {
	left := func(done, all int) float64 {
		if all <= 0 {
			return 1
		}
		return 1 - min(float64(done)/float64(all), 1)
	}
	seconds := float64(j.Source.Duration) / 1e6
	var scratch, destination float64
	if j.Split { // a copy of the picture, cut
		scratch += float64(j.Source.Size) * left(min(j.Segments, 1), 1)
	}
	pictures, sounds := make([]float64, len(j.Renditions)), make([]float64, len(j.AudioRenditions))
	for i, r := range j.Renditions {
		pictures[i] = pictureBytes(j.Source, r, seconds)
	}
	for i, s := range j.AudioRenditions {
		sounds[i] = soundBytes(j.Source, s, seconds)
		scratch += sounds[i] * left(have.Sounds, len(j.AudioParts()))
	}
	piece := make([]bool, len(j.Renditions)) // whether its pieces lie in scratch
	var fullest float64                      // what one merge needs in scratch, beside the pieces
	for _, out := range j.Outputs {
		direct := out.Container.Packaged() && !out.SingleFile
		var total float64
		for _, i := range out.Renditions {
			if direct { // media segments are written where they are served
				destination += pictures[i] * left(have.Segments, j.Segments)
				continue
			}
			piece[i] = true
			total += pictures[i]
		}
		for _, i := range out.Audio {
			total += sounds[i]
			if len(out.Renditions) > 0 && out.Container == film.MP4 { // a piece of picture takes in the sound beside it
				scratch += sounds[i] * left(have.Segments, j.Segments)
			}
		}
		if have.Outputs[out.Name] {
			continue
		}
		destination += total
		if out.Container == film.Matroska || out.Container == film.WebM {
			fullest += 2 * total // outputs are merged side by side
		}
	}
	for i, stored := range piece {
		if stored {
			scratch += pictures[i] * left(have.Segments, j.Segments)
		}
	}
	whole := func(bytes float64) int64 { return int64(min(bytes*margin+around, math.MaxInt64/4)) }
	return room{Scratch: whole(scratch + fullest), Destination: whole(destination)}
}

// pictureBytes is what a rendition may take: the least of what its own bound, its pixels and its source allow.
func pictureBytes(src film.Source, r film.Rendition, seconds float64) float64 {
	finer := math.Pow(2, max(0, float64(r.Codec.DefaultCRF()-r.CRF))/stepsToDouble(r.Codec))
	bytes := float64(src.Size) * growth * finer
	if seconds <= 0 {
		return bytes
	}
	rate := float64(unknownRate)
	switch {
	case r.Rate.Num > 0:
		rate = float64(r.Rate.Num) / float64(r.Rate.Den)
	case src.Video != nil && src.Video.Frames > 0:
		rate = float64(src.Video.Frames) / seconds
	case src.Video != nil && src.Video.FrameRate.Num > 0 && src.Video.FrameRate.Den > 0:
		rate = float64(src.Video.FrameRate.Num) / float64(src.Video.FrameRate.Den)
	}
	bytes = min(bytes, bitsPerPixel*finer/8*float64(r.Width)*float64(r.Height)*rate*seconds)
	if r.MaxBitrate > 0 {
		// Over two seconds it holds to the bound, so that a short film may have its two seconds at once.
		bytes = min(bytes, float64(r.MaxBitrate)/8*(seconds+2))
	}
	return bytes
}

// stepsToDouble is how many steps of CRF about double the bit rate: of x264 and x265 as their authors say, of the scale
// to 63 that libvpx and SVT-AV1 have accordingly more.
func stepsToDouble(c film.VideoCodec) float64 {
	if c == film.H264 || c == film.H265 {
		return 6
	}
	return 8
}

// soundBytes is what a sound may take.
func soundBytes(src film.Source, s film.AudioRendition, seconds float64) float64 {
	size := float64(src.Size)
	if s.Codec == film.AudioCopy {
		track := src.Audio[s.Track]
		rate := float64(copiedSound)
		if lossless(track.Codec) {
			rate = max(rate, float64(track.SampleRate)*float64(track.Channels)*32)
		}
		if seconds > 0 {
			return min(size, rate/8*seconds)
		}
		return size
	}
	if seconds > 0 {
		return float64(s.Bitrate) / 8 * seconds
	}
	return size * growth
}

func lossless(codec string) bool {
	switch codec {
	case "flac", "alac", "truehd", "mlp", "dts":
		return true
	}
	return strings.HasPrefix(codec, "pcm_")
}

// checked is the stage Analyse, after which a job that will find no room is refused, before anything is encoded.
func (r *runner) checked(analyse stage.Handler) stage.Handler {
	return func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		out, err := analyse(ctx, input)
		if err != nil {
			return nil, err
		}
		var brief film.Brief
		if err := json.Unmarshal(out, &brief); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "brief")
		}
		return out, r.checkSpace(ctx, brief.Job)
	}
}

func (r *runner) checkSpace(ctx context.Context, id string) error {
	record, err := r.ledger.Job(ctx, id)
	if err != nil {
		return err
	}
	var j film.Job
	if err := json.Unmarshal(record.Doc, &j); err != nil {
		return fault.Wrap(fault.Corrupt, err, "record of job "+id)
	}
	have := progress{Outputs: map[string]bool{}}
	for u, err := range r.ledger.Units(ctx, id, "") {
		if err != nil {
			return err
		}
		if u.State != ledger.Done {
			continue
		}
		kind, name, _ := strings.Cut(u.ID, "/")
		switch kind {
		case "video":
			have.Segments++
		case "audio":
			have.Sounds++
		case "output":
			have.Outputs[name] = true
		}
	}
	look := r.opts.Disk
	if look == nil {
		look = disk
	}
	destination := nearest(j.Request.Destination)
	scratch, err := look(r.opts.Scratch)
	if err == nil {
		var target Disk
		if target, err = look(destination); err == nil {
			return enough(roomFor(j, have), r.opts.Scratch, scratch, j.Request.Destination, target)
		}
	}
	if r.opts.Log != nil { // then only trying tells
		r.opts.Log.WarnContext(ctx, "free space unknown", "job", id, "error", err)
	}
	return nil
}

// enough says what is missing where the job does not fit.
func enough(need room, scratch string, here Disk, destination string, there Disk) error {
	short := func(where string, bytes, free int64) error {
		if bytes <= free {
			return nil
		}
		return fault.New(fault.OutOfSpace, "not enough room in %s: the job may need %s there, %s are free", where, megabytes(bytes), megabytes(free))
	}
	var err error
	if here.ID == there.ID {
		err = short(scratch+" and "+destination+", which are on one disk", need.Scratch+need.Destination, here.Free)
	} else {
		err = errors.Join(short(scratch, need.Scratch, here.Free), short(destination, need.Destination, there.Free))
	}
	if err == nil {
		return nil
	}
	return &fault.Error{
		Kind: fault.OutOfSpace, Err: err,
		Hint: "make room, choose another folder by --scratch or for the output, or try all the same with --ignore-space",
	}
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

// nearest is the nearest folder of a path that is there.
func nearest(path string) string {
	folder := filepath.Clean(path)
	for {
		_, err := os.Stat(folder)
		if !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder) {
			return folder
		}
		folder = filepath.Dir(folder)
	}
}
