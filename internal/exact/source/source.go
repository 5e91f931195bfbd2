// Package source makes awkward videos. Each is a few seconds long and has a property that may make
// a transcoder that cuts and joins lose a frame, repeat one, or shift the audio.
//
//	path, err := source.Named("MP4").Make(ctx, dir)
//
// In the video each frame differs from the next. The audio is beeps of a twentieth of a second at
// 0.25 s, 1.25 s, and so on, so that a comparison can locate each of them.
package source

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/render"
)

// Source is one video of the matrix.
type Source struct {
	Name    string
	File    string          // file name, which may be unusual on purpose
	Segment time.Duration   // target length of a segment; 0 = 2 s
	Codec   film.VideoCodec // codec of the output; "" = H.264
	Video   film.Video      // settings of the output's video beside codec, crf and preset
	Filter  string          // of ffmpeg, which does to the source's picture what Video says
	Options string          // of ffmpeg's encoder, likewise
	Crop    film.Region     // what Filter keeps of the source's frame; zero = all
	Picture film.Region     // the part of the output's frame that is not padding; zero = all
	Part    film.Part       // what is encoded of it; zero = all
	Tracks  Tracks          // which of its tracks are encoded, and how; zero = all
	Beside  []subtitle.File // further subtitle tracks
	Join    []string        // paths of the clips that mapreel joins, where File is what the film has to be like; nil = it gets File
	// Scene is the path of the Blender scene that mapreel renders as Render says, where File is what the film has to be like; "" = it gets File.
	Scene  string
	Render render.Settings
	// Sequence says how an image sequence is read, of which File is the pattern. Other programs read one at 25 frames a second.
	Sequence film.Sequence
	From     From           // how mapreel gets it; "" = as a file
	Output   film.Container // of the output, whichever the others have; "" = as they

	Quick      bool // part of the short form: cheap and likely to fail
	Interlaced bool // should be deinterlaced
	ToneMapped bool // HDR to SDR: the colours of the output differ on purpose
	Previews   bool // previews are made of it, too
	make       func(*builder) error
}

// Named returns the source of that name. It panics if there is none: a test that asks for it is
// wrong.
func Named(name string) Source {
	for _, s := range All() {
		if s.Name == name {
			return s
		}
	}
	panic("no source is named " + name)
}

// Make writes the source into a folder of its own below dir, and returns its path.
func (s Source) Make(ctx context.Context, dir string) (string, error) {
	dir, err := os.MkdirTemp(dir, "source-")
	if err != nil {
		return "", err
	}
	b := &builder{ctx: ctx, dir: dir, out: s.File}
	if err := s.make(b); err != nil {
		return "", fmt.Errorf("making %q: %w", s.Name, err)
	}
	for _, name := range b.created {
		if name != s.File {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return "", err
			}
		}
	}
	return filepath.Join(dir, s.File), nil
}

// folder stands for the folder of a source in its settings.
const folder = "FOLDER"

// At returns the source with the placeholder folder in its settings replaced by the folder of path, which is where the source was made.
func (s Source) At(path string) Source {
	in := func(text string) string { return strings.ReplaceAll(text, folder, filepath.Dir(path)) }
	s.Filter = in(s.Filter)
	s.Beside, s.Join = slices.Clone(s.Beside), slices.Clone(s.Join)
	s.Scene, s.Render.Sound = in(s.Scene), in(s.Render.Sound)
	for i := range s.Join {
		s.Join[i] = in(s.Join[i])
	}
	for i := range s.Beside {
		s.Beside[i].File = in(s.Beside[i].File)
	}
	if s.Video.Burn != nil {
		s.Video.Burn = &subtitle.Burn{Track: s.Video.Burn.Track, File: in(s.Video.Burn.File)}
	}
	if s.Video.Overlay != nil {
		o := *s.Video.Overlay
		o.Image = in(o.Image)
		s.Video.Overlay = &o
	}
	return s
}

// builder makes one source: it has a folder and knows what is in it.
type builder struct {
	ctx     context.Context //nolint:containedctx // it lives within one call of Make
	dir     string
	out     string
	created []string
}

// ffmpeg runs ffmpeg in the folder. The last argument of the last list is the output file.
func (b *builder) ffmpeg(lists ...[]string) error {
	args := append([]string{"-v", "error", "-nostdin", "-y"}, slices.Concat(lists...)...)
	b.created = append(b.created, args[len(args)-1])
	args[len(args)-1] = "file:" + args[len(args)-1]
	return b.run("ffmpeg", nil, args...)
}

// pipe runs ffmpeg with a pipe as output, in which it cannot seek, and stores what comes out of it.
func (b *builder) pipe(name string, lists ...[]string) error {
	f, err := os.Create(filepath.Join(b.dir, name))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	// An io.Writer that is not a file makes exec use a pipe.
	return b.run("ffmpeg", &throughPipe{f}, append(append([]string{"-v", "error", "-nostdin"}, slices.Concat(lists...)...), "pipe:1")...)
}

type throughPipe struct{ f *os.File }

func (t *throughPipe) Write(p []byte) (int, error) { return t.f.Write(p) }

func (b *builder) run(program string, out *throughPipe, args ...string) error {
	cmd := exec.CommandContext(b.ctx, program, args...)
	cmd.Dir = b.dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if out != nil {
		cmd.Stdout = out
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, errs.Bytes())
	}
	return nil
}

// writeText writes a text file.
func (b *builder) writeText(name, text string) error {
	b.created = append(b.created, name)
	return os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600)
}

// edit copies a file and changes its bytes.
func (b *builder) edit(from, to string, change func([]byte) []byte) error {
	data, err := os.ReadFile(filepath.Join(b.dir, from))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, to), change(data), 0o600)
}

// join concatenates files.
func (b *builder) join(to string, from ...string) error {
	var all []byte
	for _, name := range from {
		data, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			return err
		}
		all = append(all, data...)
	}
	return os.WriteFile(filepath.Join(b.dir, to), all, 0o600)
}

// split splits arguments that contain no spaces.
func split(s string) []string { return strings.Fields(s) }

// videoInput is an input with motion. size is like "160x90", rate like "24" or "30000/1001".
func videoInput(size, rate, seconds string) []string {
	return []string{"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=" + rate + ":duration=" + seconds}
}

// usualVideo is 6 s of 160x90 at 24 frames a second.
func usualVideo() []string { return videoInput("160x90", "24", "6") }

// beepExpression is a channel of beeps of a frequency, for the filter aevalsrc.
func beepExpression(hz int) string {
	return fmt.Sprintf("0.5*sin(2*PI*%d*t)*lt(mod(t+0.75,1),0.05)", hz)
}

// audioInput is an audio input. Its channels differ in pitch, so that exchanged channels would be
// audible.
func audioInput(rate, channels int, seconds string) []string {
	var list []string
	for c := range channels {
		list = append(list, beepExpression(1000+100*c))
	}
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='%s':s=%d:d=%s", strings.Join(list, "|"), rate, seconds)}
}

func usualAudio() []string { return audioInput(48000, 2, "6") }

// x264 returns the options of most sources: a fast preset, B-frames, a keyframe every one and a
// half seconds.
func x264(extra string) []string {
	return split("-c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p -g 36 -bf 3 " + extra)
}

func aac() []string { return split("-c:a aac -b:a 128k") }
