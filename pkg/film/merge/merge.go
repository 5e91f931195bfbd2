// Package merge is the kind of work that makes an output of its chunks and publishes it. It
// computes the final MP4 from the chunks' sample tables, and checks it against what the workers
// reported before the first byte is written. The store moves the media bytes.
package merge

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/packaging"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/progressive"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// GCPercent is the GOGC of a process that only merges, such as the Lambda function. With it an
// output of 200 GB takes less than 64 MB, with Go's default of 100 72 MB
// (docs/decisions/027-interleaved-audio.md). It costs a few per cent of Merge's own time.
const GCPercent = 50

// Kind merges outputs.
type Kind struct{ Tools ffmpeg.Tools }

var _ work.Kind = Kind{}

// Name implements work.Kind.
func (Kind) Name() string { return film.OutputKind }

// Run implements work.Kind. Every attempt publishes the same bytes under the same names.
func (k Kind) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	m := &attempt{Env: env, tools: k.Tools}
	if err := env.Decode(&m.job); err != nil {
		return work.Result{}, err
	}
	for i, out := range m.job.Outputs {
		if m.job.OutputUnit(i) != u.Name {
			continue
		}
		m.out = out
		facts, err := m.run(ctx)
		if err != nil {
			return work.Result{}, fmt.Errorf("output %s: %w", out.File, err)
		}
		r := work.Result{
			URL: facts.URL, Artifacts: m.artifacts, Done: work.Amount{Count: int64(facts.Frames), Bytes: facts.Bytes()},
		}
		for i, v := range facts.Video {
			name := out.File
			if r := m.job.Renditions[out.Renditions[i]]; r.Name != "" {
				name += " in " + r.Name
			}
			for _, w := range []string{v.Quality.Warning(name), v.Bitrate.Warning(name)} {
				if w != "" {
					r.Warnings = append(r.Warnings, w)
				}
			}
		}
		return r, r.SetFacts(facts)
	}
	return work.Result{}, fault.New(fault.Internal, "job %s has no output for the unit %q", env.Job, u.Name)
}

// attempt is one attempt at an output.
type attempt struct {
	*work.Env
	tools ffmpeg.Tools
	job   film.Job
	out   film.OutputPlan

	video   []film.SegmentFacts
	audio   []audioTrack // of out.Audio, in their order, without those of which the source holds nothing
	sidecar film.SidecarFacts

	protection *packaging.Protection // of a package

	artifacts []work.Artifact

	losesPriming *bool // what losesDelay has found out; nil: nothing yet
}

func (m *attempt) run(ctx context.Context) (film.OutputFacts, error) {
	facts := film.OutputFacts{URL: m.job.Request.URL(m.out.File), Part: m.job.Source.Taken(), Chosen: m.out.Chosen, Rate: m.job.Source.Rate, SubtitleFiles: m.job.Request.SubtitleFiles, Joined: len(m.job.Source.Joined)}
	if err := m.gather(ctx); err != nil {
		return facts, err
	}
	facts.Tracks = len(m.audio) + len(m.subtitles())
	if m.hasVideo() {
		facts.Tracks++
		facts.Frames = m.expectedVideo().Samples
		facts.Seams = m.seams()
		if facts.Frames == 0 {
			return facts, fault.New(fault.Corrupt, "no frame of the source could be decoded")
		}
		facts.Video = m.describeVideo()
	}
	store, key, err := m.Resolve(ctx, facts.URL)
	if err != nil {
		return facts, err
	}
	var info blob.Info
	switch {
	case m.out.Container.Packaged():
		facts.Folder = m.job.Request.URL(m.out.Folder)
		if m.out.Manifest != "" {
			facts.Manifest = m.job.Request.URL(m.out.Manifest)
		}
		info, facts.Media, err = m.publish(ctx)
		m.artifacts = append(m.artifacts, work.Artifact{Folder: facts.Folder, Size: facts.Media})
	case m.out.Container == film.MP4:
		info, err = m.writeMovie(ctx, store, key, m.audio)
	default:
		info, err = m.remux(ctx, store, key, facts.Frames)
	}
	if err != nil {
		return facts, err
	}
	facts.Size, facts.Version = info.Size, info.Version
	a, err := m.addPublished(ctx, facts.URL, info)
	facts.Digest = a.Digest
	return facts, err
}

// addPublished adds a published file to the artifacts.
func (m *attempt) addPublished(ctx context.Context, url string, info blob.Info) (work.Artifact, error) {
	a := work.Artifact{URL: url, Size: info.Size, Version: info.Version}
	store, key, err := m.Resolve(ctx, url)
	if err != nil {
		return a, err
	}
	if a.Digest, err = blob.Digest(ctx, store, key, info.Size); err != nil {
		return a, err
	}
	m.artifacts = append(m.artifacts, a)
	return a, nil
}

// hasVideo reports whether the output has a video track.
func (m *attempt) hasVideo() bool { return len(m.out.Renditions) > 0 }

