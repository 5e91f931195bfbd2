package job

import (
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // pictures of tools
	_ "image/png"  // pictures of tools
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// pictures describe the part of a film that a piece has stored: a source chunk, like those of a source that was split.
type pictures struct {
	Width  int `json:"width"`
	Height int `json:"height"`
	Frames int `json:"frames"`
}

// Size returns the size of each.
func (p pictures) Size() media.Size { return media.Size{Width: p.Width, Height: p.Height} }

// sourceChunks is a store in which the source chunks of a film are those that tools have made.
type sourceChunks struct {
	blob.Store
	keys map[string]string // of the objects, by those of the chunks
}

func (s *sourceChunks) key(key string) string {
	if own, ok := s.keys[key]; ok {
		return own
	}
	return key
}

// Locate implements blob.Store.
func (s *sourceChunks) Locate(ctx context.Context, key string) (string, error) {
	return s.Store.Locate(ctx, s.key(key))
}

// Open implements blob.Store.
func (s *sourceChunks) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return s.Store.Open(ctx, s.key(key), offset, length)
}

// Bounds of a picture that a tool leaves: the size of an output's video, and maxGrowth times the pixels of a frame of the source (or
// ffmpeg.ChangedPixels, if that is more). A file of a few KB could otherwise take more than 1 GB to decode.
const (
	maxColumns, maxLines = 16384, 8640
	maxGrowth            = 16
)

// sequence is the folder that lists the pictures of a piece by their numbers.
const sequence = "sequence"

// keepPictures stores what the tool made of the piece's frames, for an output that is a film. names are its files.
func (a *attempt) keepPictures(ctx context.Context, output int, names []string, number int) (file, work.Artifact, error) {
	defer os.RemoveAll(filepath.Join(a.Dir, sequence)) //nolint:errcheck // the attempt's folder is removed with what it holds
	g := encode.Gather{Threads: threads, Movie: filepath.Join(a.Dir, "pictures.mov")}
	var err error
	if a.tool.Each.Part == tool.Frames {
		err = a.arrange(names, &g)
	} else {
		err = a.movie(names, &g)
	}
	if err != nil {
		return file{}, work.Artifact{}, err
	}
	track := picturesTrack(*a.doc.Source.Video, media.Size{})
	g.PixelFormat, g.Color = track.PixelFormat, track.Color
	if err := a.ffmpeg(ctx, encode.GatherArgs(g), a.videoLimits(g.Limit)); err != nil {
		return file{}, work.Artifact{}, fmt.Errorf("what %s left cannot be read: %w", a.tool.Name, err)
	}
	artifact, kept, err := a.storeChunk(ctx, g.Movie, number)
	if err != nil {
		return file{}, work.Artifact{}, err
	}
	return file{Name: "pictures.mov", Size: artifact.Size, Outputs: []int{output}, Made: true, Pictures: &kept}, artifact, os.Remove(g.Movie)
}

// arrange checks that there is a picture for each frame of the input, and lists them in the order of the frames.
func (a *attempt) arrange(names []string, g *encode.Gather) error {
	inputs, err := os.ReadDir(a.input)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "input of a tool")
	}
	byStem, err := a.byFrame(names)
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(a.Dir, sequence), 0o700); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "pictures of a tool")
	}
	var first string
	for i, in := range inputs {
		stem := strings.TrimSuffix(in.Name(), path.Ext(in.Name()))
		name, ok := byStem[stem]
		if !ok {
			return fault.WithHint(fault.New(fault.Unsupported, "%s left no picture of frame %s (%d of %d)", a.tool.Name, stem, i+1, len(inputs)),
				"a tool with join: video leaves a picture for each of its input, with the same name")
		}
		delete(byStem, stem)
		if i == 0 {
			first = name
		}
		at := filepath.Join(a.output, filepath.FromSlash(name))
		size, format, err := readHeader(at)
		if err == nil {
			err = a.checkSize(size)
		}
		if err != nil {
			return fault.Wrap(fault.Unsupported, err, fmt.Sprintf("%s left the picture %s, which cannot be read", a.tool.Name, name))
		}
		if i == 0 {
			g.Limit, g.JPEG = size, format == "jpeg"
			g.Path = filepath.Join(strings.ReplaceAll(a.Dir, "%", "%%"), sequence, "%06d."+format)
		}
		if size != g.Limit || (format == "jpeg") != g.JPEG {
			return fault.New(fault.Unsupported, "%s left the picture %s of %dx%d pixels in %s, and %s of %dx%d in another size or format",
				a.tool.Name, name, size.Width, size.Height, format, first, g.Limit.Width, g.Limit.Height)
		}
		if err := decodePicture(at); err != nil {
			return fault.Wrap(fault.Unsupported, err, fmt.Sprintf("%s left the picture %s, which cannot be read", a.tool.Name, name))
		}
		if err := os.Symlink(at, filepath.Join(a.Dir, sequence, fmt.Sprintf("%06d.%s", i, format))); err != nil {
			return fault.Wrap(fault.KindOf(err), err, "pictures of a tool")
		}
	}
	for _, name := range byStem {
		return fault.New(fault.Unsupported, "%s left the picture %s, which is of no frame of its input", a.tool.Name, name)
	}
	return nil
}

