// Command split is the function that prepares a source which has no index.
package main

import (
	"context"
	"os"

	"github.com/mapreel/mapreel/pkg/lambdafn"
)

func main() { os.Exit(lambdafn.Main(context.Background(), "split")) }
