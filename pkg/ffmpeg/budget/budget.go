// Package budget derives the limits of every call of ffmpeg and ffprobe: from what the source
// declares of itself, and from what the worker has.
//
//	w := budget.Worker{Memory: env.Memory, Dir: env.Dir}
//	limits := w.Limit(ctx, budget.Split(budget.Source{Size: size, Duration: duration}))
//
// A budget is generous: ten times what a slow machine needs for an ordinary source. It is finite, so
// that a small file cannot take a machine. CPU time is counted rather than time on the clock, because
// a busy machine must not fail an ordinary job. What a program writes depends on what the source
// declares, and never on its compressed size alone, because the two are far apart in a hostile file.
package budget

import (
	"context"
	"runtime"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

// Source is what a source declares of itself.
type Source struct {
	Size     int64       // bytes
	Duration media.Ticks // microseconds; 0 where unknown
}

const (
	// slack is what any run may take, however small its source: many times what ffmpeg needs to load
	// and to read headers.
	slack = 10 * time.Second
	// slackBytes is what any run may write: the tables and headers of a file.
	slackBytes = 64 << 20
	// readRate is how many bytes of a source ffmpeg demuxes in a second of CPU time, at least. It takes
	// 200 MB to 2 GB on one slow core.
	readRate = 20 << 20
	// leastRate is the lowest bit rate of a source, in bits a second, from which its length follows
	// where the container declares none: speech codecs have 4,750. Where it declares one, that may be a
	// guess from the first packets or wrong after a cut, but not by as much.
	leastRate         = 4000
	leastDeclaredRate = 32_000
	// packetShare is how much faster than real time ffmpeg copies packets, at least. It copies a day of
	// video at 60 frames a second in less than a minute.
	packetShare = 200
	// copyGrowth is how much larger than its source a copied stream may be. Tables of tiny packets
	// double a stream. Matroska's compression of tracks may save more than that in silence only.
	copyGrowth = 4
	// maxWall bounds each run, as the state machine bounds the job.
	maxWall = 48 * time.Hour
	// wallPerCPU is how much longer than its CPU time a run may take: on a machine under a load of 30,
	// and while it waits for disk and network.
	wallPerCPU = 50
	// spareWall is what each run may wait in addition.
	spareWall = 10 * time.Minute
	// maxFiles is enough for a remux of hundreds of attachments, and for the devices of a GPU.
	maxFiles = 1024
	// maxProcesses is ffmpeg and what a script that wraps it starts.
	maxProcesses = 16
	// CopyMemory is how many bytes of memory an ffmpeg may hold that copies streams or encodes audio:
	// enough for the sample tables of a film of days and packets that wait for other streams. It holds
	// no decoded frames.
	CopyMemory = 4 << 30
)

// size returns the source's size, within what any store holds, so that no multiple of it overflows.
func (s Source) size() int64 { return min(max(s.Size, 0), 1<<50) }

// declared returns the length that the source declares.
func (s Source) declared() time.Duration {
	const most = 365 * 24 * time.Hour
	return time.Duration(min(max(s.Duration, 0), media.Ticks(most/time.Microsecond))) * time.Microsecond
}

// Length returns how long the source may play: twice what it declares, or what its size holds at a
// low bit rate.
func (s Source) Length() time.Duration {
	rate := float64(leastDeclaredRate)
	if s.Duration <= 0 {
		rate = leastRate
	}
	held := min(float64(s.size())*8/rate, maxWall.Seconds()*365)
	return max(2*s.declared(), time.Duration(held*float64(time.Second))) + 10*time.Minute
}

// reading returns the CPU time for demuxing the whole source.
func (s Source) reading() time.Duration {
	return slack + time.Duration(float64(s.size())/readRate*float64(time.Second))
}

// copying returns how many bytes a copy of streams may have.
func (s Source) copying() int64 { return slackBytes + copyGrowth*s.size() }

// limits completes the limits of one run.
func limits(memory, written int64, cpu time.Duration) process.Limits {
	cpu = min(cpu, maxWall)
	return process.Limits{
		Memory: memory, CPU: cpu, Wall: min(spareWall+wallPerCPU*cpu, maxWall), FileSize: max(written, slackBytes), Written: written,
		OpenFiles: maxFiles, Processes: maxProcesses,
	}
}

// Split returns the limits of a copy of the video track into source chunks.
func Split(s Source) process.Limits {
	return limits(CopyMemory, s.copying(), s.reading()+s.Length()/packetShare)
}

// Sidecar returns the limits of one pass that extracts subtitles, cover and attachments. A day of
// subtitles is decoded in seconds.
func Sidecar(s Source) process.Limits {
	return limits(CopyMemory, s.copying(), s.reading()+s.declared()/50)
}

// Audio describes an encode or a copy of an audio track.
type Audio struct {
	Source
	Copied     bool
	Bitrate    int64 // bits a second, of an encode
	Channels   int   // of the track
	SampleRate int   // of the track
	// PCM is for how long the samples themselves are written, too, with 4 bytes each at most.
	PCM time.Duration
}

// channelTime is how much CPU time a second of one channel takes at most. FFmpeg's AAC encoder, the
// slowest, takes 5 to 10 ms on a slow core.
const channelTime = 50 * time.Millisecond

// Limits returns the limits of the encode or copy.
func (a Audio) Limits() process.Limits {
	if a.Copied {
		return limits(CopyMemory, a.copying(), a.reading()+a.Length()/packetShare)
	}
	seconds := a.Length().Seconds()
	// A variable bit rate may exceed its target, and short packets have large tables.
	written := slackBytes + int64(seconds*2*float64(a.Bitrate)/8) + int64(a.PCM.Seconds()*float64(a.Channels)*float64(a.SampleRate)*4)
	cpu := a.reading() + time.Duration(seconds*float64(max(a.Channels, 1))*float64(channelTime))
	return limits(CopyMemory, written, cpu)
}

// Remux returns the limits of a remux of finished streams, which have size bytes together and last
// duration. Cues at the front of a file make ffmpeg write it twice.
func Remux(size int64, duration media.Ticks) process.Limits {
	s := Source{Size: size, Duration: duration}
	return limits(CopyMemory, slackBytes+3*s.size(), s.reading()+s.Length()/packetShare)
}

// Probe returns the limits of ffprobe. It reads and decodes a few seconds at most, and its memory
// holds the sample tables of a film of days and some of the largest frames. A script that wraps it may
// write a small file.
func Probe() process.Limits {
	l := limits(CopyMemory, slackBytes, 20*time.Second)
	l.Written = process.None // to a pipe, whose reader bounds what it keeps
	return l
}

// Packets returns the limits of ffprobe when it lists the packets of a stream on standard output.
func Packets(s Source) process.Limits {
	l := limits(CopyMemory, slackBytes, s.reading()+s.Length()/packetShare)
	l.Written = process.None // to a pipe, whose reader bounds what it keeps
	return l
}

// decodeTime is how much CPU time a decoded and converted pixel takes at most: 40 times that of H.265
// in 10 bits, scaled.
const decodeTime = 500 * time.Nanosecond

// DecodedVideo returns the limits of ffmpeg when it decodes a video stream of width x height pixels to
// a pipe, at rate frames a second (0 = unknown).
func DecodedVideo(s Source, width, height int, rate float64) process.Limits {
	if rate <= 0 || rate > 1000 {
		rate = 120 // more than any film that does not declare its rate
	}
	frame := pixels(max(width, 64), max(height, 64))
	cpu := min(s.Length().Seconds()*rate*float64(frame)*decodeTime.Seconds(), maxWall.Seconds())
	l := limits(programMemory+max(frame, ffmpeg.ChangedPixels)*pixelBytes*decodedFrames, slackBytes, s.reading()+time.Duration(cpu*float64(time.Second)))
	l.Written = process.None // to a pipe, which its reader empties frame by frame
	return l
}

// DecodedAudio returns the limits of ffmpeg when it decodes an audio track to a pipe.
func DecodedAudio(s Source, channels int) process.Limits {
	l := limits(CopyMemory, slackBytes, s.reading()+time.Duration(s.Length().Seconds()*float64(max(channels, 1))*float64(channelTime)))
	l.Written = process.None // to a pipe, whose reader bounds what it keeps: see Samples
	return l
}

// Samples returns how many samples at rate a decoded track may have.
func (s Source) Samples(rate int) int64 { return int64(s.Length().Seconds() * float64(rate)) }

// Worker is what one run may use of the machine.
type Worker struct {
	Memory int64  // bytes; 0: all that the machine, or the container, has
	Dir    string // where the run writes files; "": none that matter
}

// reserve is the share of a machine's memory, as a divisor, that is left to the system and to this
// program.
const reserve = 8

// Available returns how many bytes of memory the worker has for its runs; 0 where the system does not
// say.
func (w Worker) Available() int64 {
	if w.Memory > 0 {
		return w.Memory
	}
	all := process.MachineMemory()
	return all - all/reserve
}

// Limit lowers l to what the worker has: its memory, the free space of its disk, and the time until
// ctx's deadline, on all cores. So ffmpeg ends even where this process is killed before it can stop it.
func (w Worker) Limit(ctx context.Context, l process.Limits) process.Limits {
	machine := process.Limits{Memory: w.Available()}
	if deadline, ok := ctx.Deadline(); ok {
		machine.CPU = max(time.Until(deadline), time.Second) * time.Duration(runtime.NumCPU())
	}
	if w.Dir != "" {
		if free, err := process.FreeDisk(w.Dir); err == nil {
			machine.FileSize, machine.Written = max(free, 1), max(free, 1)
		}
	}
	return l.Within(machine)
}
