// Command mapreel transcodes a large video by dividing it into segments, encoding them side by side and joining them
// into the file that one long encode would have given.
//
//	mapreel transcode film.mov -o film.mp4   // the same command again continues where it was interrupted
//	mapreel jobs                             // what was started here, and how far it is
//	mapreel version
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/local"
)

func main() {
	// A file above the user's limit is an error of the write, not the end of the process. Programs started here inherit that.
	signal.Ignore(syscall.SIGXFSZ)
	ctx, stop := interruptible(context.Background())
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
