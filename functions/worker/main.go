// Command worker is the program of every Lambda function and Batch job. Its argument is the class of the function:
//
//	worker analyse | split | encode | audio | merge | finish | collect
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/mapreel/mapreel/pkg/film/merge"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/lambdafn"
	"github.com/mapreel/mapreel/pkg/work"
)

func main() {
	if len(os.Args) != 2 || !work.Class(os.Args[1]).Known() {
		fmt.Fprintln(os.Stderr, "usage: worker analyse | split | encode | audio | merge | finish | collect")
		os.Exit(2)
	}
	class := work.Class(os.Args[1])
	if class == work.ClassMerge {
		debug.SetGCPercent(merge.GCPercent)
	}
	os.Exit(lambdafn.Main(context.Background(), class, kinds.Find))
}
