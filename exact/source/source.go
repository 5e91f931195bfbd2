// Package source makes awkward videos: each a few seconds long, each with something on which a transcoder that cuts and
// joins may lose a frame, repeat one, or shift the sound.
//
//	path, err := source.Named("MP4").Make(ctx, dir)
//
// The picture is one in which each frame differs from the next; the sound is beeps of a twentieth of a second at 0.25 s,
// 1.25 s, and on, so that a comparison sees where each of them went.
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
)

// Source is one video of the matrix.
type Source struct {
	Name    string
	File    string          // its name; a film may be called anything
	Segment time.Duration   // how long a segment should be; 0 is 2 s
	Codec   film.VideoCodec // what to encode it to; "" is H.264

	Quick      bool // cheap and telling: part of the short form
	Interlaced bool // its fields are to be made into frames
	ToneMapped bool // the output has other colours on purpose
	make       func(*kitchen) error
}

// Named is the source of that name. It panics where there is none: a test that asks for it is wrong.
func Named(name string) Source {
	for _, s := range All() {
		if s.Name == name {
			return s
		}
	}
	panic("no source is called " + name)
}

// Make writes the source into a folder of its own below dir, and returns its path.
func (s Source) Make(ctx context.Context, dir string) (string, error) {
	dir, err := os.MkdirTemp(dir, "source-")
	if err != nil {
		return "", err
	}
	k := &kitchen{ctx: ctx, dir: dir, out: s.File}
	if err := s.make(k); err != nil {
		return "", fmt.Errorf("making %q: %w", s.Name, err)
	}
	for _, name := range k.made {
		if name != s.File {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return "", err
			}
		}
	}
	return filepath.Join(dir, s.File), nil
}

// kitchen is where one source is made: a folder, and what lies in it.
type kitchen struct {
	ctx  context.Context //nolint:containedctx // it lives within one call of Make
	dir  string
	out  string
	made []string
}

// ffmpeg runs ffmpeg in the folder. The last argument of the last list is the file that it makes.
func (k *kitchen) ffmpeg(lists ...[]string) error {
	args := append([]string{"-v", "error", "-nostdin", "-y"}, slices.Concat(lists...)...)
	k.made = append(k.made, args[len(args)-1])
	args[len(args)-1] = "file:" + args[len(args)-1]
	return k.run("ffmpeg", nil, args...)
}

// pipe runs ffmpeg with a pipe as output, which it cannot go back in, and keeps what comes out of it.
func (k *kitchen) pipe(name string, lists ...[]string) error {
	f, err := os.Create(filepath.Join(k.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	// An io.Writer that is no file makes exec use a pipe.
	return k.run("ffmpeg", &throughPipe{f}, append(append([]string{"-v", "error", "-nostdin"}, slices.Concat(lists...)...), "pipe:1")...)
}

type throughPipe struct{ f *os.File }

func (t *throughPipe) Write(p []byte) (int, error) { return t.f.Write(p) }

func (k *kitchen) run(program string, out *throughPipe, args ...string) error {
	cmd := exec.CommandContext(k.ctx, program, args...)
	cmd.Dir = k.dir
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

// text writes a file of text.
func (k *kitchen) text(name, text string) error {
	k.made = append(k.made, name)
	return os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600)
}

// edit changes a file's bytes.
func (k *kitchen) edit(from, to string, change func([]byte) []byte) error {
	data, err := os.ReadFile(filepath.Join(k.dir, from))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(k.dir, to), change(data), 0o600)
}

// join writes one file after another.
func (k *kitchen) join(to string, from ...string) error {
	var all []byte
	for _, name := range from {
		data, err := os.ReadFile(filepath.Join(k.dir, name))
		if err != nil {
			return err
		}
		all = append(all, data...)
	}
	return os.WriteFile(filepath.Join(k.dir, to), all, 0o600)
}

// words splits arguments that hold no spaces.
func words(s string) []string { return strings.Fields(s) }

// picture is an input of something that moves. size is "160x90", rate "24" or "30000/1001".
func picture(size, rate, seconds string) []string {
	return []string{"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=" + rate + ":duration=" + seconds}
}

// filmArgs is the usual picture: 6 s of 160x90 at 24 frames a second.
func filmArgs() []string { return picture("160x90", "24", "6") }

// beep is a channel of beeps of a frequency.
func beep(hz int) string { return fmt.Sprintf("0.5*sin(2*PI*%d*t)*lt(mod(t+0.75,1),0.05)", hz) }

// beeps is an input of sound. Channels differ in pitch, so that a mix-up would be heard.
func beeps(rate, channels int, seconds string) []string {
	var list []string
	for c := range channels {
		list = append(list, beep(1000+100*c))
	}
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='%s':s=%d:d=%s", strings.Join(list, "|"), rate, seconds)}
}

func stereo() []string { return beeps(48000, 2, "6") }

// x264 is how most sources are encoded: quickly, with B-frames, a keyframe every one and a half seconds.
func x264(extra string) []string {
	return words("-c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p -g 36 -bf 3 " + extra)
}

func aac() []string { return words("-c:a aac -b:a 128k") }
