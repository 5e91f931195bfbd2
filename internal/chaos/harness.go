package chaos

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/statemachine"
)

// Options configures a Harness.
type Options struct {
	Dir   string       // folder for everything; the caller removes it
	Tools ffmpeg.Tools // from ffmpeg.Find
	Real  bool         // run the real ffmpeg each time, instead of replaying its first run
}

// Harness holds what all seeds share: sources, the loaded definition, and the fault-free result of
// each kind of job. It may be used by several goroutines at once.
type Harness struct {
	dir      string
	registry work.Registry
	machine  *asl.Machine
	variants []variant
}

// variant is a kind of job.
type variant struct {
	name    string
	request func(destination string) any // is encoded as JSON
	file    string                       // name of the output
	folder  bool                         // the output lists files in a folder of the job, file without its extensions
	want    []byte                       // what content returns without faults
}

// content returns what a variant has published in a folder: the bytes of its output, and for one with a folder the digests of the files in
// it. The name of the job's folder is left out, because it depends on the destination.
func (v variant) content(destination string) ([]byte, error) {
	output, err := os.ReadFile(filepath.Join(destination, v.file))
	if err != nil || !v.folder {
		return output, err
	}
	above := filepath.Join(destination, strings.TrimSuffix(v.file, ".json"))
	jobs, err := os.ReadDir(above)
	if err != nil || len(jobs) != 1 {
		return nil, fmt.Errorf("%d folders of jobs in %s: %w", len(jobs), above, err)
	}
	output = bytes.ReplaceAll(output, []byte(jobs[0].Name()), []byte("JOB"))
	files, err := os.ReadDir(filepath.Join(above, jobs[0].Name()))
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(above, jobs[0].Name(), f.Name()))
		if err != nil {
			return nil, err
		}
		output = fmt.Appendf(output, "%s %x\n", f.Name(), sha256.Sum256(data))
	}
	return output, err
}

// The resources of the definition's Task states.
const (
	invokeARN = "arn:local:states:::lambda:invoke"
	submitARN = "arn:local:states:::batch:submitJob.sync"
)

// functionARN names the function of a class.
func functionARN(class work.Class) string { return "arn:local:lambda:::function:" + string(class) }

