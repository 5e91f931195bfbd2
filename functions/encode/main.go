// Command encode is the function, and the Batch job, that encodes one segment.
package main

import (
	"context"
	"os"

	"github.com/mapreel/mapreel/pkg/lambdafn"
)

func main() { os.Exit(lambdafn.Main(context.Background(), "encode")) }
