package job

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/work"
)

// wave describes a WAV file of 16 bits that ffmpeg has written.
type wave struct {
	rate, channels int
	data, size     int64 // where its samples begin, and their bytes
}

func (w wave) samples() int64 { return w.size / int64(2*max(w.channels, 1)) }

const (
	waveHeader  = 44      // bytes of that which header returns
	waveLongest = 4 << 10 // bytes of that which ffmpeg writes, with room to spare
)

// readWave reads the header of a WAV file. The size that it declares is not used, which is wrong for more than 4 GB.
func readWave(name string) (w wave, err error) {
	f, err := os.Open(name)
	if err != nil {
		return w, fault.Wrap(fault.KindOf(err), err, "sound of a tool")
	}
	defer f.Close() //nolint:errcheck // it was only read
	stat, err := f.Stat()
	if err != nil {
		return w, fault.Wrap(fault.KindOf(err), err, "sound of a tool")
	}
	head := make([]byte, min(stat.Size(), waveLongest))
	if _, err := io.ReadFull(f, head); err != nil {
		return w, fault.Wrap(fault.KindOf(err), err, "sound of a tool")
	}
	const chunkHeader, channelsAt, rateAt = 8, 10, 12
	format, data := bytes.Index(head, []byte("fmt ")), bytes.Index(head, []byte("data"))
	if format < 0 || data < 0 || format+rateAt+4 > len(head) {
		return w, fault.New(fault.Corrupt, "%s is no WAV file", path.Base(name))
	}
	w.channels = int(binary.LittleEndian.Uint16(head[format+channelsAt:]))
	w.rate = int(binary.LittleEndian.Uint32(head[format+rateAt:]))
	w.data = int64(data + chunkHeader)
	w.size = max(stat.Size()-w.data, 0)
	return w, nil
}

// header returns what a WAV file of 16 bits begins with.
func (w wave) header() ([]byte, error) {
	if w.size > math.MaxUint32-waveHeader {
		return nil, fault.WithHint(fault.New(fault.Unsupported, "the joined sound has more than 4 GB"), "give the tool a lower rate or fewer channels")
	}
	le := binary.LittleEndian
	h := le.AppendUint32([]byte("RIFF"), uint32(w.size+waveHeader-8))
	h = le.AppendUint16(le.AppendUint16(le.AppendUint32(append(h, "WAVEfmt "...), 16), 1), uint16(w.channels)) //nolint:gosec // at most 8
	h = le.AppendUint32(le.AppendUint32(h, uint32(w.rate)), uint32(2*w.rate*w.channels))                       //nolint:gosec // at most 192,000
	h = le.AppendUint16(le.AppendUint16(h, uint16(2*w.channels)), 16)                                          //nolint:gosec // at most 8
	return le.AppendUint32(append(h, "data"...), uint32(w.size)), nil
}

