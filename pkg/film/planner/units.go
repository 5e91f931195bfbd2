package planner

import (
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// slowestPace is the longest expected work per second of video, in seconds: that of a slow preset
// on one small worker.
const slowestPace = 20

// newPlan divides a job into units. The plan of a source that has to be split is open if there are
// no segments yet. r is how the frames of a scene are rendered.
func newPlan(j film.Job, segments []film.Segment, r *rendering) (work.Plan, error) {
	j.Segments = len(segments)
	if j.Segments > 0 {
		plan.FitSheets(&j)
	}
	doc, err := json.Marshal(j)
	if err != nil {
		return work.Plan{}, fault.Wrap(fault.Internal, err, "record of job "+j.ID)
	}
	p := work.Plan{
		ID: j.ID, Planner: Planner{}.Name(), Doc: doc, Source: j.Source.URL, Warnings: j.Warnings,
		Concurrency: j.Request.Compute.Concurrency, Retention: time.Duration(j.Request.Retention.Hours) * time.Hour,
		Open:        j.Split && len(segments) == 0 || r.isOpen(),
		OutputPhase: work.Phase{Name: phaseMerge, Units: outputUnits(j)},
		Groups:      append(groups(j, segments), r.groups(j)...),
	}
	workers := max(1, min(j.Request.Compute.Concurrency, j.Segments))
	p.Duration = time.Duration(j.Source.Duration) * time.Microsecond * slowestPace / time.Duration(workers)
	if r != nil {
		p.Duration += longestRender
		p.Phases = slices.Clone(r.phases)
	}
	for _, out := range j.Outputs {
		p.Outputs = append(p.Outputs, j.Request.URL(out.File))
	}
	if j.Split {
		split := work.Unit{Name: film.SplitUnit, Needs: needs(j, work.ClassSplit)}
		split.Needs.Load = wholeSource(j)
		p.Phases = append(p.Phases, work.Phase{Name: phaseSplit, Intermediate: true, Units: slices.Values([]work.Unit{split})})
	}
	if !p.Open {
		var list []film.Slice
		decoded := segments
		if len(j.Pictures) > 0 {
			list = plan.Slices(j, segments)
		}
		if len(j.Renditions) == 0 && len(segments) > 0 {
			decoded = plan.Needed(j, segments, list)
		}
		p.Groups = append(groups(j, decoded), r.groups(j)...)
		if joined := joinUnits(j); len(joined) > 0 {
			p.Phases = append(p.Phases, work.Phase{Name: film.JoinPhase, Intermediate: true, Units: slices.Values(joined)})
		}
		if measured := loudnessUnits(j); len(measured) > 0 {
			p.Phases = append(p.Phases, work.Phase{Name: film.LoudnessPhase, Intermediate: true, Units: slices.Values(measured)})
		}
		if burnt := burnUnits(j); len(burnt) > 0 {
			p.Phases = append(p.Phases, work.Phase{Name: film.BurnPhase, Intermediate: true, Units: slices.Values(burnt)})
		}
		p.Phases = append(p.Phases, encodePhases(j, decoded)...)
		if len(list) > 0 {
			p.Phases = append(p.Phases, work.Phase{Name: film.SlicesPhase, Units: sliceUnits(j, list)})
		}
	}
	return p, nil
}

// needs returns where a unit of a class may run. Encoding follows the request's mode. All other
// units are small in comparison, and a Batch instance takes minutes to start: they run on Batch
// only if Lambda proves too small.
func needs(j film.Job, class work.Class) work.Needs {
	n := work.Needs{Class: class, Route: j.Request.Compute.Mode}
	switch {
	case class == work.ClassEncode:
		n.GPU = j.Request.Compute.GPU
		n.Memory = input.Video(j).Need()
		for i := range j.Source.Joined {
			n.Memory = max(n.Memory, input.Video(j.Of(i)).Need())
		}
	case n.Route == work.RouteBatch:
		n.Route = work.RouteLambdaBatch
	}
	return n
}

// wholeSource is the load of a unit that reads a source without an index from its beginning to its end.
func wholeSource(j film.Job) work.Load {
	return work.Load{
		Read: j.Source.Size,
		Hint: "remux the source into a container with an index, such as .mp4 or .mkv (ffmpeg -i SOURCE -map 0 -c copy NEW.mkv)",
	}
}

// likely divides the estimate of space, which is an upper bound for films, to get what an output usually has: refusing one that
// would have fitted is worse than one that fails late.
const likely = 3

// outputLoad returns the load of merging an output. ffmpeg writes some containers to the worker's disk; the others are
// joined from chunks by the store, where it can.
func outputLoad(out film.OutputPlan, space work.Space) work.Load {
	bytes := space.Destination / likely
	load := work.Load{Joined: bytes, Hint: "request a lower bit rate (maxBitrate, a higher crf) or a smaller size"}
	if out.Container.Remuxed() {
		load.Disk, load.Read = bytes, 2*bytes
		load.Hint = "request .mp4 or a package, which need no disk, a lower bit rate (maxBitrate, a higher crf), or a smaller size"
	}
	return load
}

// encodePhases returns the phases in which everything is encoded. Where a rendition has a bit rate or its file a size, a first pass over
// the segments comes before, and the unit that shares out the bytes. The size of a file includes its audio, which is then made first.
func encodePhases(j film.Job, segments []film.Segment) []work.Phase {
	if !j.Sized() {
		return []work.Phase{{Name: phaseEncode, Units: chain(audioUnits(j), segmentUnits(j, segments, film.VideoUnit))}}
	}
	first, main := segmentUnits(twice(j), segments, film.PassUnit), segmentUnits(j, segments, film.VideoUnit)
	if j.SizesFile() {
		first = chain(audioUnits(j), first)
	} else {
		main = chain(audioUnits(j), main)
	}
	shares := work.Unit{Name: film.SharesUnit, Needs: needs(j, work.ClassMerge)}
	return []work.Phase{
		{Name: film.PassPhase, Units: first},
		{Name: film.SharesPhase, Units: slices.Values([]work.Unit{shares})},
		{Name: phaseEncode, Units: main},
	}
}

// twice returns the job as the first pass encodes it: each rendition at two values of CRF.
func twice(j film.Job) film.Job {
	j.Renditions = slices.Concat(j.Renditions, j.Renditions)
	j.Source.Joined = slices.Clone(j.Source.Joined)
	for i := range j.Source.Joined {
		one := &j.Source.Joined[i]
		one.Renditions = slices.Concat(one.Renditions, one.Renditions)
	}
	return j
}

// chain yields all units of a, then those of b.
func chain(a, b iter.Seq[work.Unit]) iter.Seq[work.Unit] {
	return func(yield func(work.Unit) bool) {
		for _, seq := range []iter.Seq[work.Unit]{a, b} {
			for u := range seq {
				if !yield(u) {
					return
				}
			}
		}
	}
}

// audioUnits yields the audio parts and the sidecar. They come before segments: audio has to be ready when it is interleaved with chunks.
func audioUnits(j film.Job) iter.Seq[work.Unit] {
	return func(yield func(work.Unit) bool) {
		of := needs(j, work.ClassAudio)
		if j.Split { // the source has no index by which to find a part
			of.Load = wholeSource(j)
		}
		for i := range j.AudioParts() {
			if !yield(work.Unit{Name: film.AudioUnit(i), Needs: of}) {
				return
			}
		}
		if j.HasSidecar() {
			yield(work.Unit{Name: film.SidecarUnit, Needs: needs(j, work.ClassAudio)})
		}
	}
}

// segmentUnits yields a unit for each segment.
func segmentUnits(j film.Job, segments []film.Segment, name func(int) string) iter.Seq[work.Unit] {
	return func(yield func(work.Unit) bool) {
		of := needs(j, work.ClassEncode)
		if j.Segments == 1 && !j.Split {
			of.Load = wholeSource(j)
		}
		for _, seg := range segments {
			spec, _ := json.Marshal(seg) //nolint:errchkjson // integers only
			if !yield(work.Unit{Name: name(seg.Index), Spec: spec, Needs: of}) {
				return
			}
		}
	}
}

// loudnessUnits returns the units that measure what is to have a certain loudness.
func loudnessUnits(j film.Job) (list []work.Unit) {
	of := needs(j, work.ClassAudio)
	if j.Split {
		of.Load = wholeSource(j)
	}
	for i, r := range j.AudioRenditions {
		if r.Loudness != 0 && j.Measured(i) == i {
			list = append(list, work.Unit{Name: film.LoudnessUnit(i), Needs: of})
		}
	}
	return list
}

// joinUnits returns the units that join the audio tracks of several sources.
func joinUnits(j film.Job) (list []work.Unit) {
	for _, i := range j.JoinsAudio() {
		of := needs(j, work.ClassAudio)
		of.Load = wholeSource(j) // packets of sound lie between those of the picture
		list = append(list, work.Unit{Name: film.JoinedAudioUnit(i), Needs: of})
	}
	return list
}

// burnUnits returns the units that read subtitles that are drawn into pictures.
func burnUnits(j film.Job) (list []work.Unit) {
	for i, b := range j.Burns {
		of := needs(j, work.ClassAudio)
		if b.File == "" { // packets of subtitles lie between those of everything else
			of.Load = wholeSource(j)
		}
		list = append(list, work.Unit{Name: film.BurnUnit(i), Needs: of})
	}
	return list
}

// sliceUnits yields the units that make the files of previews.
func sliceUnits(j film.Job, slices []film.Slice) iter.Seq[work.Unit] {
	return func(yield func(work.Unit) bool) {
		for i, s := range slices {
			spec, _ := json.Marshal(s) //nolint:errchkjson // integers only
			if !yield(work.Unit{Name: film.SliceUnit(i), Spec: spec, Needs: needs(j, work.ClassMerge)}) {
				return
			}
		}
	}
}

// outputUnits yields the units of the last phase.
func outputUnits(j film.Job) iter.Seq[work.Unit] {
	return func(yield func(work.Unit) bool) {
		space := estimateSpace(j)
		for i, out := range j.Outputs {
			of := needs(j, work.ClassMerge)
			of.Load = outputLoad(out, space.outputs[i])
			if !yield(work.Unit{Name: j.OutputUnit(i), Needs: of}) {
				return
			}
		}
	}
}

// groups returns the job's units, of which the segments are those that are decoded, in the groups by which progress and space are estimated.
func groups(j film.Job, segments []film.Segment) []work.Group {
	space := estimateSpace(j)
	var list []work.Group
	if len(j.Renditions)+len(j.Pictures) > 0 {
		video := work.Group{
			Name: film.VideoKind, Noun: "segments", Units: len(segments), Total: work.Amount{Media: j.Source.Duration}, Space: space.video,
		}
		if v := j.Source.Video; v != nil {
			video.Total.Count = int64(v.Frames)
			if n := len(segments); 0 < n && n < j.Segments { // the others are not decoded
				video.Total = work.Amount{}
				for _, s := range segments {
					video.Total.Media += media.Rescale(s.End-s.Start, v.Timebase, media.Microseconds)
					video.Total.Count += int64(s.Frames)
				}
			}
		}
		list = append(list, video)
		if j.Sized() {
			list = append(list,
				work.Group{Name: film.PassKind, Noun: "trial encodes", Units: len(segments), Total: video.Total},
				work.Group{Name: film.SharesKind, Noun: "shares", Units: 1})
		}
	}
	if n := len(j.AudioParts()); n > 0 {
		measured := len(loudnessUnits(j)) + len(joinUnits(j))
		total := j.Source.Duration * media.Ticks(len(j.AudioRenditions)+measured)
		list = append(list, work.Group{
			Name: film.AudioKind, Noun: "audio parts", Units: n + measured, Total: work.Amount{Media: total}, Space: space.audio,
		})
	}
	sidecars := len(j.Burns)
	if j.HasSidecar() {
		sidecars++
	}
	if sidecars > 0 {
		list = append(list, work.Group{Name: film.SidecarKind, Noun: "sidecars", Units: sidecars})
	}
	if j.Split {
		list = append(list, work.Group{
			Name: film.SplitKind, Noun: "splits", Units: 1, Total: work.Amount{Media: j.Source.Duration}, Space: space.split,
		})
	}
	if n := countSlices(j); n > 0 {
		list = append(list, work.Group{Name: film.SliceKind, Noun: "slices", Units: n, Space: space.slices, Objects: countObjects(j)})
	}
	for i := range j.Outputs {
		list = append(list, work.Group{Name: j.OutputUnit(i), Noun: "outputs", Units: 1, Space: space.outputs[i]})
	}
	return list
}

// countSlices returns how many slices the job's previews have.
func countSlices(j film.Job) (n int) {
	for _, out := range j.Outputs {
		for _, p := range out.Previews {
			n += plan.CountSlices(j, p)
		}
	}
	return n
}

// countObjects returns how many files the job's previews have, with the thumbnails of packages.
func countObjects(j film.Job) (n int64) {
	for _, out := range j.Outputs {
		for _, p := range out.Previews {
			n += plan.Objects(j, p)
		}
	}
	return n
}
