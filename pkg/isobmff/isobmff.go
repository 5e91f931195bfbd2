// Package isobmff reads and writes fragmented MP4: the chunks that workers encode and the segments
// of a package for players. It computes where each sample lies and when it is shown; the caller
// copies the media bytes.
//
// A Chunk is one track's samples for one part of the timeline. It is stored as a CMAF file of one
// fragment: ftyp, moov, moof, mdat. A worker's ffmpeg writes any fragmented MP4; ReadFragments
// reads that, Normalise derives decode times from the presentation times, and Write stores it. The
// stored chunk's header is enough to read it again with ReadChunk.
//
// A Segment is a media segment of a package for players (HLS, DASH): a run of a chunk's samples,
// cut at sync samples, without a moov. Track.Init returns the initialisation segment that precedes
// it, Track.Codecs the codec's name in playlists:
//
//	runs, err := chunk.Cut(starts, end)
//	for _, run := range runs {
//		segment, err := isobmff.NewSegment([]isobmff.SampleRun{run}, 0)
//		err = segment.Write(file, payload) // payload holds the chunk's samples, which are read once from front to back
//	}
//
// The packages below this one build on it or handle other forms of the format: progressive writes
// and checks progressive files made of chunks, movieindex reads the index of MP4 and MOV files,
// timedtext makes chunks of subtitles.
//
// Times are ticks of the track's timescale. Errors carry fault.Corrupt if bytes contradict
// themselves and fault.Unsupported if they are valid but beyond this package's limits. Errors of
// the reader keep their kind.
package isobmff
