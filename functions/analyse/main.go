// Command analyse is the function that accepts a request and plans its job.
package main

import (
	"context"
	"os"

	"github.com/mapreel/mapreel/pkg/lambdafn"
)

func main() { os.Exit(lambdafn.Main(context.Background(), "analyse")) }
