// Command merge is the function that makes and publishes one output.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/mapreel/mapreel/pkg/lambdafn"
	"github.com/mapreel/mapreel/pkg/stage"
)

func main() {
	debug.SetGCPercent(stage.MergeGC)
	os.Exit(lambdafn.Main(context.Background(), "merge"))
}