// keepSound stores the samples of the file that the tool left for an output that joins sound. They must be as many as it got, at the same
// rate and in as many channels.
func (a *attempt) keepSound(ctx context.Context, output int, names []string, number int) (file, work.Artifact, error) {
	if len(names) != 1 {
		return file{}, work.Artifact{}, fault.WithHint(fault.New(fault.Unsupported, "%s left %d files to join as sound", a.tool.Name, len(names)),
			"a tool with join: audio leaves one file for each piece; prefix and suffix select it")
	}
	name := names[0]
	demuxer := map[string]string{".wav": "wav", ".flac": "flac"}[extension(name)]
	if demuxer == "" {
		return file{}, work.Artifact{}, fault.New(fault.Unsupported, "%s left %s to join as sound, and can leave .wav or .flac", a.tool.Name, name)
	}
	result, given := filepath.Join(a.Dir, "sound.wav"), filepath.Join(a.Dir, "given.wav")
	if err := a.toWave(ctx, filepath.Join(a.input, "sound."+a.tool.As.Format), a.tool.As.Format, given); err != nil {
		return file{}, work.Artifact{}, err
	}
	if err := a.toWave(ctx, filepath.Join(a.output, filepath.FromSlash(name)), demuxer, result); err != nil {
		return file{}, work.Artifact{}, fmt.Errorf("%s left %s, which cannot be read: %w", a.tool.Name, name, err)
	}
	want, err := readWave(given)
	if err != nil {
		return file{}, work.Artifact{}, err
	}
	got, err := readWave(result)
	if err != nil {
		return file{}, work.Artifact{}, err
	}
	switch {
	case got.rate != want.rate:
		err = fault.New(fault.Unsupported, "%s left %s with %d samples a second, and got %d", a.tool.Name, name, got.rate, want.rate)
	case got.channels != want.channels:
		err = fault.New(fault.Unsupported, "%s left %s with %d channels, and got %d", a.tool.Name, name, got.channels, want.channels)
	case got.samples() != want.samples():
		err = fault.New(fault.Unsupported, "%s left %s with %d samples, and got %d", a.tool.Name, name, got.samples(), want.samples())
	}
	if err != nil {
		return file{}, work.Artifact{}, err
	}
	f, err := os.Open(result)
	if err != nil {
		return file{}, work.Artifact{}, fault.Wrap(fault.KindOf(err), err, "sound of a tool")
	}
	defer f.Close() //nolint:errcheck // it was only read
	key := a.Key(number, "pcm")
	info, err := a.Scratch.Put(ctx, key, io.NewSectionReader(f, got.data, got.size))
	return file{Name: "sound.pcm", Size: info.Size, Outputs: []int{output}, Made: true}, work.Artifact{Key: key, Size: info.Size}, err
}

// toWave writes a file of sound as a WAV file.
func (a *attempt) toWave(ctx context.Context, from, demuxer, to string) error {
	x, err := a.soundPart(ctx)
	if err != nil {
		return err
	}
	return a.ffmpeg(ctx, encode.SoundArgs(from, demuxer, to, "wav"), a.soundLimits(x))
}

// joinSound publishes the sound of all pieces as one FLAC file.
func (p *publisher) joinSound(ctx context.Context, tools ffmpeg.Tools) error {
	as := p.tool.As
	w := wave{rate: as.Rate, channels: as.Channels}
	parts := []blob.Part{{}}
	for _, r := range p.units {
		for _, f := range r.files {
			w.size += f.artifact.Size
			parts = append(parts, blob.Part{From: p.Scratch, Key: f.artifact.Key, Length: f.artifact.Size})
		}
	}
	if len(parts) != len(p.units)+1 {
		return fault.New(fault.Corrupt, "%d pieces of %s have sound, of %d", len(parts)-1, p.tool.Name, len(p.units))
	}
	var err error
	if parts[0].Bytes, err = w.header(); err != nil {
		return err
	}
	key := p.Key(0, "wav")
	if _, err := p.Scratch.Compose(ctx, key, parts); err != nil {
		return err
	}
	defer p.Scratch.Delete(context.WithoutCancel(ctx), key) //nolint:errcheck // it goes with the job's scratch
	from, err := p.Scratch.Locate(ctx, key)
	if err != nil {
		return err
	}
	to := filepath.Join(p.Dir, "joined.flac")
	source, worker := input.Budget(p.Env, p.doc.Source)
	limits := budget.Audio{Source: source, Bitrate: int64(w.rate * w.channels * 16), Channels: w.channels, SampleRate: w.rate}.Limits()
	if _, err := ffmpeg.Run(ctx, tools.FFmpeg, encode.SoundArgs(from, "wav", to, "flac"), ffmpeg.RunOptions{Dir: p.Dir, Limits: worker.Limit(ctx, limits)}); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "join the sound of "+p.tool.Name)
	}
	return p.publish(ctx, p.tool.Name+".flac", func(store blob.Store, key string) (blob.Info, error) {
		f, err := os.Open(to)
		if err != nil {
			return blob.Info{}, fault.Wrap(fault.KindOf(err), err, "joined sound")
		}
		defer f.Close() //nolint:errcheck // it was only read
		return store.Put(ctx, key, f)
	})
}
