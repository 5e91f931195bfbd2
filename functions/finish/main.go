// Command finish is the function that ends a job.
package main

import (
	"context"
	"os"

	"github.com/mapreel/mapreel/pkg/lambdafn"
)

func main() { os.Exit(lambdafn.Main(context.Background(), "finish")) }
