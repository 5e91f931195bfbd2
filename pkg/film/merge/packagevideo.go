package merge

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/manifest"
)

// videoRendition describes video rendition r, an index into Job.Renditions, from what its workers
// reported. It writes the rendition's initialisation segment, or all of its single file.
func (m *attempt) videoRendition(ctx context.Context, r int) (manifest.Video, error) {
	rendition := m.job.Renditions[r]
	var v manifest.Video
	var track isobmff.Track
	var segments []film.MediaSegment
	var payload []blob.Part // of a single file
	var delay int64
	frames, openEnd := 0, false
	for i, facts := range m.video {
		if len(facts.Chunks) == 0 || facts.Chunks[r].Frames == 0 {
			continue
		}
		chunk := facts.Chunks[r]
		frames += chunk.Frames
		t := chunk.Media
		if t == nil || len(t.Segments) == 0 || len(t.Entry) < 36 {
			return v, fault.New(fault.Corrupt, "%s reports no media segments", film.VideoUnit(i))
		}
		if len(segments) == 0 {
			track = isobmff.Track{Handler: "vide", Timescale: t.Timescale, Entry: t.Entry, Width: t.Width, Height: t.Height, Enabled: true}
			delay = t.Delay
		}
		if !bytes.Equal(t.Entry, track.Entry) || t.Timescale != track.Timescale || t.Delay != delay {
			return v, fault.WithHint(fault.New(fault.Unsupported, "segment %d was encoded with a different decoder configuration than the segments before it", i),
				"a rendition of a package has a single one; run the job again where all workers have the same encoder")
		}
		if n := len(segments); n > 0 && t.Segments[0].Start <= segments[n-1].Start {
			return v, fault.New(fault.Corrupt, "%s starts at %d, not after %d", film.VideoUnit(i), t.Segments[0].Start, segments[n-1].Start)
		}
		if d := t.ShortestFrame; d > 0 && (v.ShortestFrame == 0 || d < v.ShortestFrame) {
			v.ShortestFrame = d
		}
		if openEnd {
			segments[len(segments)-1].End = t.Segments[0].Start
		}
		segments, openEnd = append(segments, t.Segments...), t.OpenEnd
		if m.out.SingleFile {
			payload = append(payload, blob.Part{From: m.Scratch, Key: chunk.Key, Length: chunk.Size})
		}
	}
	if want := m.expectedVideo().Samples; frames != want && !rendition.TrickPlay {
		return v, fault.New(fault.Corrupt, "it has %d frames, the first rendition has %d", frames, want)
	}
	if err := checkContiguous(segments); err != nil {
		return v, err
	}
	name := m.out.Folder + "/" + rendition.Name
	base, err := m.writeRendition(ctx, name, track, delay, segments, payload, func(s film.MediaSegment) string {
		return m.out.Folder + "/" + film.MediaPath(rendition.Name, s.Start)
	})
	if err != nil {
		return v, err
	}
	v.Rendition = base
	v.Name, v.Playlist, v.IFrames = rendition.Name, name+".m3u8", name+"-iframes.m3u8"
	// The coded size lies 24 bytes into a VisualSampleEntry (ISO/IEC 14496-12, 12.1.3), which
	// follows a box header of 8 bytes.
	v.Width, v.Height = int(binary.BigEndian.Uint16(track.Entry[32:])), int(binary.BigEndian.Uint16(track.Entry[34:]))
	v.FrameRate = manifest.Ratio(m.job.Source.Video.FrameRate)
	if rendition.Rate.Num > 0 {
		v.FrameRate = manifest.Ratio(rendition.Rate)
	}
	if rendition.TrickPlay {
		v.FrameRate = manifest.Ratio(rendition.KeyframeRate())
	}
	v.PixelAspect = manifest.Ratio(rendition.SampleAspect)
	v.Range = track.VideoRange()
	v.Colour[0], v.Colour[1], v.Colour[2] = track.Colour()
	for i, s := range segments {
		at := base.Segments[i].Resource
		for _, k := range s.Keyframes {
			v.Keyframes = append(v.Keyframes, manifest.Keyframe{
				Start: k.Start, Resource: manifest.Resource{Path: at.Path, Offset: at.Offset + k.Offset, Size: k.Size, Part: true},
			})
		}
	}
	return v, nil
}

// checkContiguous checks that the samples of each media segment last until the next one starts.
// Otherwise a player shows a hole, or closes it and shows the next frames early.
func checkContiguous(segments []film.MediaSegment) error {
	for i := range segments[:max(len(segments)-1, 0)] {
		if end, next := segments[i].End, segments[i+1].Start; end != next {
			return fault.New(fault.Corrupt, "media segment %d ends at tick %d, and the next one starts at %d", i+1, end, next)
		}
	}
	return nil
}