// byFrame returns the files of pictures by the names of their frames without extension.
func (a *attempt) byFrame(names []string) (map[string]string, error) {
	list := map[string]string{}
	for _, name := range names {
		stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
		if other := list[stem]; other != "" {
			return nil, fault.New(fault.Unsupported, "%s left both %s and %s for one frame", a.tool.Name, other, name)
		}
		list[stem] = name
	}
	return list, nil
}

// readHeader returns the size and the format of a picture.
func readHeader(name string) (media.Size, string, error) {
	f, err := os.Open(name)
	if err != nil {
		return media.Size{}, "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	config, format, err := image.DecodeConfig(f)
	return media.Size{Width: config.Width, Height: config.Height}, format, err
}

// checkSize checks that a picture is not too large to decode.
func (a *attempt) checkSize(size media.Size) error {
	if size.Width > maxColumns || size.Height > maxLines {
		return fmt.Errorf("it has %dx%d pixels, and %dx%d are the most", size.Width, size.Height, maxColumns, maxLines)
	}
	frame := shownSize(*a.doc.Source.Video)
	if most := max(maxGrowth*frame.Width*frame.Height, ffmpeg.ChangedPixels); size.Width*size.Height > most {
		return fmt.Errorf("it has %dx%d pixels, more than %d times those of a frame of %dx%d", size.Width, size.Height, maxGrowth, frame.Width, frame.Height)
	}
	return nil
}

// decodePicture decodes all of a picture: ffmpeg would show part of a damaged one without an error.
func decodePicture(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	_, _, err = image.Decode(f)
	return err
}

// demuxers are those of the movies that a tool may leave. A movie is read as what its name says, and never as a playlist.
var demuxers = map[string]string{".mp4": "mov", ".mov": "mov", ".m4v": "mov", ".mkv": "matroska", ".webm": "matroska"}

// movie finds the movie that the tool has left.
func (a *attempt) movie(names []string, g *encode.Gather) error {
	if len(names) != 1 {
		return fault.WithHint(fault.New(fault.Unsupported, "%s left %d files for its film", a.tool.Name, len(names)),
			"a tool with each: segment and join: video leaves one movie for each piece; prefix and suffix select it")
	}
	if g.Demuxer = demuxers[extension(names[0])]; g.Demuxer == "" {
		return fault.New(fault.Unsupported, "%s left %s for its film, and can leave .mp4, .mov, .mkv or .webm", a.tool.Name, names[0])
	}
	g.Path = filepath.Join(a.output, filepath.FromSlash(names[0]))
	return nil
}

// storeChunk stores the movie of a piece as a source chunk: each frame gets the time of the frame that the tool got in its place.
func (a *attempt) storeChunk(ctx context.Context, movie string, number int) (artifact work.Artifact, kept pictures, err error) {
	f, err := os.Open(movie)
	if err != nil {
		return artifact, kept, fault.Wrap(fault.KindOf(err), err, "pictures of a tool")
	}
	defer f.Close() //nolint:errcheck // it was only read
	stat, err := f.Stat()
	if err != nil {
		return artifact, kept, fault.Wrap(fault.KindOf(err), err, "pictures of a tool")
	}
	chunk, extents, err := isobmff.ReadFragments(f, stat.Size())
	if err != nil {
		return artifact, kept, fmt.Errorf("pictures of a tool: %w", err)
	}
	if len(chunk.Samples) != len(a.times) {
		return artifact, kept, fault.New(fault.Unsupported, "%s left %d frames of %d", a.tool.Name, len(chunk.Samples), len(a.times))
	}
	if len(chunk.Samples) == 0 || len(chunk.Samples) > plan.MaxSegmentFrames {
		return artifact, kept, fault.New(fault.Unsupported, "a piece has %d frames, and can have 1 to %d", len(chunk.Samples), plan.MaxSegmentFrames)
	}
	v := a.doc.Source.Video
	at := func(t int64) int64 { return (int64(a.piece.Segment.Start) + t) * v.Timebase.Num }
	for i := range chunk.Samples {
		next := int64(a.piece.Segment.End) * v.Timebase.Num
		if i+1 < len(a.times) {
			next = at(a.times[i+1])
		}
		length := max(next-at(a.times[i]), 1)
		if length >= 1<<31 {
			return artifact, kept, errors.New("a frame lasts too long")
		}
		chunk.Samples[i].Duration = uint32(length) //nolint:gosec // checked above
	}
	chunk.Track.Timescale = uint32(v.Timebase.Den) //nolint:gosec // of a source that was examined
	chunk.Start = at(a.times[0]) + ffmpeg.Offset*v.Timebase.Den
	kept = pictures{Width: int(chunk.Track.Width >> 16), Height: int(chunk.Track.Height >> 16), Frames: len(chunk.Samples)}
	key := a.Key(number, "mov")
	info, err := blob.Write(ctx, a.Scratch, key, func(w io.Writer) error { return chunk.Write(w, isobmff.Payload(f, extents)) })
	return work.Artifact{Key: key, Size: info.Size}, kept, err
}

// joinsVideo reports whether an output of the tool is a film.
func joinsVideo(t tool.Tool) bool {
	return slices.ContainsFunc(t.Outputs, func(o tool.Output) bool { return o.Join == tool.JoinVideo })
}