// describeVideo returns what the output's renditions are.
func (m *attempt) describeVideo() (list []film.VideoFacts) {
	e := m.expectedVideo()
	for _, n := range m.out.Renditions {
		r := m.job.Renditions[n]
		v := film.VideoFacts{
			Codec: r.Codec, Width: r.Width, Height: r.Height, CRF: r.CRF, MaxBitrate: r.MaxBitrate, Preset: r.Preset,
			Quality: m.job.QualityOf(n, m.video, len(m.out.Renditions)), Bitrate: m.job.BitrateOf(n, m.video),
			Crop: r.Region, Filter: r.Filter, Overlay: r.Overlay, Picture: r.Picture(), FrameRate: r.Rate, Constant: r.Rate.Num > 0,
		}
		if r.Burn > 0 {
			v.Burn = &m.job.Burns[r.Burn-1]
		}
		if base := r.OutputTimebase(*m.job.Source.Video); !v.Constant && e.Samples > 1 && e.Last > e.First {
			v.FrameRate = media.Rational{Num: int64(e.Samples-1) * base.Den, Den: (e.Last - e.First) * base.Num}
		}
		list = append(list, v)
	}
	return list
}

// gather reads what the workers reported, and checks that nothing is missing.
func (m *attempt) gather(ctx context.Context) error {
	if m.hasVideo() {
		for f, err := range m.Results.All(ctx, film.VideoKind+"/") {
			if err != nil {
				return err
			}
			if want := film.VideoUnit(len(m.video)); f.Unit != want {
				return fault.New(fault.Corrupt, "%s is missing in the ledger", want)
			}
			var facts film.SegmentFacts
			if err := json.Unmarshal(f.Result.Facts, &facts); err != nil {
				return fault.Wrap(fault.Corrupt, err, "facts of "+f.Unit)
			}
			m.video = append(m.video, facts)
		}
		if len(m.video) != m.job.Segments || m.job.Segments == 0 {
			return fault.New(fault.Corrupt, "the ledger holds %d segments, the plan has %d", len(m.video), m.job.Segments)
		}
	}
	for _, r := range m.out.Audio {
		track, err := m.joinAudio(ctx, r)
		if err != nil {
			return err
		}
		if track.Key != "" || len(track.parts) > 0 {
			m.audio = append(m.audio, track)
		}
	}
	if !m.hasVideo() && len(m.audio) == 0 {
		return fault.New(fault.Corrupt, "no audio of the source could be decoded")
	}
	if m.job.HasSidecar() {
		return work.Facts(ctx, m.Results, film.SidecarUnit, &m.sidecar)
	}
	return nil
}

// movieTrack describes an audio track to the stitcher.
func (m *attempt) movieTrack(a audioTrack) progressive.Track {
	source := m.soundTrack(a)
	return progressive.Track{
		Track: isobmff.Track{Language: source.Language, Name: source.Title, Enabled: m.enabled(a.rendition)},
		Skip:  int64(a.Skip), Delay: int64(a.Delay), Length: int64(a.Length), Group: audioGroup, Flags: source.Flags,
	}
}

// audioGroup is the alternate group of the audio tracks: a player plays one of them.
const audioGroup = 1

// soundTrack returns the source's track of an audio track, with the title that it has in a file.
func (m *attempt) soundTrack(a audioTrack) film.AudioTrack {
	r := m.job.AudioRenditions[a.rendition]
	source := m.job.Source.Audio[r.Track]
	source.Title = film.Form{Channels: r.Channels, Second: r.Second}.TitleOf(source.Title)
	return source
}

// enabled reports whether a player plays an audio rendition of the output by default: the track that the request names, else the
// source's default tracks, or the first one where none of them is left.
func (m *attempt) enabled(rendition int) bool {
	marked := func(rendition int) bool {
		i := m.job.AudioRenditions[rendition].Track
		if m.job.AudioRenditions[rendition].Second && !m.out.Container.Packaged() { // in a package, groups have the same defaults
			return false
		}
		return m.out.Chosen.AudioDefault(i, m.job.Source.Audio[i].Default)
	}
	if slices.ContainsFunc(m.audio, func(a audioTrack) bool { return marked(a.rendition) }) {
		return marked(rendition)
	}
	return rendition == m.audio[0].rendition
}

// seams returns where the segments of the video meet, after its first frame.
func (m *attempt) seams() (list []film.Seconds) {
	rendition := m.out.Renditions[0]
	scale, first, begun := m.job.Renditions[rendition].OutputTimebase(*m.job.Source.Video), media.Ticks(0), false
	for _, v := range m.video {
		if len(v.Chunks) == 0 || v.Chunks[rendition].Frames == 0 {
			continue
		}
		at := v.Chunks[rendition].First
		switch {
		case !begun:
			first, begun = at, true
		case len(list) < film.MaxSeams:
			list = append(list, film.Seconds(scale.Duration(at-first).Round(time.Microsecond)))
		}
	}
	return list
}

// expectedVideo returns what the video track must hold by the workers' reports, in ticks of its
// rendition's timebase.
func (m *attempt) expectedVideo() progressive.Expected {
	e := progressive.Expected{Handler: "vide"}
	for _, v := range m.video {
		if len(v.Chunks) == 0 || v.Chunks[m.out.Renditions[0]].Frames == 0 {
			continue
		}
		chunk := v.Chunks[m.out.Renditions[0]]
		if e.Samples == 0 {
			e.First = int64(chunk.First)
		}
		e.Samples += chunk.Frames
		e.Last = int64(chunk.Last)
	}
	return e
}
