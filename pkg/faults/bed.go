package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/statemachine"
)

// Options are what a Bed needs.
type Options struct {
	Dir   string       // folder for everything; the caller removes it
	Tools ffmpeg.Tools // of ffmpeg.Find
	Real  bool         // run the real ffmpeg each time, instead of replaying what it did the first time
}

// Bed is what all seeds share: sources, the loaded definition, and what each kind of job comes to undisturbed. It may be
// used by several goroutines at once.
type Bed struct {
	dir      string
	tools    ffmpeg.Tools
	machine  *asl.Machine
	variants []variant
}

// variant is a kind of job.
type variant struct {
	name    string
	request film.Request
	file    string // of the output
	want    []byte // that file, undisturbed
}

const batchARN = "arn:local:states:::batch:submitJob.sync"

func arn(task string) string { return "arn:local:lambda:::function:" + task }

// NewBed makes the sources and the undisturbed results.
func NewBed(ctx context.Context, o Options) (*Bed, error) {
	folder, err := filepath.EvalSymlinks(o.Dir)
	if err != nil {
		return nil, err
	}
	b := &Bed{dir: folder, tools: o.Tools}
	if !o.Real {
		if b.tools, err = replaying(folder, o.Tools); err != nil {
			return nil, err
		}
	}
	if b.machine, err = machine(); err != nil {
		return nil, err
	}
	indexed, split := filepath.Join(folder, "in.mp4"), filepath.Join(folder, "in.ts")
	for _, args := range [][]string{
		{
			"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=12:duration=5", "-f", "lavfi", "-i", "sine=frequency=400:sample_rate=48000:duration=5",
			"-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac", indexed,
		},
		{"-i", indexed, "-c", "copy", split},
	} {
		if _, err := ffmpeg.Run(ctx, o.Tools.FFmpeg, append([]string{"-v", "error", "-nostdin", "-y"}, args...), ffmpeg.RunOptions{}); err != nil {
			return nil, err
		}
	}
	for _, kind := range []struct {
		source    string
		container film.Container
		mode      film.ComputeMode
		audio     film.AudioCodec
	}{
		{indexed, film.MP4, film.Lambda, film.AudioAuto},
		{indexed, film.MP4, film.LambdaBatch, film.AAC},
		{indexed, film.MP4, film.Batch, film.AudioAuto},
		{indexed, film.Matroska, film.LambdaBatch, film.AudioAuto},
		{split, film.MP4, film.LambdaBatch, film.AudioAuto},
		{split, film.Matroska, film.Lambda, film.AudioAuto},
	} {
		v := variant{
			name: fmt.Sprintf("%s to %s, %s", filepath.Ext(kind.source), kind.container, kind.mode), file: "out." + string(kind.container),
			request: film.Request{
				Source: kind.source, Destination: folder, Segment: film.Segmenting{Seconds: film.Seconds(time.Second)},
				Outputs: []film.Output{{
					Name: "out", Container: kind.container, Video: []film.Video{{Preset: "ultrafast"}}, Audio: &film.Audio{Codec: kind.audio},
				}},
				Compute: film.Compute{Mode: kind.mode, Concurrency: 3},
			},
		}
		if v.want, err = b.undisturbed(ctx, v); err != nil {
			return nil, fmt.Errorf("%s, undisturbed: %w", v.name, err)
		}
		b.variants = append(b.variants, v)
	}
	return b, nil
}

// undisturbed is what a job comes to when nothing befalls it.
func (b *Bed) undisturbed(ctx context.Context, v variant) ([]byte, error) {
	folder, err := os.MkdirTemp(b.dir, "undisturbed-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	t, err := b.trial(ctx, folder, &plan{}, v)
	if err != nil {
		return nil, err
	}
	r := &round{trial: t, number: 1, calm: true, deliveries: map[string]int{}}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	if t.running.Wait(); len(t.broken) > 0 {
		return nil, errors.New(t.broken[0])
	}
	return os.ReadFile(filepath.Join(t.out(), v.file))
}

// machine is the definition with a task of ours in each placeholder.
func machine() (*asl.Machine, error) {
	values := map[string]string{
		"Partition": "local", "BatchQueue": "local", "BatchJobDefinition": "local", "GpuQueue": "local", "GpuJobDefinition": "local",
	}
	for _, name := range statemachine.Tasks() {
		values[statemachine.Placeholder(name)] = arn(name)
	}
	definition, err := statemachine.Substitute(values)
	if err != nil {
		return nil, err
	}
	return asl.Load(definition)
}
