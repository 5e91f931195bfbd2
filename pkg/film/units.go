package film

import (
	"fmt"
	"strings"

	"github.com/mapreel/mapreel/pkg/work"
)

// Names of the kinds of units of a film. They sort in the order in which a phase should start its
// units: audio comes before video, so that it is ready when it is interleaved with the chunks.
const (
	AudioKind   = "audio"
	OutputKind  = "output"
	PreviewKind = "preview"
	SidecarKind = "sidecar"
	SliceKind   = "slice"
	SplitKind   = "split"
	VideoKind   = "video"
)

// VideoUnit returns the name of the unit that encodes segment i.
func VideoUnit(i int) string { return fmt.Sprintf("%s/%05d", VideoKind, i) }

// AudioUnit returns the name of the unit that makes audio part i.
func AudioUnit(i int) string { return fmt.Sprintf("%s/%05d", AudioKind, i) }

// LoudnessPhase is the name of the phase that measures audio renditions before they are encoded.
const LoudnessPhase = "loudness"

// LoudnessUnit returns the name of the unit that measures audio rendition i. It is of the same kind as audio parts.
func LoudnessUnit(i int) string { return fmt.Sprintf("%s/loudness-%05d", AudioKind, i) }

// SlicesPhase is the name of the phase that makes the files of previews from the pictures of the segments.
const SlicesPhase = "slices"

// SliceUnit returns the name of the unit that makes slice i of the previews.
func SliceUnit(i int) string { return fmt.Sprintf("%s/%06d", SliceKind, i) }

// PreviewUnit returns the name of the unit that lists the previews of a name.
func PreviewUnit(name string) string { return PreviewKind + "/" + name }

// SidecarUnit is the name of the unit that reads subtitles, the cover and attachments.
const SidecarUnit = SidecarKind + "/00000"

// SplitUnit is the name of the unit that cuts a source without an index.
const SplitUnit = SplitKind + "/source"

// OutputUnit returns the name of the unit that merges and publishes output i of j: the output's name, or its file's where two
// outputs have one name.
func (j Job) OutputUnit(i int) string {
	switch j.Outputs[i].Container {
	case PreviewSet:
		return PreviewUnit(j.Outputs[i].Name)
	case Frames:
		return KeptKind + "/" + j.Outputs[i].Name
	}
	names := map[string]bool{}
	for _, out := range j.Outputs {
		if out.Container == PreviewSet || out.Container == Frames { // of another kind
			continue
		}
		if names[out.Name] {
			return OutputKind + "/" + j.Outputs[i].File
		}
		names[out.Name] = true
	}
	return OutputKind + "/" + j.Outputs[i].Name
}

// SourceChunkPrefix returns the prefix of the keys in scratch of everything that Split writes. All
// attempts write the same bytes there.
func SourceChunkPrefix(job string) string { return work.Prefix(job) + SplitKind + "/" }

// SourceChunkKey returns the key in scratch of source chunk i. Chunks that were cut across jumps of
// the source's clock have keys of their own. A cut that stops at the first jump makes different chunks
// of the same numbers, and a late attempt may still be making them.
func SourceChunkKey(job string, jumps bool, i int) string {
	if jumps {
		return fmt.Sprintf("%sjumps/%05d.mp4", SourceChunkPrefix(job), i)
	}
	return fmt.Sprintf("%s%05d.mp4", SourceChunkPrefix(job), i)
}

// SourceIndexKey returns the key in scratch of the index of the source chunks.
func SourceIndexKey(job string) string { return SourceChunkPrefix(job) + "index.json" }

// URL returns the URL of a path in the request's destination.
func (r Request) URL(path string) string { return strings.TrimSuffix(r.Destination, "/") + "/" + path }