// NewHarness makes the sources and runs each kind of job without faults.
func NewHarness(ctx context.Context, o Options) (*Harness, error) {
	folder, err := filepath.EvalSymlinks(o.Dir)
	if err != nil {
		return nil, err
	}
	tools := o.Tools
	if !o.Real {
		if tools, err = replayTools(folder, o.Tools); err != nil {
			return nil, err
		}
	}
	h := &Harness{dir: folder, registry: toy.Add(kinds.All(tools, kinds.Options{}))}
	if h.machine, err = machine(); err != nil {
		return nil, err
	}
	source := func(name string) string { return filepath.Join(folder, name) }
	indexed, unindexed, sound := source("in.mp4"), source("in.ts"), source("in.wav")
	later, jumping := source("later.ts"), source("jumping.ts")
	for _, args := range [][]string{
		{
			"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=12:duration=5", "-f", "lavfi", "-i", "sine=frequency=400:sample_rate=48000:duration=5",
			"-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac", indexed,
		},
		{"-i", indexed, "-c", "copy", unindexed},
		{"-i", indexed, "-c", "copy", "-output_ts_offset", "200", later},
		{"-f", "lavfi", "-i", "sine=frequency=400:sample_rate=8000:duration=5", sound},
	} {
		if _, err := ffmpeg.Run(ctx, o.Tools.FFmpeg, append([]string{"-v", "error", "-nostdin", "-y"}, args...), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
			return nil, err
		}
	}
	// A source whose clock jumps is split twice: the first time only to find the jump.
	if err := concatenate(jumping, unindexed, later); err != nil {
		return nil, err
	}
	var variants []variant
	for _, v := range []struct {
		source    string
		container film.Container
		mode      film.ComputeMode
		audio     film.AudioCodec
	}{
		{indexed, film.MP4, film.Lambda, film.AudioAuto},
		{indexed, film.MP4, film.LambdaBatch, film.AAC},
		{indexed, film.MP4, film.Batch, film.AudioAuto},
		{indexed, film.Matroska, film.LambdaBatch, film.AudioAuto},
		{unindexed, film.MP4, film.LambdaBatch, film.AudioAuto},
		{unindexed, film.Matroska, film.Lambda, film.AudioAuto},
		{jumping, film.MP4, film.Lambda, film.AudioAuto},
	} {
		request := film.Request{
			Source: v.source, Segment: film.Segmenting{Seconds: film.Seconds(time.Second)},
			Outputs: []film.Output{{
				Name: "out", Container: v.container, Video: []film.Video{{Preset: "ultrafast"}}, Audio: &film.Audio{Codec: v.audio},
			}},
			Compute: film.Compute{Mode: v.mode, Concurrency: 3},
		}
		variants = append(variants, variant{
			name: fmt.Sprintf("%s to %s, %s", filepath.Base(v.source), v.container, v.mode), file: "out." + string(v.container),
			request: func(destination string) any {
				r := request
				r.Destination = destination
				return r
			},
		})
	}
	variants = append(variants, variant{
		name: "checksums of in.wav, " + string(work.RouteLambdaBatch), file: filepath.Base(sound) + ".sha256",
		request: func(destination string) any {
			return map[string]any{
				"source": sound, "destination": destination, "checksums": map[string]any{"seconds": 1},
				"compute": map[string]any{"mode": work.RouteLambdaBatch, "concurrency": 3},
			}
		},
	})
	// None of these is made by ffmpeg of pictures that another segment may have, which cannot be replayed.
	previews := film.Request{Source: indexed, Segment: film.Segmenting{Seconds: film.Seconds(time.Second)}, Compute: film.Compute{Mode: film.LambdaBatch, Concurrency: 3}}
	for _, c := range []film.Container{film.Stills, film.Sprites, film.GIF, film.Poster} {
		out := film.Output{Name: "out", Container: c}
		if c == film.GIF {
			out.Preview = &film.Preview{Every: film.Seconds(2 * time.Second)}
		}
		previews.Outputs = append(previews.Outputs, out)
	}
	variants = append(variants, variant{
		name: "previews of in.mp4, " + string(film.LambdaBatch), file: "out.preview.json", folder: true,
		request: func(destination string) any {
			r := previews
			r.Destination = destination
			return r
		},
	})
	for _, v := range variants {
		if v.want, err = h.baseline(ctx, v); err != nil {
			return nil, fmt.Errorf("%s, without faults: %w", v.name, err)
		}
		h.variants = append(h.variants, v)
	}
	return h, nil
}

// baseline returns the output of a job without faults.
func (h *Harness) baseline(ctx context.Context, v variant) ([]byte, error) {
	folder, err := os.MkdirTemp(h.dir, "baseline-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	t, err := h.newTrial(ctx, folder, &plan{}, v)
	if err != nil {
		return nil, err
	}
	r := &round{trial: t, number: 1, faultFree: true, deliveries: map[string]int{}}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	if t.running.Wait(); len(t.broken) > 0 {
		return nil, errors.New(t.broken[0])
	}
	return v.content(t.out())
}

// concatenate writes the files from, one after the other, to a new file.
func concatenate(to string, from ...string) error {
	var all []byte
	for _, path := range from {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		all = append(all, data...)
	}
	return os.WriteFile(to, all, 0o600)
}

// input returns the input of an execution: the variant's request.
func (v variant) input(destination string) (json.RawMessage, error) {
	return json.Marshal(v.request(destination))
}

// machine loads the definition, with a local resource in each placeholder.
func machine() (*asl.Machine, error) {
	r := statemachine.Resources{
		Partition: "local", Analyse: functionARN(work.ClassAnalyse), Finish: functionARN(work.ClassFinish),
		BatchQueue: "local", GpuQueue: "local", Functions: map[string]string{}, JobDefinitions: map[string]string{},
	}
	for _, class := range work.UnitClasses() {
		r.Functions[string(class)] = functionARN(class)
		for _, gpu := range []bool{false, true} {
			r.JobDefinitions[statemachine.JobDefinitionKey(string(class), gpu)] = string(class)
		}
	}
	definition, err := statemachine.Substitute(r)
	if err != nil {
		return nil, err
	}
	return asl.Load(definition)
}
