package burnin

import (
	"context"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
)

// Files returns how ffmpeg makes a script of a stream of subtitles, in a folder. Its Input is left to set.
func Files(stream int, folder string) remux.Sidecar {
	return remux.Sidecar{Subtitles: []remux.SubtitleOutput{{Stream: stream, Codec: "ass", Muxer: "ass", Path: filepath.Join(folder, "script")}}}
}

// Read has ffmpeg make the script that Files describes, and settles it. plain declares that the subtitles have no style of their own.
func Read(ctx context.Context, tools ffmpeg.Tools, files remux.Sidecar, plain bool, options ffmpeg.RunOptions) (*Script, error) {
	if _, err := ffmpeg.Run(ctx, tools.FFmpeg, remux.SidecarArgs(files), options); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(files.Subtitles[0].Path)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "read the subtitles")
	}
	script, err := Parse(data)
	if err != nil {
		return nil, err
	}
	if plain {
		script.Restyle()
	}
	return script, script.Settle()
}
