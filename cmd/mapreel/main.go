// Command mapreel transcodes a large video by dividing it into segments, encoding them in parallel and merging them into
// the file that a single encode would have given.
//
//	mapreel transcode film.mov -o film.mp4   // the same command again continues where it was interrupted
//	mapreel jobs                             // the jobs of this machine and their progress
//	mapreel version
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/local"
)

func main() {
	if code, ok := toolrun.Confined(os.Args); ok { // once for each piece of a film, so before anything that takes time
		os.Exit(code)
	}
	// A write beyond the user's file size limit fails with an error instead of killing the process. Child processes inherit
	// this.
	signal.Ignore(syscall.SIGXFSZ)
	ctx, stop := withInterrupt(context.Background())
	code := environment{
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Find:   ffmpeg.Find,
		Run:    local.Run,
		Jobs:   local.Jobs,
	}.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
