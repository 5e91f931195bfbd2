package source

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
)

// Tracks says which tracks of a source are encoded, and how.
type Tracks struct {
	Request film.Output // settings of the output beside name, container and video
	Chosen  film.Chosen // the tracks that they select
}

// trackSources are encoded with some of their tracks, or with tracks that are changed. All have seams inside.
func trackSources() []Source {
	threeIn := func(b *builder, german string) error {
		if err := b.writeText("in.srt", "1\n00:00:00,500 --> 00:00:02,000\nFirst\n\n2\n00:00:02,500 --> 00:00:03,500\nSecond\n\n"); err != nil {
			return err
		}
		return b.ffmpeg(videoInput("160x90", "24", "4"), audioInput(48000, 2, "4"), audioInput(48000, 1, "4"), audioInput(48000, 6, "4"), split("-i in.srt -i in.srt"),
			split("-map 0 -map 1 -map 2 -map 3 -map 4 -map 5 -filter:a:2 channelmap=channel_layout=5.1"), x264(""),
			split("-c:a aac -c:a:2 ac3 -c:s srt -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger -metadata:s:a:2 language=fra"),
			split("-metadata:s:s:0 language=eng -metadata:s:s:1 language="+german+" -disposition:a:0 default -disposition:a:1 0 -disposition:a:2 0"), []string{b.out})
	}
	three := func(b *builder) error { return threeIn(b, "ger") }
	chosen := Tracks{
		Request: film.Output{Audio: &film.Audio{Tracks: "fra,2", Default: "ger"}, SubtitleTracks: "ger", DefaultSubtitles: "2", ForcedSubtitles: "2"},
		Chosen:  film.Chosen{Audio: []int{3, 2}, DefaultAudio: 2, Subtitles: []int{2}, DefaultSubtitles: 2, ForcedSubtitles: []int{2}},
	}
	mixed := Tracks{Request: film.Output{Audio: &film.Audio{Second: film.Stereo}}, Chosen: film.Chosen{Second: 2}}
	down := Tracks{Request: film.Output{Audio: &film.Audio{Downmix: film.Mono}}, Chosen: film.Chosen{Downmix: 1}}
	rates := []film.Bitrate{64_000, 128_000, 192_000}
	several := Tracks{Request: film.Output{Audio: &film.Audio{Bitrates: rates}}, Chosen: film.Chosen{Bitrates: rates}}
	even := Tracks{Request: film.Output{Audio: &film.Audio{Second: film.Stereo, Loudness: -3100}}, Chosen: film.Chosen{Second: 2}}
	// The first three seconds are quieter. A gain of each part's own would make the parts equally loud.
	louder := func(b *builder) error {
		channel := beepExpression(1000) + "+sin(2*PI*440*t)*(0.02+0.11*gt(t,3.1))"
		return b.ffmpeg(videoInput("160x90", "24", "8"), split("-f lavfi -i aevalsrc='"+channel+"|"+channel+"':s=48000:d=8"), x264(""), aac(), []string{b.out})
	}
	programme := Tracks{Request: film.Output{Audio: &film.Audio{Loudness: -2300}}}
	// The files take the place of the source's own tracks.
	files := []subtitle.File{{File: folder + "/beside.srt", Language: "en"}, {File: folder + "/beside.vtt", Language: "de"}}
	beside := func(b *builder) error {
		srt := "1\n00:00:00,500 --> 00:00:02,000\nFirst\n\n2\n00:00:02,500 --> 00:00:03,500\nSecond\n\n"
		return errors.Join(os.WriteFile(filepath.Join(b.dir, "beside.srt"), []byte(srt), 0o600),
			os.WriteFile(filepath.Join(b.dir, "beside.vtt"), []byte("WEBVTT\n\n00:00.500 --> 00:02.000\nErst\n"), 0o600), threeIn(b, "deu"))
	}
	own := Tracks{Request: film.Output{SubtitleTracks: "3,4"}}
	clips := []string{folder + "/a.mov", folder + "/b.mkv", folder + "/c.mp4"}
	return []Source{
		{Name: "three joined", File: "in.mov", make: joinedClips, Join: clips, Quick: true},
		{Name: "three joined, Matroska", File: "in.mov", make: joinedClips, Join: clips, Output: film.Matroska},
		{Name: "subtitles of files, MP4", File: "in.mkv", make: beside, Beside: files, Tracks: own},
		{Name: "subtitles of files, Matroska", File: "in.mkv", make: beside, Beside: files, Tracks: own, Output: film.Matroska},
		{Name: "even loudness, MP4", File: "in.mkv", make: three, Tracks: even},
		{Name: "even loudness, WebM", File: "in.mkv", make: three, Tracks: even, Output: film.WebM},
		{Name: "loudness of -23 LUFS, MP4", File: "in.mkv", make: louder, Tracks: programme},
		{Name: "loudness of -23 LUFS, Matroska", File: "in.mkv", make: louder, Tracks: programme, Output: film.Matroska},
		{Name: "loudness of -23 LUFS, WebM", File: "in.mp4", make: louder, Tracks: programme, Output: film.WebM},
		{Name: "second audio in stereo, MP4", File: "in.mkv", make: three, Tracks: mixed},
		{Name: "second audio in stereo, Matroska", File: "in.mkv", make: three, Tracks: mixed, Output: film.Matroska},
		{Name: "audio at three rates, DASH", File: "in.mp4", make: encode(videoInput("160x90", "24", "6"), audioInput(44100, 2, "6"), x264(""), aac()), Tracks: several, Output: film.DASH},
		{Name: "mixed to mono, MP4", File: "in.mkv", make: three, Tracks: down},
		{Name: "chosen tracks, MP4", File: "in.mkv", make: three, Tracks: chosen},
		{Name: "chosen tracks, Matroska", File: "in.mkv", make: three, Tracks: chosen, Output: film.Matroska},
	}
}
