package job

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/work"
)

// Sound mixes the sound of a scene's sequencer down, or decodes the file that the request names instead. Tools is for the latter.
type Sound struct {
	Blender blender.Program
	Tools   ffmpeg.Tools
}

var _ work.Kind = Sound{}

// Name implements work.Kind.
func (Sound) Name() string { return render.SoundKind }

// Run implements work.Kind. Every attempt writes the same bytes.
func (k Sound) Run(ctx context.Context, env *work.Env, u work.Unit) (r work.Result, err error) {
	var doc struct {
		Render *render.Job `json:"render"`
	}
	if err := env.Decode(&doc); err != nil {
		return r, err
	}
	if doc.Render == nil || doc.Render.Sound == nil {
		return r, fault.New(fault.Corrupt, "%s is of no scene with sound", u.Name)
	}
	j := *doc.Render
	produce := k.mix
	if j.SoundFile != nil {
		produce = k.decode
	}
	f, err := produce(ctx, env, j)
	if err != nil {
		return r, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	key := render.SoundKey(env.Job)
	info, err := env.Scratch.Put(ctx, key, f)
	if err != nil {
		return r, err
	}
	r.Artifacts = []work.Artifact{{Prefix: key, Size: info.Size}}
	r.Done.Bytes = info.Size
	return r, nil
}

// mix has Blender mix the sound of the sequencer.
func (k Sound) mix(ctx context.Context, env *work.Env, j render.Job) (io.ReadCloser, error) {
	at, err := blender.Stage(ctx, blender.Resolver(env.Resolve), j.Scene, j.Settings.Files, env.Dir)
	if err != nil {
		return nil, err
	}
	scene, err := watch(at, j)
	if err != nil {
		return nil, err
	}
	f, err := k.Blender.Sharing(env.Session).Mix(ctx, at, blender.Sound{
		Sound: *j.Sound, Settings: j.Settings, Threads: j.Threads, Memory: env.Memory, Files: scene.files(),
	}, env.Dir)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "mix the sound of the scene")
	}
	if err := scene.check(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// soundOf returns the sound of a scene's sequencer that belongs to its frames, or why there is none.
func soundOf(about blender.About, s render.Settings, numbers []int) (*render.Sound, error) {
	rate := rateOf(about)
	n := len(numbers)
	switch {
	case !about.Sounds || n == 0:
		return nil, nil //nolint:nilnil // a scene without sound is no error
	case s.FirstLook || numbers[n-1]-numbers[0]+1 != n:
		return nil, errors.New("the frames do not follow each other")
	case numbers[0] < 0:
		return nil, errors.New("nothing is mixed before frame 0")
	case !rate.Known() || about.SoundRate <= 0 || !slices.Contains([]int{1, 2, 4, 6, 8}, about.SoundChannels):
		return nil, errors.New("this Blender does not say which channels it has")
	}
	sound := &render.Sound{
		Rate: about.SoundRate, Channels: about.SoundChannels, First: numbers[0], Last: numbers[n-1],
		Samples: int64(n) * int64(about.SoundRate) * rate.Den / rate.Num,
	}
	if sound.Samples*int64(sound.Channels)*render.SoundBytes > render.MaxSound {
		return nil, errors.New("it is too long for one WAV file; render the frames in several jobs")
	}
	return sound, nil
}
