package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/work"
)

// SetSound gives a scene the sound of a file, of which the first audio track is taken, in a film with so many frames a second. A sound that
// does not fit is an error of kind fault.Invalid.
func (s *Scene) SetSound(file film.Source, digest string, rate media.Rational) error {
	n := len(s.Numbers)
	switch {
	case len(file.Audio) == 0:
		return fault.New(fault.Invalid, "%s has no audio track", path.Base(file.URL))
	case n == 0 || !rate.Known():
		return fault.New(fault.Invalid, "the film has no length")
	case !s.Settings.FirstLook && s.Numbers[n-1]-s.Numbers[0]+1 != n:
		return fault.New(fault.Invalid, "the frames do not follow each other, so the sound would not fit them")
	}
	t := file.Audio[0]
	channels := t.Channels
	if _, ok := Layouts()[channels]; !ok {
		channels = 2
	}
	sound := &render.Sound{
		Rate: t.SampleRate, Channels: channels, First: s.Numbers[0], Last: s.Numbers[n-1], Samples: int64(n) * int64(t.SampleRate) * rate.Den / rate.Num,
	}
	switch {
	case sound.Rate <= 0:
		return fault.New(fault.Invalid, "%s does not say how many samples a second it has", path.Base(file.URL))
	case sound.Samples*int64(channels)*render.SoundBytes > render.MaxSound:
		return fault.New(fault.Invalid, "the sound is too long for one WAV file; render the frames in several jobs")
	}
	s.Sound = sound
	s.SoundFile = &render.SoundFile{
		Size: file.Size, Digest: digest, Demuxer: file.Demuxer, Stream: t.Stream, Layout: Layouts()[channels], Duration: int64(file.Duration),
	}
	s.Version = versionOf(s.Job)
	return nil
}

// Layouts returns ffmpeg's names of the layouts that a sound may have, by their numbers of channels: those that Blender mixes to.
func Layouts() map[int]string {
	return map[int]string{1: "mono", 2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}
}

// decode returns the sound of a file in the way of Mix: with 24 bits, and as long as the frames.
func (k Sound) decode(ctx context.Context, env *work.Env, j render.Job) (io.ReadCloser, error) {
	url, file := j.Settings.Sound, *j.SoundFile
	store, key, err := env.Resolve(ctx, url)
	if err != nil {
		return nil, err
	}
	from, to := filepath.Join(env.Dir, "sound-file"), filepath.Join(env.Dir, "sound.wav")
	if err := fetchSound(ctx, store, key, from, file); err != nil {
		return nil, err
	}
	in := ffmpeg.Input{Location: from, Demuxer: file.Demuxer}
	src := film.Source{URL: url, Size: file.Size, Duration: media.Ticks(file.Duration), Demuxer: file.Demuxer}
	declared, worker := input.Budget(env, src)
	limits := worker.Limit(ctx, budget.DecodedAudio(declared, j.Sound.Channels))
	limits.Written = j.Sound.Samples*int64(j.Sound.Channels)*render.SoundBytes + maxSoundHeader
	if _, err := ffmpeg.Run(ctx, k.Tools.FFmpeg, soundArgs(in, j, to), ffmpeg.RunOptions{Dir: env.Dir, Limits: limits}); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "decode the sound "+path.Base(url))
	}
	f, err := os.Open(to)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "sound that was decoded")
	}
	wav, err := blender.CutWAV(f, *j.Sound)
	if err != nil {
		return nil, fault.Wrap(fault.Unsupported, errors.Join(err, f.Close()), "sound of "+path.Base(url))
	}
	return struct {
		io.Reader
		io.Closer
	}{wav, f}, nil
}

// maxSoundHeader is more than ffmpeg writes to a WAV file besides samples.
const maxSoundHeader = 1 << 20

// soundArgs returns the arguments with which ffmpeg decodes a sound, resamples nothing, and cuts it or adds silence at the end.
func soundArgs(in ffmpeg.Input, j render.Job, to string) []string {
	filter := fmt.Sprintf("aformat=sample_rates=%d:channel_layouts=%s,apad=whole_len=%d,atrim=end_sample=%d",
		j.Sound.Rate, j.SoundFile.Layout, j.Sound.Samples, j.Sound.Samples)
	return slices.Concat(
		[]string{"-hide_banner", "-nostdin", "-v", "error"}, in.Options(),
		[]string{"-i", in.URL(), "-map", "0:" + strconv.Itoa(j.SoundFile.Stream), "-map_metadata", "-1", "-af", filter},
		[]string{"-c:a", render.SoundCodec, "-flags", "+bitexact", "-fflags", "+bitexact", "-f", "wav", "file:" + to},
	)
}

// fetchSound copies the file of a sound, which must be the one that was examined.
func fetchSound(ctx context.Context, store blob.Store, key, to string, want render.SoundFile) error {
	r, err := store.Open(ctx, key, 0, -1)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "read the sound")
	}
	defer r.Close() //nolint:errcheck // it was only read
	f, err := os.Create(to)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "copy the sound")
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, want.Size+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("copy the sound: %w", err)
	}
	if size != want.Size || hex.EncodeToString(sum.Sum(nil)) != want.Digest {
		return fault.WithHint(fault.New(fault.Invalid, "the sound has changed since the job began"), "run the same command again: it begins a new job")
	}
	return nil
}
